"""The `data` of every HTTP answer; that of an action stands beside it, in `contract.actions`. Pure."""

from typing import Literal

from msgspec import Struct

from services.contract.actions import ActionRecord
from services.contract.entities import (
    Agent,
    Claim,
    ClientInfo,
    KeptEvent,
    Pane,
    Session,
    Status,
    StatusName,
    Transition,
    Window,
)
from services.contract.errors import Problem


class EventData(Struct, frozen=True, kw_only=True):
    """`POST /event`: the event is on disk (200, `seq`), or waits on disk for core (202, `queued`)."""

    seq: int | None = None
    queued: bool = False


class Failure(Struct, frozen=True, kw_only=True):
    """The envelope of every error."""

    success: Literal[False]
    error: Problem


class Peer(Struct, frozen=True, kw_only=True):
    """One process as `/health` shows it. `lag` is in updates, for a gateway."""

    instance: str
    pid: int
    alive: bool
    age_ms: int
    lag: int | None
    figures: dict[str, float]


class WindowWithPanes(Window, frozen=True, kw_only=True):
    """A window with its panes."""

    panes: tuple[Pane, ...] = ()


class WindowsData(Struct, frozen=True, kw_only=True):
    """`GET /api/windows`."""

    windows: tuple[WindowWithPanes, ...]
    sessions: tuple[Session, ...]
    """The sessions that are in these windows' panes."""


class PanesData(Struct, frozen=True, kw_only=True):
    """`GET /api/panes`."""

    panes: tuple[Pane, ...]


class PaneData(Struct, frozen=True, kw_only=True):
    """`GET /api/panes/{id}`."""

    pane: Pane


class Bound(Struct, frozen=True, kw_only=True):
    """A session that is in a pane, and why it is thought to be."""

    session_id: str
    status: StatusName
    is_shown: bool
    """The pane's status is this session's; of several the one that lives, and is the pane's own agent's, the newest."""
    by: str
    """`registry`: Claude Code's file names a process that is in the pane; `hook`: its hook calls named the pane."""
    pid: int | None = None


class Explanation(Struct, frozen=True, kw_only=True):
    """Why a pane's status is what it is."""

    pane_id: str
    agent: Agent | None
    """What the process tree shows."""
    session_id: str | None
    status: Status | None
    claims: tuple[Claim, ...]
    """What each source says now, whether or not it is believed."""
    review_at: int | None
    """Then a source that disagrees is believed, if it still says so."""
    last_hook_at: int | None
    sessions: tuple[Bound, ...]
    transitions: tuple[Transition, ...]
    """The last 20 of the shown session, the newest first."""


class ExplanationData(Struct, frozen=True, kw_only=True):
    """`GET /api/panes/{id}/explain`."""

    explanation: Explanation


class SessionsData(Struct, frozen=True, kw_only=True):
    """`GET /api/sessions`."""

    sessions: tuple[Session, ...]


class SessionData(Struct, frozen=True, kw_only=True):
    """`GET /api/sessions/{id}`."""

    session: Session


class EventsData(Struct, frozen=True, kw_only=True):
    """`GET /api/events`."""

    events: tuple[KeptEvent, ...]
    next_after: int
    """Give it as `after` for the next page."""
    has_more: bool
    """Whether there is a next page now."""


class ClientsData(Struct, frozen=True, kw_only=True):
    """`GET /api/clients`."""

    clients: tuple[ClientInfo, ...]
    """Those for which most waits first; then those that were closed, the newest first."""


class CommandsData(Struct, frozen=True, kw_only=True):
    """`GET /api/commands`."""

    commands: tuple[ActionRecord, ...]
    """The newest first."""


class CoreHealth(Struct, frozen=True, kw_only=True):
    """Core's own figures."""

    epoch: str
    update_seq: int
    event_seq: int
    uptime_s: float
    last_event_at: int | None
    event_age_ms: int | None
    events_kept: int
    sessions: int
    panes: int
    database_bytes: int
    wal_bytes: int
    free_disk_bytes: int
    spool_bytes: int
    figures: dict[str, float]


class HealthData(Struct, frozen=True, kw_only=True):
    """Of `GET /health`, what core knows."""

    core: CoreHealth
    services: dict[str, list[Peer]]
