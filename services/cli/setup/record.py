"""What `questmux setup` remembers of each settings file, so that `unsetup` can give it back byte for byte."""

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

NAME: Final = "setup.json"


class Change(Struct, frozen=True, kw_only=True):
    """One file that has our hooks."""

    written: str
    """SHA-256 of the file as we wrote it."""
    before: bytes | None
    """What it was without us; None when it was not there."""
    made_folder: bool = False
    mode: int | None = None
    """What it was before the file was closed to others; None when it was not."""


class Record(Struct, frozen=True):
    """All files that have our hooks, by path."""

    changes: dict[str, Change] = {}


def digest(data: bytes) -> str:
    """What tells two contents apart."""
    return hashlib.sha256(data).hexdigest()


def load(data_dir: Path) -> Record:
    """What is remembered; nothing, when that cannot be read: then hooks are known by their mark alone."""
    try:
        return msgspec.json.decode((data_dir / NAME).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        return Record()


def save(data_dir: Path, record: Record) -> None:
    """Remember, for this user alone: settings may hold secrets."""
    draft = data_dir / f".{NAME}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(record))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(data_dir / NAME)
