"""Core as a gateway sees it: a thread that answers and publishes over the real bus, and loses what it is told to."""

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
from services.contract.entities import Pane, Session, Status, StatusName
from services.contract.requests import Beat, GetSnapshot, GetUpdates, Replayed, Snapshot, Taken
from services.contract.settings import Settings
from services.contract.updates import Message, PaneRemoved, PaneUpdate, SessionUpdate
from services.process.clock import now_ms

TURN_S: Final = 0.004
SLIP_S: Final = 0.2
"""By how much an update that was published first overtakes a snapshot."""
RING_BATCHES: Final = 5_000


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


class CoreSide:
    """Everything with a `_` runs in its thread; the rest is for the test."""

    def __init__(self, settings: Settings, heartbeat_s: float = 0.1) -> None:
        self._settings = settings
        self._heartbeat_s = heartbeat_s
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._panes: dict[str, Pane] = {}
        self._sessions: dict[str, Session] = {}
        self._ring: deque[tuple[int, int, tuple[bytes, ...]]] = deque(maxlen=RING_BATCHES)
        self._slip_in: Message | None = None
        self._load: Callable[[int], Sequence[Message]] | None = None
        self._stopping = False
        self._beat_at = 0.0
        self.epoch = "epoch1"
        self.seq = 0
        self.snapshots_given = 0
        self.replays_given = 0
        self.beats: list[Beat] = []
        self._thread = threading.Thread(target=self._run, name="core side")
        self._thread.start()

    def stop(self) -> None:
        self._orders.put(self._stop)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def do(self, order: Callable[[], None]) -> None:
        """Run something in the thread, and wait for it."""
        done = threading.Event()

        def run() -> None:
            order()
            done.set()

        self._orders.put(run)
        assert done.wait(10)

    def publish(self, *messages: Message) -> None:
        self.do(lambda: self._publish(messages, is_lost=False))

    def lose(self, *messages: Message) -> None:
        """As publish, each in its own batch, and the bus drops it all."""

        def order() -> None:
            for message in messages:
                self._publish((message,), is_lost=True)

        self.do(order)

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

    def restart(self, epoch: str, away_s: float = 0.0, *, keeps_stream: bool = False) -> None:
        """Go away, and come back, with another stream or the same."""

        def order() -> None:
            self._close()
            time.sleep(away_s)
            if not keeps_stream:
                self.epoch, self.seq = epoch, 0
                self._ring.clear()
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
                    self._publisher.publish(codec.heartbeat_frames(self.epoch, self.seq))
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
            case Beat():
                self.beats.append(incoming.request)
                self._server.reply(incoming, Taken(epoch=self.epoch))
            case _:
                raise AssertionError(f"a gateway does not ask {incoming.request}")
