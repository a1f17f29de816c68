"""The loop: receive, keep in one transaction, acknowledge, publish. Decisions are the state's."""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, assert_never

from services.bus import Incoming, Publisher, Server, wait_readable
from services.contract.answers import CoreHealth
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.events import NewEvent
from services.contract.requests import (
    Appended,
    AppendEvents,
    Beat,
    DrainSpool,
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
    ReportTmux,
    Snapshot,
    SpoolDrained,
    Taken,
)
from services.core import answers
from services.core.keeper import Keeper
from services.core.peers import Peers
from services.core.state import new_tmux_event
from services.core.store import Store, StoreError
from services.core.stream import Stream
from services.process.clock import new_id, now_ms
from services.process.life import StopSignal
from services.process.spool import Spool

BEAT_S: Final = 1.0
CHECKPOINT_S: Final = 30.0
CHECKPOINT_EVENTS: Final = 20_000
"""A start replays at most this much: under a second."""
WAL_LOOK_S: Final = 5.0
WAL_BYTES: Final = 16 * 1024 * 1024
RETENTION_S: Final = 600.0
FOLD_PAUSE_S: Final = 0.05
"""Between two turns of retention, so that it never delays an event by more than one turn."""
SPOOL_LOOK_S: Final = 1.0
SPOOL_CHUNK: Final = 500
DAY_MS: Final = 24 * 3600 * 1000

_Write = AppendEvents | ReportTmux

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

    def __init__(self, store: Store, spool: Spool, server: Server, publisher: Publisher, retention_days: int) -> None:
        self._store = store
        self._spool = spool
        self._server = server
        self._retention_ms = retention_days * DAY_MS
        self._keeper = Keeper(store)
        self._peers = Peers()
        self._stop: StopSignal | None = None
        self._publisher = publisher
        self._stream = Stream(new_epoch(), publisher.publish)
        self._started = time.monotonic()
        self._last_event_at: int | None = None
        self._counts = {"batches_total": 0, "events_total": 0, "repeats_total": 0, "spooled_total": 0}
        self._timers = (
            Timer(BEAT_S, self._beat, first_s=0),
            Timer(CHECKPOINT_S, self._checkpoint),
            Timer(WAL_LOOK_S, self._look_at_wal),
            Timer(RETENTION_S, self._retain, first_s=1),
            Timer(SPOOL_LOOK_S, self._look_at_spool),
        )

    def run(self, stop: StopSignal) -> None:
        """Serve until asked to stop; then write the state down."""
        self._stop = stop
        self.drain_spool()
        logger.info("core ready", extra={"epoch": self._stream.epoch, "event_seq": self._keeper.seq})
        while not stop.is_set:
            self._run_timers()
            pause = min(timer.due for timer in self._timers) - time.monotonic()
            wait_readable(self._server, [self._publisher, stop.fileno()], pause)
            self._publisher.welcome()
            self._handle(self._server.receive(now_ms()))
        self._handle(self._server.receive(now_ms()))
        self._keeper.make_checkpoint(now_ms())

    def _handle(self, incoming: Sequence[Incoming]) -> None:
        writes = [(one, one.request) for one in incoming if isinstance(one.request, _Write)]
        if writes:
            self._write(writes)
        for one in incoming:
            if isinstance(one.request, DrainSpool):
                self._drain(one)
            elif not isinstance(one.request, _Write):
                self._answer(one)

    # Writes: one transaction for all that has arrived.

    def _write(self, writes: Sequence[tuple[Incoming, _Write]]) -> None:
        try:
            with self._store.transaction():
                replies = [(one, self._keep(request)) for one, request in writes]
        except StoreError as exc:
            # The state is ahead of the disk now: only a new start makes them one again.
            for one, _ in writes:
                self._server.fail(one, _not_kept(exc))
            raise
        for one, reply in replies:
            self._server.reply(one, reply)
        for _, request in writes:
            if isinstance(request, ReportTmux):
                self._keeper.state.refresh(request)
        self._publish()
        self._counts["batches_total"] += 1
        if self._keeper.seq - self._keeper.checkpoint_seq >= CHECKPOINT_EVENTS:
            self._checkpoint()

    def _keep(self, request: _Write) -> Reply:
        match request:
            case AppendEvents():
                return Appended(seqs=self._append(request.events))
            case ReportTmux():
                payload = self._keeper.state.tmux_change(request)
                if payload is not None:
                    self._keeper.append([new_tmux_event(new_id(), request.at, payload)], now_ms())
                return Taken(epoch=self._stream.epoch)
            case _:
                assert_never(request)

    def _append(self, events: Sequence[NewEvent]) -> tuple[int, ...]:
        now, before = now_ms(), self._keeper.seq
        seqs = self._keeper.append(events, now)
        new = self._keeper.seq - before
        self._counts["events_total"] += new
        self._counts["repeats_total"] += len(seqs) - new
        if new:
            self._last_event_at = now
        return seqs

    def _publish(self) -> None:
        self._stream.publish(self._keeper.state.take_updates(), now_ms())

    def drain_spool(self) -> int:
        """Take what waits on disk into the log, in its order; how many events."""
        count = sum(self._take_in(path) for path in self._spool.take())
        self._counts["spooled_total"] += count
        if count:
            logger.info("spool taken in", extra={"events": count})
        return count

    def _take_in(self, path: Path) -> int:
        """A file that a stop cuts short is read again by the next start, which knows the ids it has."""
        count = 0
        events = self._spool.read(path)
        while not self._is_stopping():
            chunk = tuple(islice(events, SPOOL_CHUNK))
            if not chunk:
                self._spool.delete(path)
                break
            with self._store.transaction():
                self._append(chunk)
            self._publish()
            self._look_at_wal()
            count += len(chunk)
        return count

    def _is_stopping(self) -> bool:
        return self._stop is not None and self._stop.is_set

    def _drain(self, one: Incoming) -> None:
        try:
            count = self.drain_spool()
        except StoreError as exc:
            self._server.fail(one, _not_kept(exc))
            raise
        self._server.reply(one, SpoolDrained(events=count))

    # Reads.

    def _answer(self, one: Incoming) -> None:
        try:
            reply = self._read(one)
        except QuestmuxError as exc:
            self._server.fail(one, exc.problem)
        except StoreError:
            raise
        except Exception:
            logger.exception("request failed", extra={"request": type(one.request).__name__})
            self._server.fail(one, Problem(code=ErrorCode.INTERNAL, message="core failed; its log says why"))
        else:
            self._server.reply(one, reply)

    def _read(self, one: Incoming) -> Reply:  # noqa: PLR0911 - one line for each request
        state = self._keeper.state
        match one.request:
            case Beat():
                self._peers.take(one.request, now_ms())
                return Taken(epoch=self._stream.epoch)
            case GetSnapshot():
                return Snapshot(
                    epoch=self._stream.epoch,
                    seq=self._stream.seq,
                    windows=state.windows(),
                    panes=state.panes(),
                    sessions=state.sessions(),
                )
            case GetUpdates(epoch=epoch, after=after):
                return Replayed(batches=self._stream.replay(epoch, after))
            case GetWindows():
                return answers.windows(state)
            case GetPanes():
                return answers.panes(state, one.request)
            case GetSessions():
                return answers.sessions(state, one.request)
            case GetEvents():
                return answers.events(self._store, one.request)
            case GetHealth():
                return self._health()
            case AppendEvents() | ReportTmux() | DrainSpool():
                raise AssertionError("what writes does not come here")
            case _:
                assert_never(one.request)

    def _health(self) -> Listing:
        now = now_ms()
        keeper = self._keeper
        last = self._last_event_at
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
                **self._counts,
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
        self._stream.beat()

    def _checkpoint(self) -> None:
        self._keeper.make_checkpoint(now_ms())

    def _look_at_wal(self) -> None:
        if self._store.sizes()["wal_bytes"] > WAL_BYTES:
            self._store.flush_wal()

    def _look_at_spool(self) -> None:
        """Command hooks leave files here without telling anybody."""
        self.drain_spool()

    def _retain(self) -> float | None:
        now = now_ms()
        return FOLD_PAUSE_S if self._keeper.fold_old(now - self._retention_ms, now) else None


def _not_kept(exc: StoreError) -> Problem:
    return Problem(code=ErrorCode.CORE_UNAVAILABLE, message=f"not kept: {exc}")


def new_epoch() -> str:
    """The name of one life of the update stream."""
    return new_id()
