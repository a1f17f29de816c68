"""What one event says about its session, read tolerantly from the payload. Pure.

The events and their fields: Claude Code's hooks, 2.1.330. A missing or odd field says nothing; it never fails.
"""

import hashlib
from typing import Final

import msgspec
import orjson
from msgspec import Struct

from services.contract.entities import Ask
from services.contract.events import NewEvent, Source

PROMPT_CHARS: Final = 200
TEXT_CHARS: Final = 2_000
RUNNING_TASK: Final = "running"

# Ties of the clock within one session fall the way Claude Code sends them.
_RANK: Final = {
    "Setup": 0,
    "SessionStart": 1,
    "UserPromptSubmit": 2,
    "PreToolUse": 3,
    "PermissionRequest": 4,
    "PostToolUse": 6,
    "PostToolUseFailure": 6,
    "PostToolBatch": 7,
    "SubagentStop": 8,
    "Stop": 9,
    "StopFailure": 9,
    "SessionEnd": 10,
}
_OTHER_RANK: Final = 5


class Fact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event, reduced to what bears on its session."""

    at: int
    event_id: str
    name: str
    source: str
    agent_id: str | None = None
    tool_name: str | None = None
    tool_use_id: str | None = None
    tool_key: str | None = None
    """Tool and input as one word: pairs a PermissionRequest, which has no `tool_use_id`, with its call."""
    asks: Ask | None = None
    kind: str | None = None
    """`source`, `reason`, `trigger`, `notification_type` or `error`, whichever the event has."""
    background_tasks: int = 0
    cwd: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    prompt: str | None = None
    last_message: str | None = None
    pane_id: str | None = None
    tmux_pid: int | None = None
    """The pid of the tmux server that `pane_id` belongs to."""

    @property
    def order(self) -> tuple[int, int, str]:
        """Sorts the facts of one session."""
        return (self.at, _RANK.get(self.name, _OTHER_RANK), self.event_id)


def fact_of(event: NewEvent) -> Fact:
    """The fact that an event brings."""
    payload = payload_of(event)
    tool_name = _text(payload, "tool_name")
    tool_input = payload.get("tool_input")
    has_call = tool_name is not None and event.name in _CALL_EVENTS
    asks = (
        Ask(tool_name=tool_name, tool_input=cut(_canonical(tool_input).decode(), TEXT_CHARS))
        if tool_name is not None and event.name in {"PermissionRequest", "PreToolUse"}
        else _elicitation(payload)
        if event.name == "Elicitation"
        else None
    )
    return Fact(
        at=event.at,
        event_id=event.id,
        name=event.name,
        source=event.source,
        agent_id=_text(payload, "agent_id") or None,
        tool_name=tool_name,
        tool_use_id=_text(payload, "tool_use_id"),
        tool_key=_tool_key(tool_name, tool_input) if has_call else None,
        asks=asks,
        kind=_first_text(payload, ("notification_type", "source", "reason", "trigger", "error")),
        background_tasks=_running_tasks(payload),
        cwd=_text(payload, "cwd"),
        model=_text(payload, "model"),
        permission_mode=_text(payload, "permission_mode"),
        prompt=_cut_text(payload, "prompt", PROMPT_CHARS) if event.name == "UserPromptSubmit" else None,
        last_message=_cut_text(payload, "last_assistant_message", TEXT_CHARS) if event.name == "Stop" else None,
        pane_id=event.pane_id,
        tmux_pid=tmux_pid(event.tmux),
    )


def payload_of(event: NewEvent) -> dict[str, object]:
    """The event's payload; empty when it is no JSON object."""
    try:
        payload = orjson.loads(event.payload)
    except orjson.JSONDecodeError:
        return {}
    return msgspec.convert(payload, dict[str, object]) if isinstance(payload, dict) else {}


def tmux_pid(tmux: str | None) -> int | None:
    """The server's pid in `$TMUX`, which is `socket path,pid,session number`."""
    parts = (tmux or "").rsplit(",", 2)
    return int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else None  # noqa: PLR2004 - as said above


def is_hook(event: NewEvent) -> bool:
    """Whether a session sent it."""
    return event.source == Source.HOOK


def cut(text: str, chars: int) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= chars else text[: chars - 1] + "…"


_CALL_EVENTS: Final = frozenset({"PreToolUse", "PermissionRequest", "PostToolUse", "PostToolUseFailure"})


def _text(payload: dict[str, object], field: str) -> str | None:
    value = payload.get(field)
    return value if isinstance(value, str) else None


def _first_text(payload: dict[str, object], fields: tuple[str, ...]) -> str | None:
    return next((value for field in fields if (value := _text(payload, field)) is not None), None)


def _cut_text(payload: dict[str, object], field: str, chars: int) -> str | None:
    text = _text(payload, field)
    return None if text is None else cut(text, chars)


def _canonical(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _tool_key(tool_name: str | None, tool_input: object) -> str:
    digest = hashlib.blake2b(_canonical([tool_name, tool_input]), digest_size=8)
    return digest.hexdigest()


def _elicitation(payload: dict[str, object]) -> Ask:
    return Ask(
        tool_name=_text(payload, "mcp_server_name") or "elicitation",
        tool_input=cut(_text(payload, "message") or "", TEXT_CHARS),
    )


def _running_tasks(payload: dict[str, object]) -> int:
    tasks = payload.get("background_tasks")
    return sum(_text(task, "status") == RUNNING_TASK for task in _objects(tasks))


def _objects(values: object) -> list[dict[str, object]]:
    """The JSON objects among the items of a list; none when it is no list."""
    if not isinstance(values, list):
        return []
    return [
        msgspec.convert(value, dict[str, object])
        for value in msgspec.convert(values, list[object])
        if isinstance(value, dict)
    ]
