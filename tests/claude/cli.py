"""The real Claude Code: its newest release from npm, a home of its own, and how it is started in a pane."""

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = "@anthropic-ai/claude-code"
PROGRAM_VARIABLE: Final = "QUESTMUX_TEST_CLAUDE"
"""Names the program to the tests."""
QUIET: Final = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}


def install(folder: Path) -> Path:
    """The program of the newest release, installed below a folder.

    The version is named: npm would else take an older one that fits its own Node.js, which the program does not need.

    Raises:
        subprocess.CalledProcessError: npm could not; it has printed why.
        FileNotFoundError: the release has no program for this machine.
    """
    newest = subprocess.run(
        ["npm", "view", "--loglevel=error", PACKAGE, "dist-tags.latest"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--prefix", str(folder)]
    subprocess.run(["npm", "install", *options, f"{PACKAGE}@{newest}"], check=True, stdout=subprocess.DEVNULL)
    programs = sorted((folder / "node_modules").glob(f"{PACKAGE}-*/claude"))
    usable = [program for program in programs if "musl" not in program.parent.name] or programs
    if not usable:
        raise FileNotFoundError(f"{PACKAGE} {newest} has no program for {platform.system()} {platform.machine()}")
    link = folder / "bin" / "claude"
    link.parent.mkdir()
    link.symlink_to(usable[0])
    return link


def version(program: Path) -> str:
    """What it calls itself: `2.1.332`."""
    run = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return run.stdout.split()[0]


class Home:
    """A person's home folder in which Claude Code has been set up."""

    def __init__(self, folder: Path, program: Path, api_address: str) -> None:
        self.folder = folder
        self.program = program
        self._api_address = api_address
        self.claude_dir = folder / ".claude"
        self.claude_dir.mkdir(parents=True)

    def set_up(self, trusted: Path) -> None:
        """Onboarding is done, and a folder with all below it is trusted."""
        state = {
            "hasCompletedOnboarding": True,
            "theme": "dark",
            "projects": {str(trusted): {"hasTrustDialogAccepted": True, "hasCompletedProjectOnboarding": True}},
        }
        (self.folder / ".claude.json").write_text(json.dumps(state))

    def set_up_hooks(self, questmux: Mapping[str, str], *options: str) -> str:
        """As a person does it, with `questmux setup` in this environment; what it printed."""
        words = [sys.executable, "-m", "services.cli.main", "setup", "--yes", *options]
        environment = {**questmux, "HOME": str(self.folder)}
        done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def environment(self, **more: str) -> dict[str, str]:
        """All that a shell in a pane gets, besides what tmux adds: nothing of this machine's own."""
        return {
            "HOME": str(self.folder),
            "PATH": f"{self.program.parent}{os.pathsep}{os.environ['PATH']}",
            "SHELL": shutil.which("bash") or "/bin/sh",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PS1": "$ ",
            "ANTHROPIC_BASE_URL": self._api_address,
            "ANTHROPIC_AUTH_TOKEN": "loopback",
            **QUIET,
            **more,
        }

    def shell_command(self, **more: str) -> str:
        """A shell line that becomes a shell with that environment, for a pane to run."""
        given = [f"{name}={value}" for name, value in self.environment(**more).items()]
        of_tmux = [f'{name}="${name}"' for name in ("TERM", "TMUX", "TMUX_PANE")]
        return f"exec env -i {shlex.join(given)} {' '.join(of_tmux)} bash --noprofile --norc -i"

    def registry(self) -> list[dict[str, Any]]:
        """What Claude Code has written of its running processes."""
        records = []
        for path in sorted((self.claude_dir / "sessions").glob("*.json")):
            try:
                records.append(json.loads(path.read_text()))
            except (OSError, ValueError):
                continue  # It is being written, or has just gone.
        return records
