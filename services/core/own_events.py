"""The events that core makes itself: changes of tmux, and what a person dismissed. Pure."""

from typing import Final

import msgspec
from msgspec import structs

from services.contract.entities import Reading, RegistryEntry
from services.contract.events import NewEvent, Source
from services.contract.game import Repository

REPORT: Final = "TmuxReport"
DISMISSED: Final = "Dismissed"
"""A person has seen a pane, and how its session's turn ended."""
LOOKED: Final = "Looked"
"""A person had a pane in front after its session's turn had ended, and pressed a key."""
PANE_CLOSED: Final = "PaneClosed"
"""tmux no longer shows the session's pane."""
REGISTRY_CHANGED: Final = "RegistryChanged"
REGISTRY_GONE: Final = "RegistryGone"
"""Claude Code's file of one of its processes changed; it, or the process, has gone."""
SCREEN_READ: Final = "ScreenRead"
"""A pane's screen means something else than before."""
REPOSITORY_READ: Final = "RepositoryRead"
"""A folder is in another repository than before, or git says something else of that."""
ZONE_SET: Final = "TimeZoneSet"
"""The person's days are those of another time zone."""
SETTLED: Final = "Settled"
"""A source that disagrees with a session's hooks had its time, and still says the same."""


def new_tmux_event(event_id: str, at: int, payload: bytes) -> NewEvent:
    """The event that keeps a change of tmux."""
    return NewEvent(id=event_id, name=REPORT, received_at=at, payload=payload, source=Source.TMUX)


def new_registry_change(event_id: str, at: int, entry: RegistryEntry) -> NewEvent:
    """The event that keeps what an agent's process writes of itself."""
    return NewEvent(
        id=event_id,
        name=REGISTRY_CHANGED,
        received_at=at,
        payload=msgspec.json.encode(entry),
        source=Source.REGISTRY,
        session_id=entry.session_id,
        pane_id=entry.pane_id,
    )


def new_registry_end(event_id: str, at: int, entry: RegistryEntry) -> NewEvent:
    """The event that keeps the end of such a process."""
    change = new_registry_change(event_id, at, entry)
    return structs.replace(change, name=REGISTRY_GONE)


def new_reading(event_id: str, at: int, reading: Reading) -> NewEvent:
    """The event that keeps what a screen means now."""
    return NewEvent(
        id=event_id,
        name=SCREEN_READ,
        received_at=at,
        payload=msgspec.json.encode(reading),
        source=Source.SCREEN,
        pane_id=reading.pane_id,
    )


def new_repository_reading(event_id: str, at: int, reading: Repository) -> NewEvent:
    """The event that keeps what a folder is in."""
    payload = msgspec.json.encode(reading)
    return NewEvent(id=event_id, name=REPOSITORY_READ, received_at=at, payload=payload, source=Source.GIT)


def new_zone(event_id: str, at: int, zone: str) -> NewEvent:
    """The event that keeps the person's time zone, by its IANA name."""
    payload = msgspec.json.encode({"zone": zone})
    return NewEvent(id=event_id, name=ZONE_SET, received_at=at, payload=payload, source=Source.CORE)


def new_settlement(event_id: str, at: int, session_id: str) -> NewEvent:
    """The event that keeps that core looked at a session again."""
    payload = msgspec.json.encode({"session_id": session_id})
    return NewEvent(
        id=event_id, name=SETTLED, received_at=at, payload=payload, source=Source.CORE, session_id=session_id
    )


def new_look(event_id: str, session_id: str, pane_id: str, *, at: int, session_at: int) -> NewEvent:
    """The event that keeps that a person has seen how a turn ended. `session_at` is its time by the session's clock."""
    return NewEvent(
        id=event_id,
        name=LOOKED,
        received_at=at,
        sent_at=session_at,
        payload=msgspec.json.encode({"hook_event_name": LOOKED, "session_id": session_id}),
        source=Source.TMUX,
        session_id=session_id,
        pane_id=pane_id,
    )


def new_dismissal(action_id: str, who: str, session_id: str, pane_id: str, *, at: int, session_at: int) -> NewEvent:
    """The event that keeps a dismissal; one action is one event. `session_at` is its time by the session's clock."""
    payload = {"hook_event_name": DISMISSED, "session_id": session_id, "by": who}
    return NewEvent(
        id=f"dismiss-{action_id}",
        name=DISMISSED,
        received_at=at,
        sent_at=session_at,
        payload=msgspec.json.encode(payload),
        source=Source.API,
        session_id=session_id,
        pane_id=pane_id,
    )
