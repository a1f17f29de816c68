"""What one hook event did: a call, an edit, a commit, a turn. Pure.

The events and their fields: Claude Code's hooks and tool responses, 2.1.330 and 2.1.332. A missing or odd field means
no deed of that kind; it never fails.
"""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import Final, cast

from msgspec import Struct

from services.contract.events import NewEvent, Source
from services.core.facts import cut, persons_prompt, text_of, time_of
from services.core.game.runners import passes_tests

DETAIL_CHARS: Final = 200
KEY_CHARS: Final = 200
"""Ids and URLs are far shorter."""
DIGEST_BYTES: Final = 8
EDITORS: Final = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit"})
_ODD_ENDS: Final = ("backgroundTaskId", "timedOutAfterMs", "returnCodeInterpretation")
"""With one of these, a call of Bash that succeeded is no command that ended with exit code 0."""
_NOTHING: Final[dict[str, object]] = {}


class DeedKind(StrEnum):
    """The kinds of deeds."""

    PROMPT = "prompt"
    TOOL = "tool"
    """A call that succeeded. Whatever else it did follows as further deeds of the same event."""
    FAILED_TOOL = "failed_tool"
    EDIT = "edit"
    TEST = "test"
    """Tests ran and passed."""
    COMMIT = "commit"
    PUSH = "push"
    PULL_REQUEST = "pull_request"
    """One was made."""
    TURN = "turn"
    """A turn ended; again for each time that a hook has it go on."""
    FAILED_TURN = "failed_turn"
    TASK_CREATED = "task_created"
    TASK_COMPLETED = "task_completed"
    SESSION_START = "session_start"
    SESSION_END = "session_end"


class Deed(Struct, frozen=True, kw_only=True):
    """One thing that was done."""

    kind: DeedKind
    at: int
    session_id: str
    event_id: str
    key: str = ""
    """What makes a repeat of it: `tool_use_id`, sha, digest of the path or the command, URL, task id; empty when it
    cannot be told from another one."""
    detail: str = ""
    """Of a call the tool, of an edit the path, of a test the command, of a commit and a push the branch, of a pull
    request the URL, of a turn its last words, of a failed one the error, of a task its subject, of a session's start
    or end why."""
    by_machine: bool = False
    """No person wrote the prompt; of a turn, that began it, which `Earnings.settle` fills in."""
    agent_id: str | None = None
    """Of the subagent that did it; it counts for the session's persona."""
    cwd: str | None = None
    turn: str = ""
    """`prompt_id`: what the prompt and all that follows from it share; `Earnings.settle` fills it in when missing."""
    ended_before: bool = False
    """Of a turn's end: the turn had ended already, well or not; `Earnings.settle` fills it in."""
    counts_for_streak: bool = True
    """Not when no person began its turn, nor of a day long ago; `Earnings.settle` fills it in."""


class _Context(Struct, frozen=True):
    """One event, and what all of its deeds share."""

    event: NewEvent
    payload: dict[str, object]
    session_id: str
    at: int
    agent_id: str | None
    cwd: str | None
    turn: str

    def deed(self, kind: DeedKind, key: str | None, detail: str | None, *, by_machine: bool = False) -> Deed:
        return Deed(
            kind=kind,
            at=self.at,
            session_id=self.session_id,
            event_id=self.event.id,
            key="" if key is None else key,
            detail="" if detail is None else detail,
            by_machine=by_machine,
            agent_id=self.agent_id,
            cwd=self.cwd,
            turn=self.turn,
        )


def deeds_of(event: NewEvent, payload: dict[str, object]) -> tuple[Deed, ...]:
    """What a hook event did; `payload` is its payload, parsed. Of the other sources' events, nothing."""
    read = _READERS.get(event.name)
    if read is None or event.session_id is None or event.source is not Source.HOOK:
        return ()
    context = _Context(
        event,
        payload,
        event.session_id,
        time_of(event),
        text_of(payload, "agent_id", KEY_CHARS) or None,
        text_of(payload, "cwd"),
        text_of(payload, "prompt_id", KEY_CHARS) or "",
    )
    return read(context)


def digest_of(text: str) -> str:
    """A short word for a path or a command."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=DIGEST_BYTES).hexdigest()


def _call(context: _Context) -> tuple[Deed, ...]:
    payload = context.payload
    name = text_of(payload, "tool_name", DETAIL_CHARS) or ""
    call_id = text_of(payload, "tool_use_id", KEY_CHARS)
    tool = context.deed(DeedKind.TOOL, call_id, name)
    if name in EDITORS:
        path = _edited(name, _object(payload, "tool_input"), _object(payload, "tool_response"))
        if path is None:
            return (tool,)
        return (tool, context.deed(DeedKind.EDIT, digest_of(path), cut(path, DETAIL_CHARS)))
    response = _object(payload, "tool_response")
    deeds = [tool]
    if name == "Bash":
        command = _object(payload, "tool_input").get("command")
        if isinstance(command, str) and _ended_well(payload, response) and passes_tests(command):
            deeds.append(context.deed(DeedKind.TEST, digest_of(command), cut(command, DETAIL_CHARS)))
    if "gitOperation" in response:
        deeds += _git(context, _object(response, "gitOperation"), call_id)
    return tuple(deeds)


def _edited(name: str, given: dict[str, object], response: dict[str, object]) -> str | None:
    """The path of the file that a call changed; None when it changed none."""
    if response.get("error"):  # NotebookEdit has its faults there.
        return None
    original = response.get("originalFile")
    if name == "Write" and original is not None and original == given.get("content"):
        return None
    path = response.get("filePath") or given.get("file_path") or given.get("notebook_path")
    return path if isinstance(path, str) else None


def _ended_well(payload: dict[str, object], response: dict[str, object]) -> bool:
    """Whether the command ended, and with exit code 0."""
    in_background = _object(payload, "tool_input").get("run_in_background") is True
    is_odd = response.get("interrupted") is True or any(response.get(field) is not None for field in _ODD_ENDS)
    return not (in_background or is_odd)


def _git(context: _Context, operation: dict[str, object], call_id: str | None) -> list[Deed]:
    """What git did, as Claude Code tells it: a commit that amends another one is no new one."""
    commit, push, request = (_object(operation, part) for part in ("commit", "push", "pr"))
    deeds: list[Deed] = []
    sha = text_of(commit, "sha", KEY_CHARS)
    if sha and not (text_of(commit, "kind") or "").startswith("amend"):
        deeds.append(context.deed(DeedKind.COMMIT, sha, text_of(commit, "branch", DETAIL_CHARS)))
    if "push" in operation:
        deeds.append(context.deed(DeedKind.PUSH, call_id, text_of(push, "branch", DETAIL_CHARS)))
    if text_of(request, "action") == "created":
        url, number = text_of(request, "url", KEY_CHARS), request.get("number")
        name = url or (f"#{number}" if isinstance(number, int) else "")
        key = name if url or not name else f"{context.session_id}{name}"
        deeds.append(context.deed(DeedKind.PULL_REQUEST, key, name))
    return deeds


def _failed_call(context: _Context) -> tuple[Deed, ...]:
    call_id = text_of(context.payload, "tool_use_id", KEY_CHARS)
    return (context.deed(DeedKind.FAILED_TOOL, call_id, text_of(context.payload, "tool_name", DETAIL_CHARS)),)


def _prompt(context: _Context) -> tuple[Deed, ...]:
    prompt = persons_prompt(context.payload)
    key = context.turn or context.event.id
    return (context.deed(DeedKind.PROMPT, key, prompt, by_machine=prompt is None),)


def _turn(context: _Context) -> tuple[Deed, ...]:
    if context.agent_id is not None:
        return ()
    said = text_of(context.payload, "last_assistant_message")
    return (context.deed(DeedKind.TURN, context.turn, _last_words(said or "")),)


def _failed_turn(context: _Context) -> tuple[Deed, ...]:
    if context.agent_id is not None:
        return ()
    return (context.deed(DeedKind.FAILED_TURN, context.turn, text_of(context.payload, "error", DETAIL_CHARS)),)


def _last_words(text: str) -> str:
    """The last line that has any, cut."""
    lines = [line for line in text.splitlines() if line.strip()]
    return cut(lines[-1].strip(), DETAIL_CHARS) if lines else ""


def _task(kind: DeedKind) -> Callable[[_Context], tuple[Deed, ...]]:
    def read(context: _Context) -> tuple[Deed, ...]:
        task_id = text_of(context.payload, "task_id", KEY_CHARS)
        return (context.deed(kind, task_id, text_of(context.payload, "task_subject", DETAIL_CHARS)),)

    return read


def _session(kind: DeedKind, why: str) -> Callable[[_Context], tuple[Deed, ...]]:
    def read(context: _Context) -> tuple[Deed, ...]:
        return (context.deed(kind, None, text_of(context.payload, why, DETAIL_CHARS)),)

    return read


def _object(payload: dict[str, object], field: str) -> dict[str, object]:
    value = payload.get(field)
    return cast("dict[str, object]", value) if isinstance(value, dict) else _NOTHING


_READERS: Final[dict[str, Callable[[_Context], tuple[Deed, ...]]]] = {
    "PostToolUse": _call,
    "PostToolUseFailure": _failed_call,
    "UserPromptSubmit": _prompt,
    "Stop": _turn,
    "StopFailure": _failed_turn,
    "TaskCreated": _task(DeedKind.TASK_CREATED),
    "TaskCompleted": _task(DeedKind.TASK_COMPLETED),
    "SessionStart": _session(DeedKind.SESSION_START, "source"),
    "SessionEnd": _session(DeedKind.SESSION_END, "reason"),
}
