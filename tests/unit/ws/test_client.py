import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from services.contract.commands import MAX_WATCHED, CloseCode
from services.ws.client import Client
from services.ws.outbox import MAX_WAITING_BYTES
from services.ws.pulse import ANSWER_WITHIN_S
from services.ws.screens import Screens
from tests.unit.ws.screen import body_of, make_screen
from tests.unit.ws.wire import HeldWire
from tests.waiting import wait_until_async


@pytest.fixture
def wire() -> HeldWire:
    return HeldWire()


@pytest.fixture
def screens() -> Screens:
    """Of all panes but %404."""
    return Screens(bytes, lambda pane_id: pane_id != "%404")


@pytest.fixture
async def client(wire: HeldWire, screens: Screens) -> AsyncIterator[Client]:
    client = Client(client_id="c", wire=wire, frame=bytes, screens=screens, heartbeat_s=30, slice_bytes=65_536)
    relay = asyncio.create_task(client.relay())
    yield client
    relay.cancel()


def watch(client: Client, wire: HeldWire, pane_id: str, *, stop: bool = False) -> None:
    said = {"type": "unwatch" if stop else "watch", "data": {"pane_id": pane_id}}
    client.hear(msgspec.json.encode(said).decode(), now=wire.now)


def show(screens: Screens, number: int, text: str, pane_id: str = "%1") -> None:
    lines = [*(f"line {row}" for row in range(24)), text]
    screens.put(body_of(make_screen(lines, pane_id=pane_id, at=number)), number)


def types(wire: HeldWire) -> list[str]:
    return [msgspec.json.decode(frame)["type"] for frame in wire.frames]


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
        ('{"type": "watch"}', "invalid_field"),
        ('{"type": "watch", "data": null}', "invalid_field"),
        ('{"type": "watch", "data": {}}', "invalid_field"),
        ('{"type": "watch", "data": {"pane_id": 1}}', "invalid_field"),
        ('{"type": "watch", "data": {"pane_id": ["%1"]}}', "invalid_field"),
        ('{"type": "watch", "data": "%1"}', "invalid_field"),
        ('{"type": "unwatch"}', "invalid_field"),
        ('{"type": "unwatch", "data": {"pane": "%1"}}', "invalid_field"),
        ('{"type": "watch", "data": {"pane_id": "%404"}}', "not_found"),
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


async def test_a_watched_pane_comes_whole_and_then_as_what_changes(
    client: Client, wire: HeldWire, screens: Screens
) -> None:
    watch(client, wire, "%1")
    show(screens, 1, "a")
    await wait_until_async(lambda: len(wire.frames) == 1, what="the screen")
    show(screens, 2, "b")
    await wait_until_async(lambda: len(wire.frames) == 2, what="the change")

    assert types(wire) == ["terminal_output", "terminal_diff"]
    assert client.sent == screens.sent == 2


async def test_a_screen_leaves_after_all_else_that_waits(client: Client, wire: HeldWire, screens: Screens) -> None:
    wire.writable.clear()
    watch(client, wire, "%1")
    show(screens, 1, "a")
    client.push([b'{"type":"update"}'])
    client.hear('{"type": "ping"}', now=wire.now)
    wire.writable.set()
    await wait_until_async(lambda: len(wire.frames) == 3, what="all")

    assert types(wire) == ["pong", "update", "terminal_output"]
    assert len(wire.writes) == 1


async def test_a_screen_waits_until_the_last_update_has_left(client: Client, wire: HeldWire, screens: Screens) -> None:
    wire.writable.clear()
    watch(client, wire, "%1")
    show(screens, 1, "a")
    client.push([b'{"type":"update"}' + b" " * 40_000] * 4)
    wire.writable.set()
    await wait_until_async(lambda: len(wire.frames) == 5, what="all")

    assert types(wire) == ["update"] * 4 + ["terminal_output"]
    assert all(sum(map(len, write)) <= 65_536 for write in wire.writes)


async def test_while_the_wire_is_full_nothing_queues_and_the_newest_leaves_after(
    client: Client, wire: HeldWire, screens: Screens
) -> None:
    watch(client, wire, "%1")
    show(screens, 1, "a")
    await wait_until_async(lambda: wire.frames, what="the screen")
    wire.writable.clear()
    for number in range(2, 5_000):
        show(screens, number, f"{number}" + "x" * 1_000)
    assert len(client.outbox) == 0
    show(screens, 5_000, "last")
    wire.writable.set()
    await wait_until_async(lambda: len(wire.frames) == 2, what="the newest")

    assert msgspec.json.decode(wire.frames[1])["data"]["lines"] == {"24": "last"}
    assert wire.ended is None


async def test_screens_that_are_too_large_for_one_write_all_leave(
    client: Client, wire: HeldWire, screens: Screens
) -> None:
    wire.writable.clear()
    for number in range(1, 5):
        watch(client, wire, f"%{number}")
        show(screens, number, "x" * 40_000, pane_id=f"%{number}")
    wire.writable.set()
    await wait_until_async(lambda: len(wire.frames) == 4, what="all screens")

    assert [len(write) for write in wire.writes] == [1] * 4


async def test_a_screen_that_looks_the_same_makes_no_write(client: Client, wire: HeldWire, screens: Screens) -> None:
    watch(client, wire, "%1")
    show(screens, 1, "a")
    await wait_until_async(lambda: wire.frames, what="the screen")
    show(screens, 2, "a")
    await wait_until_async(lambda: not client.view.has_news, what="the news to be seen")

    assert len(wire.writes) == 1


async def test_what_is_not_watched_any_more_does_not_leave(client: Client, wire: HeldWire, screens: Screens) -> None:
    wire.writable.clear()
    watch(client, wire, "%1")
    watch(client, wire, "%2")
    show(screens, 1, "a")
    show(screens, 2, "a", pane_id="%2")
    watch(client, wire, "%1", stop=True)
    watch(client, wire, "%3", stop=True)
    wire.writable.set()
    await wait_until_async(lambda: wire.frames, what="the other screen")

    assert [msgspec.json.decode(frame)["data"]["pane_id"] for frame in wire.frames] == ["%2"]
    assert screens.pane_ids == ("%2",)


async def test_one_pane_too_many_is_an_error_and_the_connection_stays(
    client: Client, wire: HeldWire, screens: Screens
) -> None:
    for number in range(MAX_WATCHED + 1):
        watch(client, wire, f"%{number}")
    await client.flushed()

    assert [msgspec.json.decode(frame)["data"]["code"] for frame in wire.frames] == ["too_many_requests"]
    assert len(screens.pane_ids) == MAX_WATCHED
    assert wire.ended is None
