"""A client as `docs/protocol.md` promises that one may be.

Snapshot messages replace, updates apply, seq follows seq. Of a terminal, an output replaces and a diff applies.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from services.contract.entities import Screen
from tests.waiting import DEADLINE_S

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
    async with asyncio.timeout(DEADLINE_S):
        assert (await loop.sock_recv(raw, 12)).endswith(b"101")
    return raw


async def receive(connection: ClientConnection, within_s: float = DEADLINE_S) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        message: dict[str, Any] = msgspec.json.decode(await connection.recv())
    return message


async def receive_until(connection: ClientConnection, kind: str, within_s: float = DEADLINE_S) -> dict[str, Any]:
    async with asyncio.timeout(within_s):
        while (message := await receive(connection, within_s))["type"] != kind:
            pass
    return message


async def read_to_end(connection: ClientConnection, within_s: float = DEADLINE_S) -> list[dict[str, Any]]:
    """What still comes."""
    messages: list[dict[str, Any]] = []
    async with asyncio.timeout(within_s):
        try:
            while True:
                messages.append(msgspec.json.decode(await connection.recv()))
        except ConnectionClosed:
            return messages


async def close_code(connection: ClientConnection, within_s: float = DEADLINE_S) -> int | None:
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
        self.terminals: dict[str, dict[str, Any]] = {}
        """By pane, the `terminal_output` with what the diffs made of it."""
        self.terminal_kinds: dict[str, list[str]] = {}
        self.errors: list[str] = []
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
            self._count(message["seq"])
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
            case "terminal_output" | "terminal_diff":
                self._take_terminal(message)
            case "error":
                self.errors.append(data["code"])
            case "synced":
                self.epoch, self.seq = data["epoch"], data["seq"]
                self.syncs.append((self.epoch, self.seq))
            case _:
                pass

    def _count(self, seq: int) -> None:
        if not self.syncs:
            self.faults.append(f"update {seq} before synced")
        elif seq != self.seq + 1:
            self.faults.append(f"update {seq} after {self.seq}")
        self.seq = seq
        self.updates += 1

    def _take_terminal(self, message: dict[str, Any]) -> None:
        kind, data = message["type"], message["data"]
        pane_id = data["pane_id"]
        self.terminal_kinds.setdefault(pane_id, []).append(kind)
        if "seq" in message:
            self.faults.append(f"{kind} with seq")
        if data["captured_at"] < self.terminals.get(pane_id, data)["captured_at"]:
            self.faults.append(f"an older screen of {pane_id} after a newer one")
        if kind == "terminal_output":
            self.terminals[pane_id] = data
        elif pane_id not in self.terminals:
            self.faults.append(f"diff of {pane_id} before its screen")
        else:
            had = self.terminals[pane_id]
            lines = had["lines"][data["scroll"] :] + [""] * data["scroll"]
            for row, line in data["lines"].items():
                lines[int(row)] = line
            self.terminals[pane_id] = had | {
                "lines": lines,
                "cursor": data["cursor"],
                "captured_at": data["captured_at"],
            }

    async def watch(self, *pane_ids: str) -> None:
        await self._say_of_panes("watch", pane_ids)

    async def unwatch(self, *pane_ids: str) -> None:
        await self._say_of_panes("unwatch", pane_ids)

    async def _say_of_panes(self, kind: str, pane_ids: Sequence[str]) -> None:
        for pane_id in pane_ids:
            await self.connection.send(msgspec.json.encode({"type": kind, "data": {"pane_id": pane_id}}).decode())

    def shows(self, screen: Screen) -> bool:
        """Whether it has this very screen, made whole of what came."""
        had = self.terminals.get(screen.pane_id)
        return had is not None and msgspec.convert(had, Screen) == screen

    def is_at(self, epoch: str, seq: int) -> bool:
        return (self.epoch, self.seq) == (epoch, seq)

    async def close(self) -> None:
        await self.connection.close()
        await self.task
