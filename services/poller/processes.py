"""The processes below each pane, and the agent among them: from `/proc` on Linux, from `ps` elsewhere."""

import os
import re
import subprocess
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from services.contract.entities import Agent, Process
from services.poller.agents import Running, agent_in

MAX_PROCESSES: Final = 64
"""Of one pane; the ones nearest to its root are kept."""
MAX_DEPTH: Final = 16
PS_EVERY_S: Final = 2.0
PS_TIMEOUT_S: Final = 1.0
PS: Final = ("ps", "-Aww", "-opid=PID", "-oppid=PPID", "-ostat=STAT", "-oucomm=NAME", "-oargs=ARGS")
"""Both a process's name and its arguments may hold blanks: `ARGS` in the header tells where the latter begin."""
READ_BYTES: Final = 65_536
MAX_ARGV: Final = 4_096
"""Bytes, or characters, of a process's arguments; what it runs is told at their beginning."""
THREADS_FIELD: Final = 17
"""Of `/proc/<pid>/stat`, counted from the state: the number of threads."""
START_FIELD: Final = 19
"""When the process was started, in ticks: with the pid, what makes it this process."""
STACK_FIELD: Final = 25
"""Where its stack begins: another place after each `exec`, so that a shell that became another shell is noticed."""
ENDED: Final = (b"Z", b"X")
"""States of a process that is not there any more but in its parent's eyes."""
_PS_LINE: Final = re.compile(r"\s*(\d+)\s+(\d+)\s+([^\sZX]\S*)(.*)", re.ASCII)
"""Up to the arguments; the same states are left out."""

Look = Callable[[int], tuple[Running, Iterable[int]] | None]
"""Answers a process and its children; None when it is gone."""


class Below(Struct, frozen=True):
    """What runs in a pane; nothing when its root is gone."""

    processes: tuple[Process, ...] = ()
    """The root first, then its descendants by pid."""
    agent: Agent | None = None


class ProcessReader(Protocol):
    """Finds the processes below others. May block for a few milliseconds."""

    def below(self, roots: Iterable[int]) -> dict[int, Below]:
        """What is there for each root."""
        ...


def reader_for_this_machine() -> ProcessReader:
    """`/proc` where the kernel lists children there, `ps` elsewhere."""
    own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    return ProcFiles() if own.exists() else PsTable(run_ps, time.monotonic)


def walk(root: int, look: Look) -> tuple[Running, ...]:
    """A process and its descendants, the nearest first, bounded in number and depth.

    One that vanishes meanwhile is left out.
    """
    found: list[Running] = []
    waiting = deque([(root, 0)])
    while waiting and len(found) < MAX_PROCESSES:
        pid, depth = waiting.popleft()
        seen = look(pid)
        if seen is None:
            continue
        running, children = seen
        found.append(running)
        if depth < MAX_DEPTH:
            waiting.extend((child, depth + 1) for child in children)
    return tuple(found)


def make_below(found: Sequence[Running]) -> Below:
    """What `walk` found, as it is told."""
    root, *descendants = (Process(pid=running.pid, command=running.command) for running in found)
    return Below((root, *sorted(descendants)), agent_in(found))


class Trees:
    """What was below each root last: what has not changed is not judged again."""

    def __init__(self) -> None:
        self._last: Mapping[int, tuple[tuple[Running, ...], Below]] = {}

    def see(self, roots: Iterable[int], look: Look) -> dict[int, Below]:
        """What is below each root now."""
        seen: dict[int, tuple[tuple[Running, ...], Below]] = {}
        for root in roots:
            found, last = walk(root, look), self._last.get(root)
            if last is not None and last[0] == found:
                seen[root] = last
            else:
                seen[root] = found, make_below(found) if found else Below()
        self._last = seen
        return {root: below for root, (_, below) in seen.items()}


class ProcFiles:
    """Reads `/proc/<pid>/task/<tid>/children`: only what is below a pane is touched, not the whole machine."""

    def __init__(self) -> None:
        self._trees = Trees()
        self._known: dict[int, tuple[tuple[bytes, ...], Running]] = {}
        """What each process runs, with the facts that are others when it runs something else."""
        self._met: dict[int, tuple[tuple[bytes, ...], Running]] = {}
        """The same, of this pass: the others are forgotten after it."""

    def below(self, roots: Iterable[int]) -> dict[int, Below]:
        """See `ProcessReader`."""
        self._met = {}
        seen = self._trees.see(roots, self._look)
        self._known = self._met
        return seen

    def _look(self, pid: int) -> tuple[Running, list[int]] | None:
        name, fields = read_stat(pid)
        if len(fields) <= STACK_FIELD or fields[0] in ENDED:
            return None
        # The kernel lists a child under the thread that forked it.
        threads = [str(pid)] if fields[THREADS_FIELD] == b"1" else _names_in(f"/proc/{pid}/task")
        children = [int(child) for thread in threads for child in _read(f"/proc/{pid}/task/{thread}/children").split()]
        facts = name, fields[START_FIELD], fields[STACK_FIELD]
        known = self._known.get(pid)
        if known is None or known[0] != facts:
            known = facts, _running(pid, name)
        self._met[pid] = known
        return known[1], children


def read_stat(pid: int) -> tuple[bytes, list[bytes]]:
    """A process's name, and the fields of `/proc/<pid>/stat` from its state on; none when it is gone."""
    # A name may hold anything, parentheses included: what follows the last one are plain fields.
    name, _, rest = _read(f"/proc/{pid}/stat").rpartition(b") ")
    return name.partition(b"(")[2], rest.split()


def _running(pid: int, name: bytes) -> Running:
    line = _read(f"/proc/{pid}/cmdline", MAX_ARGV).rstrip(b"\0")
    argv = tuple(map(_text, line.split(b"\0"))) if line else ()
    return Running(pid=pid, command=_text(name), argv=argv, exe=_link(f"/proc/{pid}/exe"))


class PsTable:
    """Asks `ps` for all processes, seldom: it is a process of its own and reads the whole machine."""

    def __init__(self, run: Callable[[], str | None], now_s: Callable[[], float]) -> None:
        self._run = run
        self._now_s = now_s
        self._read_at: float | None = None
        self._trees = Trees()
        self._running: Mapping[int, Running] = {}
        self._children: Mapping[int, Sequence[int]] = {}

    def below(self, roots: Iterable[int]) -> dict[int, Below]:
        """See `ProcessReader`; at most `PS_EVERY_S` old."""
        now = self._now_s()
        if self._read_at is None or now - self._read_at >= PS_EVERY_S:
            self._read_at = now
            output = self._run()
            if output is not None:  # A failed `ps` says nothing: what was seen last still holds.
                self._running, self._children = read_ps(output)
        return self._trees.see(roots, self._look)

    def _look(self, pid: int) -> tuple[Running, Iterable[int]] | None:
        running = self._running.get(pid)
        return None if running is None else (running, self._children.get(pid, ()))


def read_ps(output: str) -> tuple[dict[int, Running], dict[int, list[int]]]:
    """Each process, and the children of each, from what `PS` prints. Other lines are skipped."""
    processes: dict[int, Running] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    header, *lines = output.splitlines() or [""]
    args_at = header.find("ARGS")
    for line in lines:
        match = _PS_LINE.fullmatch(line[: max(args_at, 0)])
        if match is not None:
            pid, parent, argv = int(match[1]), int(match[2]), line[args_at : args_at + MAX_ARGV].split()
            processes[pid] = Running(pid=pid, command=match[4].strip(), argv=tuple(argv))
            children[parent].append(pid)
    return processes, dict(children)


def run_ps() -> str | None:
    """What `ps` prints; None when it fails or does not end in time."""
    try:
        done = subprocess.run(PS, capture_output=True, check=True, timeout=PS_TIMEOUT_S, stdin=subprocess.DEVNULL)  # noqa: S603 - a fixed command
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "backslashreplace")


def _read(path: str, limit: int = READ_BYTES) -> bytes:
    """A small file of `/proc`; empty when its process is gone or not ours to see.

    One read gives all: the kernel cuts at 4 KiB and between numbers, which is more children than are looked at.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
    try:
        return os.read(descriptor, limit)
    except ProcessLookupError:
        return b""
    finally:
        os.close(descriptor)


def _link(path: str) -> str:
    try:
        return _text(os.readlink(os.fsencode(path)))  # noqa: PTH115 - as below
    except OSError:  # Gone, not ours to see, or a thread of the kernel, which runs no file.
        return ""


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - a Path for each of many is four times the cost
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
