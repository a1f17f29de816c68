"""At every moment of every recording the status is the truth, with all sources and with each one taken away."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.e2e.recordings import RUNS
from tests.e2e.replay import SOURCES, Actor, Played, TimedWatcher, moments, play, stage
from tests.e2e.stack import Stack
from tests.metronome import Metronome

WITHIN_S = 1.0
"""How soon a status must follow the truth."""
AHEAD_S = 0.3
"""How far hooks and screens may be ahead of the recorded registry, which was read every 0.1 s."""
EVERY_S = 0.05
ALL = "nothing"


class Lie(Struct, frozen=True):
    """A moment at which the status was not so, in seconds from the run's first one."""

    t: float
    said: str
    true: set[str]


class Truth(Struct, frozen=True):
    """What was true of a pane from one time to another, both of the wall's clock."""

    begin_s: float
    end_s: float
    names: frozenset[str]


NAMES = {
    None: frozenset({"none", "ended", "unknown"}),  # The process is not there.
    "": frozenset({"none", "ended", "unknown", "idle"}),  # It starts.
    "busy": frozenset({"working"}),
    "idle": frozenset({"idle"}),
    "waiting": frozenset({"waiting"}),
    "shell": frozenset({"working", "idle"}),
}


def truths_of(played: Sequence[Played]) -> list[Truth]:
    """What was true of a run, as the registry had it: what it has next begins with the first step that may be ahead."""
    records = [one for one in played if one.step.kind == "registry"]
    begins = [next(any_.began_s for any_ in played if any_.step.t >= one.step.t - AHEAD_S) for one in records]
    ends = [*(one.done_s for one in records[1:]), float("inf")]
    found: list[Truth] = []
    before: dict[str, Any] | None = None
    for one, begin_s, end_s in zip(records, begins, ends, strict=True):
        record = one.step.value
        found.append(Truth(begin_s, end_s, NAMES[None if record is None else record.get("status", "")]))
        if record and before and record.get("status", "") == before.get("status") and is_newer(record, before):
            # What was between was over before the registry was read again: a session's end by `/clear`, or a turn's.
            between = "idle" if record["sessionId"] == before["sessionId"] else "ended"
            found.append(Truth(begin_s, one.done_s, frozenset({between})))
        before = record
    return found


def is_newer(record: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether Claude Code gave its status once more: it does so when that changes."""
    return bool(record["statusUpdatedAt"] != before["statusUpdatedAt"])


def true_between(truths: Sequence[Truth], start_s: float, end_s: float) -> set[str]:
    """What was true at some moment of this time."""
    return {name for one in truths if one.begin_s <= end_s and one.end_s >= start_s for name in one.names}


class Heard(Struct, frozen=True):
    """What was true of a run, and what a client was told of its pane, by the wall's clock."""

    truths: list[Truth]
    statuses: list[tuple[float, str]]
    begin_s: float
    end_s: float


def said_at(statuses: list[tuple[float, str]], at_s: float) -> str:
    """What a client had been told by a time."""
    before = [name for told_s, name in statuses if told_s <= at_s]
    return before[-1] if before else "none"


def judge(heard: Heard, metronome: Metronome) -> tuple[float, list[Lie]]:
    """The share of moments with a true status, and the others. A moment's time to follow is the machine's."""
    times = list(moments(heard.begin_s, heard.end_s, EVERY_S))
    lies = [
        Lie(round(at_s - heard.begin_s, 2), said, true)
        for at_s in times
        if (said := said_at(heard.statuses, at_s))
        not in (true := true_between(heard.truths, metronome.before(at_s, WITHIN_S), at_s))
    ]
    return 1 - len(lies) / len(times), lies


def heard_of(actor: Actor, watcher: TimedWatcher) -> Heard:
    """What came of one run."""
    statuses = [(told_s, name) for told_s, pane_id, name in watcher.statuses if pane_id == actor.pane_id]
    first, last = actor.played[0], actor.played[-1]
    return Heard(truths_of(actor.played), statuses, first.began_s, last.done_s + 2 * WITHIN_S)


def watched(without: str | None, folder: Path, programs: Path) -> dict[str, Heard]:
    """All recordings played to one Questmux without one of its sources; what was true of each, and what was told."""
    folder.mkdir()
    programs.mkdir()
    (folder / "bin").symlink_to(programs)
    stack = Stack(folder / "data", QUESTMUX_CLAUDE_DIR=str(folder / "claude"))
    try:
        stage(stack, folder)
        actors = {run: Actor(stack, folder, run, without) for run in RUNS}
        stack.start_all()
        stack.wait_ready()
        with TimedWatcher(stack.ws_port, stack.token) as watcher:
            watcher.wait(lambda: {actor.pane_id for actor in actors.values()} <= watcher.panes.keys(), "all panes")
            play(actors)
            end_s = time.time() + 2 * WITHIN_S
            watcher.wait(lambda: time.time() >= end_s, "the last moments")
        return {run: heard_of(actor, watcher) for run, actor in actors.items()}
    finally:
        stack.close(shows_logs=False)


def test_the_status_is_true(tmp_path: Path, memory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One Questmux for each source that is taken away, side by side: a recording takes as long as it took."""
    with Metronome(memory) as metronome, ThreadPoolExecutor(len(SOURCES) + 1) as threads:
        every = {
            name: threads.submit(watched, without, memory / name, tmp_path / name)
            for name, without in ((ALL, None), *zip(SOURCES, SOURCES, strict=True))
        }
    judged = {
        (name, run): judge(heard, metronome) for name, future in every.items() for run, heard in future.result().items()
    }

    with capsys.disabled():
        print()
        for (name, run), (share, found) in judged.items():
            print(f"without {name:10} {run:18} {share:7.2%} {found[:1]}")
    assert {key: lies for key, (_, lies) in judged.items() if lies} == {}


def test_time_that_the_machine_took_is_nobodys(tmp_path: Path) -> None:
    metronome = Metronome(tmp_path)
    start_s = time.time()
    for passed_s in (0.05, 0.1, 0.15, 2.15, 2.2, 2.25):  # It stood still for two seconds.
        metronome.beat(start_s + passed_s)

    assert metronome.before(start_s + 0.15, 0.08) == pytest.approx(start_s + 0.05, abs=0.01)
    assert metronome.before(start_s + 2.2, 0.2) == pytest.approx(start_s + 0.05, abs=0.06)
    assert metronome.before(start_s + 1.0, 0.15) == pytest.approx(start_s + 0.1, abs=0.06), "while it stood still"
    assert metronome.before(start_s + 9.0, 1.0) == pytest.approx(start_s + 8.0), "after the last beat"
    assert metronome.given_s(start_s, start_s + 2.2) == pytest.approx(0.3, abs=0.01)
    assert metronome.before(start_s - 5.0, 1.0) == pytest.approx(start_s - 6.0), "before the first"
