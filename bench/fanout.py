"""What the gateway spends on giving updates to many clients: messages for each second of one core's time.

The gateway runs in this process, its clients in another one that only reads. The same work is done once more through
`websockets.broadcast()`, which frames each message for each client anew.
"""

import asyncio
import gc
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from websockets.asyncio.server import broadcast

from bench.tmux import Row
from services.contract.codec import Tag
from services.contract.requests import Snapshot
from services.contract.settings import Settings
from services.process.tokens import Tokens
from services.ws.gateway import Gateway
from services.ws.replica import Replica
from tests.waiting import wait_until_async

CLIENTS: Final = (200, 1_000)
IDLE_CLIENTS: Final = 5_000
BURSTS: Final = (1, 8)
MESSAGE_BYTES: Final = 300
MESSAGES: Final = 400_000
"""Of each measurement, over all clients."""
TOKEN: Final = "bench"  # noqa: S105 - guards nothing
TAG: Final = Tag("pane_update", "%1")


def fanout_rows() -> list[Row]:
    """All measurements."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return asyncio.run(_measure_all())


async def _measure_all() -> list[Row]:
    rows = [await _memory()]
    for count in CLIENTS:
        with tempfile.TemporaryDirectory(prefix="qm-fan-") as folder:
            path = Path(folder)
            settings = Settings(data_dir=path, runtime_dir=path, claude_dir=path, rules_dir=path, ws_port=0)
            rows += await _measure(settings, count)
    return rows


async def _memory() -> Row:
    """What an idle client costs the gateway."""
    with tempfile.TemporaryDirectory(prefix="qm-fan-") as folder:
        path = Path(folder)
        settings = Settings(data_dir=path, runtime_dir=path, claude_dir=path, rules_dir=path, ws_port=0)
        gateway = Gateway(settings, Tokens(full=TOKEN, hook=TOKEN), _replica())
        await gateway.open()
        before = _resident_bytes()
        readers = await _readers(gateway, IDLE_CLIENTS)
        each = (_resident_bytes() - before) / IDLE_CLIENTS / 1024
        readers.terminate()
        await readers.wait()
        await gateway.drain()
    return Row(f"memory of an idle client, {IDLE_CLIENTS:,} clients", f"{each:.1f} KiB", "<= 16 KiB")


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()


def _replica() -> Replica:
    replica = Replica()
    replica.load(Snapshot(epoch="bench", seq=0, windows=(), panes=(), sessions=()))
    return replica


async def _readers(gateway: Gateway, count: int) -> asyncio.subprocess.Process:
    """Clients in a process of their own, all synced."""
    readers = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.fanout", str(gateway.port), str(count), stdout=subprocess.DEVNULL
    )
    clients = gateway.hub.clients
    await wait_until_async(
        lambda: len(clients) == count and not any(client.pace.has_waiting for client in clients), 60, "all clients"
    )
    return readers


async def _measure(settings: Settings, count: int) -> list[Row]:
    gateway = Gateway(settings, Tokens(full=TOKEN, hook=TOKEN), _replica())
    await gateway.open()
    readers = await _readers(gateway, count)
    rows: list[Row] = []
    seq = 0
    payload = b'{"type":"pane_update","seq":1,"ts":1,"data":"' + b"x" * (MESSAGE_BYTES - 47) + b'"}'

    async def through_hub(burst: int) -> None:
        nonlocal seq
        gateway.hub.publish(seq + 1, [TAG] * burst, [payload] * burst)
        seq += burst

    async def through_broadcast(burst: int) -> None:
        for _ in range(burst):
            broadcast(gateway.links(), payload, text=True)

    for burst in BURSTS:
        ours, theirs = [await _rate(gateway, count, burst, send) for send in (through_hub, through_broadcast)]
        measured = f"{ours:,.0f} messages/s/core; websockets.broadcast() {theirs:,.0f}"
        goal = ">= 1,000,000" if burst > 1 and count == CLIENTS[0] else ""
        rows.append(Row(f"fan-out to {count:,} clients, bursts of {burst}, {MESSAGE_BYTES} bytes", measured, goal))
    readers.terminate()
    await readers.wait()
    await gateway.drain()
    return rows


async def _rate(gateway: Gateway, count: int, burst: int, send: Callable[[int], Awaitable[None]]) -> float:
    """Messages for each second of CPU that sending takes, readers that lag waited for and not counted."""
    spent, sent = 0.0, 0
    while sent < MESSAGES:
        began = time.process_time()
        await send(burst)
        await asyncio.sleep(0)
        spent += time.process_time() - began
        sent += burst * count
        await wait_until_async(lambda: not any(link.unsent_bytes for link in gateway.links()), 30, "the readers")
    return sent / spent


def handshake(port: int) -> bytes:
    """What a WebSocket client says first."""
    return (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n"
    ).encode()


def open_readers(port: int, count: int, greeting: bytes) -> selectors.DefaultSelector:
    """Clients that have said their greeting, to wait for what comes."""
    selector = selectors.DefaultSelector()
    for _ in range(count):
        opened = socket.create_connection(("127.0.0.1", port))
        opened.sendall(greeting)
        selector.register(opened, selectors.EVENT_READ)
    return selector


def read_only(port: int, count: int) -> None:
    """Open connections, and read what comes until they end."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    selector = open_readers(port, count, handshake(port))
    room = bytearray(1 << 20)
    while selector.get_map():
        for key, _ in selector.select():
            connection = key.fileobj
            if isinstance(connection, socket.socket):
                count_read = 0
                with suppress(OSError):
                    count_read = connection.recv_into(room)
                if not count_read:
                    selector.unregister(connection)
                    connection.close()


if __name__ == "__main__":
    read_only(int(sys.argv[1]), int(sys.argv[2]))
