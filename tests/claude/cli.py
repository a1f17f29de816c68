"""The real Claude Code: its newest release from npm, a home of its own, and how it is started in a pane."""

import json
import os
import platform
import re
import shlex
import shutil
import subprocess
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
HELD_EVENT: Final = "PermissionRequest"
"""The one hook that Claude Code waits for, so that it could be answered from elsewhere."""
_EVENT: Final = re.compile(r"`([A-Z]\w+)`")


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
    """A person's home folder in which Claude Code has been set up, with Questmux's hooks."""

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

    def set_up_hooks(self) -> None:
        """As docs/hooks.md says, word for word, but that a permission's hook is waited for."""
        document = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
        script = self.claude_dir / "questmux-hook"
        script.write_text(_hook_script(document))
        script.chmod(0o755)
        hooks = {name: [{"hooks": [_hook(name, script)]}] for name in _hook_events(document)}
        (self.claude_dir / "settings.json").write_text(json.dumps({"hooks": hooks}))

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


def _hook_script(document: str) -> str:
    script = re.search(r"```sh\n(.*?)```", document, re.DOTALL)
    assert script is not None, "docs/hooks.md shows no script"
    lines = [line.removeprefix("   ") for line in script[1].splitlines()]
    return "\n".join(lines).replace("$(date +%s)000", "$(date +%s%3N)") + "\n"


def _hook_events(document: str) -> list[str]:
    listed = re.search(r"give each of these events the same entry:(.*?)```", document, re.DOTALL)
    assert listed is not None, "docs/hooks.md lists no events"
    return _EVENT.findall(listed[1])


def _hook(name: str, script: Path) -> dict[str, Any]:
    waits = {"timeout": 600} if name == HELD_EVENT else {"async": True, "timeout": 5}
    return {"type": "command", "command": str(script), **waits}
