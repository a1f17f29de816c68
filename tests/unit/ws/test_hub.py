import asyncio
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from services.contract import codec
from services.contract.codec import Tag
from services.contract.requests import Snapshot
from services.ws.client import Client
from services.ws.hub import Hub
from services.ws.pace import MAX_WAITING_BYTES
from services.ws.replica import Replica
from services.ws.ticket import Ticket, TicketOffice
from tests.unit.ws.screen import body_of, make_screen
from tests.unit.ws.test_replica import make_pane
from tests.unit.ws.wire import HeldWire

JOINED = ["connected"]
SNAPSHOT_TYPES = ["windows", "sessions", "personas", "projects", "quests", "synced"]


class Parts:
    """A hub with a replica, and clients whose frames are what was framed."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.framed = 0
        self.hub = Hub(self.replica, self._frame, TicketOffice("token"))

    def _frame(self, payload: bytes) -> bytes:
        self.framed += 1
        return payload

    def load(self, epoch: str, seq: int, *pane_ids: str) -> None:
        panes = tuple(make_pane(pane_id) for pane_id in pane_ids)
        self.replica.load(Snapshot(epoch=epoch, seq=seq, windows=(), panes=panes, sessions=()))

    def publish(self, *payloads: bytes, kind: str = "event") -> None:
        first = self.replica.seq + 1
        for payload in payloads:
            with suppress(codec.DecodeError):
                self.replica.apply(kind, payload)
        self.hub.publish(first, [Tag(kind, "k")] * len(payloads), payloads)

    async def join(self, cursor: str = "") -> tuple[Client, HeldWire]:
        wire = HeldWire()
        client = Client(
            client_id="c",
            address="127.0.0.1:5",
            wire=wire,
            frame=bytes,
            screens=self.hub.screens,
            latest=self.hub.latest,
            on_lost=self.hub.refill,
            cursor=self.hub.cursor,
            heartbeat_s=30,
            slice_bytes=65_536,
        )
        await self.hub.join(client, 30, cursor)
        return client, wire


def types(wire: HeldWire) -> list[str]:
    return [msgspec.json.decode(frame)["type"] for frame in wire.frames]


async def test_one_that_joins_gets_the_snapshot_and_what_comes_after() -> None:
    parts = Parts()
    parts.load("e", 5)
    client, wire = await parts.join()
    await client.flushed()
    parts.publish(b'{"type":"event"}')

    assert types(wire) == [*JOINED, *SNAPSHOT_TYPES, "event"]
    synced = msgspec.json.decode(wire.frames[6])["data"]
    assert (synced["epoch"], synced["seq"]) == ("e", 5)
    assert synced["cursor"]


async def test_one_that_joins_before_core_was_heard_gets_its_snapshot_later() -> None:
    parts = Parts()
    client, wire = await parts.join()
    await client.flushed()
    assert types(wire) == JOINED

    parts.load("e", 1)
    parts.hub.restart()
    await client.flushed()
    assert types(wire) == [*JOINED, *SNAPSHOT_TYPES]


async def test_a_snapshot_and_an_update_are_framed_once_for_all() -> None:
    parts = Parts()
    parts.load("e", 1)
    clients = [await parts.join() for _ in range(10)]
    assert parts.framed == len(SNAPSHOT_TYPES)
    for client, _ in clients:
        await client.flushed()
    parts.publish(b"{}", b"{}")
    assert parts.framed == len(SNAPSHOT_TYPES) + 2
    assert [wire.writes[-1] for _, wire in clients] == [b"{}{}"] * 10
    assert len({id(wire.writes[-1]) for _, wire in clients}) == 1, "the same bytes for all"


async def test_counts_what_was_sent_also_to_those_who_left_and_who_was_too_slow() -> None:
    parts = Parts()
    parts.load("e", 1)
    client, _ = await parts.join()
    await client.flushed()
    slow, held = await parts.join()
    held.fill()
    for _ in range(2):
        parts.publish(b'"' + b"x" * MAX_WAITING_BYTES + b'"', kind="pane_update")
    parts.hub.leave(client)
    parts.hub.leave(slow)
    parts.hub.leave(slow)

    assert parts.hub.total("sent") == 2 * len(JOINED) + len(SNAPSHOT_TYPES) + 1
    assert parts.hub.total("pauses") == 1
    assert parts.hub.dropped_clients == 1
    assert parts.hub.clients == set()
    await asyncio.sleep(0)


async def test_only_panes_that_are_there_can_be_watched_and_a_client_that_leaves_watches_nothing() -> None:
    parts = Parts()
    parts.load("e", 1, "%1")
    client, _ = await parts.join()
    client.view.watch("%1")
    client.hear('{"type":"watch","data":{"pane_id":"%2"}}', now=0)
    assert parts.hub.screens.pane_ids == ("%1",)

    parts.hub.leave(client)
    parts.hub.leave(client)
    assert not parts.hub.screens.pane_ids


async def test_a_removed_pane_is_watched_no_more_even_when_one_with_its_id_comes_back() -> None:
    parts = Parts()
    parts.load("e", 1, "%1", "%2")
    client, _ = await parts.join()
    for pane_id in ("%1", "%2"):
        client.view.watch(pane_id)
    parts.hub.remove_pane("%1")

    assert parts.hub.screens.pane_ids == ("%2",)


async def test_a_new_snapshot_leaves_watches_in_force_but_for_panes_that_are_gone() -> None:
    parts = Parts()
    parts.load("e1", 1, "%1", "%2")
    client, wire = await parts.join()
    for pane_id in ("%1", "%2"):
        client.view.watch(pane_id)
    parts.hub.screens.put(body_of(make_screen(["a" * 100, "b"], pane_id="%2")), 1)
    client.view.take(1_000, 1)
    parts.load("e2", 1, "%2")
    parts.hub.restart()
    parts.hub.screens.put(body_of(make_screen(["a" * 100, "c"], pane_id="%2")), 2)
    await client.flushed()

    assert parts.hub.screens.pane_ids == ("%2",)
    assert types(wire) == [*JOINED, *SNAPSHOT_TYPES, "terminal_diff"]


def data_of(wire: HeldWire, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = [m for m in map(msgspec.json.decode, wire.frames) if m["type"] == kind][-1]["data"]
    return found


def named(kind: str, name: str) -> bytes:
    return msgspec.json.encode({"type": kind, "name": name})


async def test_one_that_comes_back_gets_what_it_missed_and_no_snapshot() -> None:
    parts = Parts()
    parts.load("e", 1)
    parts.hub.restart()
    client, wire = await parts.join()
    await client.flushed()
    cursor = data_of(wire, "synced")["cursor"]
    parts.hub.leave(client)
    parts.publish(named("pane_update", "1"), kind="pane_update")
    parts.publish(named("session_update", "2"), named("session_update", "3"), kind="session_update")
    parts.publish(named("event", "4"))

    back, again = await parts.join(cursor)
    await back.flushed()

    assert types(again) == ["connected", "pane_update", "session_update", "synced"]
    assert [msgspec.json.decode(frame).get("name") for frame in again.frames[1:3]] == ["1", "3"]
    assert (data_of(again, "connected")["resumed"], data_of(again, "connected")["why"]) == (True, "resumed")
    assert data_of(again, "synced")["seq"] == parts.replica.seq
    parts.publish(named("event", "5"))
    assert types(again)[-1] == "event"
    assert parts.hub.resumes == {"new": 1, "resumed": 1}


async def test_one_that_comes_back_makes_nobody_make_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its state may have megabytes, and hundreds come back at once."""
    parts = Parts()
    parts.load("e", 4, "%1")
    parts.hub.restart()
    cursor = parts.hub.cursor(4, 4)
    monkeypatch.setattr(parts.replica, "snapshot", None)

    client, wire = await parts.join(cursor)
    await client.flushed()

    assert types(wire) == ["connected", "synced"]


async def test_a_place_is_put_into_words_once_for_all() -> None:
    parts = Parts()
    parts.load("e", 4, "%1")

    first, again = parts.hub.cursor(4, 4), parts.hub.cursor(4, 4)
    assert first is again
    assert parts.hub.cursor(4, 3) != first
    parts.load("f", 4, "%1")
    assert parts.hub.cursor(4, 4) != first


async def test_a_gateway_that_was_not_there_asks_core_once_for_what_was() -> None:
    parts = Parts()
    parts.load("e", 9)
    parts.hub.restart()
    asked: list[tuple[str, int]] = []

    async def recall(epoch: str, after: int) -> list[codec.Batch]:
        asked.append((epoch, after))
        await asyncio.sleep(0)
        header = codec.Header("e", 9, tuple(Tag("pane_update", "p") for _ in range(4)))
        return [codec.Batch(header, tuple(named("pane_update", str(seq)) for seq in range(6, 10)))]

    parts.hub.recall = recall
    cursor = parts.hub.cursor(6, 7)
    both = await asyncio.gather(parts.join(cursor), parts.join(cursor))
    for client, wire in both:
        await client.flushed()
        assert types(wire) == ["connected", "pane_update", "pane_update", "synced"]

    assert asked == [("e", 6)]


@pytest.mark.parametrize(
    ("epoch", "place", "token", "why"),
    [
        ("d", 5, "token", "epoch"),
        ("e", 1, "token", "too_old"),
        ("e", 5, "forged", "unknown"),
        ("e", 99, "token", "epoch"),
    ],
)
async def test_one_with_a_cursor_that_leads_nowhere_gets_a_snapshot_and_the_reason(
    epoch: str, place: int, token: str, why: str
) -> None:
    parts = Parts()
    parts.load("e", 5)
    parts.hub.restart()

    client, wire = await parts.join(TicketOffice(token).make(Ticket(epoch, place, place)))
    await client.flushed()

    assert types(wire) == [*JOINED, *SNAPSHOT_TYPES]
    assert (data_of(wire, "connected")["resumed"], data_of(wire, "connected")["why"]) == (False, why)


async def test_one_that_was_ahead_of_this_gateway_waits_for_it() -> None:
    parts = Parts()
    parts.load("e", 1)
    parts.hub.restart()
    joining = asyncio.create_task(parts.join(parts.hub.cursor(3, 3)))
    await asyncio.sleep(0)
    parts.publish(named("pane_update", "2"), kind="pane_update")
    await asyncio.sleep(0)
    assert not joining.done()

    parts.publish(named("pane_update", "3"), named("pane_update", "4"), kind="pane_update")
    client, wire = await joining
    await client.flushed()

    assert types(wire) == ["connected", "pane_update", "synced"]
    assert data_of(wire, "connected")["resumed"] is True
    assert msgspec.json.decode(wire.frames[1])["name"] == "4"


@pytest.mark.parametrize("epoch", ["", "d"])
async def test_one_whose_epoch_this_gateway_has_yet_to_hear_of_waits_for_it(epoch: str) -> None:
    """The gateway has just begun, or core has and told the other one first."""
    parts = Parts()
    if epoch:
        parts.load(epoch, 7)
        parts.hub.restart()
    joining = asyncio.create_task(parts.join(TicketOffice("token").make(Ticket("e", 3, 3))))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not joining.done()

    parts.load("e", 3)
    parts.hub.restart()
    parts.publish(named("attention", "a"), kind="attention")
    client, wire = await joining
    await client.flushed()

    assert types(wire) == ["connected", "attention", "synced"]
    assert data_of(wire, "connected")["resumed"] is True


async def test_one_that_is_ahead_for_ever_gets_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ws.hub.REACH_S", 0.01)
    parts = Parts()
    parts.load("e", 1)
    parts.hub.restart()

    client, wire = await parts.join(parts.hub.cursor(3, 3))
    await client.flushed()

    assert types(wire) == [*JOINED, *SNAPSHOT_TYPES]
    assert not parts.hub._expected


async def test_one_that_goes_again_before_it_has_what_it_missed_keeps_its_place() -> None:
    parts = Parts()
    parts.load("e", 4)
    parts.hub.restart()
    cursor = parts.hub.cursor(4, 4)
    parts.publish(named("attention", "a"), kind="attention")

    client, _ = await parts.join(cursor)
    assert client.cursor == cursor
    await client.flushed()
    assert client.cursor == parts.hub.cursor(5, 5)


async def test_one_that_goes_amid_a_snapshot_keeps_its_place_of_before_that() -> None:
    """Not that with which it came: it would be told again what it has had for hours."""
    parts = Parts()
    parts.load("e", 4)
    parts.hub.restart()
    client, _ = await parts.join(parts.hub.cursor(4, 4))
    await client.flushed()
    for number in range(100):
        parts.publish(named("attention", str(number)), kind="attention")
    assert client.cursor == parts.hub.cursor(104, 104)

    parts.hub.refill(client)

    assert client.cursor == parts.hub.cursor(104, 104)


async def test_what_happened_is_told_before_a_snapshot_takes_its_place() -> None:
    parts = Parts()
    parts.load("e", 1)
    parts.hub.restart()
    client, wire = await parts.join()
    await client.flushed()
    wire.fill()
    parts.publish(named("attention", "a"), kind="attention")
    parts.load("e2", 5)
    parts.hub.restart()
    wire.drain()
    await client.flushed()

    assert types(wire) == [*JOINED, *SNAPSHOT_TYPES, "attention", *SNAPSHOT_TYPES]
