"""A turn's end is unseen until a person has the pane in front and presses a key there."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.e2e.watcher import Watcher
from tests.waiting import wait_until

TURN = ("UserPromptSubmit", "Stop")


class Person:
    """A client of the stack's tmux, in a pane of another tmux server, which is their terminal."""

    def __init__(self, stack: Stack) -> None:
        self._socket = f"qm-person-{uuid.uuid4().hex[:8]}"
        self._do("new-session", "-d", "-x", "120", "-y", "40", f"env -u TMUX tmux -L {stack.tmux_socket} attach -t lab")
        wait_until(lambda: stack.tmux("list-clients", "-F", "#{client_tty}").strip(), what="a client")

    def _do(self, *words: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
        subprocess.run(["tmux", "-L", self._socket, "-f", "/dev/null", *words], check=True, env=environment)

    def press(self, key: str) -> None:
        self._do("send-keys", key)

    def leave(self) -> None:
        self._do("kill-server")


@pytest.fixture
def panes(stack: Stack, tmp_path: Path) -> tuple[str, str]:
    """One with an agent in it, and one without."""
    (tmp_path / "claude").symlink_to(Path(sys.executable).resolve())
    agent = f"{tmp_path / 'claude'} -c 'import time; time.sleep(1000)'"
    first = stack.tmux("new-session", "-d", "-s", "lab", "-P", "-F", "#{pane_id}", agent).strip()
    second = stack.tmux("split-window", "-d", "-P", "-F", "#{pane_id}", "-t", "lab", "cat").strip()
    return first, second


@pytest.fixture
def person(stack: Stack, panes: tuple[str, str]) -> Iterator[Person]:
    assert panes
    made = Person(stack)
    yield made
    made.leave()


def test_who_presses_a_key_in_the_pane_has_seen_it(stack: Stack, panes: tuple[str, str], person: Person) -> None:
    agent, other = panes
    stack.tmux("select-pane", "-t", other)
    with Watcher(stack.ws_port, stack.token) as watcher:
        watcher.wait(lambda: (watcher.panes.get(agent) or {}).get("agent"), "the agent")
        for name in TURN:
            body = {"hook_event_name": name, "session_id": "s1", "prompt": "go"}
            stack.keep(body, {"X-Tmux-Pane": agent})
        watcher.wait(lambda: "s1" in watcher.sessions and watcher.sessions["s1"]["status"]["unseen"], "unseen")

        person.press("x")
        person.press("y")
        wait_until(lambda: "xy" in stack.tmux("capture-pane", "-p", "-t", other), what="what was typed elsewhere")
        assert watcher.sessions["s1"]["status"]["unseen"], "the key was another pane's"

        stack.tmux("select-pane", "-t", agent)
        person.press("z")
        watcher.wait(lambda: not watcher.sessions["s1"]["status"]["unseen"], "seen")
        assert watcher.sessions["s1"]["status"]["name"] == "idle"
    [looked] = [event["event"] for event in watcher.of("event") if event["event"]["name"] == "Looked"]
    assert (looked["session_id"], looked["pane_id"], looked["source"]) == ("s1", agent, "tmux")
