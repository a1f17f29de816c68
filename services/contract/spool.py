"""One line of a spool file: an event that waits for core. Pure.

A line is one JSON object; `payload` is the hook call's body as it came. `name` and `session_id` may be left out:
they are in the payload. The api and the command hook write the same lines.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

from services.contract.codec import DecodeError
from services.contract.events import EVENT_ID, MAX_SESSION_ID_CHARS, NewEvent, Source

SUFFIX: Final = ".jsonl"
MAX_LINE_BYTES: Final = 20 * 1024 * 1024


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
    payload = event.payload if b"\n" not in event.payload else msgspec.json.format(event.payload, indent=-1)
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
    """The event of a line.

    Raises:
        DecodeError: the line is torn, not ours, or names no event.
    """
    try:
        kept = _line.decode(line)
        payload = bytes(kept.payload)
        named = _named.decode(payload)
    except msgspec.MsgspecError as exc:
        raise DecodeError(str(exc)) from exc
    name = kept.name or named.hook_event_name
    session_id = kept.session_id or named.session_id
    if not name or not EVENT_ID.fullmatch(kept.id) or len(session_id or "") > MAX_SESSION_ID_CHARS:
        raise DecodeError("a spool line without an event name, or with an id that is none")
    return NewEvent(
        id=kept.id,
        name=name,
        received_at=kept.received_at,
        payload=payload,
        source=Source.HOOK,
        session_id=session_id,
        pane_id=kept.pane_id,
        sent_at=kept.sent_at,
        tmux=kept.tmux,
    )
