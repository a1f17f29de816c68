"""Several gateways at one port: who loses one goes on at another, also while all are restarted one by one."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from services.cli.mirror import Json, Mirror
from services.cli.tail import longest_wait_s
from tests.e2e.stack import ROOT, STOP_S, Stack, is_open
from tests.metronome import Metronome
from tests.waiting import wait_until, wait_until_async

GATEWAYS: Final = ("ws", "ws.2")
CLIENTS: Final = 100
EVENT_EVERY_S: Final = 0.02
AWAY_S: Final = 2.0 + 1.0 + 2.0
"""A client is told to wait up to 2 s while the gateway ends within a second, and is back 2 s later at most."""
LATE_S: Final = 1.5
"""The gateway waits 2 s for core: a machine that stands still for so long may be tried once more."""


class Visitor:
    """A client by the book: it brings its cursor, waits as long as it is told, or longer each time."""

    def __init__(self, stack: Stack) -> None:
        self.mirror = Mirror()
        self.greetings: list[Json] = []
        self.snapshots = 0
        self.attentions: list[str] = []
        self.away: list[tuple[float, float]] = []
        """Each time from when it was cut off until it had the state again."""
        self._url = f"ws://127.0.0.1:{stack.ws_port}/"
        self._headers = {"Authorization": f"Bearer {stack.token}"}
        self._tries = 0
        self._named_wait_s: float | None = None
        self._cut_at: float | None = None

    @property
    def address(self) -> dict[str, Any]:
        """Where it connects to next, and how."""
        cursor = self.mirror.cursor
        return {
            "uri": f"{self._url}?{urlencode({'cursor': cursor})}" if cursor else self._url,
            "additional_headers": self._headers,
            "compression": None,
            "proxy": None,
            "close_timeout": 1,
        }

    async def run(self) -> None:
        while True:
            try:
                async with connect(**self.address) as connection:
                    while True:
                        self._take(json.loads(await connection.recv()))
            except (OSError, InvalidHandshake, ConnectionClosed, EOFError):
                self._cut_at = self._cut_at or time.time()
                self.mirror.is_synced = False
            await asyncio.sleep(self._next_wait_s())

    def _take(self, message: Json) -> None:
        self.mirror.apply(message)
        match message["type"]:
            case "connected":
                self.greetings.append(message["data"])
            case "windows" if message["data"]["panes"] is not None:
                self.snapshots += 1
            case "attention":
                self.attentions.append(message["data"]["session_id"])
            case "draining":
                self._named_wait_s = message["data"]["reconnect_in_ms"] / 1000
            case "synced":
                self._tries = 0
                if self._cut_at is not None:
                    self.away.append((self._cut_at, time.time()))
                self._cut_at = None
            case _:
                pass

    def _next_wait_s(self) -> float:
        named, self._named_wait_s = self._named_wait_s, None
        if named is not None:
            return named
        self._tries += 1
        return longest_wait_s(self._tries - 1) * random.random()  # noqa: S311 - spreads load, guards nothing


@pytest.fixture
def pair(stack: Stack) -> Stack:
    """The stack with a second gateway."""
    stack.commands["ws.2"] = stack.commands["ws"]
    stack.start("ws.2")
    wait_until(lambda: is_serving(stack, *GATEWAYS), 30, "both gateways are there")
    return stack


def peers(stack: Stack) -> dict[int, Any]:
    """What core knows of each living gateway, by its process id."""
    return {peer["pid"]: peer["figures"] for peer in stack.figures()["services"]["ws"] if peer["alive"]}


def clients_at(stack: Stack, gateway: int, of: int) -> int:
    """How many are at a gateway, once core has been told of all; 0 before."""
    clients = {pid: int(figures["clients"]) for pid, figures in peers(stack).items()}
    return clients.get(gateway, 0) if sum(clients.values()) == of else 0


def is_serving(stack: Stack, *names: str) -> bool:
    return {stack.processes[name].pid for name in names} <= peers(stack).keys()


@asynccontextmanager
async def visitors(stack: Stack, number: int) -> AsyncIterator[list[Visitor]]:
    """So many clients that all have the state; all their tasks must live until the end."""
    every = [Visitor(stack) for _ in range(number)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run()) for one in every]
        try:
            await wait_until_async(lambda: all(one.mirror.is_synced for one in every), 30, "all are synced")
            yield every
        finally:
            for task in tasks:
                task.cancel()


@asynccontextmanager
async def events(stack: Stack) -> AsyncIterator[Callable[[], int]]:
    """Sessions that begin and finish, one after another; gives how many so far. Each is worth one `attention`."""
    count = 0
    is_over = asyncio.Event()

    def finish(session_id: str) -> None:
        for name in ("UserPromptSubmit", "Stop"):
            assert stack.post_event({"hook_event_name": name, "session_id": session_id}).status in {200, 202}

    async def feed() -> None:
        nonlocal count
        while not is_over.is_set():
            await asyncio.to_thread(finish, f"s{count:04}")
            count += 1
            await asyncio.sleep(EVENT_EVERY_S)

    task = asyncio.create_task(feed())
    try:
        yield lambda: count
    finally:
        is_over.set()
        await task


async def check_that_all_have_all(stack: Stack, every: list[Visitor], finished: int) -> None:
    await asyncio.to_thread(stack.wait_for_spool)
    seq = await asyncio.to_thread(stack.get_update_seq)
    await wait_until_async(lambda: all(one.mirror.seq >= seq for one in every), 20, "all have all")
    truth = {session["id"]: session for session in await asyncio.to_thread(sessions, stack)}
    for one in every:
        assert one.mirror.sessions == truth
        assert list(dict.fromkeys(one.attentions)) == [f"s{number:04}" for number in range(finished)], (
            f"one of high priority was lost by one that got {[greeting['why'] for greeting in one.greetings]}"
        )


def sessions(stack: Stack) -> list[Any]:
    return list(stack.get("/api/sessions")["sessions"])


async def test_who_was_at_a_gateway_that_is_killed_goes_on_at_the_other(pair: Stack) -> None:
    stack = pair
    async with visitors(stack, 40) as every:
        async with events(stack) as count:
            await wait_until_async(lambda: count() >= 20, 20, "some events")
            killed = stack.processes["ws"].pid
            hit = await wait_until_async(lambda: clients_at(stack, killed, of=40), what="all are counted")
            assert 0 < hit < 40
            await asyncio.to_thread(stack.kill, "ws")
            await wait_until_async(
                lambda: (
                    sum(len(one.greetings) - 1 for one in every) >= hit and all(one.mirror.is_synced for one in every)
                ),
                what="all are back",
            )
        await check_that_all_have_all(stack, every, count())
        moved = [one for one in every if len(one.greetings) > 1]
        assert len(moved) == hit
        assert all(one.greetings[1]["resumed"] for one in moved)
        assert all(one.snapshots == 1 for one in every)
        away = max(end_s - begin_s for one in moved for begin_s, end_s in one.away)
        print(f"{hit} of 40 moved; away for {away:.2f} s at most")


async def test_a_restart_of_one_after_the_other_costs_nobody_a_snapshot(pair: Stack) -> None:
    stack = pair
    with Metronome() as metronome:
        async with visitors(stack, CLIENTS) as every:
            async with events(stack) as count:
                for name in GATEWAYS:
                    assert await asyncio.to_thread(stack.stop, name) == 0
                    stack.start(name)
                    await wait_until_async(
                        partial(asyncio.to_thread, is_serving, stack, name), what="it is there again"
                    )
                await wait_until_async(lambda: all(one.mirror.is_synced for one in every), what="all are back")
            await check_that_all_have_all(stack, every, count())
    returns = [greeting for one in every for greeting in one.greetings[1:]]
    resumed = sum(greeting["resumed"] for greeting in returns)
    away = max(metronome.given_s(*times) for one in every for times in one.away)
    print(f"{len(returns)} returns, {resumed} resumed; away for {away:.2f} s at most; {count()} sessions finished")
    assert len({id(one) for one in every if len(one.greetings) > 1}) == len(every), "each was at one of them"
    assert resumed >= 0.999 * len(returns)
    assert away <= AWAY_S


async def come_back_early(stack: Stack) -> tuple[set[str], float]:
    """Come to a gateway that has not heard of core: what it says of that, and how long it was let wait."""
    async with visitors(stack, 1) as [one]:
        await asyncio.to_thread(stack.stop, "ws")
        for name in ("UserPromptSubmit", "Stop"):
            assert stack.post_event({"hook_event_name": name, "session_id": "s0000"}).status in {200, 202}
        stack.stop_for_a_while("core")
        try:
            stack.start("ws")
            await wait_until_async(partial(is_open, stack.ws_port), what="the gateway listens")
            began = time.monotonic()
            async with connect(**one.address) as connection:
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(connection.recv(), 0.3)
                stack.go_on("core")
                first = json.loads(await connection.recv())
            waited_s = time.monotonic() - began
        finally:
            stack.go_on("core")
        await wait_until_async(lambda: one.mirror.is_synced, what="the other is back")
        whys = {first["data"]["why"], *(greeting["why"] for greeting in one.greetings[1:])}
        if whys == {"resumed"}:
            await check_that_all_have_all(stack, [one], 1)
            assert one.snapshots == 1
        return whys, waited_s


async def test_who_comes_back_before_the_gateway_has_heard_of_core_waits_for_it(stack: Stack) -> None:
    whys, waited_s = await come_back_early(stack)
    if whys != {"resumed"} and waited_s > LATE_S:
        whys, _ = await come_back_early(stack)

    assert whys == {"resumed"}


@pytest.mark.parametrize("words", ["questmux up", "honcho -f procfile start -c ws=2"])
def test_one_command_starts_two(memory: Path, words: str) -> None:
    stack = Stack(memory / "data", QUESTMUX_WS_PROCESSES="2")
    command, *rest = words.split()
    try:
        with (stack.runtime_dir / "command.log").open("wb") as log:
            stack.processes["command"] = subprocess.Popen(
                [Path(sys.executable).parent / command, *rest],
                cwd=ROOT,
                env=stack.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        stack.wait_ready()
        wait_until(lambda: len(peers(stack)) == 2, 20, "two gateways are there")
        pids = list(peers(stack))
        if command == "questmux":  # honcho ends all when one ends.
            os.kill(pids[0], signal.SIGKILL)
            wait_until(lambda: len(peers(stack).keys() - {pids[0]}) == 2, 20, "another in its place")
            assert pids[1] in peers(stack)
            pids = list(peers(stack))
        stack.processes["command"].send_signal(signal.SIGINT)
        assert stack.processes["command"].wait(2 * STOP_S) == (0 if command == "questmux" else 130)
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        assert "Traceback" not in stack.log("command")
    finally:
        stack.close()
