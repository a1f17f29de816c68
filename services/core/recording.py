"""A report of a pane: what was seen there, masked, as the files of a fixture. Pure.

The files are those of tests/fixtures/claude, whose README says what they hold.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import msgspec
from msgspec import Struct, structs

from services.contract.answers import Explanation
from services.contract.entities import RegistryEntry, Screen
from services.contract.events import NewEvent, Source
from services.core.own_events import REGISTRY_GONE
from services.core.redaction import Json, Redactor

MAX_HOOKS: Final = 500
MAX_RECORDS: Final = 200
MAX_HOOKS_BYTES: Final = 2 * 1024 * 1024
MAX_RECORDS_BYTES: Final = 512 * 1024
MAX_SCREENS_BYTES: Final = 1024 * 1024
"""With these a report stays under 4 MiB."""
MAX_SESSIONS: Final = 50
"""Of an explanation."""


class Seen(Struct, frozen=True, kw_only=True):
    """What a report is made of."""

    explanation: Explanation
    events: Sequence[NewEvent]
    """Of the pane's sessions, in the order of the log."""
    screens: Sequence[Screen]
    note: str
    """What the person says is wrong."""
    versions: Mapping[str, str]
    """Of programs, by their names."""
    now: int


class Recording(Struct, frozen=True, kw_only=True):
    """The files of a report by name, and how many lines those have that were recorded."""

    files: dict[str, bytes]
    hooks: int
    registry: int
    screens: int


def record(seen: Seen, redactor: Redactor) -> Recording:
    """The files of a report. Of what is too much the oldest is left out."""
    hooks = [event for event in seen.events if event.source is Source.HOOK]
    entries = [event for event in seen.events if event.source is Source.REGISTRY]
    times = [*(event.received_at for event in (*hooks, *entries)), *(screen.captured_at for screen in seen.screens)]
    clock = _Clock(min(times, default=seen.now))
    hook_lines = _newest(_hook_lines(hooks, clock, redactor), MAX_HOOKS, MAX_HOOKS_BYTES)
    registry_lines = _newest(_registry_lines(entries, clock, redactor), MAX_RECORDS, MAX_RECORDS_BYTES)
    screen_lines = _newest(_screen_lines(seen.screens, clock, redactor), len(seen.screens), MAX_SCREENS_BYTES)
    files = {
        "hooks.jsonl": b"".join(hook_lines),
        "registry.jsonl": b"".join(registry_lines),
        "screens.jsonl": b"".join(screen_lines),
        "explanation.json": _explanation(seen.explanation, redactor),
        "README.md": _readme(seen, _claude_versions(entries, redactor)).encode(errors="replace"),
    }
    return Recording(files=files, hooks=len(hook_lines), registry=len(registry_lines), screens=len(screen_lines))


class _Clock(Struct, frozen=True):
    """Counts from the first line of all."""

    origin_ms: int

    def seconds(self, at: int) -> float:
        return (at - self.origin_ms) / 1000


def _newest(newest_first: Iterator[bytes], max_lines: int, max_bytes: int) -> list[bytes]:
    """As many lines as there is room for, the oldest first."""
    lines: list[bytes] = []
    for line in islice(newest_first, max_lines):
        max_bytes -= len(line)
        if max_bytes < 0:
            break
        lines.append(line)
    return lines[::-1]


def _line(**fields: Json) -> bytes:
    return msgspec.json.encode(fields) + b"\n"


# What was recorded, the newest first.


def _hook_lines(hooks: Sequence[NewEvent], clock: _Clock, redactor: Redactor) -> Iterator[bytes]:
    for event in reversed(hooks):
        body = _object(event.payload)
        if body is not None:
            t = clock.seconds(event.received_at)
            yield _line(t=t, pane=event.pane_id, via="http", body=redactor.hook(body))


def _registry_lines(entries: Sequence[NewEvent], clock: _Clock, redactor: Redactor) -> Iterator[bytes]:
    for event in reversed(entries):
        record = None if event.name == REGISTRY_GONE else redactor.registry(_record(event))
        yield _line(t=clock.seconds(event.received_at), record=record)


def _record(event: NewEvent) -> dict[str, Json]:
    """An entry as Claude Code's own file has it."""
    entry = msgspec.json.decode(event.payload, type=RegistryEntry)
    fields: dict[str, Json] = {
        "pid": entry.pid,
        "sessionId": entry.session_id,
        "cwd": entry.cwd,
        "startedAt": entry.started_at,
        "version": entry.version,
        "kind": entry.kind,
        "entrypoint": entry.entrypoint,
        "status": entry.status,
        "waitingFor": entry.waiting_for,
        "statusUpdatedAt": None if entry.status is None else entry.status_at,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _screen_lines(screens: Sequence[Screen], clock: _Clock, redactor: Redactor) -> Iterator[bytes]:
    for screen in reversed(screens):
        yield _line(t=clock.seconds(screen.captured_at), screen=redactor.screen("\n".join(screen.lines)))


def _object(payload: bytes) -> dict[str, Json] | None:
    """A hook's body; None when it cannot be read, which the receiver does not let pass."""
    try:
        body: Json = msgspec.json.decode(payload)
    except (ValueError, RecursionError):  # The former is also every error of msgspec's.
        return None
    return body if isinstance(body, dict) else None


# What is said of it.


def _explanation(explanation: Explanation, redactor: Redactor) -> bytes:
    short = structs.replace(explanation, sessions=explanation.sessions[:MAX_SESSIONS])
    fields: dict[str, Json] = msgspec.json.decode(msgspec.json.encode(short))
    return msgspec.json.format(msgspec.json.encode(redactor.explanation(fields)), indent=2) + b"\n"


def _claude_versions(entries: Sequence[NewEvent], redactor: Redactor) -> Iterable[str]:
    """Of Claude Code, by its registry."""
    versions = (redactor.registry(_record(event)).get("version") for event in entries)
    return sorted({str(version) for version in versions if version is not None})


def _readme(seen: Seen, claude_versions: Iterable[str]) -> str:
    at = datetime.fromtimestamp(seen.now / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    note = "\n".join(f"> {row}".rstrip() for row in seen.note.splitlines()) or "Nothing."
    versions = {**seen.versions, "Claude Code": ", ".join(claude_versions) or "not known"}
    return _README.format(
        pane=seen.explanation.pane_id,
        at=at,
        note=note,
        versions="\n".join(f"- {name}: {version}" for name, version in versions.items()),
    )


_README: Final = """\
# What was seen in pane {pane} until {at} UTC

A report of a status that was wrong. Read it before you give it away: it is masked, but only you know your secrets.

## What is wrong

As the person wrote it, not masked:

{note}

## Versions

{versions}

## Files

- `hooks.jsonl`: `{{"t", "pane", "via", "body"}}`, the hook calls; `t` counts seconds
- `registry.jsonl`: `{{"t", "record"}}`, what Claude Code wrote of its process; null when that had gone
- `screens.jsonl`: `{{"t", "screen"}}`, what the pane showed, without colours
- `explanation.json`: what `GET /api/panes/{{id}}/explain` said

## How it was masked

- Each letter became X or x, each digit 0; punctuation, blanks and lengths stayed. Long texts of hooks were cut.
- Of hooks stayed what bears on a status: the event, the tool's name and its call's id, the agent, modes and reasons
  in single words, numbers and yes or no. The names of fields stayed. Of a tool's input and its result only yes
  or no stayed.
- Names of sessions, prompts and transcripts became numbers, the same name the same number.
- Of the registry stayed status, times, pid, version and kind.
- Of screens stayed words of Claude Code's own user interface, and the numbers of options.
"""
