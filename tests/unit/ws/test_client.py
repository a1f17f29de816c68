import asyncio

import msgspec
import pytest

from services.contract.commands import MAX_WATCHED, CloseCode
from services.ws.batch import Batch, Update
from services.ws.client import CURSOR_S, STUCK_S, Client
from services.ws.latest import Latest
from services.ws.pace import MAX_WAITING_BYTES
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
def lost() -> list[Client]:
    """Clients that asked for a snapshot."""
    return []


@pytest.fixture
async def client(wire: HeldWire, screens: Screens, lost: list[Client]) -> Client:
    latest = Latest()
    client = Client(
        client_id="c",
        address="127.0.0.1:5",
        wire=wire,
        frame=bytes,
        screens=screens,
        latest=latest,
        on_lost=lost.append,
        cursor=lambda normal, high: f"{normal}-{high}",
        heartbeat_s=30,
        slice_bytes=65_536,
    )
    client.restart((), 0)
    await client.flushed()
    return client


class Stream:
    """Numbers updates, and gives them to a client as the hub does."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._latest: Latest = client.pace._latest

    def push(self, *payloads: bytes, kind: str = "pane_update", key: str = "k") -> None:
        first = self._latest.top + 1
        batch = Batch([Update(seq, kind, key, payload) for seq, payload in enumerate(payloads, first)])
        for one in batch.normal:
            self._latest.put(one.seq, kind, key, one.frame)
        self._latest.advance(batch.top)
        self._client.push(batch)


@pytest.fixture
def stream(client: Client) -> Stream:
    return Stream(client)


def watch(client: Client, wire: HeldWire, pane_id: str, *, stop: bool = False) -> None:
    said = {"type": "unwatch" if stop else "watch", "data": {"pane_id": pane_id}}
    client.hear(msgspec.json.encode(said).decode(), now=wire.now)


def show(screens: Screens, number: int, text: str, pane_id: str = "%1") -> None:
    lines = [*(f"line {row}" for row in range(24)), text]
    screens.put(body_of(make_screen(lines, pane_id=pane_id, at=number)), number)


def types(wire: HeldWire) -> list[str]:
    return [msgspec.json.decode(frame)["type"] for frame in wire.frames]


async def test_updates_that_came_together_leave_at_once_in_one_write(
    client: Client, wire: HeldWire, stream: Stream
) -> None:
    stream.push(b"1", b"2")

    assert wire.writes == [b"12"]
    assert client.sent == 2


async def test_nothing_leaves_while_the_wire_is_full_and_what_must_be_sent_leaves_in_order_after(
    client: Client, wire: HeldWire, stream: Stream
) -> None:
    wire.fill()
    stream.push(b"1")
    stream.push(b"2")
    await asyncio.sleep(0)
    assert wire.writes == []
    assert (client.is_paused, client.pauses, client.buffered_bytes) == (True, 1, 2)

    wire.drain()
    await wait_until_async(lambda: wire.writes, what="a write")
    assert wire.writes == [b"12"]
    assert not client.is_paused


async def test_what_is_conflated_or_dropped_meanwhile_is_told(client: Client, wire: HeldWire, stream: Stream) -> None:
    wire.fill()
    stream.push(b'{"type":"a1"}', kind="session_update")
    stream.push(b'{"type":"a2"}', kind="session_update")
    stream.push(b'{"type":"e"}', kind="event", key="")
    wire.drain()
    await wait_until_async(lambda: len(wire.frames) == 2, what="the newest, and what was missed")

    assert types(wire) == ["a2", "lagged"]
    assert msgspec.json.decode(wire.frames[1])["data"] == {"dropped": 1, "replaced": 1, "upto": 3}
    assert (client.dropped, client.replaced, client.sent) == (1, 1, 2)
    assert client.paused_s > 0


async def test_one_that_does_not_keep_up_is_ended_as_too_slow(client: Client, wire: HeldWire, stream: Stream) -> None:
    wire.fill()
    stream.push(b"x" * (MAX_WAITING_BYTES + 1))
    assert wire.ended is None
    stream.push(b"one more")

    assert wire.ended is CloseCode.TOO_SLOW
    assert client.pace.is_broken


async def test_one_that_takes_nothing_at_all_is_cut_off_and_a_slow_one_is_not(
    client: Client, wire: HeldWire, stream: Stream
) -> None:
    stream.push(b"1")
    wire.fill()
    for second in range(60):
        wire.unsent_bytes = 90_000 - second
        client.beat(wire.now + second / 10)
    assert not wire.was_cut

    now = wire.now + 6
    wire.unsent_bytes = 5_000
    client.beat(now)
    client.beat(now + STUCK_S - 0.1)
    assert not wire.was_cut
    client.beat(now + STUCK_S)
    assert wire.was_cut


async def test_what_is_said_to_it_alone_does_not_make_it_slow(client: Client, wire: HeldWire, stream: Stream) -> None:
    """A cursor or a pong waits for the end of the loop's turn; an event that comes in that turn is not dropped."""
    client.hear('{"type":"ping","data":null}', wire.now)
    stream.push(b'{"type":"event"}', kind="event", key="")
    await client.flushed()
    await asyncio.sleep(0)

    assert types(wire) == ["pong", "event"]
    assert (client.dropped, client.sent) == (0, 2)


async def test_one_that_takes_what_lies_before_the_ping_is_not_silent(
    client: Client, wire: HeldWire, stream: Stream
) -> None:
    """At 1 kB/s, a ping behind 90 kB is answered after a minute and a half."""
    stream.push(b"1")
    wire.fill()
    began = wire.now
    for second in range(0, 90, 5):
        wire.unsent_bytes = 90_000 - 1_000 * second
        client.beat(began + second)
    assert (wire.ended, wire.was_cut) == (None, False)

    client.beat(began + 85 + STUCK_S)
    assert wire.was_cut


async def test_a_place_to_come_back_to_is_told_from_time_to_time_while_it_follows(
    client: Client, wire: HeldWire, stream: Stream
) -> None:
    now = wire.now
    client.beat(now + CURSOR_S)
    await client.flushed()
    assert wire.frames == [], "nothing has changed"
    stream.push(b"1")
    for pause in (1.0, CURSOR_S, CURSOR_S + 1):
        client.beat(now + pause)
    await client.flushed()
    await asyncio.sleep(0)

    first, second = wire.frames
    assert first == b"1"
    assert msgspec.json.decode(second)["data"] == {"cursor": "1-1"}
    wire.fill()
    stream.push(b"2")
    client.beat(now + 3 * CURSOR_S)
    assert client.cursor == "1-1", "what waits it does not have"


async def test_who_has_not_the_whole_state_has_no_place_to_come_back_to(client: Client, wire: HeldWire) -> None:
    wire.fill()
    client.restart((b"1", b"2"), 7)

    assert client.cursor == ""
    wire.drain()
    await client.flushed()
    assert client.cursor == "0-0", "of the test's own stream"


async def test_a_snapshot_takes_the_place_of_updates_that_wait(client: Client, wire: HeldWire, stream: Stream) -> None:
    wire.fill()
    stream.push(b"1")
    client.restart((b"22", b"33"), 1)
    stream.push(b"4")
    wire.drain()
    await client.flushed()

    assert wire.writes == [b"22334"]


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
        ('{"type": "subscribe"}', "invalid_field"),
        ('{"type": "subscribe", "data": {"types": "event"}}', "invalid_field"),
        ('{"type": "subscribe", "data": {"types": ["connected"]}}', "invalid_field"),
        ('{"type": "unsubscribe", "data": {"types": ["event", "fly"]}}', "invalid_field"),
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


async def test_updates_that_are_not_wanted_do_not_leave_and_those_that_are_again_come_with_a_snapshot(
    client: Client, wire: HeldWire, stream: Stream, lost: list[Client]
) -> None:
    client.hear('{"type": "unsubscribe", "data": {"types": ["event", "session_update"]}}', now=wire.now)
    stream.push(b"1", kind="event")
    stream.push(b"2", kind="pane_update")
    assert wire.frames == [b"2"]

    client.hear('{"type": "subscribe", "data": {"types": ["pane_update"]}}', now=wire.now)
    assert lost == [], "it has those"
    client.hear('{"type": "subscribe", "data": {"types": ["event"]}}', now=wire.now)
    assert lost == [client]
    stream.push(b"3", kind="event")
    stream.push(b"4", kind="session_update")
    assert wire.frames == [b"2", b"3"]


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


async def test_a_screen_leaves_after_all_else_that_waits(
    client: Client, wire: HeldWire, screens: Screens, stream: Stream
) -> None:
    wire.fill()
    watch(client, wire, "%1")
    show(screens, 1, "a")
    stream.push(b'{"type":"update"}')
    client.hear('{"type": "ping"}', now=wire.now)
    wire.drain()
    await wait_until_async(lambda: len(wire.frames) == 3, what="all")

    assert types(wire) == ["pong", "update", "terminal_output"]
    assert len(wire.writes) == 1


async def test_a_screen_waits_until_the_last_update_has_left(
    client: Client, wire: HeldWire, screens: Screens, stream: Stream
) -> None:
    wire.fill()
    watch(client, wire, "%1")
    show(screens, 1, "a")
    stream.push(*[b'{"type":"update","x":"' + b" " * 40_000 + b'"}'] * 4)
    wire.drain()
    await wait_until_async(lambda: len(wire.frames) == 5, what="all")

    assert types(wire) == ["update"] * 4 + ["terminal_output"]
    assert all(len(write) <= 65_536 for write in wire.writes)


async def test_while_the_wire_is_full_nothing_queues_and_the_newest_leaves_after(
    client: Client, wire: HeldWire, screens: Screens
) -> None:
    watch(client, wire, "%1")
    show(screens, 1, "a")
    await wait_until_async(lambda: wire.frames, what="the screen")
    wire.fill()
    for number in range(2, 5_000):
        show(screens, number, f"{number}" + "x" * 1_000)
    assert client.pace.waiting_bytes == 0
    show(screens, 5_000, "last")
    wire.drain()
    await wait_until_async(lambda: len(wire.frames) == 2, what="the newest")

    assert msgspec.json.decode(wire.frames[1])["data"]["lines"] == {"24": "last"}
    assert wire.ended is None


async def test_screens_that_are_too_large_for_one_write_all_leave(
    client: Client, wire: HeldWire, screens: Screens
) -> None:
    wire.fill()
    for number in range(1, 5):
        watch(client, wire, f"%{number}")
        show(screens, number, "x" * 40_000, pane_id=f"%{number}")
    wire.drain()
    await wait_until_async(lambda: len(wire.frames) == 4, what="all screens")

    assert len(wire.writes) == 4


async def test_a_screen_that_looks_the_same_makes_no_write(client: Client, wire: HeldWire, screens: Screens) -> None:
    watch(client, wire, "%1")
    show(screens, 1, "a")
    await wait_until_async(lambda: wire.frames, what="the screen")
    show(screens, 2, "a")
    await wait_until_async(lambda: not client.view.has_news, what="the news to be seen")

    assert len(wire.writes) == 1


async def test_what_is_not_watched_any_more_does_not_leave(client: Client, wire: HeldWire, screens: Screens) -> None:
    wire.fill()
    watch(client, wire, "%1")
    watch(client, wire, "%2")
    show(screens, 1, "a")
    show(screens, 2, "a", pane_id="%2")
    watch(client, wire, "%1", stop=True)
    watch(client, wire, "%3", stop=True)
    wire.drain()
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
