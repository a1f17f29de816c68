import asyncio

import msgspec

from services.contract.requests import Snapshot
from services.ws.client import Client
from services.ws.hub import Hub
from services.ws.outbox import MAX_WAITING_BYTES
from services.ws.replica import Replica
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

    def load(self, epoch: str, seq: int) -> None:
        self.replica.load(Snapshot(epoch=epoch, seq=seq, windows=(), panes=(), sessions=()))

    def join(self) -> tuple[Client, HeldWire]:
        wire = HeldWire()
        client = Client(client_id="c", wire=wire, frame=bytes, heartbeat_s=30, slice_bytes=65_536)
        self.hub.join(client)
        return client, wire


def types(wire: HeldWire) -> list[str]:
    return [msgspec.json.decode(frame)["type"] for frame in wire.frames]


async def test_one_that_joins_gets_the_snapshot_and_what_comes_after() -> None:
    parts = Parts()
    parts.load("e", 5)
    client, wire = parts.join()
    parts.hub.publish([b'{"type":"event"}'])
    await client.flushed()

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

    parts.hub.publish([b"{}", b"{}"])
    assert parts.framed == len(SNAPSHOT_TYPES) + 2
    assert [len(client.outbox) for client, _ in clients] == [len(SNAPSHOT_TYPES) + 2] * 10


async def test_counts_what_was_sent_also_to_those_who_left_and_who_was_too_slow() -> None:
    parts = Parts()
    parts.load("e", 1)
    client, _ = parts.join()
    await client.flushed()
    slow, _ = parts.join()
    for _ in range(2):
        parts.hub.publish([b"x" * (MAX_WAITING_BYTES + 1)])
    parts.hub.leave(client)
    parts.hub.leave(slow)
    parts.hub.leave(slow)

    assert parts.hub.sent == len(SNAPSHOT_TYPES)
    assert parts.hub.dropped_clients == 2
    assert parts.hub.clients == set()
    await asyncio.sleep(0)
