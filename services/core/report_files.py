"""The folder of reports: each a folder of files that only its owner may read."""

import errno
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Final

MAX_REPORTS: Final = 100
"""Over it a person has to delete some."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class ReportFiles:
    """Writes reports; nothing that is there is followed or overwritten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def count(self) -> int:
        """How many reports there are.

        Raises:
            OSError: the folder cannot be read.
        """
        try:
            with os.scandir(self.folder) as entries:
                return sum(entry.is_dir(follow_symlinks=False) for entry in entries)
        except FileNotFoundError:
            return 0

    def write(self, pane_id: str, files: Mapping[str, bytes], now_ms: int) -> Path:
        """Keep a report; its folder.

        Raises:
            OSError: it could not be written; nothing of it is left.
        """
        with suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
        with _opened(self.folder) as reports:
            name = _new_folder(reports, _name(pane_id, now_ms))
            try:
                with _opened(name, reports) as report:
                    _write_all(report, files)
            except BaseException:
                os.rmdir(name, dir_fd=reports)
                raise
        return self.folder / name


def read_ui_words() -> frozenset[str]:
    """The words of Claude Code's user interface, one a line in `ui_words.txt`."""
    return frozenset(resources.files("services.core").joinpath("ui_words.txt").read_text(encoding="utf-8").split())


def _name(pane_id: str, now_ms: int) -> str:
    at = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%Y%m%d-%H%M%S")
    return f"{at}-{pane_id.removeprefix('%')}"


def _new_folder(reports: int, name: str) -> str:
    """Make a folder of this name, or of this name with a number when there is one already."""
    for number in range(1, MAX_REPORTS + 1):
        numbered = name if number == 1 else f"{name}.{number}"
        with suppress(FileExistsError):
            os.mkdir(numbered, 0o700, dir_fd=reports)
            return numbered
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)


@contextmanager
def _opened(folder: Path | str, parent: int | None = None) -> Generator[int]:
    descriptor = os.open(folder, _FOLDER, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write_all(report: int, files: Mapping[str, bytes]) -> None:
    """All files, or none."""
    begun: list[str] = []
    try:
        for name, content in files.items():
            descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=report)
            begun.append(name)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
    except BaseException:
        for name in begun:
            os.unlink(name, dir_fd=report)
        raise
