"""Which process group has a pane's terminal in the foreground, and a signal to it. Read on demand, all at once."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.contract.entities import Process
from services.poller.processes import ENDED, MAX_PROCESSES, PS_TIMEOUT_S, read_stat

GROUP_FIELD: Final = 2
FOREGROUND_FIELD: Final = 5
"""Of `/proc/<pid>/stat`, counted from the state: the process's group, and that in the foreground of its terminal."""
PS: Final = ("ps", "-A", "-opid=", "-opgid=", "-otpgid=", "-ostat=", "-oucomm=")
PS_FIELDS: Final = 5
INIT: Final = 1
"""No group up to this is anybody's: to `kill`, 0 and -1 mean ourselves and everybody."""


class ForegroundError(Exception):
    """The signal was not sent; the message says why."""


class ForbiddenGroupError(ForegroundError):
    """The process group is not one of the pane's that we may signal."""


class GroupGoneError(ForegroundError):
    """The process group, or the pane's own process, has ended."""


class Foreground(Struct, frozen=True):
    """The process group in the foreground of a pane's terminal."""

    process_group: int
    processes: tuple[Process, ...]
    """Its members by pid."""


class Member(Struct, frozen=True):
    """A process with its group, and the group in the foreground of its terminal; that is not positive without one."""

    pid: int
    group: int
    foreground: int
    command: str


Table = Callable[[], list[Member]]


def foreground_of(pane_pid: int, table: Table | None = None) -> Foreground | None:
    """Who has the terminal of a pane's own process; None when that is gone or has no terminal.

    `table` tells all processes of the machine; by default as this machine does.
    """
    members = (table or table_of_this_machine())()
    group = next((member.foreground for member in members if member.pid == pane_pid), 0)
    if group <= INIT:
        return None
    here = sorted(Process(pid=member.pid, command=member.command) for member in members if member.group == group)
    return Foreground(group, tuple(here[:MAX_PROCESSES]))


def send(pane_pid: int, process_group: int, number: signal.Signals, table: Table | None = None) -> None:
    """Signal a process group of the terminal session of a pane's own process.

    Raises:
        ForbiddenGroupError: it is another session's, our own, another user's, or no group at all.
        GroupGoneError: there is none any more.
    """
    if process_group <= INIT or process_group == os.getpgrp():
        raise ForbiddenGroupError(f"{process_group} is no process group to signal")
    members = [member.pid for member in (table or table_of_this_machine())() if member.group == process_group]
    session, sessions = _session(pane_pid), set(map(_session, members)) - {None}
    if session is None or not sessions:
        raise GroupGoneError(f"the process group {process_group} has ended")
    if sessions != {session}:
        raise ForbiddenGroupError(f"the process group {process_group} is not of this pane")
    try:
        os.killpg(process_group, number)
    except ProcessLookupError as exc:
        raise GroupGoneError(f"the process group {process_group} has ended") from exc
    except PermissionError as exc:
        raise ForbiddenGroupError(f"the process group {process_group} is another user's") from exc


def table_of_this_machine() -> Table:
    """`/proc` where there is one, `ps` elsewhere."""
    return read_proc if Path("/proc/self/stat").exists() else read_ps


def read_proc() -> list[Member]:
    """All processes that have not ended, from `/proc`."""
    members: list[Member] = []
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are wanted, no paths
        name, fields = read_stat(int(entry)) if entry.isdecimal() else (b"", [])
        if len(fields) > FOREGROUND_FIELD and fields[0] not in ENDED:
            group, foreground = int(fields[GROUP_FIELD]), int(fields[FOREGROUND_FIELD])
            members.append(Member(int(entry), group, foreground, name.decode("utf-8", "backslashreplace")))
    return members


def read_ps() -> list[Member]:
    """All processes that have not ended, from `ps`; none when it fails or does not end in time."""
    try:
        done = subprocess.run(PS, capture_output=True, check=True, timeout=PS_TIMEOUT_S, stdin=subprocess.DEVNULL)  # noqa: S603 - a fixed command
    except (OSError, subprocess.SubprocessError):
        return []
    rows = (line.split(maxsplit=PS_FIELDS - 1) for line in done.stdout.decode("utf-8", "backslashreplace").splitlines())
    return [
        Member(int(row[0]), int(row[1]), int(row[2]), row[4].rstrip())
        for row in rows
        if len(row) == PS_FIELDS and not row[3].encode().startswith(ENDED)
    ]


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None
