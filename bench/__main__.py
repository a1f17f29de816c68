"""`make bench`: every figure beside its goal (the design's section 10). Machines differ: compare ratios and medians."""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import uvloop

from bench.crowd import crowd_rows
from bench.fanout import fanout_rows
from bench.floor import commit_us, round_trip_us
from bench.game import game_rows
from bench.load import Load, run_load
from bench.rivals import rival_rows
from bench.tmux import Row, tmux_rows
from bench.truth import truth_rows
from bench.watch import open_clients
from tests.e2e.stack import Stack

ROUNDS: Final = 3
WARM_UP: Final = 2_000
ONE_CONNECTION_EVENTS: Final = 2_000
MANY_CONNECTIONS: Final = 32
MANY_CONNECTION_EVENTS: Final = 20_000
EVENTS_PER_S: Final = 200
CROWD_EVENTS_PER_S: Final = 20
"""With 1,000 clients: their one process reads 20,000 messages a second."""
EVENT_S: Final = 10


def main() -> None:
    """Measure everything once, on a stack of its own."""
    with tempfile.TemporaryDirectory(prefix="questmux-bench-") as folder:
        rows = [
            Row("this machine: 1,000,000 additions in Python", _additions(), "about 40 ms on a free core of 2024"),
            Row("this machine: one fsync of 20 kB", _fsync(Path(folder)), ""),
            Row("floor: a bare ZeroMQ round trip between processes", f"p50 {round_trip_us(Path(folder)):.0f} us", ""),
            Row("floor: a bare SQLite commit of one row", f"p50 {commit_us(Path(folder)):.0f} us", ""),
        ]
        stack = Stack(Path(folder) / "data", QUESTMUX_LOG_LEVEL="warning")
        try:
            stack.start_all()
            stack.wait_ready()
            rows += uvloop.run(_posts(stack))
            rows += uvloop.run(_post_to_watch(stack, 1))
            rows += uvloop.run(_post_to_watch(stack, 50))
            rows += uvloop.run(_post_to_watch(stack, 1_000, CROWD_EVENTS_PER_S))
        finally:
            stack.close(shows_logs=False)
        rows += tmux_rows(Path(folder))
        rows += crowd_rows(Path(folder))
        rows += truth_rows(Path(folder))
        rows += game_rows(Path(folder))
        rows += fanout_rows()
        rows += rival_rows()
    width = max(len(row.what) for row in rows)
    for row in rows:
        print(f"{row.what:<{width}}  {row.measured:<72}{row.goal}")


async def _posts(stack: Stack) -> list[Row]:
    token = stack.hook_token
    number = 0

    async def measure(total: int, connections: int) -> Load:
        nonlocal number
        load = await asyncio.wait_for(
            run_load(stack.api_port, token, total=total, connections=connections, first=number), 120
        )
        number += total
        if not set(load.statuses) <= {200, 202}:
            sys.exit(f"not every call was kept: {load.statuses}")
        return load

    await measure(WARM_UP, MANY_CONNECTIONS)
    refused = [
        await run_load(stack.api_port, "wrong", total=MANY_CONNECTION_EVENTS // 2, connections=MANY_CONNECTIONS)
        for _ in range(ROUNDS)
    ]
    ones = [await measure(ONE_CONNECTION_EVENTS, 1) for _ in range(ROUNDS)]
    many = [await measure(MANY_CONNECTION_EVENTS, MANY_CONNECTIONS) for _ in range(ROUNDS)]
    return [
        Row(
            "HTTP alone: POST /event refused with 401, 32 connections",
            _summary(refused),
            "the ceiling of the next rows",
        ),
        Row("durable POST /event, 1 connection", _summary(ones), "reference 2,150/s, p50 0.43 ms"),
        Row("durable POST /event, 32 connections", _summary(many), "goal >= 6,000/s, p99 <= 15 ms"),
    ]


def _summary(loads: list[Load]) -> str:
    """The median over the rounds of each figure; how many calls were answered 202 instead of 200."""

    def middle(figure: Callable[[Load], float]) -> float:
        return statistics.median(map(figure, loads))

    queued = sum(load.statuses.get(202, 0) for load in loads)
    return (
        f"{middle(lambda load: load.per_second):,.0f}/s  p50 {middle(lambda load: load.percentile_ms(50)):.2f}"
        f"  p99 {middle(lambda load: load.percentile_ms(99)):.2f} ms" + (f"  ({queued} queued)" if queued else "")
    )


async def _post_to_watch(stack: Stack, clients: int, per_s: int = EVENTS_PER_S) -> list[Row]:
    """From the moment that a call is sent to the moment that its `event` is read by a client."""
    sent: dict[str, float] = {}
    ages: list[float] = []

    def on_event(event_id: str, now: float) -> None:
        if event_id in sent:
            ages.append((now - sent[event_id]) * 1000)

    watching = await open_clients(clients, stack.ws_port, stack.token, on_event)
    run = f"{clients}-{time.time_ns()}"

    def id_of(number: int) -> str:
        return f"watch-{run}-{number}"

    started = time.perf_counter()
    pending: set[asyncio.Task[Load]] = set()
    for number in range(per_s * EVENT_S):
        await asyncio.sleep(max(0.0, started + number / per_s - time.perf_counter()))
        sent[id_of(number)] = time.perf_counter()
        task = asyncio.create_task(
            run_load(stack.api_port, stack.hook_token, total=1, connections=1, id_of=id_of, first=number)
        )
        pending.add(task)
        task.add_done_callback(pending.discard)
    await asyncio.wait_for(asyncio.gather(*pending), 30)
    await asyncio.sleep(0.5)
    for client in watching:
        client.close()
    ages.sort()
    p50, p99 = ages[len(ages) // 2], ages[int(len(ages) * 0.99)]
    lost = clients * len(sent) - len(ages)
    measured = f"p50 {p50:.2f}  p99 {p99:.2f}  max {ages[-1]:.2f} ms" + (f"  ({lost} missing)" if lost else "")
    goal = "goal p50 <= 1.5, p99 <= 6 ms" if clients == 50 else ""
    return [Row(f"POST /event to WebSocket, {clients:,} clients, {per_s} events/s", measured, goal)]


def _additions() -> str:
    """How busy and how fast the machine is: the best of five."""
    best = min(_time_additions() for _ in range(5))
    return f"{best * 1000:.0f} ms"


def _time_additions() -> float:
    started = time.perf_counter()
    total = 0
    for number in range(1_000_000):
        total += number
    return time.perf_counter() - started


def _fsync(folder: Path) -> str:
    times: list[float] = []
    with (folder / "probe").open("wb") as file:
        for _ in range(200):
            file.write(b"x" * 20_000)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append((time.perf_counter() - started) * 1000)
    times.sort()
    return f"p50 {times[100]:.2f}  p99 {times[198]:.2f} ms"


if __name__ == "__main__":
    main()
