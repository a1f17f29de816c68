"""Where a session is in its turns, and the status that this means. Pure."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from services.contract.entities import Ask, BackgroundTask, Evidence, Status, StatusName, Subagent, WaitingFor


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
    rule: str
    event_id: str
    source: str
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
    agents: tuple[Subagent, ...] = ()
    since: int = 0
    rule: str = ""
    rule_at: int = 0
    rule_event_id: str = ""
    rule_source: str = "hook"
    told_at: int = 0
    """When the last event was sent that bears on the status, and not after it was received: to compare with what
    other sources say."""
    unseen: bool = False
    error: str | None = None
    background_tasks: tuple[BackgroundTask, ...] = ()
    cwd: str | None = None
    model: str | None = None
    permission_mode: str | None = None
    prompt: str | None = None
    last_message: str | None = None
    pane_id: str | None = None
    tmux_pid: int | None = None
    is_pane_closed: bool = False
    """tmux closed the pane, and no event has named one since."""


def status_of(turn: Turn) -> Status:
    """The status that a turn's state means."""
    dialog = _dialog(turn)
    return Status(
        name=name_of(turn),
        since=turn.since,
        waiting_for=None if dialog is None else dialog.waiting_for,
        unseen=turn.unseen,
        error=turn.error,
        background_tasks=len(turn.background_tasks),
        evidence=_evidence(turn, dialog),
    )


def asked(turn: Turn) -> Ask | None:
    """What a waiting turn asks."""
    dialog = _dialog(turn)
    return None if dialog is None else dialog.asks


def _dialog(turn: Turn) -> Pending | None:
    """The first thing that waits for a person."""
    return turn.pending[0] if turn.pending and turn.phase is not Phase.ENDED else None


def _evidence(turn: Turn, dialog: Pending | None) -> Evidence | None:
    if dialog is not None:
        return Evidence(source=dialog.source, rule=dialog.rule, at=dialog.at, event_id=dialog.event_id)
    if not turn.rule:
        return None
    return Evidence(source=turn.rule_source, rule=turn.rule, at=turn.rule_at, event_id=turn.rule_event_id)


def name_of(turn: Turn) -> StatusName:
    """The one word for a turn's state."""
    return _NAMES[turn.phase] if _dialog(turn) is None else StatusName.WAITING


_NAMES: Final = {
    Phase.NEW: StatusName.UNKNOWN,
    Phase.OPEN: StatusName.WORKING,
    Phase.IDLE: StatusName.IDLE,
    Phase.ERROR: StatusName.ERROR,
    Phase.ENDED: StatusName.ENDED,
}


def condition(turn: Turn) -> tuple[object, ...]:
    """What a person would tell apart: the status, and of a dialog which one."""
    dialog = _dialog(turn)
    return (name_of(turn), None if dialog is None else (dialog.key, dialog.agent_id, dialog.waiting_for))
