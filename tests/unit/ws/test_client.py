import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.contract.commands import CloseCode
from services.ws.client import Client
from services.ws.outbox import MAX_WAITING_BYTES
from services.ws.pulse import ANSWER_WITHIN_S
from tests.unit.ws.wire import HeldWire
from tests.waiting import wait_until_async


@pytest.fixture
def wire() -> HeldWire:
    return HeldWire()


@pytest.fixture
async def client(wire: HeldWire) -> AsyncIterator[Client]:
    client = Client(client_id="c", wire=wire, frame=bytes, heartbeat_s=30, slice_bytes=65_536)
    relay = asyncio.create_task(client.relay())
    yield client
    relay.cancel()


async def test_frames_that_are_due_together_leave_in_one_write(client: Client, wire: HeldWire) -> None:
    client.push([b"1"])
    client.push([b"2", b"3"])
    await wait_until_async(lambda: wire.writes, what="a write")

    assert wire.writes == [[b"1", b"2", b"3"]]
    assert client.sent == 3


async def test_nothing_leaves_while_the_wire_is_full_and_all_of_it_in_order_after(
    client: Client, wire: HeldWire
) -> None:
    wire.writable.clear()
    client.push([b"1"])
    await asyncio.sleep(0)
    client.push([b"2"])
    assert wire.writes == []

    wire.writable.set()
    await wait_until_async(lambda: len(wire.frames) == 2, what="both frames")
    assert wire.frames == [b"1", b"2"]


async def test_one_that_does_not_keep_up_is_ended_as_too_slow(client: Client, wire: HeldWire) -> None:
    wire.writable.clear()
    client.push([b"x" * (MAX_WAITING_BYTES + 1)])
    assert wire.ended is None
    client.push([b"one more"])

    assert wire.ended is CloseCode.TOO_SLOW
    assert client.outbox.is_broken


async def test_a_snapshot_takes_the_place_of_updates_that_wait(client: Client, wire: HeldWire) -> None:
    wire.writable.clear()
    client.push([b"old"])
    client.restart([b"snapshot", b"synced"])
    client.push([b"new"])
    wire.writable.set()
    await client.flushed()

    assert wire.frames == [b"snapshot", b"synced", b"new"]


async def test_a_ping_gets_its_data_back(client: Client, wire: HeldWire) -> None:
    client.hear('{"type": "ping", "data": {"n": 1}}', now=wire.now)
    await client.flushed()

    answer = msgspec.json.decode(wire.frames[0])
    assert (answer["type"], answer["data"]) == ("pong", {"echo": {"n": 1}})


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("no json", "bad_request"),
        (b"\x00binary", "bad_request"),
        ('{"type": "fly"}', "invalid_field"),
        ('{"type": "hello", "data": {"token": "again"}}', "conflict"),
    ],
)
async def test_what_is_not_understood_is_an_error_and_the_connection_stays(
    client: Client, wire: HeldWire, said: str | bytes, code: str
) -> None:
    client.hear(said, now=wire.now)
    await client.flushed()

    answer = msgspec.json.decode(wire.frames[0])
    assert (answer["type"], answer["data"]["code"]) == ("error", code)
    assert wire.ended is None


async def test_a_flood_of_messages_is_refused_and_then_ended(client: Client, wire: HeldWire) -> None:
    for _ in range(1_000):
        client.hear('{"type": "ping"}', now=wire.now)
    await client.flushed()

    assert wire.ended is CloseCode.TOO_MANY
    codes = {msgspec.json.decode(frame)["data"].get("code") for frame in wire.frames}
    assert codes == {None, "too_many_requests"}


async def test_is_pinged_and_ended_when_it_does_not_answer(client: Client, wire: HeldWire) -> None:
    now = asyncio.get_running_loop().time()
    client.beat(now + 1)
    assert wire.probes == 0
    client.beat(now + 31)
    assert wire.probes == 1
    client.beat(now + 31 + ANSWER_WITHIN_S)

    assert wire.ended is CloseCode.SILENT
