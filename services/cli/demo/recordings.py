"""The recordings of a real Claude Code: hook calls, registry files and screens, each with its time."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from services.process.life import CannotStartError

FILES: Final = ("hooks.jsonl", "registry.jsonl", "screens.jsonl")


class Call(Struct, frozen=True):
    """A hook call: seconds from the start of the run, and its JSON body."""

    t: float
    name: str
    session_id: str
    body: str


class Record(Struct, frozen=True):
    """Claude Code's own registry file at a moment; `text` is empty while it is not there."""

    t: float
    status: str
    text: str


class Drawn(Struct, frozen=True):
    """What the pane showed from a moment on: rows of at most 110 characters, without colours."""

    t: float
    text: str


class Recording(Struct, frozen=True, kw_only=True):
    """One run, each list in the order of time."""

    name: str
    calls: tuple[Call, ...]
    records: tuple[Record, ...]
    screens: tuple[Drawn, ...]


def find_recordings() -> Path:
    """The folder of recordings: that of this source tree, or the one that was installed with the package.

    Raises:
        CannotStartError: there is none.
    """
    here = Path(__file__).resolve()
    for folder in (here.parents[3] / "tests" / "fixtures" / "claude", here.parent / "recordings"):
        if any(folder.glob(f"*/{FILES[0]}")):
            return folder
    raise CannotStartError("the demo's recordings are missing: install Questmux again")


@cache
def read_recording(folder: Path, name: str) -> Recording:
    """One run of the folder. Read once."""
    hooks, records, screens = (tuple(_rows(folder / name / file)) for file in FILES)
    return Recording(
        name=name,
        calls=tuple(_call(row) for row in hooks if "body" in row),
        records=tuple(_record(row) for row in records),
        screens=tuple(Drawn(row["t"], row["screen"]) for row in screens),
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _call(row: dict[str, Any]) -> Call:
    body = row["body"]
    return Call(row["t"], body["hook_event_name"], body["session_id"], _json(body))


def _record(row: dict[str, Any]) -> Record:
    record = row["record"]
    return Record(row["t"], "", "") if record is None else Record(row["t"], record.get("status", ""), _json(record))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
