"""The `data` of every HTTP answer; that of an action stands beside it, in `contract.actions`. Pure."""

from typing import Literal

from msgspec import Struct

from services.contract.actions import ActionRecord
from services.contract.entities import KeptEvent, Pane, Session, Window
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
