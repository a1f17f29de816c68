"""What one event says about its session, read tolerantly from the payload. Pure.

The events and their fields: Claude Code's hooks, 2.1.330. A missing or odd field says nothing; it never fails.
"""

import hashlib
import json
import re
from typing import Final, cast

import msgspec
import orjson
from msgspec import Struct

from services.contract.entities import Ask, AskedOption, AskedQuestion, BackgroundTask
from services.contract.events import NewEvent

CLOCK_AHEAD_MS: Final = 3_600_000
"""Clocks of two machines differ by less; an event whose sender is ahead by more is ordered by its receipt."""
WHOLE_SECOND_MS: Final = 1_500
"""A call is received this soon after it was sent; later, it was kept somewhere and its receipt says nothing."""
PROMPT_CHARS: Final = 200
TEXT_CHARS: Final = 2_000
PLAN_CHARS: Final = 8_000
QUESTION_CHARS: Final = 500
LABEL_CHARS: Final = 100
DESCRIPTION_CHARS: Final = 200
MAX_TASKS: Final = 64
MAX_QUESTIONS: Final = 4
MAX_OPTIONS: Final = 12
WORD_CHARS: Final = 4_096
"""Names, ids and paths are cut at this, so that a session's facts stay small."""
PID_DIGITS: Final = 10
RUNNING_TASK: Final = "running"
PROMPT: Final = "UserPromptSubmit"
_NOTICE: Final = re.compile(r'<task-notification>|Background agent ".*" was stopped by the user\.\Z', re.DOTALL)
"""A prompt that no person wrote: a background task has ended. Measured with 2.1.330 and 2.1.332."""
MACHINES: Final = frozenset({"system", "loop_wakeup", "schedule_wakeup", "poll_event"})
"""Sources of a prompt, where Claude Code names one, that are no person and no program for one."""
DIALOG_TOOLS: Final = frozenset({"AskUserQuestion", "ExitPlanMode"})
"""Tools whose call is a question to the person, whatever the permissions."""

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
    "PaneClosed": 11,
    "Dismissed": 12,
}
_OTHER_RANK: Final = 5


class Fact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event, reduced to what bears on its session."""

    at: int
    event_id: str
    name: str
    source: str
    told_at: int = 0
    """`at`, but not after the event was received: comparable with other clocks."""
    agent_id: str | None = None
    agent_type: str | None = None
    tool_name: str | None = None
    tool_use_id: str | None = None
    tool_key: str | None = None
    """Tool and input as one word: pairs a PermissionRequest, which has no `tool_use_id`, with its call."""
    asks: Ask | None = None
    kind: str | None = None
    """The word that tells events of one name apart, as `_KIND` says."""
    background_tasks: tuple[BackgroundTask, ...] = ()
    """Those that run."""
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


def fact_of(event: NewEvent, payload: dict[str, object] | None = None) -> Fact:
    """The fact that an event brings; `payload` is its payload when that was parsed already."""
    payload = payload_of(event) if payload is None else payload
    tool_name = text_of(payload, "tool_name")
    tool_input = payload.get("tool_input")
    has_call = tool_name is not None and event.name in _CALL_EVENTS
    at = time_of(event)
    return Fact(
        at=at,
        told_at=min(at, event.received_at),
        event_id=event.id,
        name=event.name,
        source=event.source,
        agent_id=text_of(payload, "agent_id") or None,
        agent_type=text_of(payload, "agent_type", LABEL_CHARS) if event.name == "SubagentStart" else None,
        tool_name=tool_name,
        tool_use_id=text_of(payload, "tool_use_id"),
        tool_key=_tool_key(tool_name, tool_input) if has_call else None,
        asks=_asks(event.name, payload),
        kind=text_of(payload, _KIND[event.name]) if event.name in _KIND else None,
        background_tasks=_running_tasks(payload),
        cwd=text_of(payload, "cwd"),
        model=text_of(payload, "model"),
        permission_mode=text_of(payload, "permission_mode"),
        prompt=persons_prompt(payload) if event.name == PROMPT else None,
        last_message=text_of(payload, "last_assistant_message", TEXT_CHARS) if event.name == "Stop" else None,
        pane_id=event.pane_id,
        tmux_pid=tmux_pid(event.tmux),
    )


def is_persons_prompt(event: NewEvent) -> bool:
    """Whether the event says that a session took what a person, or a program for one, typed."""
    return event.name == PROMPT and persons_prompt(payload_of(event)) is not None


def payload_of(event: NewEvent) -> dict[str, object]:
    """The event's payload; empty when it is no JSON object."""
    try:
        payload = orjson.loads(event.payload)
    except orjson.JSONDecodeError:
        payload = _read_leniently(event.payload)
    return cast("dict[str, object]", payload) if isinstance(payload, dict) else {}


def tmux_pid(tmux: str | None) -> int | None:
    """The server's pid in `$TMUX`, which is `socket path,pid,session number`."""
    parts = (tmux or "").rsplit(",", 2)
    if len(parts) != 3 or not parts[1].isdecimal() or len(parts[1]) > PID_DIGITS:  # noqa: PLR2004 - as said above
        return None
    return int(parts[1])


def cut(text: str, chars: int) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= chars else text[: chars - 1] + "…"


def time_of(event: NewEvent) -> int:
    """When it was sent, by the sender's clock unless that is far ahead: it would hold the session in the future.

    A clock of whole seconds, as `date` has outside Linux, leaves the order within its second to the receipt.
    """
    sent, received = event.sent_at, event.received_at
    if sent is None or sent > received + CLOCK_AHEAD_MS:
        return received
    if sent % 1000 == 0 and sent <= received <= sent + WHOLE_SECOND_MS:
        return min(sent + 999, received)
    return sent


_CALL_EVENTS: Final = frozenset(
    {"PreToolUse", "PermissionRequest", "PermissionDenied", "PostToolUse", "PostToolUseFailure"}
)
_KIND: Final = {
    "SessionStart": "source",
    "SessionEnd": "reason",
    "PreCompact": "trigger",
    "PostCompact": "trigger",
    "Notification": "notification_type",
    "StopFailure": "error",
}


def text_of(payload: dict[str, object], field: str, chars: int = WORD_CHARS) -> str | None:
    """A field that is a text, cut; None when it is missing or anything else."""
    value = payload.get(field)
    return cut(value, chars) if isinstance(value, str) else None


def persons_prompt(payload: dict[str, object]) -> str | None:
    """The prompt, cut, if a person typed it, or a program for one."""
    prompt = text_of(payload, "prompt")
    is_machines = text_of(payload, "source") in MACHINES
    if prompt is None or is_machines or _NOTICE.match(prompt) is not None:
        return None
    return cut(prompt, PROMPT_CHARS)


def _asks(name: str, payload: dict[str, object]) -> Ask | None:
    tool_name = text_of(payload, "tool_name")
    if name == "Elicitation":
        return _elicitation(payload)
    if tool_name is None or not (name == "PermissionRequest" or (name == "PreToolUse" and tool_name in DIALOG_TOOLS)):
        return None
    tool_input: object = payload.get("tool_input")
    fields: dict[str, object] = cast("dict[str, object]", tool_input) if isinstance(tool_input, dict) else {}
    return Ask(
        tool_name=tool_name,
        tool_input=cut(_canonical(payload.get("tool_input")).decode(), TEXT_CHARS),
        questions=_questions(fields) if tool_name == "AskUserQuestion" else (),
        plan=text_of(fields, "plan", PLAN_CHARS) if tool_name == "ExitPlanMode" else None,
    )


def _questions(tool_input: dict[str, object]) -> tuple[AskedQuestion, ...]:
    return tuple(
        AskedQuestion(
            question=text_of(question, "question", QUESTION_CHARS) or "",
            header=text_of(question, "header", LABEL_CHARS) or "",
            options=tuple(
                AskedOption(
                    label=text_of(option, "label", LABEL_CHARS) or "",
                    description=text_of(option, "description", QUESTION_CHARS) or "",
                )
                for option in _objects(question.get("options"))[:MAX_OPTIONS]
            ),
            multi_select=question.get("multiSelect") is True,
        )
        for question in _objects(tool_input.get("questions"))[:MAX_QUESTIONS]
    )


def _read_leniently(payload: bytes) -> object:
    """What orjson refuses and JavaScript writes: half a surrogate pair, as an escape."""
    try:
        text = json.dumps(json.loads(payload), ensure_ascii=False)
        return orjson.loads(text.encode("utf-8", errors="replace"))
    except (ValueError, RecursionError):
        return None


def _canonical(value: object) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # Nested deeper than it writes.
        return b"null"


def _tool_key(tool_name: str | None, tool_input: object) -> str:
    digest = hashlib.blake2b(_canonical([tool_name, tool_input]), digest_size=8)
    return digest.hexdigest()


def _elicitation(payload: dict[str, object]) -> Ask:
    return Ask(
        tool_name=text_of(payload, "mcp_server_name") or "elicitation",
        tool_input=text_of(payload, "message", TEXT_CHARS) or "",
    )


def _running_tasks(payload: dict[str, object]) -> tuple[BackgroundTask, ...]:
    tasks = payload.get("background_tasks")
    running = [task for task in _objects(tasks) if text_of(task, "status") == RUNNING_TASK]
    return tuple(
        BackgroundTask(
            id=text_of(task, "id", LABEL_CHARS) or "",
            type=text_of(task, "type", LABEL_CHARS) or "",
            status=RUNNING_TASK,
            description=text_of(task, "description", DESCRIPTION_CHARS) or "",
        )
        for task in running[:MAX_TASKS]
    )


def _objects(values: object) -> list[dict[str, object]]:
    """The JSON objects among the items of a list; none when it is no list."""
    if not isinstance(values, list):
        return []
    return [
        msgspec.convert(value, dict[str, object])
        for value in msgspec.convert(values, list[object])
        if isinstance(value, dict)
    ]
