"""The files of Claude Code's `sessions` folder. The only module that imports watchdog."""

import heapq
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct
from watchdog.events import (
    DirDeletedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from services.contract.entities import RegistryEntry
from services.poller.processes import ENDED, START_FIELD, read_stat
from services.poller.registry import Registered, pid_of, read_registered

MAX_ENTRIES: Final = 1_000
"""The files that were written last; those that ended processes left behind are older."""
MAX_BYTES: Final = 65_536
"""A larger file is none of Claude Code's."""
SETTLED_MS: Final = 2_000
"""A file may be written twice within one tick of its file system's clock: until then its time proves nothing."""
HEARD: Final[tuple[type[FileSystemEvent], ...]] = (
    FileCreatedEvent,
    FileModifiedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirDeletedEvent,
)
"""Not that a file is opened or read: our own reading would wake us."""
JUDGED_EVERY_MS: Final = 250
"""Whether a process is there is asked this often, and when its file says something new: with hundreds of agents some
file changes all the time, and each change is a scan."""
_HAS_PROC: Final = "/proc/self/stat"
_OWN_NAMESPACE: Final = "/proc/self/ns/pid"

Signature = tuple[int, int, int]
"""A file's time, size and inode: while they stay, so does what it says."""


class _Known(Struct, frozen=True):
    """What a file said when it was read last."""

    signature: Signature | None
    """None when it may have been written again without another time."""
    registered: Registered | None
    """None when it has said nothing yet."""


class RegistryFiles:
    """Reads what has changed, and tells when something has.

    Only `on_change` comes from another thread, watchdog's, some times for each write: it must not block, nor wait for
    the thread that calls the methods. Where watching is not possible it is not called, and is tried again at each scan.
    """

    def __init__(self, folder: Path, now_ms: Callable[[], int], on_change: Callable[[], None]) -> None:
        self._folder = os.fspath(folder)
        self._now_ms = now_ms
        self._watch = _Watch(self._folder, on_change)
        self._is_watching = False
        self._known: dict[int, _Known] = {}
        self._is_there: dict[int, bool] = {}
        """Of each file's process, as far as it was asked."""
        self._judged_at_ms = 0
        self._has_proc = os.path.exists(_HAS_PROC)  # noqa: PTH110 - as the others here
        self._namespace = _link(_OWN_NAMESPACE)

    def start(self) -> None:
        """Watch the folder, from now or from when it is there."""
        self._is_watching = True
        self._watch.renew()

    def stop(self) -> None:
        """Watch no more. Waits for watchdog's threads."""
        self._is_watching = False
        self._watch.end()

    def scan(self) -> dict[int, RegistryEntry]:
        """The entries of processes that are there, or were just now. Blocks for some microseconds a file."""
        if self._is_watching:
            self._watch.renew()  # Before reading: what is written from now on is heard.
        before, self._known = self._known, {pid: self._look(pid, signature) for pid, signature in self._files()}
        if not 0 <= self._now_ms() - self._judged_at_ms < JUDGED_EVERY_MS:
            self._judged_at_ms = self._now_ms()
            self._is_there.clear()
        self._is_there = {
            pid: self._is_there[pid] if pid in self._is_there and known is before.get(pid) else self._judge(pid, known)
            for pid, known in self._known.items()
        }
        return {
            pid: known.registered.entry
            for pid, known in self._known.items()
            if known.registered is not None and self._is_there[pid]
        }

    def _files(self) -> list[tuple[int, Signature]]:
        """The pids that have a file, the newest first."""
        try:
            with os.scandir(self._folder) as listing:
                return heapq.nlargest(MAX_ENTRIES, _entries(listing), key=lambda found: found[1])
        except OSError:  # Not there: Claude Code has never run.
            return []

    def _look(self, pid: int, signature: Signature) -> _Known:
        known = self._known.get(pid)
        if known is not None and known.signature == signature:
            return known
        before = None if known is None else known.registered
        content = _read(f"{self._folder}/{pid}.json")
        if content is None:
            return _Known(None, None)
        text, signature = content
        written_at_ms = signature[0] // 1_000_000
        is_settled = self._now_ms() - written_at_ms >= SETTLED_MS
        # One that is just being rewritten is not whole: what it said last holds.
        registered = read_registered(text, pid, written_at_ms) or before
        return _Known(signature if is_settled else None, registered)

    def _judge(self, pid: int, known: _Known) -> bool:
        registered = known.registered
        if registered is None:
            return False
        if registered.pid_domain not in (None, self._namespace):
            return True  # Another namespace's pid says nothing here; its file goes when the process ends.
        return has_started(pid, registered.proc_start) if self._has_proc else takes_signals(pid)


def has_started(pid: int, proc_start: str | None) -> bool:
    """Whether a process runs, and is the one that was started then: the pid may be another's by now."""
    _, fields = read_stat(pid)
    if len(fields) <= START_FIELD or fields[0] in ENDED:
        return False
    return proc_start is None or fields[START_FIELD] == proc_start.encode()


def takes_signals(pid: int) -> bool:
    """Whether there is such a process, where there is no `/proc`."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # Somebody else's, so it is there.
    return True


class _Watch(FileSystemEventHandler):
    """Watches the folder as long as it is the same one."""

    def __init__(self, folder: str, on_change: Callable[[], None]) -> None:
        self._folder = folder
        self._on_change = on_change
        self._observer: BaseObserver | None = None
        self._place: tuple[int, int] | None = None
        """The folder that is watched, which may have been moved away since."""

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called by watchdog's thread."""
        paths = (event.src_path, event.dest_path)
        if event.is_directory or any(pid_of(os.path.basename(os.fsdecode(path))) for path in paths):  # noqa: PTH119
            self._on_change()

    def renew(self) -> None:
        """Watch the folder that is there now, unless it is watched already."""
        place = _place(self._folder)
        if self._observer is not None:
            # A deleted folder ends its emitter; a new one may get its inode.
            if place == self._place and all(emitter.is_alive() for emitter in self._observer.emitters):
                return
            self.end()
        if place is not None:
            self._begin(place)

    def _begin(self, place: tuple[int, int]) -> None:
        try:
            observer = Observer()
        except OSError:  # This user has as many watchers as the kernel allows.
            return
        try:
            observer.start()
            observer.schedule(self, self._folder, event_filter=list(HEARD), follow_symlink=True)
        except OSError:  # The same of watches, or the folder went away.
            _end(observer)
            return
        self._observer, self._place = observer, place

    def end(self) -> None:
        """Watch nothing; can be renewed."""
        observer, self._observer = self._observer, None
        if observer is not None:
            _end(observer)


def _end(observer: BaseObserver) -> None:
    observer.stop()
    if observer.is_alive():
        observer.join()


def _place(folder: str) -> tuple[int, int] | None:
    """Which folder it is; None when there is none that we may read: watchdog would be silent on that."""
    try:
        found = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) and os.access(folder, os.R_OK) else None


def _entries(listing: Iterator[os.DirEntry[str]]) -> Iterator[tuple[int, Signature]]:
    for entry in listing:
        pid = pid_of(entry.name)
        if pid is None:
            continue
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError:  # Gone meanwhile.
            continue
        if stat.S_ISREG(found.st_mode):
            yield pid, _signature(found)


def _read(path: str) -> tuple[bytes, Signature] | None:
    """A file's text and what it was when it was opened; None when it is gone, too large or no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None
        text = os.read(descriptor, MAX_BYTES + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None if len(text) > MAX_BYTES else (text, _signature(found))


def _signature(found: os.stat_result) -> Signature:
    return found.st_mtime_ns, found.st_size, found.st_ino


def _link(path: str) -> str | None:
    try:
        return os.readlink(path)  # noqa: PTH115
    except OSError:
        return None
