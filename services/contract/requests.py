"""Requests that peers make of core, each with its reply. Pure."""

from msgspec import Struct

from services.contract.entities import Pane, Process, Session, TmuxServer, Window
from services.contract.events import NewEvent


class Request(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What a peer asks of core."""


class Reply(Struct, frozen=True, kw_only=True):
    """What core answers."""


class AppendEvents(Request, frozen=True, kw_only=True, tag="append_events"):
    """Keep these events, in this order. Answered once they are on disk, with `Appended`."""

    events: tuple[NewEvent, ...]


class Appended(Reply, frozen=True, kw_only=True):
    """The `seq` of each event; a repeated id has the `seq` of its first."""

    seqs: tuple[int, ...]


class DrainSpool(Request, frozen=True, kw_only=True, tag="drain_spool"):
    """Read what the spool folder holds into the log. Answered with `SpoolDrained`."""


class SpoolDrained(Reply, frozen=True, kw_only=True):
    """How many events the spool held, repeats included."""

    events: int


class SeenPane(Struct, frozen=True, kw_only=True):
    """A pane as the poller saw it."""

    id: str
    window_id: str
    index: int
    active: bool
    title: str
    command: str
    cwd: str
    pid: int
    width: int
    height: int
    dead: bool
    processes: tuple[Process, ...] = ()


class SeenWindow(Struct, frozen=True, kw_only=True):
    """A window as the poller saw it."""

    id: str
    tmux_session_id: str
    tmux_session: str
    index: int
    name: str
    active: bool
    layout: str


class ReportTmux(Request, frozen=True, kw_only=True, tag="report_tmux"):
    """All that one poller sees now. Answered with `Taken`."""

    at: int
    server: TmuxServer | None
    """None when there is no tmux server."""
    windows: tuple[SeenWindow, ...] = ()
    panes: tuple[SeenPane, ...] = ()


class Taken(Reply, frozen=True, kw_only=True):
    """Core took it; its epoch, so that a sender notices a restart."""

    epoch: str


class Beat(Request, frozen=True, kw_only=True, tag="beat"):
    """A peer is alive, with its figures. Answered with `Taken`."""

    service: str
    """`api`, `poller` or `ws`."""
    instance: str
    """Unique for each process."""
    pid: int
    interval_s: float
    """When to expect the next one."""
    applied_seq: int | None = None
    """Of a gateway: the update it has applied last."""
    figures: dict[str, float] = {}
    """Counters (names ending in `_total`) and gauges, for `/health` and `/metrics`."""


class GetSnapshot(Request, frozen=True, kw_only=True, tag="get_snapshot"):
    """The whole state at one update. Answered with `Snapshot`."""


class Snapshot(Reply, frozen=True, kw_only=True):
    """State as it is after update `seq` of `epoch`."""

    epoch: str
    seq: int
    windows: tuple[Window, ...]
    panes: tuple[Pane, ...]
    sessions: tuple[Session, ...]


class GetUpdates(Request, frozen=True, kw_only=True, tag="get_updates"):
    """Replay of the update stream from core's ring. Answered with `Replayed`."""

    epoch: str
    after: int
    """The last seq that the asker has."""


class Replayed(Reply, frozen=True, kw_only=True):
    """The bus frames of the updates asked for, whole batches, oldest first.

    None when the ring does not reach back that far or the epoch is another: take a snapshot.
    """

    batches: tuple[tuple[bytes, ...], ...] | None


class GetWindows(Request, frozen=True, kw_only=True, tag="get_windows"):
    """Answered with `Listing`."""


class GetPanes(Request, frozen=True, kw_only=True, tag="get_panes"):
    """Answered with `Listing`."""

    id: str | None = None


class GetSessions(Request, frozen=True, kw_only=True, tag="get_sessions"):
    """Answered with `Listing`."""

    id: str | None = None


class GetEvents(Request, frozen=True, kw_only=True, tag="get_events"):
    """A page of the log after a `seq`, oldest first. Answered with `Listing`."""

    after: int
    limit: int


class GetHealth(Request, frozen=True, kw_only=True, tag="get_health"):
    """Answered with `Listing`."""


class Listing(Reply, frozen=True, kw_only=True):
    """The `data` of an HTTP answer, encoded once, by core."""

    data: bytes


type_of_reply: dict[type[Request], type[Reply]] = {
    AppendEvents: Appended,
    DrainSpool: SpoolDrained,
    ReportTmux: Taken,
    Beat: Taken,
    GetSnapshot: Snapshot,
    GetUpdates: Replayed,
    GetWindows: Listing,
    GetPanes: Listing,
    GetSessions: Listing,
    GetEvents: Listing,
    GetHealth: Listing,
}

AnyRequest = (
    AppendEvents
    | DrainSpool
    | ReportTmux
    | Beat
    | GetSnapshot
    | GetUpdates
    | GetWindows
    | GetPanes
    | GetSessions
    | GetEvents
    | GetHealth
)
