"""Core as a gateway sees it: a thread that answers and publishes over the real bus, and loses what it is told to."""

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from services.bus import Bus, Publisher, Server, wait_readable
from services.bus.server import Incoming
from services.contract import codec
from services.contract.entities import Cursor, Pane, Screen, Session, Status, StatusName
from services.contract.requests import (
    Beat,
    GetSnapshot,
    GetUpdates,
    Replayed,
    Snapshot,
    Taken,
    Watching,
    WatchPanes,
)
from services.contract.settings import Settings
from services.contract.updates import Message, PaneRemoved, PaneUpdate, SessionUpdate
from services.process.clock import now_ms

TURN_S: Final = 0.004
SLIP_S: Final = 0.2
"""By how much an update that was published first overtakes a snapshot."""
RING_BATCHES: Final = 5_000
AWAY_S: Final = 30.0
"""At most."""


def make_pane(pane_id: str, title: str = "") -> Pane:
    return Pane(
        id=pane_id,
        window_id="@1",
        index=0,
        active=True,
        title=title,
        command="sh",
        cwd="/",
        pid=1,
        width=80,
        height=24,
        dead=False,
    )


def make_session(session_id: str, prompt: str = "") -> Session:
    status = Status(name=StatusName.IDLE, since=1)
    return Session(id=session_id, status=status, started_at=1, last_event_at=1, prompt=prompt)


def make_screen(pane_id: str, *lines: str, at: int = 0, width: int = 80, height: int = 24) -> Screen:
    rows = (*lines, *[""] * (height - len(lines)))[:height]
    cursor = Cursor(x=0, y=min(len(lines), height - 1), visible=True)
    return Screen(pane_id=pane_id, captured_at=at or now_ms(), width=width, height=height, cursor=cursor, lines=rows)


class CoreSide:
    """Everything with a `_` runs in its thread; the rest is for the test."""

    def __init__(self, settings: Settings, heartbeat_s: float = 0.1) -> None:
        self._settings = settings
        self._heartbeat_s = heartbeat_s
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._panes: dict[str, Pane] = {}
        self._sessions: dict[str, Session] = {}
        self._ring: deque[tuple[int, int, tuple[bytes, ...]]] = deque(maxlen=RING_BATCHES)
        self._screens: dict[str, bytes] = {}
        self._watched: dict[str, tuple[str, ...]] = {}
        self._slip_in: Message | None = None
        self._slip_in_screen: Screen | None = None
        self._odd_answers: list[Watching | None] = []
        self._load: Callable[[int], Sequence[Message]] | None = None
        self._stopping = False
        self._beat_at = 0.0
        self.is_away = False
        self.epoch = "epoch1"
        self.seq = 0
        self.snapshots_given = 0
        self.replays_given = 0
        self.beats: list[Beat] = []
        self.screens_seq = 0
        self.asked: list[tuple[str, ...]] = []
        """What each gateway said that it watches, in the order in which it was said."""
        self._thread = threading.Thread(target=self._run, name="core side")
        self._thread.start()

    def stop(self) -> None:
        self._orders.put(self._stop)
        self._thread.join(AWAY_S)
        assert not self._thread.is_alive()

    def do(self, order: Callable[[], None]) -> None:
        """Run something in the thread, and wait for it."""
        done = threading.Event()

        def run() -> None:
            order()
            done.set()

        self._orders.put(run)
        assert done.wait(AWAY_S)

    def publish(self, *messages: Message) -> None:
        self.do(lambda: self._publish(messages, is_lost=False))

    def lose(self, *messages: Message) -> None:
        """As publish, each in its own batch, and the bus drops it all."""

        def order() -> None:
            for message in messages:
                self._publish((message,), is_lost=True)

        self.do(order)

    def show(self, *screens: Screen, is_lost: bool = False) -> None:
        """Have these screens from now on, and publish those that are watched, in one batch; or the bus drops it."""
        self.do(lambda: self._show(screens, is_lost=is_lost))

    def publish_screens(self, *screens: tuple[str, bytes], epoch: str = "", seq: int = 0) -> None:
        """Publish these bodies, whoever watches: as the next batch, or as one of another epoch or number."""

        def order() -> None:
            self.screens_seq += not epoch and not seq
            number = seq or self.screens_seq
            self._publisher.publish(codec.screens_frames(epoch or self.epoch, number, screens))

        self.do(order)

    def lose_screens(self, batches: int) -> None:
        """Publish so many batches, and the bus drops them all."""
        self.do(lambda: setattr(self, "screens_seq", self.screens_seq + batches))

    def answer_once(self, answer: Watching | None) -> None:
        """Give this to the next `WatchPanes`; None gives it no answer at all."""
        self.do(lambda: self._odd_answers.append(answer))

    def stop_heartbeat(self) -> None:
        """Publish what there is, and no heartbeat any more."""
        self.do(lambda: setattr(self, "_beat_at", math.inf))

    def slip_in_screen(self, screen: Screen) -> None:
        """Publish this between the cut of the next answer to `WatchPanes` and its arrival."""
        self.do(lambda: setattr(self, "_slip_in_screen", screen))

    @property
    def watched(self) -> tuple[str, ...] | None:
        """What was said last to be watched."""
        return self.asked[-1] if self.asked else None

    def publish_overlapping(self, known: Message, new: Message) -> None:
        """Publish a batch of the last update, once more, and a new one."""

        def order() -> None:
            self._publisher.publish(codec.batch_frames(self.epoch, self.seq, (known, new), now_ms()))
            self.seq += 1

        self.do(order)

    def slip_in(self, message: Message) -> None:
        """Publish this between the cut of the next snapshot and its arrival."""
        self.do(lambda: setattr(self, "_slip_in", message))

    def forget_ring(self) -> None:
        self.do(self._ring.clear)

    def load(self, make: Callable[[int], Sequence[Message]] | None) -> None:
        """From now on publish what `make(turn)` gives, each turn."""
        self.do(lambda: setattr(self, "_load", make))

    def restart(
        self,
        epoch: str,
        away_s: float = 0.0,
        *,
        may_come: threading.Event | None = None,
        keeps_stream: bool = False,
        forgets: Sequence[str] = (),
    ) -> None:
        """Go away, and come back after a time, or when it may; with another stream or the same, without some panes."""

        def order() -> None:
            self._close()
            self.is_away = True
            if may_come is None:
                time.sleep(away_s)
            else:
                assert may_come.wait(AWAY_S)
            self.is_away = False
            for pane_id in forgets:
                del self._panes[pane_id]
            if not keeps_stream:
                self.epoch, self.seq, self.screens_seq = epoch, 0, 0
                self._ring.clear()
                self._screens.clear()
            self._watched.clear()
            self._open()

        self.do(order)

    def panes(self) -> dict[str, Any]:
        """As JSON says it, which is how a client has it."""
        found: list[bytes] = []
        self.do(lambda: found.append(msgspec.json.encode(self._panes)))
        panes: dict[str, Any] = msgspec.json.decode(found[0])
        return panes

    def _run(self) -> None:
        with Bus() as bus:
            self._bus = bus
            self._open()
            turn = 0
            while not self._stopping:
                wait_readable(self._server, (), TURN_S)
                for incoming in self._server.receive(now_ms()):
                    self._answer(incoming)
                while not self._orders.empty():
                    self._orders.get()()
                if self._load is not None:
                    turn += 1
                    self._publish(self._load(turn), is_lost=False)
                if time.monotonic() >= self._beat_at:
                    self._beat_at = time.monotonic() + self._heartbeat_s
                    self._publisher.publish(codec.heartbeat_frames(self.epoch, self.seq, self.screens_seq))
            self._close()

    def _stop(self) -> None:
        self._stopping = True

    def _open(self) -> None:
        self._server = Server(self._bus, self._settings.requests_address)
        self._publisher = Publisher(self._bus, self._settings.updates_address, b"w")
        self._beat_at = 0.0

    def _close(self) -> None:
        self._server.close()
        self._publisher.close()

    def _publish(self, messages: Sequence[Message], *, is_lost: bool) -> None:
        if not messages:
            return
        for message in messages:
            match message:
                case PaneUpdate():
                    self._panes[message.pane.id] = message.pane
                case PaneRemoved():
                    self._panes.pop(message.pane_id, None)
                case SessionUpdate():
                    self._sessions[message.session.id] = message.session
                case _:
                    pass
        first = self.seq + 1
        frames = codec.batch_frames(self.epoch, first, messages, now_ms())
        self.seq += len(messages)
        self._ring.append((first, self.seq, tuple(frames)))
        if not is_lost:
            self._publisher.publish(frames)

    def _show(self, screens: Sequence[Screen], *, is_lost: bool) -> None:
        fresh = {screen.pane_id: codec.encode(screen) for screen in screens}
        self._screens |= fresh
        watched = {pane_id for pane_ids in self._watched.values() for pane_id in pane_ids}
        due = [(pane_id, body) for pane_id, body in fresh.items() if pane_id in watched]
        if due:
            self.screens_seq += 1
            if not is_lost:
                self._publisher.publish(codec.screens_frames(self.epoch, self.screens_seq, due))

    def _watch(self, request: WatchPanes) -> Watching | None:
        self.asked.append(request.panes)
        self._watched[request.instance] = request.panes
        if self._odd_answers:
            return self._odd_answers.pop()
        screens = tuple(self._screens[pane_id] for pane_id in request.panes if pane_id in self._screens)
        answer = Watching(epoch=self.epoch, seq=self.screens_seq, screens=screens)
        if self._slip_in_screen is not None:
            self._show((self._slip_in_screen,), is_lost=False)
            self._slip_in_screen = None
            time.sleep(SLIP_S)
        return answer

    def _answer(self, incoming: Incoming) -> None:
        match incoming.request:
            case GetSnapshot():
                self.snapshots_given += 1
                panes, sessions = tuple(self._panes.values()), tuple(self._sessions.values())
                snapshot = Snapshot(epoch=self.epoch, seq=self.seq, windows=(), panes=panes, sessions=sessions)
                if self._slip_in is not None:
                    self._publish((self._slip_in,), is_lost=False)
                    self._slip_in = None
                    time.sleep(SLIP_S)
                self._server.reply(incoming, snapshot)
            case GetUpdates(epoch=epoch, after=after):
                self.replays_given += 1
                batches = tuple(frames for _, last, frames in self._ring if last > after)
                reaches = after >= self.seq or (bool(self._ring) and self._ring[0][0] <= after + 1)
                is_there = epoch == self.epoch and reaches
                self._server.reply(incoming, Replayed(batches=batches if is_there else None))
            case WatchPanes():
                answer = self._watch(incoming.request)
                if answer is not None:
                    self._server.reply(incoming, answer)
            case Beat():
                self.beats.append(incoming.request)
                self._server.reply(incoming, Taken(epoch=self.epoch))
            case _:
                raise AssertionError(f"a gateway does not ask {incoming.request}")
