"""The descriptor tells of a change once; these are the ways to miss it."""

import asyncio
import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import zmq

from services.bus import Bus
from services.bus.pump import BUDGET, Pump
from tests.waiting import wait_until_async

Pair = tuple["zmq.Socket[bytes]", "zmq.Socket[bytes]"]
BURST = 5_000


@pytest.fixture
def pair(bus: Bus, address: str) -> Iterator[Pair]:
    here, there = bus.socket(zmq.PAIR, 10 * BURST), bus.socket(zmq.PAIR, 10 * BURST)
    here.bind(address)
    there.connect(address)
    yield here, there
    here.close()
    there.close()


@contextmanager
def pumping(socket: "zmq.Socket[bytes]", on_message: Callable[[list[bytes]], None]) -> Iterator[Pump]:
    pump = Pump(socket, on_message)
    try:
        yield pump
    finally:
        pump.close()


def keep_busy(seconds: float) -> None:
    """Hold the loop up, as a long callback does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def has(got: list[list[bytes]], count: int) -> bool:
    return len(got) == count


def test_a_burst_while_the_loop_is_busy_comes_whole(pair: Pair, runner: asyncio.Runner) -> None:
    here, there = pair

    async def run() -> None:
        got: list[list[bytes]] = []
        with pumping(here, got.append):
            for burst in range(1, 4):
                for i in range(BURST):
                    there.send(b"%d" % i)
                keep_busy(0.05)
                await wait_until_async(functools.partial(has, got, burst * BURST), what="the burst")
        assert got == [[b"%d" % i] for i in range(BURST)] * 3

    runner.run(run())


def test_what_was_there_before_the_pump_comes(pair: Pair, runner: asyncio.Runner) -> None:
    here, there = pair
    there.send(b"early")
    assert here.poll(10_000)
    here.getsockopt(zmq.EVENTS)  # Takes the signal.

    async def run() -> None:
        got: list[list[bytes]] = []
        with pumping(here, got.append):
            await wait_until_async(lambda: got == [[b"early"]], what="the early message")

    runner.run(run())


def test_a_send_between_arrival_and_reading_hides_nothing(pair: Pair, runner: asyncio.Runner) -> None:
    """A send looks into the socket's mailbox, and so takes the signal of what arrived."""
    here, there = pair

    async def run() -> None:
        got: list[list[bytes]] = []
        with pumping(here, got.append) as pump:
            for i in range(50):
                there.send(b"%d" % i)
                assert here.poll(10_000)  # Arrived, and the signal is taken.
                here.send(b"answer")
                pump.nudge()
                await wait_until_async(functools.partial(has, got, i + 1), what="a message behind a send")
                there.recv()

    runner.run(run())


def test_a_send_out_of_the_handler_hides_nothing(pair: Pair, runner: asyncio.Runner) -> None:
    here, there = pair

    async def run() -> None:
        got: list[list[bytes]] = []

        def answer(frames: list[bytes]) -> None:
            got.append(frames)
            here.send(b"answer")
            pump.nudge()

        with pumping(here, answer) as pump:
            for _ in range(BURST):
                there.send(b"question")
            await wait_until_async(lambda: len(got) == BURST, what="all questions")

    runner.run(run())


def test_others_get_their_turn_during_a_flood(pair: Pair, runner: asyncio.Runner) -> None:
    here, there = pair
    for i in range(BURST):
        there.send(b"%d" % i)

    async def run() -> None:
        got: list[list[bytes]] = []
        most = before = 0
        with pumping(here, got.append):
            while len(got) < BURST:
                await asyncio.sleep(0)
                most = max(most, len(got) - before)
                before = len(got)
        assert 0 < most <= 2 * BUDGET

    runner.run(run())


def test_an_idle_pump_costs_nothing(pair: Pair, runner: asyncio.Runner) -> None:
    here, there = pair

    async def run() -> None:
        got: list[list[bytes]] = []
        with pumping(here, got.append) as pump:
            there.send(b"one")
            await wait_until_async(lambda: got, what="the message")
            started = time.process_time()
            await asyncio.sleep(0.2)  # The time that is measured.
            assert pump._scheduled is None
            assert time.process_time() - started < 0.1

    runner.run(run())


def test_a_closed_pump_hands_over_no_more(pair: Pair, runner: asyncio.Runner) -> None:
    here, there = pair

    async def run() -> None:
        got: list[list[bytes]] = []

        def close_at_two(frames: list[bytes]) -> None:
            got.append(frames)
            if len(got) == 2:
                pump.close()

        with pumping(here, close_at_two) as pump:
            for _ in range(BUDGET + 10):
                there.send(b"x")
            await wait_until_async(lambda: len(got) == 2, what="two messages")
            pump.nudge()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        assert len(got) == 2

    runner.run(run())
