"""The processes below each pane: from `/proc` on Linux, from `ps` elsewhere."""

import os
import posixpath
import subprocess
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from services.contract.entities import Process

MAX_PROCESSES: Final = 64
"""Of one pane; the ones nearest to its root are kept."""
MAX_DEPTH: Final = 16
PS_EVERY_S: Final = 2.0
PS_TIMEOUT_S: Final = 1.0
PS: Final = ("ps", "-A", "-o", "pid=,ppid=,stat=,comm=")
READ_BYTES: Final = 65_536
THREADS_FIELD: Final = 17
"""Of `/proc/<pid>/stat`, counted from the state: the number of threads."""
ENDED: Final = (b"Z", b"X")
"""States of a process that is not there any more but in its parent's eyes."""


class ProcessReader(Protocol):
    """Finds the processes below others. May block for a few milliseconds."""

    def below(self, roots: Iterable[int]) -> dict[int, tuple[Process, ...]]:
        """For each root: itself first, then its descendants by pid; empty when it is gone."""
        ...


def reader_for_this_machine() -> ProcessReader:
    """`/proc` where the kernel lists children there, `ps` elsewhere."""
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return ProcFiles() if own.exists() else PsTable(run_ps, time.monotonic)


def walk(root: int, look: Callable[[int], tuple[str, Iterable[int]] | None]) -> tuple[Process, ...]:
    """A process and its descendants, bounded in number and depth; one that vanishes meanwhile is left out.

    `look` answers a process's command and its children.
    """
    found: list[Process] = []
    waiting = deque([(root, 0)])
    while waiting and len(found) < MAX_PROCESSES:
        pid, depth = waiting.popleft()
        seen = look(pid)
        if seen is None:
            continue
        command, children = seen
        found.append(Process(pid=pid, command=command))
        if depth < MAX_DEPTH:
            waiting.extend((child, depth + 1) for child in children)
    return (*found[:1], *sorted(found[1:]))


class ProcFiles:
    """Reads `/proc/<pid>/task/<tid>/children`: only what is below a pane is touched, not the whole machine."""

    def below(self, roots: Iterable[int]) -> dict[int, tuple[Process, ...]]:
        """See `ProcessReader`."""
        return {root: walk(root, self._look) for root in roots}

    def _look(self, pid: int) -> tuple[str, list[int]] | None:
        stat = _read(f"/proc/{pid}/stat")
        # A name may hold anything, parentheses included: what follows the last one are plain fields.
        name, _, rest = stat.rpartition(b") ")
        fields = rest.split()
        if len(fields) <= THREADS_FIELD or fields[0] in ENDED:
            return None
        # The kernel lists a child under the thread that forked it.
        threads = [str(pid)] if fields[THREADS_FIELD] == b"1" else _names_in(f"/proc/{pid}/task")
        children = [int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()]
        return name.partition(b"(")[2].decode("utf-8", "backslashreplace"), children


class PsTable:
    """Asks `ps` for all processes, seldom: it is a process of its own and reads the whole machine."""

    def __init__(self, run: Callable[[], str | None], now_s: Callable[[], float]) -> None:
        self._run = run
        self._now_s = now_s
        self._read_at: float | None = None
        self._commands: Mapping[int, str] = {}
        self._children: Mapping[int, Sequence[int]] = {}

    def below(self, roots: Iterable[int]) -> dict[int, tuple[Process, ...]]:
        """See `ProcessReader`; at most `PS_EVERY_S` old."""
        now = self._now_s()
        if self._read_at is None or now - self._read_at >= PS_EVERY_S:
            self._read_at = now
            output = self._run()
            if output is not None:  # A failed `ps` says nothing: what was seen last still holds.
                self._commands, self._children = read_ps(output)
        return {root: walk(root, self._look) for root in roots}

    def _look(self, pid: int) -> tuple[str, Iterable[int]] | None:
        command = self._commands.get(pid)
        return None if command is None else (command, self._children.get(pid, ()))


def read_ps(output: str) -> tuple[dict[int, str], dict[int, list[int]]]:
    """The command of each process, and the children of each, from what `PS` prints. Other lines are skipped."""
    commands: dict[int, str] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for line in output.splitlines():
        pid, _, rest = line.strip().partition(" ")
        parent, _, rest = rest.strip().partition(" ")
        state, _, command = rest.strip().partition(" ")
        if not (pid.isdecimal() and parent.isdecimal()) or state.encode().startswith(ENDED):
            continue
        name = command.strip()
        # macOS prints the whole path.
        commands[int(pid)] = posixpath.basename(name) if name.startswith("/") else name
        children[int(parent)].append(int(pid))
    return commands, dict(children)


def run_ps() -> str | None:
    """What `ps` prints; None when it fails or does not end in time."""
    try:
        done = subprocess.run(PS, capture_output=True, check=True, timeout=PS_TIMEOUT_S, stdin=subprocess.DEVNULL)  # noqa: S603 - a fixed command
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "backslashreplace")


def _read(path: str) -> bytes:
    """A small file of `/proc`; empty when its process is gone or not ours to see.

    One read gives all: the kernel cuts at 4 KiB and between numbers, which is more children than are looked at.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
    try:
        return os.read(descriptor, READ_BYTES)
    except ProcessLookupError:
        return b""
    finally:
        os.close(descriptor)


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - a Path for each of many is four times the cost
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
