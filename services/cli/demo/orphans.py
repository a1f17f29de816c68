"""The children of a process, so that they can be ended when it was killed and could not end them itself."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import Final

PS: Final = ("ps", "-Aww", "-opid=", "-oppid=", "-olstart=", "-oargs=")
PS_S: Final = 5.0
END_S: Final = 8.0
LOOK_S: Final = 0.05


class Children:
    """Knows the children of a process as of the last look. Each leads a process group of its own."""

    def __init__(self, parent: int) -> None:
        self._parent = str(parent)
        self._known: Mapping[int, str] = {}

    def look(self) -> None:
        """Note who is there now. Those that were its children stay noted when it is gone."""
        running = _processes()
        new = {pid: rest for pid, (parent, rest) in running.items() if parent == self._parent}
        self._known = {pid: rest for pid, rest in self._known.items() if _is_same(running, pid, rest)} | new

    def end(self) -> None:
        """End those that are left of them, at the latest by force: not one that got a pid that was theirs."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self._signal(number)
            deadline = time.monotonic() + END_S
            while self._left() and time.monotonic() < deadline:
                time.sleep(LOOK_S)

    def _left(self) -> list[int]:
        running = _processes() if self._known else {}
        return [pid for pid, rest in self._known.items() if _is_same(running, pid, rest)]

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._left():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)


def _is_same(running: Mapping[int, tuple[str, str]], pid: int, rest: str) -> bool:
    return pid in running and running[pid][1] == rest


def _processes() -> dict[int, tuple[str, str]]:
    """The parent of every process, and its start and command line."""
    try:
        done = subprocess.run(PS, stdin=subprocess.DEVNULL, capture_output=True, timeout=PS_S, check=False)  # noqa: S603 - a fixed command
    except (OSError, subprocess.SubprocessError):
        return {}
    found: dict[int, tuple[str, str]] = {}
    for line in done.stdout.decode("utf-8", "backslashreplace").splitlines():
        pid, parent, rest = [*line.split(None, 2), "", "", ""][:3]
        if pid.isdigit():
            found[int(pid)] = parent, rest
    return found
