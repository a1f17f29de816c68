"""One client that was let in: what it is sent, what it may say, how its heart beats."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final, Protocol, assert_never

from services.contract import codec
from services.contract.commands import CloseCode, Hello, Ping, Subscribe, Unsubscribe, Unwatch, Watch
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.updates import SELECTABLE, ErrorMessage, Lagged, Mark, Message, Pong
from services.process.clock import now_ms
from services.ws.allowance import Allowance, Verdict
from services.ws.batch import Batch
from services.ws.incoming import MAX_SHOWN_CHARS, read_message
from services.ws.latest import Latest
from services.ws.pace import Pace
from services.ws.pulse import Beat, Pulse
from services.ws.screens import Screens
from services.ws.view import View

logger = logging.getLogger(__name__)


CURSOR_S: Final = 5.0
"""Between two cursors: what came since is sent again to a client that comes back, each key once."""
STUCK_S: Final = 15.0
"""A client that takes nothing at all for this long, while something waits for it, is cut off."""


class Wire(Protocol):
    """The connection, as the client needs it."""

    heard_at: float
    """When bytes came last, by the loop's clock."""
    writable: asyncio.Event
    """Cleared while more than the limit is unsent."""
    on_full: Callable[[], None]
    on_room: Callable[[], None]
    """Called when `writable` is cleared, and when it is set."""

    @property
    def unsent_bytes(self) -> int:
        """What the client has not taken."""
        ...

    def write(self, frames: bytes) -> None:
        """Hand frames over; nothing once it is closing."""
        ...

    def probe(self) -> None:
        """Send a ping without waiting."""
        ...

    def end(self, code: CloseCode, reason: str) -> None:
        """Begin to close; the first reason holds."""
        ...

    def cut(self, reason: str) -> None:
        """End at once."""
        ...


class Client:
    """Lives as long as its connection."""

    __slots__ = (
        "_allowance",
        "_cursor",
        "_frame",
        "_is_due",
        "_loop",
        "_on_lost",
        "_paused_at",
        "_paused_s",
        "_pulse",
        "_slice_bytes",
        "_stuck",
        "_told",
        "_took_at",
        "_wire",
        "address",
        "brought",
        "dropped",
        "id",
        "pace",
        "pauses",
        "replaced",
        "sent",
        "since",
        "view",
    )

    def __init__(
        self,
        *,
        client_id: str,
        address: str,
        wire: Wire,
        frame: Callable[[bytes], bytes],
        screens: Screens,
        latest: Latest,
        on_lost: Callable[["Client"], None],
        cursor: Callable[[int, int], str],
        heartbeat_s: float,
        slice_bytes: int,
    ) -> None:
        """`on_lost` gives it a snapshot, when more than is remembered was missed; `cursor` makes one from its marks."""
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self.id = client_id
        self.address = address
        self.since = now_ms()
        self.pace = Pace(latest, self._caught_up)
        self.sent = self.dropped = self.replaced = self.pauses = 0
        self._wire = wire
        self._frame = frame
        self._on_lost = on_lost
        self._cursor = cursor
        self._told = 0, now
        self.brought = ""
        """Its place while it is sent a snapshot, or what it missed: that of before."""
        self._slice_bytes = slice_bytes
        self._is_due = False
        self._paused_at: float | None = None
        self._paused_s = 0.0
        self._stuck: tuple[int, float] | None = None
        self._took_at = now
        self.view = View(screens, self._go_on)
        self._allowance = Allowance(now)
        self._pulse = Pulse(now, heartbeat_s, random.random())  # noqa: S311 - spreads load, guards nothing
        wire.on_full, wire.on_room = self._pause, self._resume

    # Out.

    def say(self, message: Message) -> None:
        """Send what is meant for this client alone."""
        self._check(self.pace.put_direct(self._frame(codec.wire_message(message, now_ms()))))

    def push(self, batch: Batch) -> None:
        """Send updates, now or when the client has caught up."""
        if self.pace.is_prompt and self._wire.writable.is_set():
            self._move()  # What was said to it alone in this very turn does not make it slow.
        if self.pace.is_following and self._wire.writable.is_set():
            joined, count = batch.joined(self.pace.unwanted)
            if count:
                self._wire.write(joined)
                self.sent += count
        else:
            self._check(self.pace.hold(batch))

    def restart(self, frames: tuple[bytes, ...], seq: int) -> None:
        """Send a snapshot; updates that wait are in it."""
        self.pace.put_snapshot(frames, seq)
        self._go_on()

    def _check(self, is_within_limit: bool) -> None:
        if is_within_limit:
            self._go_on()
        else:
            self._wire.end(CloseCode.TOO_SLOW, "too much is waiting for you")

    def _go_on(self) -> None:
        """Move what waits in this turn of the loop's next round, so that all that is due leaves in one write."""
        if not self._is_due and self._wire.writable.is_set():
            self._is_due = True
            self._loop.call_soon(self._move)

    def _move(self) -> None:
        self._is_due = False
        if not self._wire.writable.is_set():
            return
        frames = self.pace.take(self._slice_bytes)
        if self.pace.needs_snapshot:
            self._on_lost(self)
        if not self.pace.has_waiting and self.view.has_news:
            frames += self.view.take(self._slice_bytes - sum(map(len, frames)), now_ms())
        if frames:
            self._wire.write(b"".join(frames))
            self.sent += len(frames)
            if self.pace.has_waiting or self.view.has_news:
                self._go_on()  # Others come in between.

    def _caught_up(self, dropped: int, replaced: int) -> bytes | None:
        if not dropped and not replaced:
            return None
        self.dropped += dropped
        self.replaced += replaced
        logger.debug("client lagged", extra={"client": self.id, "dropped": dropped, "replaced": replaced})
        upto, _ = self.pace.marks or (0, 0)
        return self._frame(codec.wire_message(Lagged(dropped=dropped, replaced=replaced, upto=upto), now_ms()))

    @property
    def cursor(self) -> str:
        """What it is to bring back; while it does not have the whole state, its place of before."""
        return self.brought if self.pace.marks is None else self._cursor(*self.pace.marks)

    def _pause(self) -> None:
        self.pace.fall_behind()
        self.pauses += 1
        self._paused_at = self._loop.time()
        logger.debug("client paused", extra={"client": self.id, "unsent_bytes": self._wire.unsent_bytes})

    def _resume(self) -> None:
        self._took_at = self._loop.time()
        self._paused_s = self.paused_s
        self._paused_at = self._stuck = None
        self._go_on()

    @property
    def paused_s(self) -> float:
        """How long it was paused in all."""
        return self._paused_s + (0.0 if self._paused_at is None else self._loop.time() - self._paused_at)

    @property
    def is_paused(self) -> bool:
        """Whether it does not take what it is sent."""
        return self._paused_at is not None

    @property
    def buffered_bytes(self) -> int:
        """What waits for it here, and what it has not taken."""
        return self._wire.unsent_bytes + self.pace.waiting_bytes

    async def flushed(self) -> None:
        """Move all that waits to the wire, and return then."""
        while self.pace.has_waiting:
            await self._wire.writable.wait()
            self._move()
            await asyncio.sleep(0)

    # In.

    def hear(self, message: str | bytes, now: float) -> None:
        """Act on a message that came; whatever it is, the connection stays, unless there are too many."""
        verdict = self._allowance.judge(now)
        if verdict is Verdict.CLOSE:
            self._wire.end(CloseCode.TOO_MANY, "too many messages")
        elif verdict is Verdict.REFUSE:
            self._refuse(Problem(code=ErrorCode.TOO_MANY_REQUESTS, message="too many messages: this one was dropped"))
        else:
            try:
                self._answer(message)
            except QuestmuxError as exc:
                self._refuse(exc.problem)

    def _answer(self, message: str | bytes) -> None:
        said = read_message(message)
        match said:
            case Hello():
                raise QuestmuxError(ErrorCode.CONFLICT, "you are let in already")
            case Ping():
                self.say(Pong(echo=said.data))
            case Watch():
                self.view.watch(said.data.pane_id)
            case Unwatch():
                self.view.unwatch(said.data.pane_id)
            case Unsubscribe():
                self.pace.unwanted |= _selected(said.data.types)
            case Subscribe():
                if self.pace.unwanted & _selected(said.data.types):
                    self.pace.unwanted -= _selected(said.data.types)
                    self.pace.hasten()
                    self._on_lost(self)
            case _:
                assert_never(said)

    def _refuse(self, problem: Problem) -> None:
        logger.debug("client message refused", extra={"client": self.id, "code": problem.code})
        self.say(ErrorMessage(code=problem.code, message=problem.message))

    def beat(self, now: float) -> None:
        """Ping the client when that is due, end it when it was silent or stuck too long.

        A ping waits behind all that a slow client has not taken yet: as long as it takes of that, it lives.
        """
        if self._is_stuck(now):
            self._wire.cut("took nothing for too long")
            return
        self._tell_place(now)
        heard_at = max(self._wire.heard_at, self._took_at)
        match self._pulse.check(now, heard_at, random.random()):  # noqa: S311 - as above
            case Beat.PING:
                self._wire.probe()
            case Beat.CLOSE:
                self._wire.end(CloseCode.SILENT, "no answer to a ping")
            case Beat.NOTHING:
                pass

    def _tell_place(self, now: float) -> None:
        """Give it a newer cursor, from time to time, while it follows."""
        marks = self.pace.marks
        if self.pace.is_following and marks and marks[0] != self._told[0] and now - self._told[1] >= CURSOR_S:
            self._told = marks[0], now
            self.say(Mark(cursor=self.cursor))

    def _is_stuck(self, now: float) -> bool:
        """Whether it has taken nothing at all for long; pings and pongs that come to the unsent do not count."""
        if self._paused_at is None:
            return False
        unsent = self._wire.unsent_bytes
        if self._stuck is None or unsent < self._stuck[0]:
            self._took_at = now if self._stuck is not None else self._took_at
            self._stuck = unsent, now
        self._stuck = unsent, self._stuck[1]
        return now - self._stuck[1] >= STUCK_S


def _selected(types: tuple[str, ...]) -> frozenset[str]:
    """The types that a client names.

    Raises:
        QuestmuxError: one of them is no type of an update.
    """
    unknown = sorted(set(types) - SELECTABLE)
    if unknown:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, f"{unknown[0][:MAX_SHOWN_CHARS]!r} is no type of an update")
    return frozenset(types)
