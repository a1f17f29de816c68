"""A client as `hub.py` promises that one may be: snapshot messages replace, updates apply, seq follows seq."""

import asyncio
import socket
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

TOKEN = "the-token"  # noqa: S105 - guards nothing
HOOK_TOKEN = "the-hook-token"  # noqa: S105 - as above


async def dial(
    port: int,
    *,
    path: str = "/",
    token: str | None = TOKEN,
    headers: dict[str, str] | None = None,
) -> ClientConnection:
    given = dict(headers or {})
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    return await connect(
        f"ws://127.0.0.1:{port}{path}",
        additional_headers=given,
        compression=None,
        max_size=None,
        ping_interval=None,
        proxy=None,
    )


async def dial_deaf(port: int, token: str = TOKEN) -> socket.socket:
    """A client that was let in, and reads nothing from then on."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(raw, ("127.0.0.1", port))
    request = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    )
    await loop.sock_sendall(raw, request.encode())
    async with asyncio.timeout(10):
        assert (await loop.sock_recv(raw, 12)).endswith(b"101")
    return raw


async def receive(connection: ClientConnection, within_s: float = 10) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        message: dict[str, Any] = msgspec.json.decode(await connection.recv())
    return message


async def receive_until(connection: ClientConnection, kind: str, within_s: float = 10) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        while (message := await receive(connection, within_s))["type"] != kind:
            pass
    return message


async def read_to_end(connection: ClientConnection, within_s: float = 10) -> list[dict[str, Any]]:
    """What still comes."""
    messages: list[dict[str, Any]] = []
    async with asyncio.timeout(within_s):
        try:
            while True:
                messages.append(msgspec.json.decode(await connection.recv()))
        except ConnectionClosed:
            return messages


async def close_code(connection: ClientConnection, within_s: float = 10) -> int | None:
    """Read what still comes, and give the code with which it ends."""
    await read_to_end(connection, within_s)
    return connection.close_code


class PlainClient:
    """Reads in the background; `faults` stays empty as long as the promise holds."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.kinds: list[str] = []
        self.faults: list[str] = []
        self.syncs: list[tuple[str, int]] = []
        self.panes: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, dict[str, Any]] = {}
        self.epoch = ""
        self.seq = -1
        self.updates = 0
        self.task = asyncio.create_task(self._read())

    @classmethod
    async def join(cls, port: int) -> Self:
        return cls(await dial(port))

    async def _read(self) -> None:
        try:
            while True:
                self._take(msgspec.json.decode(await self.connection.recv()))
        except ConnectionClosed:
            return

    def _take(self, message: dict[str, Any]) -> None:
        kind, data = message["type"], message["data"]
        self.kinds.append(kind)
        if "seq" in message:
            if not self.syncs:
                self.faults.append(f"update {message['seq']} before synced")
            elif message["seq"] != self.seq + 1:
                self.faults.append(f"update {message['seq']} after {self.seq}")
            self.seq = message["seq"]
            self.updates += 1
        match kind:
            case "windows" if data["panes"] is not None:
                self.panes = {pane["id"]: pane for pane in data["panes"]}
            case "sessions":
                self.sessions = {session["id"]: session for session in data["sessions"]}
            case "pane_update":
                self.panes[data["pane"]["id"]] = data["pane"]
            case "pane_removed":
                self.panes.pop(data["pane_id"], None)
            case "session_update":
                self.sessions[data["session"]["id"]] = data["session"]
            case "synced":
                self.epoch, self.seq = data["epoch"], data["seq"]
                self.syncs.append((self.epoch, self.seq))
            case _:
                pass

    def is_at(self, epoch: str, seq: int) -> bool:
        return (self.epoch, self.seq) == (epoch, seq)

    async def close(self) -> None:
        await self.connection.close()
        await self.task
