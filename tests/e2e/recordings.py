"""The recordings of a real Claude Code 2.1.330 under tests/fixtures/claude, whose README says what they are."""

import json
from pathlib import Path
from typing import Any

from msgspec import Struct

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "claude"
RUNS = sorted(path.parent.name for path in FOLDER.glob("*/hooks.jsonl"))


class Call(Struct, frozen=True):
    """One hook call: seconds from the start of the run, the pane header, the body."""

    t: float
    pane: str
    body: dict[str, Any]


class Record(Struct, frozen=True):
    """Claude Code's own registry file at a moment; `record` is None while it is not there."""

    t: float
    record: dict[str, Any] | None

    def status_of(self, session_id: str) -> str:
        """What the registry says of a session, in this project's words."""
        if self.record is None or self.record["sessionId"] != session_id:
            return "ended"
        # `shell` is a moment of its own after an interrupted command; the turn is not over yet.
        return {"busy": "working", "shell": "working", "idle": "idle", "waiting": "waiting"}.get(
            self.record.get("status", ""), "starting"
        )


class Drawn(Struct, frozen=True):
    """What the pane showed from a moment on: 40 rows of at most 110 characters, without colours."""

    t: float
    text: str


def calls(run: str) -> list[Call]:
    """The hook calls of a run."""
    lines = (FOLDER / run / "hooks.jsonl").read_text().splitlines()
    return [Call(row["t"], row["pane"], row["body"]) for row in map(json.loads, lines) if "body" in row]


def registry(run: str) -> list[Record]:
    """The registry of a run."""
    lines = (FOLDER / run / "registry.jsonl").read_text().splitlines()
    return [Record(row["t"], row["record"]) for row in map(json.loads, lines)]


def screens(run: str) -> list[Drawn]:
    """The screens of a run."""
    lines = (FOLDER / run / "screens.jsonl").read_text().splitlines()
    return [Drawn(row["t"], row["screen"]) for row in map(json.loads, lines)]


def truth_between(run: str, session_id: str, start: float, end: float) -> list[str]:
    """What the registry said of a session from one moment to another, changes included."""
    records = registry(run)
    before = [record for record in records if record.t <= start][-1:]
    during = [record for record in records if start < record.t < end]
    return [record.status_of(session_id) for record in (*before, *during)]
