"""The status of a session as a fold over its facts in their order, table-driven. Pure.

docs/status.md draws it. A session has a *phase*: no turn yet, an open turn, or how the last one ended. An open turn
waits while something is pending and works otherwise, so a parallel tool that goes on does not hide an open dialog.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from msgspec import Struct, structs

from services.contract.entities import Ask, Evidence, Status, StatusName, WaitingFor
from services.core.facts import Fact

PARALLEL_MS: Final = 1_000
"""Calls of one batch announce themselves together. A call this much later means that an earlier dialog is settled."""
DONE_CALLS: Final = 64
"""Finished calls remembered, so that their late PreToolUse does not open a turn again."""


class Phase(StrEnum):
    """Where a session is in its turns."""

    NEW = "new"
    OPEN = "open"
    IDLE = "idle"
    ERROR = "error"
    ENDED = "ended"


class Pending(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that waits for a person."""

    key: str
    at: int
    waiting_for: WaitingFor
    agent_id: str | None = None
    tool_use_id: str | None = None
    asks: Ask | None = None


class Call(Struct, frozen=True, kw_only=True):
    """A tool call of the main thread that runs."""

    id: str
    tool_name: str


class Turn(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything about a session that depends on the order of its facts."""

    phase: Phase = Phase.NEW
    pending: tuple[Pending, ...] = ()
    calls: tuple[Call, ...] = ()
    done: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    since: int = 0
    rule: str = ""
    rule_at: int = 0
    rule_event_id: str = ""
    rule_source: str = "hook"
    unseen: bool = False
    error: str | None = None
    background_tasks: int = 0
    cwd: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    prompt: str | None = None
    last_message: str | None = None
    pane_id: str | None = None
    tmux_pid: int | None = None


def status_of(turn: Turn) -> Status:
    """The status that a turn's state means."""
    return Status(
        name=_name(turn),
        since=turn.since,
        waiting_for=turn.pending[0].waiting_for if _name(turn) is StatusName.WAITING else None,
        unseen=turn.unseen,
        error=turn.error,
        background_tasks=turn.background_tasks,
        evidence=Evidence(source=turn.rule_source, rule=turn.rule, at=turn.rule_at, event_id=turn.rule_event_id)
        if turn.rule
        else None,
    )


def asked(turn: Turn) -> Ask | None:
    """What a waiting turn asks."""
    return turn.pending[0].asks if turn.phase is Phase.OPEN and turn.pending else None


def fold(turn: Turn, fact: Fact) -> Turn:
    """The turn after one more fact, which is later than all before it."""
    table = _AGENT if fact.agent_id is not None else _MAIN
    rule = table.get(fact.name)
    after = _facts_only(turn, fact)
    if rule is None:
        return after
    changed = rule(after, fact)
    if changed is after:
        return after
    moved = _condition(turn) != _condition(changed)
    if not moved and changed.phase is not Phase.OPEN:
        return changed  # A late fact of a closed turn is not why it is closed.
    return structs.replace(
        changed,
        since=fact.at if moved else changed.since,
        rule=fact.name,
        rule_at=fact.at,
        rule_event_id=fact.event_id,
        rule_source=fact.source,
    )


def _name(turn: Turn) -> StatusName:
    if turn.phase is Phase.OPEN:
        return StatusName.WAITING if turn.pending else StatusName.WORKING
    return _CLOSED[turn.phase]


_CLOSED: Final = {
    Phase.NEW: StatusName.UNKNOWN,
    Phase.IDLE: StatusName.IDLE,
    Phase.ERROR: StatusName.ERROR,
    Phase.ENDED: StatusName.ENDED,
}


def _condition(turn: Turn) -> tuple[StatusName, WaitingFor | None]:
    name = _name(turn)
    return (name, turn.pending[0].waiting_for if name is StatusName.WAITING else None)


def _facts_only(turn: Turn, fact: Fact) -> Turn:
    """What every fact may bring, whatever its name: the newest value of each field."""
    if fact.agent_id is not None:
        return turn
    return structs.replace(
        turn,
        cwd=fact.cwd or turn.cwd,
        model=fact.model or turn.model,
        permission_mode=fact.permission_mode or turn.permission_mode,
        prompt=fact.prompt or turn.prompt,
        last_message=fact.last_message or turn.last_message,
        pane_id=fact.pane_id or turn.pane_id,
        tmux_pid=fact.tmux_pid if fact.pane_id else turn.tmux_pid,
    )


def _opened(turn: Turn) -> Turn:
    if turn.phase is Phase.OPEN:
        return turn
    return structs.replace(turn, phase=Phase.OPEN, pending=(), calls=(), unseen=False, error=None, background_tasks=0)


def _closed(turn: Turn, phase: Phase, *, error: str | None = None, unseen: bool = False, tasks: int = 0) -> Turn:
    return structs.replace(turn, phase=phase, pending=(), calls=(), unseen=unseen, error=error, background_tasks=tasks)


def _session_start(turn: Turn, fact: Fact) -> Turn:
    # Late, doubled and phantom SessionStarts are common: within a turn only a resume says that the process is new.
    if fact.kind == "compact" or (turn.phase is Phase.OPEN and fact.kind != "resume"):
        return turn
    if turn.phase is Phase.IDLE:
        return turn
    return structs.replace(_closed(turn, Phase.IDLE), agents=())


def _prompt(turn: Turn, _fact: Fact) -> Turn:
    return structs.replace(_opened(turn), pending=(), calls=(), unseen=False, error=None, background_tasks=0)


def _call(turn: Turn, fact: Fact) -> Turn:
    if fact.tool_use_id in turn.done:
        return turn
    opened = _opened(turn)
    pending = tuple(
        p for p in opened.pending if p.agent_id is not None or (fact.at - p.at <= PARALLEL_MS and p.key != _NOTICE)
    )
    waiting_for = _DIALOG_TOOLS.get(fact.tool_name or "")
    if waiting_for is not None and fact.tool_key is not None:
        pending = (*pending, _pending(fact, fact.tool_key, waiting_for))
    call = Call(id=fact.tool_use_id or fact.event_id, tool_name=fact.tool_name or "")
    return structs.replace(opened, pending=pending, calls=(*opened.calls, call))


def _permission(turn: Turn, fact: Fact) -> Turn:
    key = fact.tool_key or "permission"
    waiting_for = _DIALOG_TOOLS.get(fact.tool_name or "", WaitingFor.PERMISSION)
    opened = _opened(turn)
    others = tuple(p for p in opened.pending if (p.key, p.agent_id) != (key, fact.agent_id) and p.key != _NOTICE)
    return structs.replace(opened, pending=(*others, _pending(fact, key, waiting_for)))


def _call_ended(turn: Turn, fact: Fact) -> Turn:
    done = turn.done if fact.tool_use_id is None else (*turn.done, fact.tool_use_id)[-DONE_CALLS:]
    opened = _opened(turn) if turn.phase is Phase.NEW else turn
    pending = tuple(p for p in opened.pending if not _settles(fact, p))
    calls = tuple(c for c in opened.calls if c.id != fact.tool_use_id)
    return structs.replace(opened, pending=pending, calls=calls, done=done)


def _batch_ended(turn: Turn, fact: Fact) -> Turn:
    opened = _opened(turn) if turn.phase is Phase.NEW else turn
    pending = tuple(p for p in opened.pending if p.agent_id != fact.agent_id)
    return structs.replace(opened, pending=pending, calls=() if fact.agent_id is None else opened.calls)


def _stop(turn: Turn, fact: Fact) -> Turn:
    return structs.replace(
        _closed(turn, Phase.IDLE, unseen=True, tasks=fact.background_tasks),
        agents=turn.agents if fact.background_tasks else (),
    )


def _stop_failure(turn: Turn, fact: Fact) -> Turn:
    return _closed(turn, Phase.ERROR, error=fact.kind or "unknown", unseen=True)


def _session_end(turn: Turn, _fact: Fact) -> Turn:
    return structs.replace(_closed(turn, Phase.ENDED), agents=())


def _elicitation(turn: Turn, fact: Fact) -> Turn:
    opened = _opened(turn)
    return structs.replace(opened, pending=(*opened.pending, _pending(fact, _FORM, WaitingFor.ELICITATION)))


def _elicited(turn: Turn, _fact: Fact) -> Turn:
    return structs.replace(turn, pending=tuple(p for p in turn.pending if p.key != _FORM))


def _notice(turn: Turn, fact: Fact) -> Turn:
    """A Notification repeats what another event said earlier, or stands in for one that was lost."""
    if fact.kind in {"elicitation_complete", "elicitation_response"}:
        return _elicited(turn, fact)
    if fact.kind == "idle_prompt":
        return _closed(turn, Phase.IDLE, unseen=True) if turn.phase is Phase.OPEN and not turn.pending else turn
    waiting_for = _NOTICES.get(fact.kind or "")
    if waiting_for is None or turn.phase is not Phase.OPEN or turn.pending:
        return turn
    return structs.replace(turn, pending=(_pending(fact, _NOTICE, waiting_for),))


def _compact(turn: Turn, fact: Fact) -> Turn:
    return turn if fact.kind == "auto" else _opened(turn)


def _compacted(turn: Turn, fact: Fact) -> Turn:
    return turn if fact.kind == "auto" or turn.phase is not Phase.OPEN else _closed(turn, Phase.IDLE)


def _working(turn: Turn, _fact: Fact) -> Turn:
    return _opened(turn) if turn.phase is Phase.NEW else turn


def _agent_started(turn: Turn, fact: Fact) -> Turn:
    others = tuple(a for a in turn.agents if a != fact.agent_id)
    return structs.replace(turn, agents=(*others, fact.agent_id or ""))


def _agent_stopped(turn: Turn, fact: Fact) -> Turn:
    return structs.replace(
        turn,
        agents=tuple(a for a in turn.agents if a != fact.agent_id),
        pending=tuple(p for p in turn.pending if p.agent_id != fact.agent_id),
    )


def _agent_call_ended(turn: Turn, fact: Fact) -> Turn:
    pending = tuple(p for p in turn.pending if not _settles(fact, p))
    return turn if len(pending) == len(turn.pending) else structs.replace(turn, pending=pending)


def _agent_batch_ended(turn: Turn, fact: Fact) -> Turn:
    pending = tuple(p for p in turn.pending if p.agent_id != fact.agent_id)
    return turn if len(pending) == len(turn.pending) else structs.replace(turn, pending=pending)


def _pending(fact: Fact, key: str, waiting_for: WaitingFor) -> Pending:
    return Pending(
        key=key,
        at=fact.at,
        waiting_for=waiting_for,
        agent_id=fact.agent_id,
        tool_use_id=fact.tool_use_id,
        asks=fact.asks,
    )


def _settles(ended: Fact, pending: Pending) -> bool:
    """Whether the end of a call answers what was pending: the same call of the same thread."""
    if pending.agent_id != ended.agent_id:
        return False
    return pending.key in {ended.tool_key, _NOTICE} or (
        pending.tool_use_id is not None and pending.tool_use_id == ended.tool_use_id
    )


_NOTICE: Final = "notice"
_FORM: Final = "form"
_DIALOG_TOOLS: Final = {"AskUserQuestion": WaitingFor.QUESTION, "ExitPlanMode": WaitingFor.PLAN}
_NOTICES: Final = {
    "permission_prompt": WaitingFor.PERMISSION,
    "worker_permission_prompt": WaitingFor.PERMISSION,
    "elicitation_dialog": WaitingFor.ELICITATION,
    "elicitation_url_dialog": WaitingFor.ELICITATION,
    "agent_needs_input": WaitingFor.INPUT,
}

_Rule = Callable[[Turn, Fact], Turn]

_MAIN: Final[dict[str, _Rule]] = {
    "SessionStart": _session_start,
    "UserPromptSubmit": _prompt,
    "PreToolUse": _call,
    "PermissionRequest": _permission,
    "PermissionDenied": _call_ended,
    "PostToolUse": _call_ended,
    "PostToolUseFailure": _call_ended,
    "PostToolBatch": _batch_ended,
    "Stop": _stop,
    "StopFailure": _stop_failure,
    "SessionEnd": _session_end,
    "PaneClosed": _session_end,
    "Elicitation": _elicitation,
    "ElicitationResult": _elicited,
    "Notification": _notice,
    "PreCompact": _compact,
    "PostCompact": _compacted,
    "UserPromptExpansion": _working,
}

# Events with an agent_id: a subagent's work does not start or end its parent's turn; its dialogs do wait for a person.
_AGENT: Final[dict[str, _Rule]] = {
    "SubagentStart": _agent_started,
    "SubagentStop": _agent_stopped,
    "PermissionRequest": _permission,
    "PostToolUse": _agent_call_ended,
    "PostToolUseFailure": _agent_call_ended,
    "PostToolBatch": _agent_batch_ended,
}
