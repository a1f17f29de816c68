"""A client that sends whatever bytes it is told to, and reads frames as they come."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, Self

import msgspec

from tests.integration.ws.plain_client import TOKEN
from tests.waiting import DEADLINE_S

CONTINUATION: Final = 0
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10
FIN: Final = 0x80
NO_CLOSE_FRAME: Final = 1006
NO_CODE: Final = 1005


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, masked: bool = True, size: int = -1
) -> bytes:
    """A client's frame, with a mask that changes nothing; `size` is what its head says, when that is a lie."""
    said = len(payload) if size < 0 else size
    mask_bit = 0x80 if masked else 0
    head = bytes([FIN * fin | reserved << 4 | opcode])
    if said < 126:
        head += bytes([mask_bit | said])
    elif said < 1 << 16:
        head += bytes([mask_bit | 126]) + said.to_bytes(2, "big")
    else:
        head += bytes([mask_bit | 127]) + said.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + payload


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def handshake(
    port: int, changed: Mapping[str, str | None] | None = None, *, path: str = "/", token: str = TOKEN
) -> bytes:
    """A request, with some headers in the place of those that a client sends; one that is None is left out."""
    headers: dict[str, str | None] = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        "Authorization": f"Bearer {token}" if token else None,
    } | dict(changed or {})
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


class RawClient:
    """One connection. Every wait has an end."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, within_s: float = DEADLINE_S
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._within_s = within_s

    @classmethod
    async def connect(cls, port: int) -> Self:
        """Connected, and nothing said."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def let_in(self, request: bytes) -> str:
        """The head of the answer, which must be 101."""
        head = await self.answer(request)
        assert head.startswith("HTTP/1.1 101 "), head
        return head

    async def answer(self, request: bytes) -> str:
        """The head of the answer; empty when it was cut off without one."""
        self.send(request)
        try:
            async with asyncio.timeout(self._within_s):
                return (await self._reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until it took what was sent.

        Raises:
            ConnectionError: it is cut off.
        """
        await self._writer.drain()

    async def frame(self) -> tuple[int, bytes] | None:
        """First byte and payload of what comes next; None at the end."""
        try:
            async with asyncio.timeout(self._within_s):
                first, size = await self._reader.readexactly(2)
                if size >= 126:
                    size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
                return first, await self._reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def message(self, kind: str) -> Any:
        """The `data` of the next message of this type; all before it is passed over."""
        while (came := await self.frame()) is not None:
            if came[0] == FIN | TEXT and (said := msgspec.json.decode(came[1]))["type"] == kind:
                return said["data"]
        raise AssertionError(f"it ended without {kind}")

    async def pong(self) -> bytes:
        """The payload of the next pong frame."""
        while (came := await self.frame()) is not None:
            if came[0] == FIN | PONG:
                return came[1]
        raise AssertionError("it ended without a pong")

    async def end(self) -> int:
        """Read to the end, and hang up as a client does: the code of the close frame."""
        code = NO_CLOSE_FRAME
        while (came := await self.frame()) is not None:
            if came[0] == FIN | CLOSE:
                code = int.from_bytes(came[1][:2], "big") or NO_CODE
                self.send(frame(CLOSE, came[1]))
        await self.leave(politely=True)
        return code

    async def leave(self, *, politely: bool = False) -> None:
        """Cut the connection off."""
        if politely:
            self._writer.close()
        else:
            self._writer.transport.abort()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return
