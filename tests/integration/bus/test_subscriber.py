import asyncio
import time

import pytest

from services.bus import Bus, Publisher, Subscriber
from tests.waiting import wait_until_async

WELCOME = b"w"


async def joined(publisher: Publisher, got: list[list[bytes]]) -> None:
    def is_welcome() -> bool:
        publisher.publish([b"h"])
        return [WELCOME] in got

    await wait_until_async(is_welcome, what="the welcome")
    got.clear()


async def test_frames_come_as_they_were_published(bus: Bus, address: str) -> None:
    publisher = Publisher(bus, address, WELCOME)
    got: list[list[bytes]] = []
    subscriber = Subscriber(bus, address, got.append)
    await joined(publisher, got)

    sent = [[b"u", b"", b"\x00\xff"], [b""], [b"u", b"x" * 1_000_000]]
    for frames in sent:
        publisher.publish(frames)

    await wait_until_async(lambda: [b"u", b"x" * 1_000_000] in got, what="the last update")
    assert [frames for frames in got if frames != [b"h"]] == sent
    subscriber.close()
    publisher.close()


async def test_a_handler_that_fails_loses_one_message_only(
    bus: Bus, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = Publisher(bus, address, WELCOME)
    got: list[list[bytes]] = []

    def take(frames: list[bytes]) -> None:
        if frames == [b"bad"]:
            raise ValueError("bad")
        got.append(frames)

    subscriber = Subscriber(bus, address, take)
    await joined(publisher, got)

    publisher.publish([b"bad"])
    publisher.publish([b"good"])

    await wait_until_async(lambda: [b"good"] in got, what="the next update")
    assert "message handler failed" in caplog.text
    subscriber.close()
    publisher.close()


async def test_a_handler_may_close_its_subscriber(bus: Bus, address: str, caplog: pytest.LogCaptureFixture) -> None:
    publisher = Publisher(bus, address, WELCOME)
    got: list[list[bytes]] = []

    def take(frames: list[bytes]) -> None:
        got.append(frames)
        if frames == [b"last"]:
            subscriber.close()

    subscriber = Subscriber(bus, address, take)
    await joined(publisher, got)
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: problems.append(context))

    for frames in ([b"last"], [b"after"]):
        publisher.publish(frames)

    await wait_until_async(lambda: [b"last"] in got, what="the last update")
    await asyncio.sleep(0)
    assert got[-1] == [b"last"]
    assert not problems
    assert "failed" not in caplog.text
    publisher.close()


def test_measured_updates_through_a_subscriber(bus: Bus, address: str, runner: asyncio.Runner) -> None:
    count, burst = 20_000, 2_000

    async def listen() -> float:
        publisher = Publisher(bus, address, WELCOME)
        got: list[list[bytes]] = []
        subscriber = Subscriber(bus, address, got.append)
        await joined(publisher, got)
        took = 0.0
        for _ in range(count // burst):
            for _ in range(burst):
                publisher.publish([b"u", b"header", b"x" * 300])
            got.clear()
            started = time.perf_counter()
            while len(got) < burst:  # noqa: ASYNC110 - an event would be measured too
                await asyncio.sleep(0)
            took += time.perf_counter() - started
        subscriber.close()
        publisher.close()
        return took

    took = runner.run(listen())

    print(f"\n{count / took:,.0f} updates/s of 300 bytes through a subscriber, {took / count * 1e6:.1f} us each")
