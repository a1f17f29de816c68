"""Connections over real sockets, without the gateway's rules around them."""

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from services.contract.commands import CloseCode
from services.ws.link import Link, text_frame
from tests.integration.ws.plain_client import dial_deaf
from tests.waiting import wait_until_async


class Served:
    """A server whose links stay open until they end."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.port = 0

    async def attend(self, connection: ServerConnection) -> None:
        assert isinstance(connection, Link)
        self.links.append(connection)
        await connection.wait_closed()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    async with serve(
        served.attend,
        "127.0.0.1",
        0,
        create_connection=Link,
        compression=None,
        ping_interval=None,
        write_limit=(65536, 16384),
    ) as server:
        served.port = server.sockets[0].getsockname()[1]
        yield served
        for link in served.links:
            link.transport.abort()


async def open_client(served: Served) -> tuple[ClientConnection, Link]:
    client = await connect(f"ws://127.0.0.1:{served.port}/", compression=None, ping_interval=None, proxy=None)
    await wait_until_async(lambda: served.links, what="the server's end")
    return client, served.links[-1]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 1_000_000])
async def test_a_ready_frame_is_read_as_the_text_it_was_made_of(served: Served, size: int) -> None:
    client, link = await open_client(served)
    async with client:
        text = "é" * (size // 2) + "x" * (size % 2)
        link.write(text_frame(text.encode()))
        async with asyncio.timeout(30):
            assert await client.recv() == text


async def test_several_frames_in_one_write_are_several_messages(served: Served) -> None:
    client, link = await open_client(served)
    async with client:
        link.write(text_frame(b"one") + text_frame(b"two"))
        async with asyncio.timeout(30):
            assert [await client.recv(), await client.recv()] == ["one", "two"]


async def test_shows_when_the_client_does_not_read(served: Served) -> None:
    raw = await dial_deaf(served.port)
    try:
        await wait_until_async(lambda: served.links, what="the server's end")
        link = served.links[0]
        assert link.writable.is_set()
        frame = text_frame(b"x" * 60_000)
        for _ in range(400):
            if not link.writable.is_set():
                break
            link.write(frame)
            await asyncio.sleep(0)

        assert not link.writable.is_set()
        assert link.transport.get_write_buffer_size() > 65_536
    finally:
        raw.close()


async def test_a_probe_is_answered_and_heard(served: Served) -> None:
    client, link = await open_client(served)
    async with client:
        before = link.heard_at
        link.probe()
        await wait_until_async(lambda: link.heard_at > before, what="the pong")


async def test_the_first_reason_to_end_holds(served: Served) -> None:
    client, link = await open_client(served)
    link.end(CloseCode.TOO_SLOW, "first")
    link.end(CloseCode.SILENT, "second")
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(30):
            await client.recv()

    assert (client.close_code, client.close_reason, link.ended_for) == (CloseCode.TOO_SLOW, "first", "first")
    link.write(text_frame(b"too late"))  # Says nothing, and does not fail.


async def test_a_full_pipe_does_not_keep_a_close_from_ending(served: Served) -> None:
    raw = await dial_deaf(served.port)
    try:
        await wait_until_async(lambda: served.links, what="the server's end")
        link = served.links[0]
        link.write(text_frame(b"x" * 8_000_000))
        async with asyncio.timeout(30):
            await link.shut(CloseCode.TOO_SLOW, "full")
        assert link.transport.is_closing()
    finally:
        raw.close()


async def test_the_socket_sends_small_frames_at_once(served: Served) -> None:
    client, link = await open_client(served)
    async with client:
        handle: socket.socket = link.transport.get_extra_info("socket")

        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
