"""At every moment of every recording the status is the truth, with all sources and with each one taken away."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import Struct

from tests.e2e.recordings import RUNS, registry
from tests.e2e.replay import SOURCES, Actor, TimedWatcher, moments, play, stage
from tests.e2e.stack import Stack

WITHIN_S = 1.0
"""How soon a status must follow the truth."""
AHEAD_S = 0.3
"""How far hooks and screens may be ahead of the recorded registry, which was read every 0.1 s."""
EVERY_S = 0.05
ALL = "nothing"


class Lie(Struct, frozen=True):
    """A moment at which the status was not so."""

    run: str
    t: float
    said: str
    truths: set[str]


def truths(run: str, start: float, end: float) -> set[str]:
    """What was true of the pane at some moment of this time."""
    names = {
        None: {"none", "ended", "unknown"},  # The process is not there.
        "": {"none", "ended", "unknown", "idle"},  # It starts.
        "busy": {"working"},
        "idle": {"idle"},
        "waiting": {"waiting"},
        "shell": {"working", "idle"},
    }
    found: set[str] = set()
    records = registry(run)
    for number, row in enumerate(records):
        until = records[number + 1].t if number + 1 < len(records) else float("inf")
        if row.t <= end and until >= start:
            found |= names[None if row.record is None else row.record.get("status", "")]
    return found


def said_at(statuses: list[tuple[float, str, str]], pane_id: str, t: float) -> str:
    """What a client had been told of a pane by a time."""
    before = [name for at, pane, name in statuses if pane == pane_id and at <= t]
    return before[-1] if before else "none"


def judge(watcher: TimedWatcher, pane_id: str, run: str, origin_s: float) -> tuple[float, list[Lie]]:
    """The share of moments with a true status, and the others."""
    end = registry(run)[-1].t + 2 * WITHIN_S
    times = list(moments(0.0, end, EVERY_S))
    lies = [
        Lie(run, round(t, 2), said, true)
        for t in times
        if (said := said_at(watcher.statuses, pane_id, origin_s + t))
        not in (true := truths(run, t - WITHIN_S, t + AHEAD_S))
    ]
    return 1 - len(lies) / len(times), lies


def watched(without: str | None, folder: Path) -> dict[str, tuple[float, list[Lie]]]:
    """All recordings played to one Questmux without one of its sources; how true each was, and where it was not."""
    folder.mkdir()
    stack = Stack(folder / "data", QUESTMUX_CLAUDE_DIR=str(folder / "claude"))
    try:
        stage(stack, folder)
        actors = {run: Actor(stack, folder, run, without) for run in RUNS}
        stack.start_all()
        stack.wait_ready()
        with TimedWatcher(stack.ws_port, stack.token) as watcher:
            watcher.wait(lambda: {actor.pane_id for actor in actors.values()} <= watcher.panes.keys(), "all panes")
            origin_s = play(actors)
            time_left = origin_s + max(registry(run)[-1].t for run in RUNS) + 2 * WITHIN_S - time.time()
            watcher.wait(lambda: time.time() >= origin_s + time_left, "the last moments")
        return {run: judge(watcher, actor.pane_id, run, origin_s) for run, actor in actors.items()}
    finally:
        stack.close(shows_logs=False)


def test_the_status_is_true(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One Questmux for each source that is taken away, side by side: a recording takes as long as it took."""
    with ThreadPoolExecutor(len(SOURCES) + 1) as threads:
        every = {
            without or ALL: threads.submit(watched, without, tmp_path / (without or ALL))
            for without in (None, *SOURCES)
        }
    judged = {(name, run): one for name, future in every.items() for run, one in future.result().items()}

    with capsys.disabled():
        print()
        for (name, run), (share, found) in judged.items():
            print(f"without {name:10} {run:18} {share:7.2%} {found[:1]}")
    assert {(name, run): lies for (name, run), (_, lies) in judged.items() if lies} == {}
