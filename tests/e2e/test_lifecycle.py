"""Starting, stopping, restarting: each process alone, all by honcho, all by `questmux up`."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.stack import ROOT, STOP_S, Stack, is_open
from tests.e2e.watcher import Watcher
from tests.waiting import wait_until

SERVICES = ("core", "poller", "ws", "api")


@pytest.mark.parametrize("order", list(itertools.permutations(SERVICES))[::7], ids=" ".join)
def test_any_order_of_starting_ends_in_the_same_whole(memory: Path, order: tuple[str, ...]) -> None:
    stack = Stack(memory / "data")
    try:
        stack.tmux("new-session", "-d", "-s", "work")
        for name in order:
            stack.start(name)
        stack.wait_ready()
        with Watcher(stack.ws_port, stack.token) as watcher:
            watcher.wait(lambda: watcher.panes, "the pane is seen")
            stack.keep({"hook_event_name": "Stop", "session_id": "s1"})
            watcher.wait(lambda: "s1" in watcher.sessions, "the event reaches the client")
    finally:
        stack.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_every_process_ends_with_exit_0_when_asked(stack: Stack, number: int) -> None:
    for name in reversed(SERVICES):
        started = time.monotonic()
        assert stack.stop(name, number) == 0, name
        assert time.monotonic() - started < STOP_S
        assert "Traceback" not in stack.log(name)


def test_every_process_ends_with_exit_0_when_core_is_gone_first(stack: Stack) -> None:
    for name in SERVICES:
        assert stack.stop(name) == 0, name
        assert "Traceback" not in stack.log(name)


@pytest.mark.parametrize("name", SERVICES)
def test_one_process_restarts_and_the_others_live_through_it(stack: Stack, name: str) -> None:
    stack.tmux("new-session", "-d", "-s", "work")
    others = {other: stack.processes[other].pid for other in SERVICES if other != name}
    with Watcher(stack.ws_port, stack.token) as watcher:
        stack.post_event({"hook_event_name": "UserPromptSubmit", "session_id": "before"})
        watcher.wait(lambda: "before" in watcher.sessions, "the first event")

        assert stack.stop(name) == 0
        stack.start(name)
        stack.wait_ready()
        wait_until(
            lambda: stack.post_event({"hook_event_name": "Stop", "session_id": "after"}).status == 200,
            what="events are kept again",
        )

        watcher.wait(lambda: {"before", "after"} <= set(watcher.sessions), "the second event")
        stack.tmux("new-window", "-t", "work", "-n", "later")
        watcher.wait(lambda: "later" in {window["name"] for window in watcher.windows}, "the new window")
        assert watcher.broken == []
    assert {other: stack.processes[other].pid for other in others} == others
    assert all(stack.processes[other].poll() is None for other in others)


@contextmanager
def foreground(stack: Stack, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that starts the services itself; its output goes to a file."""
    path = stack.runtime_dir / "foreground.log"
    with path.open("ab") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / words[0]), *words[1:]],
            cwd=ROOT,
            env=stack.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(2 * STOP_S)
        sys.stderr.write(path.read_text())


@pytest.fixture
def unstarted(memory: Path) -> Iterator[Stack]:
    stack = Stack(memory / "data")
    try:
        yield stack
    finally:
        stack.close()


def output(stack: Stack) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", stack.log("foreground"))


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_up_starts_greets_restarts_and_stops(unstarted: Stack) -> None:
    stack = unstarted
    stack.tmux("new-session", "-d", "-s", "work")
    with foreground(stack, "questmux", "up") as up:
        wait_until(lambda: "Questmux is up" in output(stack), 60, "the greeting")
        greeting = output(stack)
        assert f"http://127.0.0.1:{stack.api_port}" in greeting
        assert f"ws://127.0.0.1:{stack.ws_port}" in greeting
        assert str(stack.data_dir / "token") in greeting
        assert stack.token not in greeting, "what is no terminal is a log, and others may read it"
        assert "1 windows, 1 panes" in greeting
        assert "Ctrl-C" in greeting
        stack.wait_ready()

        with Watcher(stack.ws_port, stack.token) as watcher:
            pids = {peer["pid"] for peers in stack.figures()["services"].values() for peer in peers}
            poller = stack.figures()["services"]["poller"][0]["pid"]
            os.kill(poller, signal.SIGKILL)
            wait_until(lambda: "poller ended (SIGKILL); it starts again" in output(stack), what="it is said")
            wait_until(
                lambda: any(peer["pid"] != poller for peer in stack.figures()["services"]["poller"]),
                what="another poller",
            )
            assert watcher.connections == 1
        up.send_signal(signal.SIGINT)
        assert up.wait(2 * STOP_S) == 0
        assert "stopped" in output(stack)
        assert all(map(is_gone, pids))
        assert "Traceback" not in output(stack)


def test_a_second_up_says_that_one_runs(stack: Stack) -> None:
    with foreground(stack, "questmux", "up") as second:
        assert second.wait(20) == 2

    assert f"port {stack.api_port} on 127.0.0.1 is taken" in output(stack)
    assert "Traceback" not in output(stack)
    assert stack.health().status == 200


def test_honcho_starts_and_stops_the_same_procfile(unstarted: Stack) -> None:
    stack = unstarted
    with foreground(stack, "honcho", "-f", "procfile", "start") as honcho:
        stack.wait_ready()
        stack.keep({"hook_event_name": "Stop", "session_id": "s1"})
        honcho.send_signal(signal.SIGINT)
        honcho.wait(2 * STOP_S)

    stopped = re.findall(r"(\w+)\.1 stopped \(rc=(-?\d+)\)", output(stack))
    assert dict(stopped) == dict.fromkeys(SERVICES, "0")


def test_a_second_core_on_the_same_data_is_refused_with_a_sentence(stack: Stack) -> None:
    first = stack.processes["core"]
    stack.start("core")
    try:
        assert stack.processes["core"].wait(STOP_S) == 2
    finally:
        stack.processes["core"] = first

    assert re.search(r"questmux core: another core \(pid \d+\) works on", stack.log("core"))
    assert stack.health().status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_the_services_of_a_killed_up_end_and_the_next_one_starts(unstarted: Stack) -> None:
    stack = unstarted
    with foreground(stack, "questmux", "up") as up:
        wait_until(lambda: "Questmux is up" in output(stack), 60, "the greeting")
        up.kill()
        up.wait(10)
        wait_until(lambda: not is_open(stack.api_port) and not is_open(stack.ws_port), 20, "the services have ended")

    with foreground(stack, "questmux", "up"):
        stack.wait_ready()
