"""The demo's own folder: settings, projects with real git repositories, and the program that runs in its panes."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.cli.demo.cast import PROJECTS, Project
from services.contract.settings import MAX_IPC_PATH_BYTES, PREFIX, Settings

NAME: Final = "questmux-demo-"
"""A folder of this name is the demo's own, and may be deleted with all that is in it."""
GIT_S: Final = 10.0
PROGRAM: Final = """#!/bin/sh
# An agent of `questmux demo`: the demo draws its screen, and is told when a line is typed here.
trap '' INT QUIT TSTP
[ -p "$1" ] || echo 'This is the demo: no real Claude Code is started.'
while IFS= read -r _; do [ ! -p "$1" ] || echo "$TMUX_PANE" >"$1"; done
"""
"""A process of some hundred kilobytes. Named claude, it is what the poller takes it for."""
_IDENTITY: Final = (
    "-c",
    "user.name=Questmux demo",
    "-c",
    "user.email=demo@example.invalid",
    "-c",
    "commit.gpgsign=false",
)
_LONGEST_NAME: Final = "run/requests.sock.and-some-more"


class Stage(Struct, frozen=True, kw_only=True):
    """Where everything of one demo is."""

    folder: Path
    api_port: int
    ws_port: int

    @property
    def config(self) -> Path:
        """What `QUESTMUX_CONFIG` names, so that every command finds the demo."""
        return self.folder / "config.toml"

    @property
    def claude_dir(self) -> Path:
        """In place of `~/.claude`."""
        return self.folder / "claude"

    @property
    def program(self) -> Path:
        """What runs in a pane."""
        return self.folder / "bin" / "claude"

    @property
    def run(self) -> tuple[str, str]:
        """The program of an agent, and its argument."""
        return str(self.program), str(self.typed)

    @property
    def typed(self) -> Path:
        """A pipe that tells in which panes a person typed."""
        return self.folder / "typed"

    @property
    def tmux_socket(self) -> Path:
        """Of the private tmux server."""
        return self.folder / "tmux"

    @property
    def log(self) -> Path:
        """What Questmux printed."""
        return self.folder / "questmux.log"

    def project(self, project: Project) -> Path:
        """A project's folder."""
        return self.folder / "work" / project.name


def make_stage(settings: Settings) -> Stage:
    """Make the folder, for this user only, with all that Questmux and tmux need; projects come later."""
    api_port, ws_port = _free_ports({settings.api_port, settings.ws_port})
    stage = Stage(folder=_make_folder(), api_port=api_port, ws_port=ws_port)
    furnish(stage)
    lines = {
        "data_dir": str(stage.folder / "data"),
        "runtime_dir": str(stage.folder / "run"),
        "api_port": api_port,
        "ws_port": ws_port,
        "tmux_socket": str(stage.tmux_socket),
        "claude_dir": str(stage.claude_dir),
        "claude_command": str(stage.program),
        "time_zone": settings.time_zone,
    }
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items() if value != "")
    stage.config.write_text(text, encoding="utf-8")
    return stage


def furnish(stage: Stage) -> None:
    """Make what the agents need but their projects: the folder of Claude Code, and the program for the panes."""
    for folder in (stage.claude_dir / "sessions", stage.program.parent, stage.folder / "work"):
        folder.mkdir(parents=True, mode=0o700)
    stage.program.write_text(PROGRAM, encoding="utf-8")
    stage.program.chmod(0o700)
    os.mkfifo(stage.typed, 0o600)


def make_projects(stage: Stage, projects: Iterable[Project] = PROJECTS) -> None:
    """A folder each, with a repository where git is there, and something that is not committed yet."""
    for project in projects:
        folder = stage.project(project)
        folder.mkdir()
        (folder / "README.md").write_text(f"# {project.name}\n\nA project of the Questmux demo.\n", encoding="utf-8")
        (folder / project.file).write_text(project.text, encoding="utf-8")
        if shutil.which("git") is not None:
            _git(folder, "init", "-q")
            _git(folder, "checkout", "-q", "-b", project.branch)
            _git(folder, "add", "-A")
            _git(folder, *_IDENTITY, "commit", "-q", "-m", "Begin")
        (folder / "notes.txt").write_text("To do\n", encoding="utf-8")


def environment(stage: Stage) -> dict[str, str]:
    """This environment, which names the demo only: nothing of the person's Questmux, tmux, Claude Code or git."""
    private = (PREFIX, "TMUX", "CLAUDE", "GIT_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(private)}
    git = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return {**clean, **git, f"{PREFIX}CONFIG": str(stage.config)}


def remove_folder(folder: Path) -> None:
    """Delete a demo's folder; nothing when it is gone.

    Raises:
        ValueError: it is none.
    """
    if not folder.name.startswith(NAME):
        raise ValueError(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _make_folder() -> Path:
    """In the place for such, or in /tmp where that is too long for a Unix socket."""
    usual = tempfile.gettempdir()
    longest = Path(usual) / f"{NAME}12345678" / _LONGEST_NAME
    place = usual if len(os.fsencode(longest)) < MAX_IPC_PATH_BYTES else "/tmp"  # noqa: S108 - mkdtemp makes it ours
    return Path(tempfile.mkdtemp(prefix=NAME, dir=place)).resolve()


def _free_ports(taken: set[int]) -> tuple[int, int]:
    """Two loopback ports that nobody has now, and that are not the person's own Questmux's."""
    probes: list[socket.socket] = []
    try:
        found: list[int] = []
        while len(found) < 2:  # noqa: PLR2004 - two
            probe = socket.socket()
            probes.append(probe)
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if port not in taken:
                found.append(port)
        return found[0], found[1]
    finally:
        for probe in probes:
            probe.close()


def _git(folder: Path, *words: str) -> None:
    private = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    settings = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(  # noqa: S603 - our own words
        ["git", "-C", str(folder), "-c", "core.hooksPath=/dev/null", *words],  # noqa: S607 - git is found on PATH, as users have it
        env={**private, **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=GIT_S,
        check=False,
    )
