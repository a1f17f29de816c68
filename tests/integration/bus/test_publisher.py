import asyncio
import functools
import time
from collections.abc import Iterator

import pytest

from services.bus import Bus, Publisher, Subscriber
from services.bus.sockets import UPDATES_HWM
from services.contract import codec
from services.contract.updates import PaneRemoved
from tests.metronome import Metronome
from tests.waiting import wait_until_async

WELCOME = b"w"
GREETING_BYTES = 64
"""How a ZMTP connection begins, before its first command."""


@pytest.fixture
def publisher(bus: Bus, address: str) -> Iterator[Publisher]:
    publisher = Publisher(bus, address, WELCOME)
    yield publisher
    publisher.close()


def number(i: int) -> list[bytes]:
    return [b"n", b"%d" % i]


async def publish_until(
    publisher: Publisher, got: list[list[bytes]], wanted: list[bytes], heartbeat: bytes = b"h"
) -> None:
    """Publish heartbeats until the subscriber has the wanted frames."""

    def has_come() -> bool:
        publisher.publish([heartbeat])
        return wanted in got

    await wait_until_async(has_come, what=f"{wanted!r} at the subscriber")


class SlowJoin:
    """Passes a connection on, but holds back all that a subscriber says after its handshake."""

    def __init__(self, there: str) -> None:
        self._there = there
        self.is_open = asyncio.Event()
        self.held = 0
        self._tasks: list[asyncio.Task[None]] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_unix_connection(self._there)
        self._tasks.append(asyncio.create_task(self._pass_on(to_reader, writer)))
        try:
            greeted = 0
            while greeted < GREETING_BYTES:  # In parts: each side waits for parts of the other's.
                said = await reader.readexactly(1)
                to_writer.write(said)
                greeted += 1
            flags_and_size = await reader.readexactly(2)
            to_writer.write(flags_and_size + await reader.readexactly(flags_and_size[1]))  # READY
            while said := await reader.read(65_536):
                self.held += len(said)
                await self.is_open.wait()
                to_writer.write(said)
        except asyncio.IncompleteReadError:
            pass
        finally:
            to_writer.close()
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while said := await reader.read(65_536):
            writer.write(said)


async def test_nothing_that_is_published_after_the_welcome_is_lost(
    bus: Bus, address: str, publisher: Publisher
) -> None:
    """However slow the subscription is on its way: the welcome does not overtake it."""
    relay = SlowJoin(address.removeprefix("ipc://"))
    server = await asyncio.start_unix_server(relay.accept, address.removeprefix("ipc://") + ".relay")
    got: list[list[bytes]] = []
    subscriber = Subscriber(bus, address + ".relay", got.append)
    sent = 0

    def publish() -> None:
        nonlocal sent
        sent += 1
        publisher.publish(number(sent))

    def is_held() -> bool:
        publish()
        return relay.held > 0

    await wait_until_async(is_held, what="the relay to hold the subscription")
    for _ in range(20):
        publish()
        await asyncio.sleep(0.005)  # For what would come by mistake.
    assert got == []

    def is_welcome() -> bool:
        publish()
        return bool(got)

    relay.is_open.set()
    await wait_until_async(is_welcome, what="the welcome")
    publish()
    await wait_until_async(lambda: number(sent) in got, what="the last update")

    assert got[0] == [WELCOME]
    first = int(got[1][1])
    assert got[1:] == [number(i) for i in range(first, sent + 1)]
    subscriber.close()
    server.close()
    await asyncio.gather(*relay._tasks)


async def test_every_one_of_many_slow_joiners_misses_nothing(bus: Bus, address: str, publisher: Publisher) -> None:
    sent = 0
    got: list[list[bytes]] = []
    sent_when_seen: list[int] = []

    def take(frames: list[bytes]) -> None:
        got.append(frames)
        sent_when_seen.append(sent)

    for _ in range(50):
        got.clear()
        sent_when_seen.clear()
        subscriber = Subscriber(bus, address, take)
        while len(got) < 3:
            sent += 1
            publisher.publish(number(sent))
            await asyncio.sleep(0)
        subscriber.close()

        assert got[0] == [WELCOME]
        assert int(got[1][1]) <= sent_when_seen[0] + 1
        assert got[1:] == [number(i) for i in range(int(got[1][1]), int(got[-1][1]) + 1)]


async def test_a_welcome_is_for_the_new_one_only(bus: Bus, address: str, publisher: Publisher) -> None:
    first: list[list[bytes]] = []
    second: list[list[bytes]] = []
    subscribers = [Subscriber(bus, address, first.append)]
    await publish_until(publisher, first, [WELCOME])
    subscribers.append(Subscriber(bus, address, second.append))
    await publish_until(publisher, second, [WELCOME])

    publisher.publish(number(1))
    await wait_until_async(lambda: number(1) in first and number(1) in second, what="the update")

    assert first.count([WELCOME]) == second.count([WELCOME]) == 1
    assert {len(frames) for frames in first + second} == {1, 2}
    for subscriber in subscribers:
        subscriber.close()


async def test_a_returned_publisher_welcomes_again_within_two_seconds(bus: Bus, address: str) -> None:
    got: list[list[bytes]] = []
    subscriber = Subscriber(bus, address, got.append)
    with Bus() as first_life:
        publisher = Publisher(first_life, address, WELCOME)
        await publish_until(publisher, got, [WELCOME])
        publisher.close()
    got.clear()

    with Bus() as second_life, Metronome() as metronome:
        back_at = time.time()
        publisher = Publisher(second_life, address, WELCOME)
        await publish_until(publisher, got, [b"second life"], heartbeat=b"second life")
        took = metronome.given_s(back_at, time.time())
        publisher.close()

    assert next(frames for frames in got if frames != [b"h"]) == [WELCOME]
    assert took < 2
    subscriber.close()


async def test_a_stalled_subscriber_never_blocks_and_sees_its_gap_and_its_lost_tail(
    bus: Bus, address: str, publisher: Publisher
) -> None:
    got: list[list[bytes]] = []
    subscriber = Subscriber(bus, address, got.append)
    await publish_until(publisher, got, [WELCOME])
    got.clear()
    count = 4 * UPDATES_HWM
    text = "x" * 200

    took: list[float] = []
    for seq in range(1, count + 1):  # The loop has no turn: the subscriber is stalled.
        frames = codec.batch_frames("e", seq, [PaneRemoved(pane_id=text)], 0)
        started = time.perf_counter()
        publisher.publish(frames)
        took.append(time.perf_counter() - started)
        if seq % 1_000 == 0:
            time.sleep(0.005)  # noqa: ASYNC251 - ZeroMQ's own thread has one, the loop not

    def has_heard_the_top() -> bool:
        publisher.publish(codec.heartbeat_frames("e", count))
        return got[-1:] == [codec.heartbeat_frames("e", count)]

    await wait_until_async(has_heard_the_top, what="a heartbeat")
    batches = [codec.decode_batch(frames) for frames in got if frames != [b"h"]]
    seqs = [batch.header.seq for batch in batches if batch.payloads]
    assert sorted(took)[-10] < 0.5, "one that waits for the subscriber does so from the first that finds no room"
    assert seqs == sorted(set(seqs))
    assert len(seqs) < count, "nothing was lost: the test does not stall the subscriber"
    assert seqs[-1] < count, "the tail came: the test does not show that a heartbeat reveals its loss"
    assert batches[-1].header.seq == count
    subscriber.close()


async def test_a_stalled_subscriber_takes_nothing_from_the_others(bus: Bus, address: str, publisher: Publisher) -> None:
    got: list[list[bytes]] = []
    listening = Subscriber(bus, address, got.append)
    stalling = Subscriber(bus, address, lambda _frames: None)
    await publish_until(publisher, got, [WELCOME])
    stalling._pump.close()
    got.clear()

    def have_come(count: int) -> bool:
        return got.count([b"h"]) + count == len(got)

    for count in range(500, 3 * UPDATES_HWM + 1, 500):
        for i in range(count - 500, count):
            publisher.publish(number(i))
        await wait_until_async(functools.partial(have_come, count), what="the updates at the one that listens")

    assert [frames for frames in got if frames != [b"h"]] == [number(i) for i in range(3 * UPDATES_HWM)]
    listening.close()
    stalling.close()


async def test_publishing_to_nobody_is_fine(publisher: Publisher) -> None:
    for i in range(100):
        publisher.publish(number(i))
