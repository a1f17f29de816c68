"""What is kept: events and reports of tmux, in one transaction for all that has arrived, then told to everybody."""

import logging
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, assert_never

from services.bus import Incoming, Server
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.events import NewEvent
from services.contract.game_requests import CommandQuest
from services.contract.requests import Appended, AppendEvents, Reply, ReportRepositories, ReportSigns, ReportTmux, Taken
from services.core.dispatcher import Dispatcher
from services.core.keeper import Keeper
from services.core.own_events import (
    new_look,
    new_reading,
    new_registry_change,
    new_registry_end,
    new_repository_reading,
    new_settlement,
    new_tmux_event,
)
from services.core.poller_link import PollerLink
from services.core.quest_desk import QuestDesk, find_earlier
from services.core.screen_desk import ScreenDesk
from services.core.store import Store, StoreError
from services.core.stream import Stream
from services.process.clock import new_id, now_ms
from services.process.spool import Spool

CHECKPOINT_EVENTS: Final = 20_000
"""A start replays at most this much: under a second."""
WAL_BYTES: Final = 16 * 1024 * 1024
SPOOL_FILES: Final = 500
SPOOL_CHUNK: Final = 500

SEND_ALL: Final = Problem(code=ErrorCode.CONFLICT, message="changes of a report that core does not have: send it all")

Write = AppendEvents | ReportTmux | ReportSigns | ReportRepositories | CommandQuest

logger = logging.getLogger(__name__)


class Writes:
    """The only way into the log, but for what a person dismisses."""

    def __init__(
        self,
        *,
        store: Store,
        spool: Spool,
        keeper: Keeper,
        server: Server,
        stream: Stream,
        link: PollerLink,
        dispatcher: Dispatcher[Incoming],
        screens: ScreenDesk,
        is_stopping: Callable[[], bool],
        answer_reads: Callable[[], None],
    ) -> None:
        """`answer_reads` is called while a long spool is taken in."""
        self._store = store
        self._spool = spool
        self._keeper = keeper
        self._server = server
        self._stream = stream
        self._link = link
        self._dispatcher = dispatcher
        self._screens = screens
        self._is_stopping = is_stopping
        self._answer_reads = answer_reads
        self._quests = QuestDesk(lambda project_id: keeper.state.game.project(project_id) is not None)
        self.last_event_at: int | None = None
        self.figures = {"batches_total": 0, "events_total": 0, "repeats_total": 0, "spooled_total": 0}

    def take(self, writes: Sequence[tuple[Incoming, Write]]) -> None:
        """Keep all of it, answer, publish.

        Raises:
            StoreError: it was not kept; this is answered too.
        """
        try:
            with self._store.transaction():
                replies = [(one, self._keep(one, request)) for one, request in writes]
        except StoreError as exc:
            # The state is ahead of the disk now: only a new start makes them one again.
            for one, _ in writes:
                self._server.fail(one, not_kept(exc))
            raise
        for one, reply in replies:
            if isinstance(reply, Problem):
                self._server.fail(one, reply)
            else:
                self._server.reply(one, reply)
        self.publish()
        self.figures["batches_total"] += 1
        if self._keeper.seq - self._keeper.checkpoint_seq >= CHECKPOINT_EVENTS:
            self._keeper.make_checkpoint(now_ms())

    def _keep(self, one: Incoming, request: Write) -> Reply | Problem:
        match request:
            case AppendEvents():
                return Appended(seqs=self._append(request.events))
            case ReportTmux():
                return self._keep_report(one, request)
            case ReportSigns():
                return self._keep_signs(request)
            case ReportRepositories():
                return self._keep_repositories(request)
            case CommandQuest():
                return self._keep_command(request)
            case _:
                assert_never(request)

    def _append(self, events: Sequence[NewEvent]) -> tuple[int, ...]:
        now, before = now_ms(), self._keeper.seq
        seqs = self._keeper.append(events, now)
        new = self._keeper.seq - before
        self.figures["events_total"] += new
        self.figures["repeats_total"] += len(seqs) - new
        if new:
            self.last_event_at = now
        self._dispatcher.hear(events)
        self._screens.hear(events)
        return seqs

    def _keep_report(self, one: Incoming, request: ReportTmux) -> Reply | Problem:
        state = self._keeper.state
        view = state.view_of(request)
        if view is None:
            return SEND_ALL
        payload = state.tmux_change(view)
        if payload is not None:
            self._keeper.append([new_tmux_event(new_id(), request.at, payload)], now_ms())
        state.refresh(view, request.revision)
        self._link.reported(one.peer)
        return Taken(epoch=self._stream.epoch)

    def _keep_signs(self, request: ReportSigns) -> Reply:
        state, at, now = self._keeper.state, request.at, now_ms()
        news = state.news_of(request)
        events = [
            *(new_registry_change(new_id(), at, entry) for entry in news.entries),
            *(new_registry_end(new_id(), at, entry) for entry in news.gone),
            *(new_reading(new_id(), at, reading) for reading in news.readings),
            *(
                new_look(new_id(), session_id, look.pane_id, at=now, session_at=state.clock_of(session_id, now))
                for session_id, look in news.seen
            ),
        ]
        if events:
            self._keeper.append(events, now)
        if request.is_whole:
            self._link.informed(now)
        else:
            self._link.heard(now)
        return Taken(epoch=self._stream.epoch)

    def _keep_repositories(self, request: ReportRepositories) -> Reply:
        now = now_ms()
        is_news = self._keeper.state.game.projects.is_news
        events = [
            new_repository_reading(new_id(), request.at, reading)
            for reading in request.repositories
            if is_news(reading)
        ]  # fmt: skip
        if events:
            self._keeper.append(events, now)
        self._link.heard(now)
        return Taken(epoch=self._stream.epoch)

    def _keep_command(self, request: CommandQuest) -> Reply | Problem:
        quests, now = self._keeper.state.game.quests, now_ms()
        try:
            decision = self._quests.run(request, quests, now, find_earlier(self._store, request))
            self._keeper.append(decision.events, now)
            return decision.answer(quests)
        except QuestmuxError as exc:
            return exc.problem

    def settle(self) -> None:
        """Look again at sessions whose sources disagree, when these had their time.

        Raises:
            StoreError: it was not kept.
        """
        now = now_ms()
        due = self._keeper.state.due_for_review(now, self._link.heard_at)
        if due:
            with self._store.transaction():
                self._keeper.append([new_settlement(new_id(), now, session_id) for session_id in due], now)
            self.publish()

    def pause_s(self) -> float:
        """How long no look is due."""
        review_at = self._keeper.state.next_review()
        return float("inf") if review_at is None else (review_at - now_ms()) / 1000

    def publish(self) -> None:
        """Tell what became true, once it is on disk."""
        messages = self._keeper.state.take_updates()
        self._stream.publish(messages, now_ms())
        self._screens.note(messages)

    # The spool.

    def drain_spool(self) -> int:
        """Take what waits on disk into the log, in its order; how many events."""
        paths = self._spool.take()
        count = 0
        while paths:  # Of a hook's files, which have one event each, many share a transaction.
            count += self._take_in(paths[:SPOOL_FILES])
            paths = paths[SPOOL_FILES:]
        self.figures["spooled_total"] += count
        if count:
            logger.info("spool taken in", extra={"events": count})
        return count

    def _take_in(self, paths: Sequence[Path]) -> int:
        """Files that a stop cuts short are read again by the next start, which knows the ids it has."""
        count = 0
        events = (event for path in paths for event in self._spool.read(path))
        while not self._is_stopping():
            chunk = tuple(islice(events, SPOOL_CHUNK))
            if not chunk:
                for path in paths:
                    self._spool.delete(path)
                break
            with self._store.transaction():
                self._append(chunk)
            self.publish()
            self.look_at_wal()
            count += len(chunk)
            self._answer_reads()
        return count

    def look_at_wal(self) -> None:
        """Move the write-ahead log into the file when it has grown."""
        if self._store.sizes()["wal_bytes"] > WAL_BYTES:
            self._store.flush_wal()


def not_kept(exc: StoreError) -> Problem:
    """What is told to one whose request did not reach the disk."""
    return Problem(code=ErrorCode.CORE_UNAVAILABLE, message=f"not kept: {exc}")
