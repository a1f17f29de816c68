"""The status of a session as a fold over its facts in their order, table-driven. Pure.

docs/status.md draws it. A session has a *phase*: no turn yet, an open turn, or how the last one ended. While something
is pending it waits, so a parallel tool that goes on does not hide an open dialog; without, an open turn works.
"""

from collections.abc import Callable
from typing import Final

from msgspec import structs

from services.contract.entities import BackgroundTask, StatusName, Subagent, WaitingFor
from services.contract.events import Source
from services.core.facts import Fact
from services.core.own_events import DISMISSED, LOOKED, PANE_CLOSED
from services.core.turn import Call, Pending, Phase, Turn, condition, name_of

PARALLEL_MS: Final = 1_000
"""Calls of one batch announce themselves together. A call this much later means that an earlier dialog is settled."""
LATE_MS: Final = 2_000
"""Without the sender's clock a SessionStart may come after its prompt, a Stop after its SessionEnd, by this much."""
HELD: Final = 64
"""Calls, subagents and dialogs remembered; also finished calls, whose late PreToolUse does not open a turn again."""


def fold(turn: Turn, fact: Fact) -> Turn:
    """The turn after one more fact, which is later than all before it."""
    is_hook = fact.source == Source.HOOK
    rule = _hook_rule(fact) if is_hook else _OTHERS.get((fact.source, fact.name))
    after = _facts_only(turn, fact) if is_hook else turn
    if rule is None:
        return after
    changed = rule(after, fact)
    if changed is after:
        return after
    moved = condition(turn) != condition(changed)
    if moved or fact.name in _TELLING or fact.name == PANE_CLOSED:
        changed = structs.replace(changed, told_at=max(changed.told_at, fact.told_at))
    if not moved and name_of(changed) is not StatusName.WORKING:
        return changed  # A late fact of a closed turn is not why it is closed, nor a parallel tool why one waits.
    return structs.replace(
        changed,
        since=fact.at if moved else changed.since,
        rule=fact.name,
        rule_at=fact.at,
        rule_event_id=fact.event_id,
        rule_source=fact.source,
    )


def _hook_rule(fact: Fact) -> "_Rule | None":
    table = _AGENT if fact.agent_id is not None else _MAIN
    return table.get(fact.name)


def _facts_only(turn: Turn, fact: Fact) -> Turn:
    """What every hook may bring, whatever its name: the newest value of each field."""
    if fact.pane_id is not None:
        turn = structs.replace(turn, pane_id=fact.pane_id, tmux_pid=fact.tmux_pid, is_pane_closed=False)
    if fact.agent_id is not None:
        return turn
    return structs.replace(
        turn,
        cwd=fact.cwd or turn.cwd,
        model=fact.model or turn.model,
        permission_mode=fact.permission_mode or turn.permission_mode,
        prompt=fact.prompt or turn.prompt,
        last_message=fact.last_message or turn.last_message,
    )


def _opened(turn: Turn) -> Turn:
    if turn.phase is Phase.OPEN:
        return turn
    return structs.replace(turn, phase=Phase.OPEN, calls=(), unseen=False, error=None, background_tasks=())


def _closed(
    turn: Turn,
    phase: Phase,
    *,
    error: str | None = None,
    unseen: bool = False,
    tasks: tuple[BackgroundTask, ...] = (),
) -> Turn:
    return structs.replace(turn, phase=phase, pending=(), calls=(), unseen=unseen, error=error, background_tasks=tasks)


def _session_start(turn: Turn, fact: Fact) -> Turn:
    # Late, doubled and phantom SessionStarts are common: within a turn only a resume says that the process is new.
    is_resume, is_late = fact.kind == "resume", fact.at - turn.since <= LATE_MS
    if fact.kind == "compact" or (turn.phase is Phase.OPEN and (is_late or not is_resume)):
        return turn
    if turn.phase is Phase.ENDED and is_late and not is_resume:
        return turn
    if turn.phase is Phase.IDLE:
        return structs.replace(turn, pending=(), agents=(), background_tasks=()) if is_resume else turn
    return structs.replace(_closed(turn, Phase.IDLE), agents=())


def _prompt(turn: Turn, _fact: Fact) -> Turn:
    pending = tuple(p for p in turn.pending if p.agent_id is not None)
    return structs.replace(_opened(turn), pending=pending, calls=(), unseen=False, error=None, background_tasks=())


def _call(turn: Turn, fact: Fact) -> Turn:
    if fact.tool_use_id in turn.done:
        return turn
    opened = _opened(turn)
    pending = tuple(p for p in opened.pending if not _outlived(p, fact) and p.key != _NOTICE)
    waiting_for = _DIALOG_TOOLS.get(fact.tool_name or "")
    if waiting_for is not None and fact.tool_key is not None:
        pending = _with(pending, _pending(fact, fact.tool_key, waiting_for))
    call = Call(id=fact.tool_use_id or fact.event_id, tool_name=fact.tool_name or "")
    calls = tuple(c for c in opened.calls if c.id != call.id)
    return structs.replace(opened, pending=pending, calls=(*calls, call)[-HELD:])


def _permission(turn: Turn, fact: Fact) -> Turn:
    key = fact.tool_key or "permission"
    waiting_for = _DIALOG_TOOLS.get(fact.tool_name or "", WaitingFor.PERMISSION)
    return _asking(turn, fact, key, waiting_for)


def _call_ended(turn: Turn, fact: Fact) -> Turn:
    done = turn.done if fact.tool_use_id is None else (*turn.done, fact.tool_use_id)[-HELD:]
    opened = _working(turn, fact)
    pending = tuple(p for p in opened.pending if not _settles(fact, p))
    calls = tuple(c for c in opened.calls if c.id != fact.tool_use_id)
    return structs.replace(opened, pending=pending, calls=calls, done=done)


def _batch_ended(turn: Turn, fact: Fact) -> Turn:
    opened = _working(turn, fact)
    return structs.replace(opened, pending=tuple(p for p in opened.pending if p.agent_id is not None), calls=())


def _stop(turn: Turn, fact: Fact) -> Turn:
    if turn.phase is Phase.ENDED and fact.at - turn.since <= LATE_MS:
        return turn
    closed = _closed(turn, Phase.IDLE, unseen=True, tasks=fact.background_tasks)
    if not fact.background_tasks:
        return structs.replace(closed, agents=())
    return structs.replace(closed, pending=tuple(p for p in turn.pending if p.agent_id is not None))


def _stop_failure(turn: Turn, fact: Fact) -> Turn:
    if turn.phase is Phase.ENDED and fact.at - turn.since <= LATE_MS:
        return turn
    return _closed(turn, Phase.ERROR, error=fact.kind or "unknown", unseen=True)


def _session_end(turn: Turn, _fact: Fact) -> Turn:
    return structs.replace(_closed(turn, Phase.ENDED), agents=())


def _pane_closed(turn: Turn, fact: Fact) -> Turn:
    return structs.replace(_session_end(turn, fact), is_pane_closed=True)


def _dismissed(turn: Turn, _fact: Fact) -> Turn:
    """A person has seen how the turn ended, and wants to hear no more of it."""
    if turn.phase is Phase.ERROR:
        return structs.replace(turn, phase=Phase.IDLE, error=None, unseen=False)
    return _looked(turn, _fact)


def _looked(turn: Turn, _fact: Fact) -> Turn:
    return structs.replace(turn, unseen=False) if turn.unseen else turn


def _elicitation(turn: Turn, fact: Fact) -> Turn:
    return _asking(turn, fact, _FORM, WaitingFor.ELICITATION)


def _elicited(turn: Turn, fact: Fact) -> Turn:
    pending = tuple(p for p in turn.pending if (p.key, p.agent_id) != (_FORM, fact.agent_id))
    return turn if pending == turn.pending else structs.replace(turn, pending=pending)


def _notice(turn: Turn, fact: Fact) -> Turn:
    """A Notification repeats what another event said earlier, or stands in for one that was lost."""
    if fact.kind in {"elicitation_complete", "elicitation_response"}:
        return _elicited(turn, fact)
    if fact.kind == "idle_prompt":
        # It comes from the empty input line: whatever was open before is over, by an Esc that no event told of. Who
        # pressed it has seen the end.
        is_news = turn.phase in {Phase.NEW, Phase.OPEN}
        return _closed(turn, Phase.IDLE) if is_news else structs.replace(turn, pending=())
    waiting_for = _NOTICES.get(fact.kind or "")
    if waiting_for is None or turn.phase not in {Phase.NEW, Phase.OPEN} or turn.pending:
        return turn
    return _asking(turn, fact, _NOTICE, waiting_for)


def _compact(turn: Turn, fact: Fact) -> Turn:
    return _working(turn, fact) if fact.kind == "auto" else _opened(turn)


def _compacted(turn: Turn, fact: Fact) -> Turn:
    return turn if fact.kind == "auto" or turn.phase is not Phase.OPEN else _closed(turn, Phase.IDLE)


def _working(turn: Turn, _fact: Fact) -> Turn:
    return _opened(turn) if turn.phase is Phase.NEW else turn


def _agent_started(turn: Turn, fact: Fact) -> Turn:
    others = tuple(agent for agent in turn.agents if agent.id != fact.agent_id)
    started = Subagent(id=fact.agent_id or "", type=fact.agent_type or "", started_at=fact.at)
    return structs.replace(turn, agents=(*others, started)[-HELD:])


def _agent_stopped(turn: Turn, fact: Fact) -> Turn:
    others = tuple(agent for agent in turn.agents if agent.id != fact.agent_id)
    return _agent_batch_ended(structs.replace(turn, agents=others), fact)


def _agent_call(turn: Turn, fact: Fact) -> Turn:
    return _answered(turn, tuple(p for p in turn.pending if not _outlived(p, fact)))


def _agent_call_ended(turn: Turn, fact: Fact) -> Turn:
    return _answered(turn, tuple(p for p in turn.pending if not _settles(fact, p)))


def _agent_batch_ended(turn: Turn, fact: Fact) -> Turn:
    return _answered(turn, tuple(p for p in turn.pending if p.agent_id != fact.agent_id))


def _answered(turn: Turn, pending: tuple[Pending, ...]) -> Turn:
    """A subagent goes on. The person who answered it has seen what there was to see."""
    return turn if pending == turn.pending else structs.replace(turn, pending=pending, unseen=False)


def _asking(turn: Turn, fact: Fact, key: str, waiting_for: WaitingFor) -> Turn:
    """A dialog opens. A subagent's makes its session wait, and opens no turn in it."""
    opened = _opened(turn) if fact.agent_id is None else turn
    if opened.phase is Phase.ENDED:
        return turn
    others = tuple(p for p in opened.pending if p.key != _NOTICE)
    return structs.replace(opened, pending=_with(others, _pending(fact, key, waiting_for)))


def _with(pending: tuple[Pending, ...], new: Pending) -> tuple[Pending, ...]:
    """One more dialog; what is said of a known one again takes its place."""
    same = [place for place, p in enumerate(pending) if (p.key, p.agent_id) == (new.key, new.agent_id)]
    if same:
        return (*pending[: same[0]], new, *pending[same[0] + 1 :])
    return (*pending, new)[-HELD:]


def _pending(fact: Fact, key: str, waiting_for: WaitingFor) -> Pending:
    return Pending(
        key=key,
        at=fact.at,
        waiting_for=waiting_for,
        rule=fact.name,
        event_id=fact.event_id,
        source=fact.source,
        agent_id=fact.agent_id,
        tool_use_id=fact.tool_use_id,
        asks=fact.asks,
    )


def _outlived(pending: Pending, call: Fact) -> bool:
    """Whether the same thread's next call says that this was settled: parallel calls come together."""
    return pending.agent_id == call.agent_id and call.at - pending.at > PARALLEL_MS


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
    "PreToolUse": _agent_call,
    "PermissionRequest": _permission,
    "PermissionDenied": _agent_call_ended,
    "PostToolUse": _agent_call_ended,
    "PostToolUseFailure": _agent_call_ended,
    "PostToolBatch": _agent_batch_ended,
    "Elicitation": _elicitation,
    "ElicitationResult": _elicited,
}

_TELLING: Final = frozenset(
    {"SessionStart", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "Elicitation", "Stop", "StopFailure"}
)
"""What says how things stand, also where it stood so before. The end of a call, or of a batch, does not: it may be that
of a parallel one, or of one that an Esc broke off."""

# What is no hook. A hook of the same name is any other unknown hook.
_OTHERS: Final[dict[tuple[str, str], _Rule]] = {
    (Source.TMUX, PANE_CLOSED): _pane_closed,
    (Source.TMUX, LOOKED): _looked,
    (Source.API, DISMISSED): _dismissed,
}
