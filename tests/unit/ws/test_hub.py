import asyncio

import msgspec

from services.contract.codec import Tag
from services.contract.requests import Snapshot
from services.ws.client import Client
from services.ws.hub import Hub
from services.ws.pace import MAX_WAITING_BYTES
from services.ws.replica import Replica
from tests.unit.ws.screen import body_of, make_screen
from tests.unit.ws.test_replica import make_pane
from tests.unit.ws.wire import HeldWire

SNAPSHOT_TYPES = ["windows", "sessions", "personas", "projects", "quests", "synced"]


class Parts:
    """A hub with a replica, and clients whose frames are what was framed."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.framed = 0
        self.hub = Hub(self.replica, self._frame)

    def _frame(self, payload: bytes) -> bytes:
        self.framed += 1
        return payload

    def load(self, epoch: str, seq: int, *pane_ids: str) -> None:
        panes = tuple(make_pane(pane_id) for pane_id in pane_ids)
        self.replica.load(Snapshot(epoch=epoch, seq=seq, windows=(), panes=panes, sessions=()))

    def publish(self, *payloads: bytes, kind: str = "event") -> None:
        first = self.replica.seq + 1
        self.replica.seq += len(payloads)
        self.hub.publish(first, [Tag(kind, "k")] * len(payloads), payloads)

    def join(self) -> tuple[Client, HeldWire]:
        wire = HeldWire()
        client = Client(
            client_id="c",
            wire=wire,
            frame=bytes,
            screens=self.hub.screens,
            latest=self.hub.latest,
            on_lost=self.hub.refill,
            heartbeat_s=30,
            slice_bytes=65_536,
        )
        self.hub.join(client)
        return client, wire


def types(wire: HeldWire) -> list[str]:
    return [msgspec.json.decode(frame)["type"] for frame in wire.frames]


async def test_one_that_joins_gets_the_snapshot_and_what_comes_after() -> None:
    parts = Parts()
    parts.load("e", 5)
    client, wire = parts.join()
    await client.flushed()
    parts.publish(b'{"type":"event"}')

    assert types(wire) == [*SNAPSHOT_TYPES, "event"]
    assert msgspec.json.decode(wire.frames[5])["data"] == {"epoch": "e", "seq": 5}


async def test_one_that_joins_before_core_was_heard_gets_its_snapshot_later() -> None:
    parts = Parts()
    client, wire = parts.join()
    await client.flushed()
    assert types(wire) == []

    parts.load("e", 1)
    parts.hub.restart()
    await client.flushed()
    assert types(wire) == SNAPSHOT_TYPES


async def test_a_snapshot_and_an_update_are_framed_once_for_all() -> None:
    parts = Parts()
    parts.load("e", 1)
    clients = [parts.join() for _ in range(10)]
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
    client, _ = parts.join()
    await client.flushed()
    slow, held = parts.join()
    held.fill()
    for _ in range(2):
        parts.publish(b'"' + b"x" * MAX_WAITING_BYTES + b'"', kind="pane_update")
    parts.hub.leave(client)
    parts.hub.leave(slow)
    parts.hub.leave(slow)

    assert parts.hub.total("sent") == len(SNAPSHOT_TYPES) + 2
    assert parts.hub.total("pauses") == 1
    assert parts.hub.dropped_clients == 1
    assert parts.hub.clients == set()
    await asyncio.sleep(0)


async def test_only_panes_that_are_there_can_be_watched_and_a_client_that_leaves_watches_nothing() -> None:
    parts = Parts()
    parts.load("e", 1, "%1")
    client, _ = parts.join()
    client.view.watch("%1")
    client.hear('{"type":"watch","data":{"pane_id":"%2"}}', now=0)
    assert parts.hub.screens.pane_ids == ("%1",)

    parts.hub.leave(client)
    parts.hub.leave(client)
    assert not parts.hub.screens.pane_ids


async def test_a_removed_pane_is_watched_no_more_even_when_one_with_its_id_comes_back() -> None:
    parts = Parts()
    parts.load("e", 1, "%1", "%2")
    client, _ = parts.join()
    for pane_id in ("%1", "%2"):
        client.view.watch(pane_id)
    parts.hub.remove_pane("%1")

    assert parts.hub.screens.pane_ids == ("%2",)


async def test_a_new_snapshot_leaves_watches_in_force_but_for_panes_that_are_gone() -> None:
    parts = Parts()
    parts.load("e1", 1, "%1", "%2")
    client, wire = parts.join()
    for pane_id in ("%1", "%2"):
        client.view.watch(pane_id)
    parts.hub.screens.put(body_of(make_screen(["a" * 100, "b"], pane_id="%2")), 1)
    client.view.take(1_000, 1)
    parts.load("e2", 1, "%2")
    parts.hub.restart()
    parts.hub.screens.put(body_of(make_screen(["a" * 100, "c"], pane_id="%2")), 2)
    await client.flushed()

    assert parts.hub.screens.pane_ids == ("%2",)
    assert types(wire) == [*SNAPSHOT_TYPES, "terminal_diff"]
