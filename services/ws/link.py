"""One WebSocket connection, with its flow control in view. With `gateway`, all that imports `websockets`."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from services.contract.commands import CloseCode

CLOSE_WITHIN_S: Final = 2.0
"""A client that did not take its close frame by then is cut off: the frame cannot pass a full pipe."""
NOTSENT_LOWAT_BYTES: Final = 16 * 1024
"""Without it the kernel hides about 4 MB for each client that does not read."""
MAX_HEARD_WHILE_FULL_BYTES: Final = 1024 * 1024
"""A client that sends this much and reads nothing is cut off: each ping frame makes us a pong that waits."""


def text_frame(payload: bytes) -> bytes:
    """A message as the bytes of one WebSocket text frame, the same for every client."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


def _nothing() -> None:
    """Until somebody cares."""


class Link(ServerConnection):
    """One connection, with flow control in view, and a close that ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Set the socket's options."""
        self.heard_at = self.loop.time()
        self.writable = asyncio.Event()
        self.writable.set()
        self.on_full: Callable[[], None] = _nothing
        self.on_room: Callable[[], None] = _nothing
        self.ended_for = ""
        self._heard_while_full = 0
        self._shutting: asyncio.Task[None] | None = None
        self._hanging_up: asyncio.TimerHandle | None = None
        handle: socket.socket = transport.get_extra_info("socket")
        handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            handle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Note that the client lives."""
        self.heard_at = self.loop.time()
        super().data_received(data)
        if self.state is State.CLOSING and self._hanging_up is None:
            self._hanging_up = self.loop.call_later(CLOSE_WITHIN_S, self.transport.abort)
        if not self.writable.is_set():
            self._heard_while_full += len(data)
            if self._heard_while_full > MAX_HEARD_WHILE_FULL_BYTES:
                self.cut("sends and does not read")

    def pause_writing(self) -> None:
        """More than the limit is unsent."""
        super().pause_writing()
        self.writable.clear()
        self.on_full()

    def resume_writing(self) -> None:
        """Enough was sent."""
        super().resume_writing()
        self._heard_while_full = 0
        self.writable.set()
        self.on_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go whoever waits to write."""
        super().connection_lost(exc)
        if self._hanging_up is not None:
            self._hanging_up.cancel()
        self.writable.set()

    @property
    def unsent_bytes(self) -> int:
        """What the client has not taken, but for what the kernel holds."""
        return self.transport.get_write_buffer_size()

    def write(self, frames: bytes) -> None:
        """Hand frames over; nothing once it is closing."""
        if self.state is State.OPEN and not self.transport.is_closing():
            self.transport.write(frames)

    def probe(self) -> None:
        """Send a ping without waiting, which the library's `ping` would while the client does not read."""
        if self.state is State.OPEN and not self.transport.is_closing():
            self.protocol.send_ping(b"")
            self.transport.write(b"".join(self.protocol.data_to_send()))

    def end(self, code: CloseCode, reason: str) -> None:
        """Begin to close; the first reason holds."""
        if self._shutting is None:
            self.ended_for = reason
            self._shutting = self.loop.create_task(self._shut(code, reason))

    def cut(self, reason: str) -> None:
        """End at once: what is unsent would keep a close frame from passing."""
        self.ended_for = self.ended_for or reason
        self.transport.abort()

    async def shut(self, code: CloseCode, reason: str) -> None:
        """Close, in bounded time."""
        self.end(code, reason)
        await self.wait_closed()

    async def _shut(self, code: CloseCode, reason: str) -> None:
        try:
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await self.close(code, reason)
        except TimeoutError:
            self.transport.abort()
