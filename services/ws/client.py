"""One client that was let in: what it is sent, what it may say, how its heart beats."""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

from services.contract import codec
from services.contract.commands import CloseCode, Hello, Ping, Unwatch, Watch
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.updates import ErrorMessage, Message, Pong
from services.process.clock import now_ms
from services.ws.allowance import Allowance, Verdict
from services.ws.incoming import read_message
from services.ws.outbox import Outbox
from services.ws.pulse import Beat, Pulse
from services.ws.screens import Screens
from services.ws.view import View

logger = logging.getLogger(__name__)


class Wire(Protocol):
    """The connection, as the client needs it."""

    heard_at: float
    """When bytes came last, by the loop's clock."""
    writable: asyncio.Event
    """Cleared while more than the limit is unsent."""

    def write(self, frames: Sequence[bytes]) -> None:
        """Hand frames over in one write; nothing once it is closing."""
        ...

    def probe(self) -> None:
        """Send a ping without waiting."""
        ...

    def end(self, code: CloseCode, reason: str) -> None:
        """Begin to close; the first reason holds."""
        ...


class Client:
    """Lives as long as its connection."""

    __slots__ = ("_allowance", "_frame", "_pulse", "_slice_bytes", "_waiting", "_wire", "id", "outbox", "sent", "view")

    def __init__(
        self,
        *,
        client_id: str,
        wire: Wire,
        frame: Callable[[bytes], bytes],
        screens: Screens,
        heartbeat_s: float,
        slice_bytes: int,
    ) -> None:
        now = asyncio.get_running_loop().time()
        self.id = client_id
        self.outbox = Outbox()
        self.sent = 0
        self._wire = wire
        self._frame = frame
        self._slice_bytes = slice_bytes
        self._waiting = asyncio.Event()
        self.view = View(screens, self._waiting.set)
        self._allowance = Allowance(now)
        self._pulse = Pulse(now, heartbeat_s, random.random())  # noqa: S311 - spreads load, guards nothing

    def say(self, message: Message) -> None:
        """Send what is meant for this client alone."""
        self._go_on(self.outbox.put_direct(self._frame(codec.wire_message(message, now_ms()))))

    def push(self, frames: Sequence[bytes]) -> None:
        """Send updates."""
        self._go_on(self.outbox.put_updates(frames))

    def restart(self, frames: Sequence[bytes]) -> None:
        """Send a snapshot; updates that wait are in it."""
        self._go_on(self.outbox.put_snapshot(frames))

    def _go_on(self, is_within_limit: bool) -> None:
        if is_within_limit:
            self._waiting.set()
        else:
            self._wire.end(CloseCode.TOO_SLOW, "too much is waiting for you")

    async def relay(self) -> None:
        """Move what waits to the wire, all that is due in one write, as fast as the client takes it."""
        while True:
            await self._waiting.wait()
            await self._wire.writable.wait()
            self._send_some()
            if not len(self.outbox) and not self.view.has_news:
                self._waiting.clear()

    def _send_some(self) -> None:
        """Hand over what waits; screens only when nothing else does, as they are now."""
        frames = self.outbox.take(self._slice_bytes)
        if not len(self.outbox) and self.view.has_news:
            frames += self.view.take(self._slice_bytes - sum(map(len, frames)), now_ms())
        if frames:
            self._wire.write(frames)
            self.sent += len(frames)

    async def flushed(self) -> None:
        """Move all that waits to the wire, and return then."""
        while len(self.outbox):
            await self._wire.writable.wait()
            self._send_some()

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
            case _:
                assert_never(said)

    def _refuse(self, problem: Problem) -> None:
        logger.debug("client message refused", extra={"client": self.id, "code": problem.code})
        self.say(ErrorMessage(code=problem.code, message=problem.message))

    def beat(self, now: float) -> None:
        """Ping the client when that is due, end it when it was silent too long."""
        match self._pulse.check(now, self._wire.heard_at, random.random()):  # noqa: S311 - as above
            case Beat.PING:
                self._wire.probe()
            case Beat.CLOSE:
                self._wire.end(CloseCode.SILENT, "no answer to a ping")
            case Beat.NOTHING:
                pass
