"""One hook call read from HTTP: body and headers to an event. Pure."""

import json
from collections.abc import Callable
from typing import Final, TypeAlias

import orjson

from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import EVENT_ID, MAX_KEPT_BYTES, MAX_SESSION_ID_CHARS, NAME, PANE_ID, NewEvent

LONG_TEXT_CHARS: Final = 4_096
"""Of a payload over the limit, longer strings are cut to this."""
KEPT_FIELDS: Final = (
    "session_id",
    "transcript_path",
    "cwd",
    "prompt_id",
    "permission_mode",
    "hook_event_name",
    "agent_id",
    "agent_type",
    "tool_name",
    "tool_use_id",
    "source",
    "reason",
    "trigger",
    "notification_type",
    "error",
    "message",
    "duration_ms",
    "stop_hook_active",
)
"""What is left of a payload that is over the limit even so, where it is plain."""
MAX_DEPTH: Final = 200
"""Lists and objects within each other; what reads the payload later stops at 250."""
MAX_SENT_AT_MS: Final = 2**53
MAX_TMUX_CHARS: Final = 1_024

Header = Callable[[str], str | None]
Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


def read_hook_call(body: bytes, header: Header, new_id: Callable[[], str], now_ms: int) -> NewEvent:
    """The event of a hook call.

    A malformed optional header never costs an event: a pane or clock that cannot be read is left out. A malformed
    `X-Event-Id` is refused, because an event that cannot be recognised could be counted twice.

    Raises:
        QuestmuxError: no JSON object, or a field that cannot be used.
    """
    payload, body = _read_object(body)
    name = payload.get("hook_event_name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise _invalid("hook_event_name", "the event's name, a word of at most 64 letters, digits, _ . -")
    session_id = payload.get("session_id")
    if not isinstance(session_id, str) or not is_session_id(session_id):
        raise _invalid("session_id", f"1 to {MAX_SESSION_ID_CHARS} printable characters without spaces")
    event_id = header("X-Event-Id")
    if event_id is not None and not EVENT_ID.fullmatch(event_id):
        raise _invalid("X-Event-Id", "1 to 128 letters, digits, _ . : -")
    pane_id = header("X-Tmux-Pane") or ""
    tmux = header("X-Tmux") or ""
    return NewEvent(
        id=event_id or new_id(),
        name=name,
        received_at=now_ms,
        payload=body if len(body) <= MAX_KEPT_BYTES else shortened(payload),
        session_id=session_id,
        pane_id=pane_id if PANE_ID.fullmatch(pane_id) else None,
        sent_at=_milliseconds(header("X-Sent-At")),
        tmux=tmux if 0 < len(tmux) <= MAX_TMUX_CHARS else None,
    )


def is_session_id(text: str) -> bool:
    """Whether this can be a session's id: printable ASCII without spaces."""
    return 0 < len(text) <= MAX_SESSION_ID_CHARS and all("!" <= char <= "~" for char in text)


def shortened(payload: dict[str, Json]) -> bytes:
    """A payload over the limit with its long strings cut; only its known plain fields, when that is not enough."""
    cut = {**{name: _cut(value) for name, value in payload.items()}, "questmux_shortened": True}
    body = orjson.dumps(cut)
    if len(body) <= MAX_KEPT_BYTES:
        return body
    plain = {name: value for name, value in cut.items() if not isinstance(value, dict | list)}
    return orjson.dumps({name: plain[name] for name in (*KEPT_FIELDS, "questmux_shortened") if name in plain})


def _read_object(body: bytes) -> tuple[dict[str, Json], bytes]:
    if not body.strip():
        raise QuestmuxError(ErrorCode.BAD_REQUEST, "the body is empty; it takes a hook call's JSON object")
    try:
        value: Json = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        value, body = _read_leniently(body, exc)
    if not isinstance(value, dict):
        raise QuestmuxError(ErrorCode.BAD_REQUEST, "the body is JSON, but not an object")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_deep(value):
        raise QuestmuxError(ErrorCode.BAD_REQUEST, f"the body is nested deeper than {MAX_DEPTH} levels")
    return value, body


def _is_deep(value: dict[str, Json]) -> bool:
    level: list[dict[str, Json] | list[Json]] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for outer in level
            for item in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(item, dict | list)
        ]
    return bool(level)


def _read_leniently(body: bytes, refused: orjson.JSONDecodeError) -> tuple[Json, bytes]:
    """JavaScript writes half a surrogate pair as an escape, which orjson refuses: those become question marks."""
    if b"\\u" not in body:
        raise QuestmuxError(ErrorCode.BAD_REQUEST, f"the body is not JSON: {refused}") from refused
    try:
        value: Json = json.loads(body)
        body = json.dumps(value, ensure_ascii=False).encode("utf-8", errors="replace")
        return orjson.loads(body), body
    except (ValueError, RecursionError) as exc:
        raise QuestmuxError(ErrorCode.BAD_REQUEST, f"the body is not JSON: {refused}") from exc


def _milliseconds(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdecimal():
        return None
    value = int(text) if len(text) <= len(str(MAX_SENT_AT_MS)) else MAX_SENT_AT_MS
    return value if value < MAX_SENT_AT_MS else None


def _cut(value: Json) -> Json:
    if isinstance(value, str) and len(value) > LONG_TEXT_CHARS:
        return f"{value[:LONG_TEXT_CHARS]}… [{len(value) - LONG_TEXT_CHARS} characters cut]"
    if isinstance(value, dict):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cut(item) for item in value]
    return value


def _invalid(field: str, takes: str) -> QuestmuxError:
    return QuestmuxError(ErrorCode.INVALID_FIELD, f"{field} is missing or wrong: it takes {takes}")
