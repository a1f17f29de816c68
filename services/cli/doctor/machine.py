"""What the machine has: Python, tmux, curl, Claude Code, the clock, proxies."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from services.cli.doctor.finding import Finding, advice, fault, well
from services.contract.settings import Settings

OLDEST_PYTHON: Final = (3, 11)
OLDEST_TMUX: Final = (3, 2)
"""What it prints of a window needs formats of this release."""
TESTED_CLAUDE: Final = (2, 1, 332)
"""The newest Claude Code that `make test-claude` was played with; docs/testing-claude.md says when."""
COMMAND_S: Final = 10.0
NO_CLOCK_BEFORE_S: Final = 1_767_225_600
"""The first of January 2026: this release is younger."""
OF_A_PANE: Final = frozenset({"TMUX", "TMUX_PANE"})
"""Who asks from a pane means the server of the settings all the same, as the poller does."""
PROXIES: Final = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
INSTALL_TMUX: Final = "apt install tmux, or brew install tmux"


def check_machine(settings: Settings, environ: Mapping[str, str]) -> list[Finding]:
    """All of it."""
    return [
        python(sys.version_info[:3]),
        *_tmux(settings),
        curl(shutil.which("curl")),
        _claude(settings),
        clock(time.time()),
        proxy(environ),
    ]


def python(version: Sequence[int]) -> Finding:
    """Whether this Python will do."""
    said = ".".join(map(str, version))
    if tuple(version[:2]) < OLDEST_PYTHON:
        return fault("python", f"Python {said} is too old; 3.11 or newer is needed", "apt install python3")
    return well("python", f"Python {said}")


def tmux_version(said: str) -> Finding:
    """Whether the tmux that says `tmux 3.3a` will do."""
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None:
        return advice("tmux", f"tmux calls itself {said[:40]!r}: its release is not known")
    if (int(found[1]), int(found[2])) < OLDEST_TMUX:
        return fault("tmux", f"{said} is too old; 3.2 or newer is needed", INSTALL_TMUX)
    return well("tmux", said)


def curl(path: str | None) -> Finding:
    """Whether hooks can hand their calls over at once."""
    if path is None:
        return advice("curl", "missing: hook calls arrive within a second instead of at once", "apt install curl")
    return well("curl", path)


def clock(now_s: float) -> Finding:
    """Whether the clock can be right."""
    if now_s < NO_CLOCK_BEFORE_S:
        return fault(
            "clock", f"it says {time.strftime('%Y-%m-%d', time.gmtime(now_s))}", "sudo timedatectl set-ntp true"
        )
    return well("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now_s)))


def proxy(environ: Mapping[str, str]) -> Finding:
    """Whether a proxy would swallow calls to this machine: Claude Code's http hooks and many clients heed it."""
    named = next((name for name in PROXIES if environ.get(name)), None)
    spared = (environ.get("no_proxy") or environ.get("NO_PROXY") or "").split(",")
    if named is not None and not {"*", "127.0.0.1", "localhost", "127.0.0.0/8"} & {word.strip() for word in spared}:
        return advice(
            "proxy", f"{named} is set, and NO_PROXY spares no loopback", "export NO_PROXY=127.0.0.1,localhost"
        )
    return well("proxy", "none stands before loopback")


def claude_version(said: str) -> Finding:
    """How the Claude Code that says `2.1.330 (Claude Code)` compares with what was tested."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", said)
    if found is None:
        return advice("claude", f"its --version says {said[:40]!r}")
    version = tuple(map(int, found.groups()))
    tested = ".".join(map(str, TESTED_CLAUDE))
    if version > TESTED_CLAUDE:
        return advice("claude", f"{found[0]} is newer than {tested}, the newest that was tested", "git pull")
    return well("claude", f"{found[0]} (tested up to {tested})")


def _tmux(settings: Settings) -> list[Finding]:
    said = _asked(["tmux", "-V"])
    if said is None:
        return [fault("tmux", "it is not installed", INSTALL_TMUX)]
    named = settings.tmux_socket
    place = ["-S", named] if named.startswith("/") else ["-L", named] if named else []
    version = tmux_version(said)
    try:
        sessions = ask(["tmux", *place, "list-sessions", "-F", "#{session_id}"])
    except TimeoutError:
        says = f"it did not answer within {COMMAND_S:g} s"
        return [version, fault("tmux server", says, "look at it with: tmux -V; ps -C tmux")]
    if sessions is None:
        return [version, advice("tmux server", "none runs where Questmux looks; it is followed once it starts", "tmux")]
    if settings.tmux_control == "off":
        return [version, well("tmux server", f"{len(sessions.split())} sessions"), well("control mode", "switched off")]
    controlled = _asked(["tmux", *place, "-C", "list-sessions"])
    reach = well("tmux server", f"{len(sessions.split())} sessions")
    if controlled is None or not controlled.startswith("%"):  # tmux may end before it has said more than `%exit`.
        return [version, reach, advice("control mode", "not usable; plain calls are made instead, at a higher cost")]
    return [version, reach, well("control mode", "usable")]


def _claude(settings: Settings) -> Finding:
    try:
        words = shlex.split(settings.claude_command)
    except ValueError as exc:
        says = f"QUESTMUX_CLAUDE_COMMAND is no command line: {exc}"
        return fault("claude", says, "export QUESTMUX_CLAUDE_COMMAND=claude")
    said = _asked([*words, "--version"]) if words and shutil.which(words[0]) else None
    if said is None:
        return advice("claude", f"`{settings.claude_command}` is not found here; QUESTMUX_CLAUDE_COMMAND names another")
    return claude_version(said)


def ask(words: Sequence[str]) -> str | None:
    """What a command prints; None when it fails.

    Raises:
        TimeoutError: it took too long; it and all that it started are ended.
    """
    clean = {name: value for name, value in os.environ.items() if name not in OF_A_PANE}
    try:
        process = subprocess.Popen(  # noqa: S603 - of the settings, which are the person's own
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=clean,
            start_new_session=True,
        )
    except OSError:
        return None
    with process:
        try:
            output, _ = process.communicate(timeout=COMMAND_S)
        except subprocess.TimeoutExpired as exc:
            os.killpg(process.pid, signal.SIGKILL)
            raise TimeoutError from exc
    return output.decode(errors="replace").strip() if process.returncode == 0 else None


def _asked(words: Sequence[str]) -> str | None:
    """As `ask`; None also when it took too long."""
    try:
        return ask(words)
    except TimeoutError:
        return None
