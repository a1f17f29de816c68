import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.demo.actor import Actor
from services.cli.demo.hook_calls import HookCall
from services.cli.demo.panes import Place, TmuxServer
from services.cli.demo.score import Kind, Step
from services.cli.demo.simulator import Simulator
from services.cli.demo.stage import Stage, furnish
from tests.waiting import wait_until


class Nowhere:
    def send(self, call: HookCall) -> None:
        raise AssertionError(call)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(folder=tmp_path / "s", api_port=1, ws_port=2)
    furnish(made)
    return made


@pytest.fixture
def actors(stage: Stage, tmp_path: Path) -> Iterator[list[Actor]]:
    server = TmuxServer(stage.tmux_socket, os.environ)
    panes = server.open(stage.run, [Place(name=name, folder=tmp_path) for name in ("a", "b")])
    yield [
        Actor(
            panes[name], folder=tmp_path, claude_dir=stage.claude_dir, tmux_socket=stage.tmux_socket, sender=Nowhere()
        )
        for name in ("a", "b")
    ]
    server.end()


def listed(stage: Stage) -> list[str]:
    words = ["tmux", "-S", str(stage.tmux_socket), "list-panes", "-a", "-F", "#{pane_id}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


def every(period_s: float, text: str) -> Iterator[tuple[float, Step]]:
    number = 0
    while True:
        number += 1
        yield number * period_s, Step(t=0, kind=Kind.SCREEN, text=f"{text} {number}")


def play(
    actors: list[Actor], periods: tuple[float, float], within_s: float = 30, typed: tuple[str, ...] = (), steps: int = 6
) -> list[str]:
    """The first steps that were done, or those within a time."""
    stop, done, began = threading.Event(), list[str](), time.monotonic()

    def note(_actor: Actor, step: Step) -> None:
        done.append(step.text)
        if len(done) == steps:
            stop.set()

    performances = [(actor, every(period_s, name)) for actor, period_s, name in zip(actors, periods, "ab", strict=True)]
    Simulator(performances, note).run(stop, lambda: time.monotonic() - began < within_s, lambda: typed)
    return done


def test_agents_play_side_by_side_in_the_order_of_time(actors: list[Actor]) -> None:
    assert play(actors, (0.05, 0.12)) == ["a 1", "a 2", "b 1", "a 3", "a 4", "b 2"]


def test_it_ends_when_it_may_not_go_on(actors: list[Actor]) -> None:
    assert play(actors, (100, 100), within_s=0.5) == []


def test_a_typed_line_makes_an_agent_go_on(actors: list[Actor]) -> None:
    assert play(actors, (100, 100), typed=(actors[1].pane.id,), steps=2) == ["b 1", "b 2"]


def test_an_agent_whose_pane_is_closed_leaves_and_the_others_play_on(actors: list[Actor], stage: Stage) -> None:
    os.kill(actors[0].pane.pid, 15)
    wait_until(lambda: listed(stage) == [actors[1].pane.id], what="the end of the pane")

    assert play(actors, (0.1, 0.2), steps=4) == ["b 1", "b 2", "b 3", "b 4"]
