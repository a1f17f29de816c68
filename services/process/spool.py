"""Where events wait on disk while core is away: every api worker appends, core takes.

All workers share one file, so that its order is the order of arrival. While it is there, everyone appends to it: an
event never overtakes one that came earlier. Core takes it away whole, under the same lock.
"""

import fcntl
import logging
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from services.contract.codec import DecodeError
from services.contract.events import NewEvent
from services.contract.spool import MAX_LINE_BYTES, SUFFIX, decode_line, encode_line

MAX_SPOOL_BYTES: Final = 512 * 1024 * 1024
"""The spool takes no more over this; the sender is told that its event was not kept."""
PRIVATE_MODE: Final = 0o600
"""The folder is closed to others already; a copy of it, made with its files' modes, is not."""
NUMBER_DIGITS: Final = 9
MAX_REJECTED_BYTES: Final = 16 * 1024 * 1024
"""Rejected lines over this are only counted."""

logger = logging.getLogger(__name__)


class SpoolFullError(Exception):
    """The spool is at its limit, or the disk is; the events were not kept."""


class Spool:
    """The spool folder. The writers' side blocks on the disk: call it from a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / f"events{SUFFIX}"
        self._rejected = folder / "rejected"
        self.rejected_lines = 0

    def is_waiting(self) -> bool:
        """Whether events wait, so that a new one has to go behind them."""
        return os.path.exists(self._file)  # noqa: PTH110 - on the path of every event; Path.exists costs twice that

    def size_bytes(self) -> int:
        """What waits, in bytes."""
        return sum(map(_size, self._waiting_files()))

    def append(self, events: Sequence[NewEvent]) -> None:
        """Put events on disk, in order; returns when they are there.

        Raises:
            SpoolFullError: the limit is reached, or the disk takes no more.
        """
        lines = b"".join(encode_line(event) for event in events)
        try:
            with self._locked():
                is_new = not self._file.exists()
                self._file.touch(mode=PRIVATE_MODE)
                with self._file.open("a+b") as file:
                    start = file.seek(0, os.SEEK_END)
                    if start and os.pread(file.fileno(), 1, start - 1) != b"\n":
                        lines = b"\n" + lines  # After a line that a crash tore.
                    if start + len(lines) > MAX_SPOOL_BYTES:
                        raise SpoolFullError(f"the spool holds {start} bytes, its limit is {MAX_SPOOL_BYTES}")
                    self._write(file.fileno(), lines, start)
                if is_new:
                    self._sync_folder()
        except OSError as exc:
            raise SpoolFullError(f"the spool cannot be written: {exc.strerror}") from exc

    @staticmethod
    def _write(descriptor: int, lines: bytes, start: int) -> None:
        try:
            written = 0
            while written < len(lines):
                written += os.write(descriptor, lines[written:])
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, start)  # Half a line would be taken for a torn one.
            raise

    def take(self) -> list[Path]:
        """Take the waiting files out of the writers' reach, oldest first. Delete each once it is in the log."""
        with self._locked():
            if self._file.exists():
                number = max((int(path.name[:NUMBER_DIGITS]) for path in self._taken_files()), default=0) + 1
                self._file.rename(self._folder / f"{number:0{NUMBER_DIGITS}d}{SUFFIX}.taken")
                self._sync_folder()
        return [*self._taken_files(), *self._hook_files()]

    def read(self, path: Path) -> Iterator[NewEvent]:
        """The events of a taken file. A line that is none goes to the `rejected` file and is counted.

        A hook's file that cannot be read, as when another user's Claude Code left it, is put aside.
        """
        try:
            file = path.open("rb")
        except OSError:
            if path not in self._hook_files():
                raise
            self.rejected_lines += 1
            logger.exception("spool file put aside, it cannot be read", extra={"path": str(path)})
            path.rename(path.with_name(f"{path.name}.unreadable"))
            return
        with file:
            while line := file.readline(MAX_LINE_BYTES):
                try:
                    yield decode_line(line)
                except DecodeError:
                    self._reject(line)

    def delete(self, path: Path) -> None:
        """Forget a taken file: its events are in the log."""
        with suppress(FileNotFoundError):
            path.unlink()

    def _reject(self, line: bytes) -> None:
        self.rejected_lines += 1
        self._rejected.touch(mode=PRIVATE_MODE)
        with self._rejected.open("ab") as file:
            if file.tell() + len(line) <= MAX_REJECTED_BYTES:
                file.write(line if line.endswith(b"\n") else line + b"\n")

    def _waiting_files(self) -> list[Path]:
        own = [self._file] if self._file.exists() else []
        return [*own, *self._taken_files(), *self._hook_files()]

    def _taken_files(self) -> list[Path]:
        return sorted(self._folder.glob(f"{'[0-9]' * NUMBER_DIGITS}{SUFFIX}.taken"))

    def _hook_files(self) -> list[Path]:
        """Files that command hooks left, one each, complete once they have this name."""
        return sorted(self._folder.glob(f"hook-*{SUFFIX}"))

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _locked(self) -> Generator[None]:
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, PRIVATE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # Core was faster.
        return 0
