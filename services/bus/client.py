"""The verb request, for asyncio: one question, one answer or a named failure, always within its time."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import zmq

from services.bus.pump import Pump
from services.bus.server import OK, ORDER
from services.bus.sockets import REQUESTS_HWM, Bus, send
from services.contract import codec
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.requests import Reply, Request

R = TypeVar("R", bound=Reply)
RETRY_SEND_S: Final = 0.01


class UnavailableError(QuestmuxError):
    """No answer in time, or nobody to ask. The request may still have been carried out."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.CORE_UNAVAILABLE, message)


class Client:
    """Asks one server, and hears its orders. Safe for many tasks of one loop."""

    def __init__(self, bus: Bus, address: str, on_order: Callable[[bytes], None] | None = None) -> None:
        """`on_order` gets the body of each order that the server sends; without it they are dropped."""
        self._on_order = on_order
        self._socket = bus.socket(zmq.DEALER, REQUESTS_HWM)
        self._socket.setsockopt(zmq.IMMEDIATE, 1)  # Nobody there: fail now instead of queueing.
        self._socket.connect(address)
        self._waiting: dict[bytes, asyncio.Future[list[bytes]]] = {}
        self._numbers = itertools.count(1)
        self._is_closed = False
        self._pump = Pump(self._socket, self._on_message)

    async def request(self, request: Request, kind: type[R], timeout_s: float, *, wait: bool = True) -> R:
        """Ask, and wait for the answer.

        Args:
            request: what to ask.
            kind: the reply it calls for.
            timeout_s: the time for everything; the server drops the request after it.
            wait: while no server is there, wait for one within the time instead of failing at once.

        Raises:
            UnavailableError: no server, or no answer in time, or this client is closed.
            QuestmuxError: the server's answer is an error, or cannot be read.
        """
        if self._is_closed:
            raise UnavailableError("this process has stopped asking core")
        deadline = time.time() + timeout_s
        number = next(self._numbers).to_bytes(8, "big")
        future: asyncio.Future[list[bytes]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            async with asyncio.timeout(timeout_s):
                frames = [
                    codec.PROTOCOL_VERSION,
                    number,
                    int(deadline * 1000).to_bytes(8, "big"),
                    codec.encode(request),
                ]
                while not future.done() and not self._try_send(frames):
                    if not wait:
                        raise UnavailableError("core is not there")
                    await asyncio.sleep(RETRY_SEND_S)
                status, body = await future
        except TimeoutError as exc:
            raise UnavailableError(f"core did not answer within {timeout_s:g} s") from exc
        finally:
            self._waiting.pop(number, None)
        try:
            if status == OK:
                return codec.decode_reply(body, kind)
            problem = codec.decode_problem(body)
        except codec.DecodeError as exc:
            raise QuestmuxError(ErrorCode.INTERNAL, f"core's answer cannot be read: {exc}") from exc
        raise QuestmuxError(problem.code, problem.message)

    def _try_send(self, frames: Sequence[bytes]) -> bool:
        try:
            send(self._socket, frames)
        except zmq.Again:
            return False
        finally:
            self._pump.nudge()  # Also a failed send takes the descriptor's signal.
        return True

    def _on_message(self, frames: list[bytes]) -> None:
        if len(frames) != 3:  # noqa: PLR2004 - id, status, body
            return
        if frames[1] == ORDER:
            if self._on_order is not None:
                self._on_order(frames[2])
            return
        future = self._waiting.pop(frames[0], None)
        if future is not None and not future.done():
            future.set_result(frames[1:])

    def close(self) -> None:
        """Stop asking; whoever waits gets a cancellation."""
        self._is_closed = True
        self._pump.close()
        for future in self._waiting.values():
            future.cancel()
        self._socket.close()
