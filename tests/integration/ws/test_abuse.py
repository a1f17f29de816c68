"""Whatever a client sends, or does not: a clear end, and no other client notices. Real sockets, real bus."""

import asyncio
import contextlib
import json
import os
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import pytest

from services.contract.commands import MAX_CLIENT_MESSAGE_BYTES, MAX_WATCHED, CloseCode
from services.contract.updates import Message, PaneUpdate
from services.ws.ticket import Ticket, TicketOffice
from tests.integration.ws.conftest import Running, StartGateway
from tests.integration.ws.core_side import CoreSide, make_pane
from tests.integration.ws.plain_client import HOOK_TOKEN, TOKEN, PlainClient
from tests.integration.ws.raw_client import (
    BINARY,
    CONTINUATION,
    NO_CLOSE_FRAME,
    PING,
    TEXT,
    RawClient,
    close_frame,
    frame,
    handshake,
)
from tests.metronome import Metronome
from tests.waiting import wait_until_async

MIB: Final = 1024 * 1024
LATEST_S: Final = 2.0
"""Of an update at a client that behaves, from core on: this loop plays both sides, on a machine that does more."""
CONNECTS: Final = 2_000
AT_ONCE: Final = 50
SLOW_ONES: Final = 100


class Witness(PlainClient):
    """A client that behaves, and notes which updates came late: when each left, and when it was here."""

    late: tuple[tuple[float, float], ...] = ()

    def _take(self, message: dict[str, Any]) -> None:
        super()._take(message)
        if "seq" in message and (left_s := message["ts"] / 1000) < (now_s := time.time()) - LATEST_S:
            self.late += ((left_s, now_s),)


def numbered(turn: int) -> Sequence[Message]:
    return (PaneUpdate(pane=make_pane(f"%{turn % 10}", str(turn))),)


@pytest.fixture
async def gateway(core: CoreSide, start_gateway: StartGateway) -> AsyncIterator[Running]:
    """With a feed, and clients that behave: in the end each has had every update, in its order and in time."""
    running: Running = await start_gateway(auth_timeout_s=0.5)
    with Metronome() as metronome:
        witnesses = [await Witness.join(running.port) for _ in range(2)]
        await wait_until_async(lambda: all(one.syncs for one in witnesses), what="synced")
        core.load(numbered)
        await wait_until_async(lambda: all(one.updates > 5 for one in witnesses), what="the feed")
        yield running
        began = core.seq
        await wait_until_async(lambda: all(one.seq > began + 5 for one in witnesses), what="the feed to go on")
        core.load(None)
        await wait_until_async(lambda: all(one.is_at("epoch1", core.seq) for one in witnesses), what="the last update")
    for one in witnesses:
        assert (one.faults, one.errors, one.updates, len(one.syncs)) == ([], [], core.seq, 1)
        assert "lagged" not in one.kinds
        assert one.panes == core.panes()
        assert [late for late in one.late if metronome.given_s(*late) >= LATEST_S] == []
        await one.close()
    await wait_until_async(lambda: not running.service.gateway.links(), what="everybody to be gone")


@pytest.fixture
async def raw(gateway: Running) -> AsyncIterator[RawClient]:
    """Connected, and nothing said."""
    client = await RawClient.connect(gateway.port)
    yield client
    await client.leave()


@pytest.fixture
async def intruder(gateway: Running, raw: RawClient) -> RawClient:
    """Let in, with the token."""
    await raw.let_in(handshake(gateway.port))
    return raw


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ws.gateway.OPEN_WITHIN_S", 1.5)


# Handshakes.


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": None}, 403),
        ({"Upgrade": "h2c"}, 426),
        ({"Sec-WebSocket-Version": "8"}, 400),
        ({"Sec-WebSocket-Key": None}, 400),
        ({"Sec-WebSocket-Key": "AAAA"}, 400),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_bad_handshake_is_answered(
    gateway: Running, raw: RawClient, changed: dict[str, str | None], status: int
) -> None:
    head = await raw.answer(handshake(gateway.port, changed))
    assert head.split(" ")[1] == str(status)
    assert "content-type: application/json" in head.lower()


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"X": "x" * 20_000}, 431),
        ({f"X{n}": "x" for n in range(200)}, 431),
        ({"Origin": "x" * 20_000}, 431),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_one_that_is_too_large_is_answered(
    gateway: Running, raw: RawClient, changed: dict[str, str | None], status: int
) -> None:
    head = await raw.answer(handshake(gateway.port, changed))
    assert head.split(" ")[1] == str(status)


async def test_a_path_that_is_too_long_is_answered(gateway: Running, raw: RawClient) -> None:
    head = await raw.answer(handshake(gateway.port, path="/" + "x" * 20_000))
    assert head.split(" ")[1] == "414"


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
        b"\r\n\r\n",
        b"\xff" * 5_000 + b"\r\n\r\n",
        handshake(4012, {"X": "a\0b"}),
        b"GET",
    ],
    ids=["TLS", "empty lines", "bytes", "a header with a NUL", "a beginning"],
)
@pytest.mark.usefixtures("_impatient")
async def test_what_is_no_handshake_is_cut_off(raw: RawClient, said: bytes) -> None:
    head = await raw.answer(said)
    assert head[:13] in {"", "HTTP/1.1 400 "}
    assert await raw.end() == NO_CLOSE_FRAME


@pytest.mark.usefixtures("_impatient")
async def test_slow_handshakes_are_cut_off_and_others_get_in(gateway: Running) -> None:
    async def trickle(client: RawClient) -> None:
        client.send(b"GET / HTTP/1.1\r\nX-Slow: ")
        with contextlib.suppress(ConnectionError):
            while True:
                client.send(b"x")
                await client.drain()
                await asyncio.sleep(0.05)

    async with contextlib.AsyncExitStack() as stack:
        slow = [await RawClient.connect(gateway.port) for _ in range(SLOW_ONES)]
        late = await RawClient.connect(gateway.port)
        for client in (*slow, late):
            stack.push_async_callback(client.leave)
        trickling = [asyncio.create_task(trickle(client)) for client in slow]
        await late.let_in(handshake(gateway.port))
        await late.message("synced")
        await asyncio.wait_for(asyncio.gather(*trickling), 30)


# Who is not let in.


@pytest.mark.parametrize("token", ["wrong", HOOK_TOKEN], ids=["wrong", "of the hook"])
async def test_a_wrong_token_in_the_header_is_4401(gateway: Running, raw: RawClient, token: str) -> None:
    await raw.let_in(handshake(gateway.port, token=token))
    assert await raw.end() == CloseCode.UNAUTHORIZED


@pytest.mark.parametrize(
    "said",
    [
        b"",
        frame(PING) * 10,
        frame(TEXT, b'{"type":"hello","data":{"tok', fin=False),
        frame(TEXT, b'{"type":"hello","data":{"token":"wrong"}}'),
        frame(TEXT, b'{"type":"ping"}') + frame(TEXT, b'{"type":"hello","data":{"token":"the-token"}}'),
        frame(BINARY, b'{"type":"hello","data":{"token":"the-token"}}'),
    ],
    ids=["silence", "pings", "half a hello", "a wrong token", "hello too late", "binary"],
)
async def test_no_hello_with_the_token_in_time_is_4401(gateway: Running, raw: RawClient, said: bytes) -> None:
    await raw.let_in(handshake(gateway.port, token=""))
    raw.send(said)
    assert await raw.end() == CloseCode.UNAUTHORIZED


# Who is let in.


def bomb() -> bytes:
    """50 MB of nothing, deflated, in the frame of a client that compresses."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    deflated = squeeze.compress(bytes(50 * MIB)) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    return frame(TEXT, deflated[:-4], reserved=4)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (frame(TEXT, b"x" * MIB), 1009),
        (frame(BINARY, b"x" * MIB), 1009),
        (frame(TEXT, b"x" * (MAX_CLIENT_MESSAGE_BYTES + 1)), 1009),
        (frame(TEXT, size=2**63 - 1), 1009),
        (frame(TEXT, b"x" * 1_000, fin=False) + frame(CONTINUATION, b"x" * 1_000, fin=False) * 70, 1009),
        (frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 50_000, 1009),
        (frame(TEXT, b"\xc3\x28"), 1007),
        (frame(TEXT, b'{"type":"\xed\xa0\x80"}'), 1007),
        (bomb(), 1002),
    ],
    ids=[
        "1 MB",
        "1 MB binary",
        "one byte too many",
        "8 EB announced",
        "70 kB in pieces",
        "50,000 empty pieces",
        "broken UTF-8",
        "a surrogate",
        "a compression bomb",
    ],
)
async def test_what_no_client_may_send_closes(intruder: RawClient, said: bytes, code: int) -> None:
    intruder.send(said)
    assert await intruder.end() == code


async def test_compression_is_never_agreed_on(gateway: Running, raw: RawClient) -> None:
    offer = "permessage-deflate; client_max_window_bits, permessage-deflate"
    head = await raw.let_in(handshake(gateway.port, {"Sec-WebSocket-Extensions": offer}))
    assert "extensions" not in head.lower()
    raw.send(bomb())
    assert await raw.end() == 1002


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (frame(BINARY, b"\x00\xff"), "bad_request"),
        (frame(BINARY, b'{"type":"ping"}'), "bad_request"),
        (frame(TEXT), "bad_request"),
        (frame(TEXT, b"\0"), "bad_request"),
        (frame(TEXT, b'{"type":"ping","data":' + b"[" * 60_000), "bad_request"),
        (frame(TEXT, b'{"type":"ping","data":"\\ud800' + b'"}' * 2), "bad_request"),
        (frame(TEXT, b"{}"), "invalid_field"),
        (frame(TEXT, b'{"type":"dance"}'), "invalid_field"),
        (frame(TEXT, b'{"type":7}'), "invalid_field"),
        (frame(TEXT, b'{"type":"watch","data":{"pane_id":null}}'), "invalid_field"),
        (frame(TEXT, b'{"type":"watch","data":{"pane_id":"%0; kill-server"}}'), "not_found"),
        (frame(TEXT, b'{"type":"unsubscribe","data":{"types":["nothing"]}}'), "invalid_field"),
        (frame(TEXT, b'{"type":"hello","data":{"token":"the-token"}}'), "conflict"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_what_is_not_understood_is_an_error_and_it_goes_on(intruder: RawClient, said: bytes, code: str) -> None:
    intruder.send(said)
    assert (await intruder.message("error"))["code"] == code
    intruder.send(frame(TEXT, b'{"type":"ping","data":"there?"}'))
    assert (await intruder.message("pong"))["echo"] == "there?"


async def test_too_many_panes_are_an_error(core: CoreSide, intruder: RawClient) -> None:
    core.publish(*(PaneUpdate(pane=make_pane(f"%{n}")) for n in range(100, 101 + MAX_WATCHED)))
    await intruder.message("pane_update")
    for n in range(100, 101 + MAX_WATCHED):
        intruder.send(frame(TEXT, json.dumps({"type": "watch", "data": {"pane_id": f"%{n}"}}).encode()))
    assert (await intruder.message("error"))["code"] in {"too_many_requests", "not_found"}


@pytest.mark.parametrize(
    "command",
    [
        b'{"type":"ping"}',
        b'{"type":"dance"}',
        b'{"type":"subscribe","data":{"types":["event"]}}',
        b'{"type":"watch","data":{"pane_id":"%1"}}',
    ],
    ids=["ping", "unknown", "subscribe", "watch"],
)
async def test_1000_commands_a_second_are_refused_and_then_4429(intruder: RawClient, command: bytes) -> None:
    intruder.send(frame(TEXT, command) * 1_000)
    while (error := await intruder.message("error"))["code"] != "too_many_requests":
        assert error["code"] in {"invalid_field", "not_found"}
    assert await intruder.end() == CloseCode.TOO_MANY


@pytest.mark.parametrize("way", ["query", "hello"])
@pytest.mark.parametrize("kind", ["forged", "of another installation", "of no epoch", "long", "nonsense"])
async def test_a_cursor_that_is_none_of_ours_gives_a_snapshot_and_says_so(
    core: CoreSide, gateway: Running, raw: RawClient, kind: str, way: str
) -> None:
    place = Ticket(core.epoch, 1, 1)
    ours = TicketOffice(TOKEN).make(place)
    cursor, why = {
        "forged": (ours[:-1] + ("A" if ours[-1] != "A" else "Q"), "unknown"),
        "of another installation": (TicketOffice("another token").make(place), "unknown"),
        "of no epoch": (TicketOffice(TOKEN).make(Ticket("epoch0", 1, 1)), "epoch"),
        "long": (ours * 100, "unknown"),
        "nonsense": ("%00%ff", "unknown"),
    }[kind]
    if way == "query":
        await raw.let_in(handshake(gateway.port, path=f"/?cursor={cursor}"))
    else:
        await raw.let_in(handshake(gateway.port, token=""))
        raw.send(frame(TEXT, json.dumps({"type": "hello", "data": {"token": TOKEN, "resume": cursor}}).encode()))
    connected = await raw.message("connected")
    assert (connected["resumed"], connected["why"]) == (False, why)
    await raw.message("windows")
    await raw.message("synced")


@pytest.mark.parametrize(
    "last",
    [close_frame(1000), frame(TEXT, size=2**63 - 1), frame(TEXT, b"\xff")],
    ids=["goodbye", "too much", "broken"],
)
async def test_who_goes_on_sending_when_it_is_over_is_cut_off(
    gateway: Running, intruder: RawClient, last: bytes
) -> None:
    intruder.send(last)

    async def go_on() -> None:
        while True:
            intruder.send(frame(TEXT, b'{"type":"ping"}') * 100)
            await intruder.drain()
            await asyncio.sleep(0.01)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(go_on(), 30)
    await wait_until_async(lambda: len(gateway.service.gateway.links()) == 2, what="it to be gone")


# Many.


async def come_and_go(port: int, number: int) -> None:
    """Connect in one of five ways, and be gone."""
    client = await RawClient.connect(port)
    match number % 5:
        case 0:
            await client.leave(politely=True)
        case 1:
            client.send(b"GET / HTTP/1.1\r\n")
            await client.leave()
        case 2:
            assert (await client.answer(handshake(port, {"Origin": "http://evil.example"}))).startswith("HTTP/1.1 403 ")
            await client.leave(politely=True)
        case 3:
            await client.let_in(handshake(port, token="wrong"))  # noqa: S106 - as it says
            assert await client.end() == CloseCode.UNAUTHORIZED
            await client.leave()
        case _:
            await client.let_in(handshake(port))
            await client.message("connected")
            await client.leave()


async def test_thousands_that_connect_and_go_leave_nothing_behind(gateway: Running) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough

    before, tasks = open_files(), len(asyncio.all_tasks())
    for first in range(0, CONNECTS, AT_ONCE):
        await asyncio.wait_for(
            asyncio.gather(*(come_and_go(gateway.port, first + n) for n in range(AT_ONCE))), timeout=20
        )
    await wait_until_async(lambda: len(gateway.service.gateway.links()) == 2, what="all to be gone")
    await wait_until_async(lambda: len(asyncio.all_tasks()) <= tasks, what="their tasks to be gone")
    await wait_until_async(lambda: open_files() <= before, what="their files to be closed")
