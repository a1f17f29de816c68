"""Requests that peers make of core, each with its reply. Pure."""

from msgspec import Struct

from services.contract.entities import (
    Agent,
    ClientInfo,
    Pane,
    Process,
    Reading,
    RegistryEntry,
    Session,
    TmuxServer,
    Window,
)
from services.contract.errors import Problem
from services.contract.events import NewEvent
from services.contract.game import Persona, Project, Quest, Repository


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
    agent: Agent | None = None
    activity_at: int = 0


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
    """What one poller sees now, whole or as changes of its last report. Answered with `Taken`."""

    at: int
    server: TmuxServer | None
    """None when there is no tmux server."""
    windows: tuple[SeenWindow, ...] | None = ()
    """All of them, in tmux's order; None when none has changed."""
    panes: tuple[SeenPane, ...] = ()
    """All of them, or those that are new or changed."""
    gone: tuple[str, ...] = ()
    """Of changes: panes that are not there any more."""
    revision: int = 0
    """The report's number."""
    after: int | None = None
    """Of changes: the number of the report that they change. A core that has another answers `conflict`: send all."""


class Taken(Reply, frozen=True, kw_only=True):
    """Core took it; its epoch, so that a sender notices a restart."""

    epoch: str


class SeenScreen(Struct, frozen=True, kw_only=True):
    """A pane's screen as the poller captured it."""

    pane_id: str
    screen: bytes
    """A `Screen` as MessagePack: encoded once, opened by who shows it."""


class ReportScreens(Request, frozen=True, kw_only=True, tag="report_screens"):
    """Screens that have changed. Answered with `Taken`."""

    screens: tuple[SeenScreen, ...]


class Look(Struct, frozen=True, kw_only=True):
    """A person has a pane in front, and pressed a key there."""

    pane_id: str
    at: int
    """When, in Unix milliseconds: the last of the second that tmux tells. Who types as a turn ends sees it end."""


class ReportSigns(Request, frozen=True, kw_only=True, tag="report_signs"):
    """What tells of sessions besides their hooks: the agents' registry, and their screens. Answered with `Taken`."""

    at: int
    registry: tuple[RegistryEntry, ...] = ()
    """Entries that are new or changed, each by its pid; all of them when `is_whole`."""
    gone: tuple[int, ...] = ()
    """Pids of entries whose file or process has gone."""
    is_whole: bool = False
    """Entries that are not in `registry` have gone."""
    readings: tuple[Reading, ...] = ()
    looks: tuple[Look, ...] = ()


class ReportRepositories(Request, frozen=True, kw_only=True, tag="report_repositories"):
    """What the agents' folders are in, each folder that is new or changed. Answered with `Taken`."""

    at: int
    repositories: tuple[Repository, ...]


class ReportAction(Request, frozen=True, kw_only=True, tag="report_action"):
    """What came of an action that core had ordered: `data` or `problem`. Answered with `Taken`."""

    id: str
    data: bytes | None = None
    """The `data` of the HTTP answer, as JSON."""
    problem: Problem | None = None


class RunAction(Request, frozen=True, kw_only=True, tag="run_action"):
    """Have an action done. Answered with `Listing`; with `tmux_timeout` when it was not done in time.

    The same id again is the same action: it is not done twice, and the answer is that of the first.
    """

    id: str
    who: str
    action: str
    """Its name in `contract.actions.ACTIONS`."""
    fields: bytes
    """Its fields, as MessagePack."""
    target: str | None = None
    """The pane or window."""
    deadline_at: int
    """Unix milliseconds."""


class WatchPanes(Request, frozen=True, kw_only=True, tag="watch_panes"):
    """These panes are watched by one gateway's clients, until it says otherwise or falls silent.

    Answered with `Watching`.
    """

    instance: str
    panes: tuple[str, ...]


class Watching(Reply, frozen=True, kw_only=True):
    """The watched panes' screens as core has them, after the screen batch `seq` of `epoch`."""

    epoch: str
    seq: int
    screens: tuple[bytes, ...]
    """Each a `Screen` as MessagePack."""


class GetActions(Request, frozen=True, kw_only=True, tag="get_actions"):
    """The audit, newest first. Answered with `Listing`."""

    limit: int


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
    clients: tuple[ClientInfo, ...] = ()
    """Of a gateway: those for which most waits, and those that were closed last."""


class GetSnapshot(Request, frozen=True, kw_only=True, tag="get_snapshot"):
    """The whole state at one update. Answered with `Snapshot`."""


class Snapshot(Reply, frozen=True, kw_only=True):
    """State as it is after update `seq` of `epoch`."""

    epoch: str
    seq: int
    windows: tuple[Window, ...]
    panes: tuple[Pane, ...]
    sessions: tuple[Session, ...]
    personas: tuple[Persona, ...] = ()
    projects: tuple[Project, ...] = ()
    quests: tuple[Quest, ...] = ()


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


class ExplainPane(Request, frozen=True, kw_only=True, tag="explain_pane"):
    """Why a pane's status is what it is. Answered with `Listing`."""

    id: str


class GetSessions(Request, frozen=True, kw_only=True, tag="get_sessions"):
    """Answered with `Listing`."""

    id: str | None = None


class GetEvents(Request, frozen=True, kw_only=True, tag="get_events"):
    """A page of the log after a `seq`, oldest first. Answered with `Listing`."""

    after: int
    limit: int


class GetClients(Request, frozen=True, kw_only=True, tag="get_clients"):
    """The clients of all gateways. Answered with `Listing`."""


class GetHealth(Request, frozen=True, kw_only=True, tag="get_health"):
    """Answered with `Listing`."""


class Listing(Reply, frozen=True, kw_only=True):
    """The `data` of an HTTP answer, encoded once, by core."""

    data: bytes
