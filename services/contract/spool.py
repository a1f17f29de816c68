"""One line of a spool file: an event that waits for core. Pure.

A line is one JSON object; `payload` is the hook call's body as it came. `name` and `session_id` may be left out:
they are in the payload. The api and the command hook write the same lines.
"""

import json
from typing import Final

import msgspec
from msgspec import Raw, Struct

from services.contract.codec import UNREADABLE, DecodeError
from services.contract.events import EVENT_ID, MAX_SESSION_ID_CHARS, NAME, PANE_ID, NewEvent, Source

SUFFIX: Final = ".jsonl"
MAX_LINE_BYTES: Final = 20 * 1024 * 1024
MAX_TIME_MS: Final = 2**53
MAX_TMUX_CHARS: Final = 1_024


class SpoolLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event with its payload as plain JSON."""

    id: str
    received_at: int
    payload: Raw
    name: str | None = None
    session_id: str | None = None
    pane_id: str | None = None
    sent_at: int | None = None
    tmux: str | None = None


class _Named(Struct):
    hook_event_name: str = ""
    session_id: str | None = None


_line = msgspec.json.Decoder(SpoolLine)
_named = msgspec.json.Decoder(_Named)


def encode_line(event: NewEvent) -> bytes:
    """The line of a hook event, its end included."""
    payload = event.payload.replace(b"\n", b" ")  # Between JSON's words only: within a string it is escaped.
    line = SpoolLine(
        id=event.id,
        received_at=event.received_at,
        payload=Raw(payload),
        name=event.name,
        session_id=event.session_id,
        pane_id=event.pane_id,
        sent_at=event.sent_at,
        tmux=event.tmux,
    )
    return msgspec.json.encode(line) + b"\n"


def decode_line(line: bytes) -> NewEvent:
    """The event of a line. A pane, clock or `$TMUX` that cannot be one is left out.

    Raises:
        DecodeError: the line is torn, not ours, or names no event.
    """
    try:
        kept, payload, named = _read(line)
    except UNREADABLE as exc:
        kept, payload, named = _read_leniently(line, exc)
    name = kept.name or named.hook_event_name
    session_id = kept.session_id or named.session_id
    if not NAME.fullmatch(name) or not EVENT_ID.fullmatch(kept.id) or len(session_id or "") > MAX_SESSION_ID_CHARS:
        raise DecodeError("a spool line without an event name, or with an id that is none")
    if not 0 <= kept.received_at < MAX_TIME_MS:
        raise DecodeError(f"a spool line of no time: {kept.received_at}")
    return NewEvent(
        id=kept.id,
        name=name,
        received_at=kept.received_at,
        payload=payload,
        source=Source.HOOK,
        session_id=session_id,
        pane_id=kept.pane_id if PANE_ID.fullmatch(kept.pane_id or "") else None,
        sent_at=kept.sent_at if kept.sent_at is not None and 0 <= kept.sent_at < MAX_TIME_MS else None,
        tmux=kept.tmux if 0 < len(kept.tmux or "") <= MAX_TMUX_CHARS else None,
    )


def _read(line: bytes) -> tuple[SpoolLine, bytes, _Named]:
    kept = _line.decode(line)
    # msgspec passes over text that it does not keep, so that broken UTF-8 in it goes unseen.
    payload = bytes(kept.payload).decode("utf-8", errors="replace").encode()
    return kept, payload, _named.decode(payload)


def _read_leniently(line: bytes, refused: Exception) -> tuple[SpoolLine, bytes, _Named]:
    """JavaScript writes half a surrogate pair as an escape, which msgspec refuses: those become question marks."""
    if b"\\u" not in line:
        raise DecodeError(str(refused)) from refused
    try:
        text = json.dumps(json.loads(line), ensure_ascii=False)
        return _read(text.encode("utf-8", errors="replace"))
    except (*UNREADABLE, ValueError) as exc:
        raise DecodeError(str(refused)) from exc
