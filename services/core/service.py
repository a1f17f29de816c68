"""The loop: receive, keep in one transaction, acknowledge, publish. Decisions are the state's."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from services.bus import Incoming, Publisher, Server, wait_readable
from services.contract.answers import CoreHealth
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.game_requests import GetQuest, GetQuests
from services.contract.requests import (
    Beat,
    DrainSpool,
    ExplainPane,
    GetActions,
    GetClients,
    GetEvents,
    GetHealth,
    GetPanes,
    GetSessions,
    GetSnapshot,
    GetUpdates,
    GetWindows,
    Listing,
    Replayed,
    Reply,
    ReportAction,
    ReportScreens,
    RunAction,
    Snapshot,
    SpoolDrained,
    Taken,
    WatchPanes,
)
from services.core import answers, quest_desk
from services.core.action_desk import ActionDesk
from services.core.dispatcher import Dispatcher
from services.core.folder_desk import FolderDesk
from services.core.game_answers import GameAnswers, GameRead
from services.core.keeper import Keeper
from services.core.own_events import new_zone
from services.core.peers import Peers
from services.core.poller_link import PollerLink
from services.core.report_desk import ReportDesk
from services.core.report_files import ReportFiles
from services.core.screen_desk import ScreenDesk
from services.core.store import Store, StoreError
from services.core.stream import Stream
from services.core.writes import Write, Writes, not_kept
from services.process.clock import new_id, now_ms
from services.process.life import StopSignal
from services.process.spool import Spool

BEAT_S: Final = 1.0
"""Also between two updates of the same persona or project: they change with every event, and nobody waits for them."""
CHECKPOINT_S: Final = 30.0
WAL_LOOK_S: Final = 5.0
RETENTION_S: Final = 3600.0
"""Each round reads and writes the base state at least once, which takes its time with thousands of personas."""
CHECKPOINT_SHARE: Final = 0.001
"""Of the time, at most so much goes into checkpoints: a start replays a little more then."""
FOLD_PAUSE_S: Final = 0.05
"""Between two turns of retention, so that it never delays an event by more than one turn."""
FOLD_ACTIONS: Final = 1_000
"""Rows of the audit, and of the journal, that one turn of retention lets go."""
SPOOL_LOOK_S: Final = 1.0
DAY_MS: Final = 24 * 3600 * 1000
RECENT_MS: Final = 30 * DAY_MS
"""A snapshot has the personas and projects with work since then: one may have thousands, and it goes to every phone."""
JOURNAL_MS: Final = 33 * DAY_MS
"""The journal is kept for at least this long: a report goes back 31 local days."""

POLLER: Final = "poller"

_Read = (
    GetSnapshot
    | GetUpdates
    | GetWindows
    | GetPanes
    | ExplainPane
    | GetSessions
    | GetEvents
    | GetActions
    | GetClients
    | GetHealth
    | GetQuests
    | GetQuest
    | GameRead
)
_Work = Beat | DrainSpool | RunAction | ReportAction | ReportScreens | WatchPanes

logger = logging.getLogger(__name__)


class Timer:
    """Something to do from time to time."""

    def __init__(self, every_s: float, act: Callable[[], float | None], *, first_s: float | None = None) -> None:
        self._every_s = every_s
        self._act = act
        self.due = time.monotonic() + (every_s if first_s is None else first_s)

    def run(self, now: float) -> None:
        """Do it, when it is due. It may answer with another pause than the usual."""
        if now >= self.due:
            pause = self._act()
            self.due = time.monotonic() + (self._every_s if pause is None else pause)


class Core:
    """Owns the truth while it runs."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        server: Server,
        publisher: Publisher,
        retention_days: int,
        *,
        time_zone: str,
        reports: ReportFiles,
    ) -> None:
        self._store = store
        self._spool = spool
        self._server = server
        self._publisher = publisher
        self._retention_ms = retention_days * DAY_MS
        self._keeper = keeper = Keeper(store)
        self._game = GameAnswers(keeper.state, keeper.ledger)
        self._set_zone(time_zone)
        keeper.make_checkpoint(now_ms())  # What was decided again must not be so at the next start.
        self._peers = Peers()
        self._stop: StopSignal | None = None
        self._held: list[Incoming] = []
        self._stream = stream = Stream(new_epoch(), publisher.publish)
        self._started = time.monotonic()
        self._link = link = PollerLink(server)
        self._dispatcher = dispatcher = Dispatcher[Incoming]()
        self._folders = FolderDesk(keeper.state, link)
        self._screens = screens = ScreenDesk(keeper.state, link, stream.epoch, publisher.publish)
        self._writes = Writes(
            store=store,
            spool=spool,
            keeper=keeper,
            server=server,
            stream=stream,
            link=link,
            dispatcher=dispatcher,
            screens=screens,
            is_stopping=self._is_stopping,
            answer_reads=self._answer_reads,
        )
        self._actions = ActionDesk(
            store=store,
            keeper=keeper,
            server=server,
            link=link,
            dispatcher=dispatcher,
            reports=ReportDesk(store=store, keeper=keeper, screens=screens, files=reports),
            publish=self._writes.publish,
        )
        self._timers = self._new_timers()

    def _new_timers(self) -> tuple[Timer, ...]:
        return (
            Timer(BEAT_S, self._beat, first_s=0),
            Timer(CHECKPOINT_S, self._checkpoint),
            Timer(WAL_LOOK_S, self._writes.look_at_wal),
            Timer(RETENTION_S, self._retain, first_s=1),
            Timer(SPOOL_LOOK_S, self._look_at_spool),
        )

    def _set_zone(self, zone: str) -> None:
        """Keep the person's time zone when it is another one: what days there were must follow from the log."""
        if zone != self._keeper.state.game.zone:
            now = now_ms()
            with self._store.transaction():
                self._keeper.append([new_zone(new_id(), now, zone)], now)
            self._keeper.state.forget_updates()

    def run(self, stop: StopSignal) -> None:
        """Serve until asked to stop; then write the state down."""
        self._stop = stop
        try:
            self._writes.drain_spool()
            logger.info("core ready", extra={"epoch": self._stream.epoch, "event_seq": self._keeper.seq})
            while not stop.is_set:
                self._run_timers()
                wait_readable(self._server, [self._publisher, stop.fileno()], self._pause_s())
                self._publisher.welcome()
                self._handle([*self._take_held(), *self._server.receive(now_ms())])
                self._writes.settle()
                self._actions.expire()
                clock_s = time.monotonic()
                self._screens.tell_poller(clock_s)
                self._folders.tell_poller(clock_s)
            self._handle([*self._take_held(), *self._server.receive(now_ms())])
        finally:
            self._actions.close()
            self._server.part()
        self._keeper.make_checkpoint(now_ms())

    def _pause_s(self) -> float:
        """How long there is nothing to do, unless somebody asks."""
        now = time.monotonic()
        timers_s = min(timer.due for timer in self._timers) - now
        return min(timers_s, self._writes.pause_s(), self._actions.pause_s(), self._screens.pause_s(now))

    def _is_stopping(self) -> bool:
        return self._stop is not None and self._stop.is_set

    def _answer_reads(self) -> None:
        """Answer who only asks, while a spool is taken in; what is to be kept or done comes after what is in there."""
        self._publisher.welcome()
        for one in self._server.receive(now_ms()):
            if isinstance(one.request, _Read):
                self._answer(one, one.request)
            else:
                self._held.append(one)

    def _take_held(self) -> list[Incoming]:
        held, self._held = self._held, []
        return held

    def _handle(self, incoming: Sequence[Incoming]) -> None:
        writes = [(one, one.request) for one in incoming if isinstance(one.request, Write)]
        if writes:
            self._writes.take(writes)
        for one in incoming:
            if not isinstance(one.request, Write):
                self._answer(one, one.request)

    def _answer(self, one: Incoming, request: _Work | _Read) -> None:
        try:
            reply = self._read(request) if isinstance(request, _Read) else self._work(one, request)
        except QuestmuxError as exc:
            self._server.fail(one, exc.problem)
        except StoreError as exc:
            self._server.fail(one, not_kept(exc))
            raise
        except Exception:
            logger.exception("request failed", extra={"request": type(request).__name__})
            self._server.fail(one, Problem(code=ErrorCode.INTERNAL, message="core failed; its log says why"))
        else:
            if reply is not None:
                self._server.reply(one, reply)

    def _work(self, one: Incoming, request: _Work) -> Reply | None:
        """What a request brings about; None when its answer comes later."""
        match request:
            case Beat():
                return self._take_beat(one, request)
            case DrainSpool():
                return SpoolDrained(events=self._writes.drain_spool())
            case RunAction():
                return self._run_action(one, request)
            case ReportAction():
                self._actions.report(request)
                return Taken(epoch=self._stream.epoch)
            case ReportScreens():
                self._screens.report(request, now_ms())
                return Taken(epoch=self._stream.epoch)
            case WatchPanes():
                return self._screens.watch(request, now_ms())
            case _:
                assert_never(request)

    def _take_beat(self, one: Incoming, beat: Beat) -> Taken:
        self._peers.take(beat, now_ms())
        if beat.service == POLLER:
            self._link.beat(one.peer)
            self._link.heard(now_ms())
        return Taken(epoch=self._stream.epoch)

    def _run_action(self, one: Incoming, request: RunAction) -> Listing | None:
        if self._is_stopping():
            raise QuestmuxError(ErrorCode.CORE_UNAVAILABLE, "core ends: nothing was done")
        return self._actions.run(one, request)

    def _read(self, request: _Read) -> Reply:  # noqa: C901, PLR0911, PLR0912 - one line for each request
        state = self._keeper.state
        match request:
            case GetSnapshot():
                return Snapshot(
                    epoch=self._stream.epoch,
                    seq=self._stream.seq,
                    windows=state.windows(),
                    panes=state.panes(),
                    sessions=state.sessions(),
                    personas=state.game.personas_since(now_ms() - RECENT_MS),
                    projects=state.game.projects_since(now_ms() - RECENT_MS),
                    quests=state.game.quests_since(now_ms() - RECENT_MS),
                )
            case GetUpdates(epoch=epoch, after=after):
                return Replayed(batches=self._stream.replay(epoch, after))
            case GetWindows():
                return answers.windows(state)
            case GetPanes():
                return answers.panes(state, request)
            case ExplainPane():
                return answers.explanation(state, request)
            case GetSessions():
                return answers.sessions(state, request)
            case GetEvents():
                return answers.events(self._store, request)
            case GetActions():
                return answers.actions(self._store, request)
            case GetClients():
                return answers.clients(self._peers.clients(now_ms()))
            case GetHealth():
                return self._health()
            case GetQuests():
                return quest_desk.page(state.game.quests, request)
            case GetQuest():
                return quest_desk.one(state.game.quests, request)
            case _:
                return self._game.answer(request, now_ms())

    def _health(self) -> Listing:
        now = now_ms()
        keeper = self._keeper
        last = self._writes.last_event_at
        core = CoreHealth(
            epoch=self._stream.epoch,
            update_seq=self._stream.seq,
            event_seq=keeper.seq,
            uptime_s=round(time.monotonic() - self._started, 1),
            last_event_at=last,
            event_age_ms=None if last is None else now - last,
            events_kept=keeper.seq - keeper.base_seq,
            sessions=len(keeper.state.sessions()),
            panes=len(keeper.state.panes()),
            spool_bytes=self._spool.size_bytes(),
            figures={
                **self._writes.figures,
                **self._actions.figures,
                **keeper.state.doubts(now),
                "pending_actions": len(self._dispatcher),
                "failed_events_total": keeper.failed_events,
                "bad_requests_total": self._server.bad_requests,
                "expired_requests_total": self._server.expired_requests,
                "dropped_replies_total": self._server.dropped_replies,
                "rejected_spool_lines_total": self._spool.rejected_lines,
            },
            **self._store.sizes(),
        )
        return answers.health(core, self._peers.by_service(now, self._stream.seq))

    # From time to time.

    def _run_timers(self) -> None:
        now = time.monotonic()
        for timer in self._timers:
            timer.run(now)

    def _beat(self) -> None:
        self._screens.forget_silent(now_ms())
        self._stream.publish(self._keeper.state.game.take_standings(), now_ms())
        self._stream.beat(self._screens.seq)

    def _checkpoint(self) -> float:
        began = time.monotonic()
        self._keeper.make_checkpoint(now_ms())
        return max(CHECKPOINT_S, (time.monotonic() - began) / CHECKPOINT_SHARE)

    def _look_at_spool(self) -> None:
        """Command hooks leave files here without telling anybody."""
        self._writes.drain_spool()

    def _retain(self) -> float | None:
        now = now_ms()
        oldest = now - self._retention_ms
        folded = self._keeper.fold_old(oldest, now)
        with self._store.transaction():
            folded += self._store.delete_actions_before(oldest, FOLD_ACTIONS)
            folded += self._keeper.ledger.journal_forget_before(
                min(oldest, now - JOURNAL_MS), self._keeper.base_seq, FOLD_ACTIONS
            )
        return FOLD_PAUSE_S if folded else None


def new_epoch() -> str:
    """The name of one life of the update stream."""
    return new_id()
