"""A settings file of Claude Code: read, checked, and replaced in one step or not at all."""

import os
import stat
import time
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.cli.setup.settings_text import SettingsTextError

MAX_BYTES: Final = 16 * 1024 * 1024
PRIVATE_MODE: Final = 0o600
OWNER: Final = 0o700
"""The part of a mode that is about the owner."""
BACKUP_SUFFIX: Final = ".questmux-backup"
CLAUDE_LOCK_SUFFIX: Final = ".lock"
"""Where Claude Code, and others who use the same package, put a folder while they write a file."""
LOCK_STALE_S: Final = 60.0
"""Whoever writes renews the folder's time every few seconds; an older one was left by a crash."""


class SettingsFileError(Exception):
    """The file was left as it was; the message says why and what to do."""


class Found(Struct, frozen=True):
    """What is in the file; `data` is None when there is no file."""

    path: Path
    data: bytes | None
    mode: int = PRIVATE_MODE

    @property
    def text(self) -> str:
        """The content.

        Raises:
            SettingsFileError: it is not UTF-8.
        """
        try:
            return (self.data or b"").decode()
        except UnicodeDecodeError as exc:
            raise SettingsFileError(f"{self.path} is not UTF-8 text ({exc.reason} at byte {exc.start})") from exc


def read(path: Path) -> Found:
    """The file as it is now, if it is one that we may replace.

    Raises:
        SettingsFileError: it is a link, another user's, read-only, too large, or cannot be read.
    """
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return Found(path, None)
    except OSError as exc:
        raise SettingsFileError(f"{path} cannot be read: {exc.strerror}") from exc
    if stat.S_ISLNK(facts.st_mode):
        raise SettingsFileError(
            f"{path} is a link to {os.readlink(path)}: a new file here would cut it. "  # noqa: PTH115 - as it is written
            "Name the file itself: --settings FILE"
        )
    if not stat.S_ISREG(facts.st_mode):
        raise SettingsFileError(f"{path} is not a file")
    if facts.st_uid != os.geteuid():
        raise SettingsFileError(f"{path} belongs to another user")
    if not facts.st_mode & stat.S_IWUSR:
        raise SettingsFileError(f"{path} is read-only (chmod u+w lets it be changed)")
    if facts.st_size > MAX_BYTES:
        raise SettingsFileError(
            f"{path} has {facts.st_size:,} bytes, more than the {MAX_BYTES:,} that settings may have"
        )
    try:
        return Found(path, path.read_bytes(), stat.S_IMODE(facts.st_mode))
    except OSError as exc:
        raise SettingsFileError(f"{path} cannot be read: {exc.strerror}") from exc


def back_up(found: Found, now: datetime) -> Path | None:
    """Copy what was found to a file beside it, for this user alone, named for the time; None when there was no file.

    Raises:
        SettingsFileError: it cannot be written.
    """
    if found.data is None:
        return None
    stem = f"{found.path.name}.{now:%Y%m%d-%H%M%S}"
    for number in range(100):
        copy = found.path.with_name(f"{stem}{f'-{number}' if number else ''}{BACKUP_SUFFIX}")
        try:
            _write_new(copy, found.data, found.mode & OWNER)
        except FileExistsError:
            continue
        except OSError as exc:
            raise SettingsFileError(f"{copy} cannot be written: {exc.strerror}") from exc
        return copy
    raise SettingsFileError(f"there are a hundred backups of this second beside {found.path}")


def replace(found: Found, text: str | None, *, mode: int | None = None) -> None:
    """Put a text in the place of what was found, whole; None deletes the file.

    A reader sees the old file or the new one, a crash leaves one of both. Its mode stays, unless another is given.

    Raises:
        SettingsFileError: somebody else has changed the file meanwhile or is writing it, or it cannot be written.
    """
    path = found.path
    draft = path.with_name(f".{path.name}.questmux-{os.getpid()}")
    try:
        if text is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.unlink(missing_ok=True)
            _write_new(draft, text.encode(), found.mode if mode is None else mode)
        _check_unchanged(found)
        if text is None:
            path.unlink()
        else:
            draft.replace(path)
        _sync_folder(path.parent)
    except (OSError, UnicodeEncodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it has a character that is none"
        raise SettingsFileError(f"{path} cannot be written: {why}") from exc
    finally:
        draft.unlink(missing_ok=True)


def as_problem(path: Path, exc: SettingsTextError) -> SettingsFileError:
    """What to tell of a file whose text cannot be used."""
    return SettingsFileError(f"{path} was left as it is: {exc}. Claude Code ignores such a file; mend it first")


def _check_unchanged(found: Found) -> None:
    lock = found.path.with_name(found.path.name + CLAUDE_LOCK_SUFFIX)
    if lock.exists() and time.time() - lock.stat().st_mtime < LOCK_STALE_S:
        raise SettingsFileError(
            f"{found.path} is being written by another program ({lock} is there); nothing was changed"
        )
    if read(found.path) != found:
        raise SettingsFileError(
            f"{found.path} was changed by another program meanwhile; nothing of ours was: run it again"
        )


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
