"""Many WebSocket clients in one loop, cheap enough not to be what is measured: frames are split, not parsed."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

EVENT = b'{"type":"event"'
SYNCED = b'{"type":"synced"'
ID = b'"id":"'


class Client(asyncio.Protocol):
    """One client that notes when each `event` message arrives."""

    def __init__(self, port: int, token: str, on_event: Callable[[str, float], None]) -> None:
        self._request = (
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        ).encode()
        self._on_event = on_event
        self._buffer = b""
        self._is_open = False
        self._transport: asyncio.Transport | None = None
        self.messages = 0
        self.received_bytes = 0
        self.synced = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self.received_bytes += len(data)
        self._buffer += data
        if not self._is_open:
            _, found, self._buffer = self._buffer.partition(b"\r\n\r\n")
            self._is_open = bool(found)
        while (frame := self._next_frame()) is not None:
            self.messages += 1
            if frame.startswith(EVENT):
                start = frame.index(ID) + len(ID)
                self._on_event(frame[start : frame.index(b'"', start)].decode(), now)
            elif frame.startswith(SYNCED):
                self.synced.set()

    def _next_frame(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, head = buffer[1] & 127, 2
        if length == 126:
            length, head = int.from_bytes(buffer[2:4], "big"), 4
        elif length == 127:
            length, head = int.from_bytes(buffer[2:10], "big"), 10
        if len(buffer) < head + length:
            return None
        self._buffer = buffer[head + length :]
        return buffer[head : head + length]

    def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()


async def open_clients(count: int, port: int, token: str, on_event: Callable[[str, float], None]) -> list[Client]:
    """This many clients, all synced."""
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for _ in range(count):
        _, client = await loop.create_connection(lambda: Client(port, token, on_event), "127.0.0.1", port)
        clients.append(client)
    await asyncio.wait_for(asyncio.gather(*(client.synced.wait() for client in clients)), 30)
    return clients
