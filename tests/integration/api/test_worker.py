"""Connections of the worker's protocol, with limits that a test can wait for; the whole process is in `test_server`."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger

from services.api import worker as worker_module
from services.api.worker import ApiProtocol
from tests.integration.api.client import check_failure
from tests.integration.api.wire import Wire, exchange, head
from tests.waiting import wait_until_async


class Served:
    """A port of this process on which `ApiProtocol` speaks; the app answers 401 without reading the body, or `pong`."""

    def __init__(self) -> None:
        config = Config()
        self.worker: Any = SimpleNamespace(
            cfg=config,
            log=Logger(config),
            asgi=self._app,
            loop=asyncio.get_running_loop(),
            nr_conns=0,
            connections=set(),
            nr=0,
            max_requests=10**9,
            alive=True,
            state={},
        )
        self.port = 0
        self.release = asyncio.Event()
        self.release.set()
        self.requests = 0

    async def _app(self, scope: dict[str, Any], receive: Callable[[], Any], send: Callable[[Any], Any]) -> None:
        assert scope["type"] == "http"
        self.requests += 1
        status = 401 if scope["path"] == "/refuse" else 200
        if status == 200:
            while (await receive()).get("more_body"):
                pass
        await self.release.wait()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": b"pong"})

    async def __aenter__(self) -> Self:
        self._server = await self.worker.loop.create_server(lambda: ApiProtocol(self.worker), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for connection in tuple(self.worker.connections):
            connection.transport.abort()
        await wait_until_async(lambda: self.worker.nr_conns == 0)

    async def ask(self, *parts: bytes) -> Any:
        answer = await asyncio.to_thread(exchange, self.port, *parts)
        if answer.body != b"pong":
            check_failure(answer)
        return answer


async def test_a_request_is_served_and_the_connection_stays() -> None:
    async with Served() as served:
        with Wire(served.port) as wire:
            for _ in range(3):
                wire.send(head("/"))
                assert (await asyncio.to_thread(wire.answer)).body == b"pong"


async def test_requests_behind_each_other_are_answered_in_order() -> None:
    async with Served() as served:
        with Wire(served.port) as wire:
            wire.send(head("/") + head("/refuse") + head("/"))
            answers = [(await asyncio.to_thread(wire.answer)).status for _ in range(3)]
    assert answers == [200, 401, 200]


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\n\r\n", 400),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n", 414),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 9_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: snappy, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"get / HTTP/1.1\r\nHost: \xff\r\n\r\n", 400),
    ],
)
async def test_what_is_no_http_is_answered_in_the_envelope(garbage: bytes, status: int) -> None:
    async with Served() as served:
        answer = await served.ask(garbage)

    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert served.requests == 0


async def test_half_a_head_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "FIRST_REQUEST_S", 1.0)
    async with Served() as served:
        answer = await served.ask(b"GET / HTTP/1.1\r\nHost: x")

    assert (answer.status, answer.code) == (408, "request_timeout")


async def test_a_connection_that_says_nothing_is_closed_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "FIRST_REQUEST_S", 0.1)
    async with Served() as served:
        with Wire(served.port) as wire:
            assert await asyncio.to_thread(wire.is_ended)


async def test_a_request_that_takes_long_is_not_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "FIRST_REQUEST_S", 1.0)
    async with Served() as served:
        served.release.clear()
        asking = asyncio.create_task(served.ask(head("/")))
        await wait_until_async(lambda: served.requests == 1)
        [connection] = served.worker.connections
        assert connection._first_request is None
        served.release.set()

        assert (await asking).body == b"pong"


async def test_one_connection_too_many_is_429_and_the_next_is_served_when_one_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_module, "CONNECTIONS", 2)
    async with Served() as served:
        first, second = Wire(served.port), Wire(served.port)
        await wait_until_async(lambda: served.worker.nr_conns == 2)
        refused = await served.ask()
        assert (refused.status, refused.code) == (429, "too_many_requests")
        first.close()
        await wait_until_async(lambda: served.worker.nr_conns == 1)

        assert (await served.ask(head("/"))).body == b"pong"
        second.close()


async def test_a_client_that_still_sends_reads_its_answer() -> None:
    size = 20_000_000
    async with Served() as served:
        answer = await served.ask(head("/refuse", "POST", Content_Length=str(size)), b"x" * size)

    assert answer.status == 401


async def test_a_client_that_sends_an_endless_head_reads_its_answer() -> None:
    async with Served() as served:
        answer = await served.ask(b"GET / HTTP/1.1\r\nA: " + b"a" * 5_000_000)

    assert answer.status == 431


async def test_a_client_that_never_stops_sending_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LINGER_BYTES", 1_000_000)
    async with Served() as served:
        with pytest.raises(ConnectionError):
            await served.ask(head("/refuse", "POST", Content_Length=str(10**9)), *(b"x" * 2**20 for _ in range(64)))


async def test_a_client_that_stops_in_the_middle_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "LINGER_S", 0.1)
    async with Served() as served:
        with Wire(served.port) as wire:
            wire.send(head("/refuse", "POST", Content_Length="10"), b"x")
            assert (await asyncio.to_thread(wire.answer)).status == 401
            await wait_until_async(lambda: served.worker.nr_conns == 0)


async def test_an_upgrade_is_served_as_plain_http() -> None:
    upgrade = head(
        "/",
        Connection="Upgrade",
        Upgrade="websocket",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="AQIDBAUGBwgJCgsMDQ4PEA==",
    )
    async with Served() as served:
        assert (await served.ask(upgrade)).body == b"pong"


async def test_idle_connections_close_at_a_stop_and_busy_ones_do_not() -> None:
    async with Served() as served:
        idle = Wire(served.port)
        served.release.clear()
        busy = asyncio.create_task(served.ask(head("/")))
        await wait_until_async(lambda: served.requests == 1 and served.worker.nr_conns == 2)
        await wait_until_async(lambda: any(one._awaiting_request for one in served.worker.connections))

        for connection in tuple(served.worker.connections):
            connection.close_if_idle()

        assert await asyncio.to_thread(idle.is_ended)
        served.release.set()
        assert (await busy).body == b"pong"
        idle.close()
