"""The state as clients see it: one session, one pane, one event. Pure."""

from typing import Final

from msgspec import Raw

from services.contract.entities import KeptEvent, Pane, Session, Status, StatusName
from services.contract.events import NewEvent
from services.contract.requests import SeenPane
from services.contract.updates import Attention, XpGain
from services.core.facts import cut
from services.core.game.earnings import Award
from services.core.session_state import SessionState
from services.core.witnesses import Listed

REASON_CHARS: Final = 200
SAME_MS: Final = 2_000
"""Two sources that say the same thing this close together tell of one thing."""
_BUSY: Final = frozenset({StatusName.WORKING, StatusName.WAITING})


def kept_event(seq: int, event: NewEvent, limit: int) -> KeptEvent:
    """An event as clients see it; its payload is left out when over `limit` bytes."""
    return KeptEvent(
        seq=seq,
        id=event.id,
        received_at=event.received_at,
        name=event.name,
        session_id=event.session_id,
        pane_id=event.pane_id,
        payload=Raw(event.payload) if len(event.payload) <= limit else None,
        source=event.source,
        sent_at=event.sent_at,
    )


def session_view(session_id: str, kept: SessionState, pane_id: str | None, listed: Listed | None) -> Session:
    """A session in its pane, with what the registry has of its process."""
    turn, status = kept.timeline.turn, kept.verdict.status
    entry = None if listed is None else listed.entry
    return Session(
        id=session_id,
        status=status,
        started_at=kept.started_at,
        last_event_at=kept.last_event_at,
        pane_id=pane_id,
        cwd=turn.cwd or (None if entry is None else entry.cwd),
        model=turn.model,
        permission_mode=turn.permission_mode,
        prompt=turn.prompt,
        tool=turn.calls[-1].tool_name if turn.calls and status.name in _BUSY else None,
        asks=kept.verdict.asks,
        subagents=turn.agents,
        background_tasks=turn.background_tasks,
        last_message=turn.last_message,
        events=kept.events,
        late_events=kept.late_events,
        xp=kept.xp,
        persona_id=kept.persona_id,
        project_id=kept.project_id,
        pid=kept.pid if entry is None else entry.pid,
        kind=None if entry is None else entry.kind,
    )


def xp_gain(session_id: str, awards: tuple[Award, ...], total: int) -> XpGain:
    """What one event earned for its session."""
    first = awards[0]
    why = ", ".join(f"{award.rule}: {award.reason}" if award.reason else award.rule for award in awards)
    return XpGain(
        session_id=session_id,
        amount=sum(award.amount for award in awards),
        reason=cut(why, REASON_CHARS),
        total=total,
        persona_id=first.persona_id,
        project_id=first.project_id,
    )


def pane_view(seen: SeenPane, session_id: str | None, status: Status | None) -> Pane:
    """A pane with the session in it."""
    return Pane(
        id=seen.id,
        window_id=seen.window_id,
        index=seen.index,
        active=seen.active,
        title=seen.title,
        command=seen.command,
        cwd=seen.cwd,
        pid=seen.pid,
        width=seen.width,
        height=seen.height,
        dead=seen.dead,
        processes=seen.processes,
        agent=seen.agent,
        activity_at=seen.activity_at,
        session_id=session_id,
        status=status,
    )


def attention(before: Status, session: Session) -> list[Attention]:
    """What a person is told: also of a turn that began and ended within one batch."""
    status = session.status
    is_same = before.name is status.name and before.unseen >= status.unseen
    if before.name is status.name and ((is_same and before.since == status.since) or _is_one(before, status)):
        return []
    match status.name:
        case StatusName.WAITING:
            reason = str(status.waiting_for)
        case StatusName.ERROR:
            reason = status.error or "unknown"
        case StatusName.IDLE if status.unseen:
            reason = "finished"
        case _:
            return []
    return [Attention(session_id=session.id, pane_id=session.pane_id, status=status.name, reason=reason)]


def _is_one(before: Status, status: Status) -> bool:
    """Whether another source tells what one has told already."""
    if before.evidence is None or status.evidence is None or before.evidence.source == status.evidence.source:
        return False
    if status.unseen and not before.unseen:
        return False  # Nobody was told: only now it is known that a turn finished.
    return abs(before.since - status.since) <= SAME_MS
