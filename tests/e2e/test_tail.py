"""`questmux tail` beside the real stack: what a person and a program see, over restarts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.cli.mirror import Mirror
from tests.e2e.stack import ROOT, STOP_S, Stack
from tests.waiting import wait_until

COMMAND = str(Path(sys.executable).parent / "questmux")


class Tailing:
    """A running tail; what it printed is in two files."""

    def __init__(self, stack: Stack, *words: str) -> None:
        self._out, self._err = stack.runtime_dir / "tail.out", stack.runtime_dir / "tail.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [COMMAND, "tail", *words], cwd=ROOT, env=stack.environment, stdout=out, stderr=err
            )

    @property
    def lines(self) -> list[str]:
        """All whole lines so far."""
        return self._out.read_text().split("\n")[:-1]

    @property
    def said(self) -> str:
        return self._err.read_text()

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    def of(self, kind: str) -> list[Any]:
        return [one["data"] for one in self.messages if one["type"] == kind]

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_S)


@contextmanager
def tailing(stack: Stack, *words: str) -> Iterator[Tailing]:
    tail = Tailing(stack, *words)
    try:
        yield tail
    finally:
        if tail.process.poll() is None:
            tail.process.kill()
        tail.process.wait(STOP_S)
        sys.stderr.write("--- tail\n" + "\n".join(tail.lines[-40:]) + "\n" + tail.said)


def prompt(stack: Stack, session_id: str, text: str = "hello") -> None:
    body = {"hook_event_name": "UserPromptSubmit", "session_id": session_id, "prompt": text}
    wait_until(lambda: stack.post_event(body).status == 200, what="the event is kept")


def session_ids(tail: Tailing) -> set[str]:
    return {data["session"]["id"] for data in tail.of("session_update")}


@pytest.fixture
def unstarted(memory: Path) -> Iterator[Stack]:
    stack = Stack(memory / "data")
    try:
        yield stack
    finally:
        stack.close()


def test_a_person_sees_what_a_hook_changes_and_ends_it_with_ctrl_c(stack: Stack) -> None:
    with tailing(stack) as tail:
        wait_until(lambda: any("synced" in line for line in tail.lines), what="synced")
        prompt(stack, "s1", "say \x1b]0;owned\x07")
        wait_until(lambda: any("session_update" in line for line in tail.lines), what="the session")
        stack.post_event({"hook_event_name": "Stop", "session_id": "s1"})
        wait_until(lambda: any("working -> idle" in line for line in tail.lines), what="its end")

        assert any("s1 in no pane new: working" in line for line in tail.lines)
        assert any("UserPromptSubmit of s1 (hook)" in line for line in tail.lines)
        assert all(line.isprintable() for line in tail.lines)
        assert tail.interrupt() == 0
        assert tail.said == ""


def test_comes_back_by_itself_and_misses_nothing(stack: Stack) -> None:
    with tailing(stack, "--json") as tail:
        wait_until(lambda: tail.of("synced"), what="synced")
        prompt(stack, "before")
        wait_until(lambda: "before" in session_ids(tail), what="the first session")

        stack.kill("ws")
        wait_until(lambda: "the connection was cut" in tail.said, what="it is said")
        prompt(stack, "meanwhile")
        stack.start("ws")
        wait_until(lambda: len(tail.of("synced")) == 2, 30, "it is back")
        prompt(stack, "after")
        wait_until(lambda: "after" in session_ids(tail), what="the last session")

        assert [data["resumed"] for data in tail.of("connected")] == [False, True]
        assert len(tail.of("sessions")) == 1, "a second snapshot"
        assert session_ids(tail) == {"before", "meanwhile", "after"}
        assert tail.interrupt() == 0


def test_a_restart_of_the_gateway_is_waited_for_as_long_as_it_says(stack: Stack) -> None:
    with tailing(stack, "--json", "--types", "connected,draining,synced") as tail:
        wait_until(lambda: tail.of("synced"), what="synced")
        assert stack.stop("ws") == 0
        stack.start("ws")
        wait_until(lambda: len(tail.of("synced")) == 2, 30, "it is back")

        assert [one["type"] for one in tail.messages] == ["connected", "synced", "draining", "connected", "synced"]
        assert [data["resumed"] for data in tail.of("connected")] == [False, True]
        wait_s = tail.of("draining")[0]["reconnect_in_ms"] / 1000
        assert f"closed with 1012 (the gateway stops); trying again in {wait_s:.1f} s" in tail.said


def test_only_the_chosen_types_are_sent(stack: Stack) -> None:
    with tailing(stack, "--json", "--types", "session_update") as tail:
        wait_until(lambda: stack.get("/api/clients")["clients"], what="it is connected")
        for number in range(3):
            prompt(stack, f"s{number}")
        wait_until(lambda: len(session_ids(tail)) == 3, what="the sessions")

        assert {one["type"] for one in tail.messages} == {"session_update"}
        kept = stack.get_update_seq()
        sent = stack.get("/api/clients")["clients"][0]["sent"]
        assert sent < kept + 7, "all updates were sent"


def test_a_bad_token_is_one_sentence(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "token").write_text("not-the-one")
    stack.settings["QUESTMUX_DATA_DIR"] = str(tmp_path / "other")
    with tailing(stack) as tail:
        assert tail.process.wait(STOP_S) == 2
        assert tail.said.splitlines() == [
            f"questmux: ws://127.0.0.1:{stack.ws_port}/ does not take this installation's token"
        ]
        assert tail.lines == []


def test_nothing_there_is_said_once_and_waited_for(unstarted: Stack) -> None:
    stack = unstarted
    stack.data_dir.mkdir()
    (stack.data_dir / "token").write_text("a-token-that-is-there-before-the-start-000")
    with tailing(stack, "--json") as tail:
        wait_until(lambda: "nothing answers" in tail.said, what="it is said")
        stack.start_all()
        wait_until(lambda: tail.of("synced"), 40, "it is there")

        assert tail.said.splitlines() == [
            f"questmux: nothing answers at ws://127.0.0.1:{stack.ws_port}/: start it with `questmux up`; trying on"
        ]


def test_a_type_that_is_none_is_one_sentence(unstarted: Stack) -> None:
    with tailing(unstarted, "--types", "evnt") as tail:
        assert tail.process.wait(STOP_S) == 2
        assert tail.said == "questmux: 'evnt' is no type of a message; docs/protocol.md lists them\n"


def prompt_many(stack: Stack, number: int) -> None:
    for i in range(number):
        prompt(stack, f"s{i % 40}", "x" * 3_500)


def is_held_back(stack: Stack) -> bool:
    """Whether the gateway holds back after some prompts more."""
    prompt_many(stack, 40)
    return any(client["pauses"] for client in stack.get("/api/clients")["clients"])


def test_who_was_stopped_for_a_while_ends_with_the_truth(stack: Stack) -> None:
    stack.tmux("new-session", "-d", "-s", "work")
    with tailing(stack, "--json") as tail:
        wait_until(lambda: tail.of("synced"), what="synced")
        tail.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_held_back(stack), 60, "the gateway holds back")
        prompt_many(stack, 100)  # Newer ones of each; no more, since the gateway lets nobody stand for long.
        tail.process.send_signal(signal.SIGCONT)
        prompt(stack, "last")
        wait_until(lambda: "last" in session_ids(tail), 30, "the last session")
        wait_until(lambda: tail.of("lagged"), what="it is told that it was behind")

        mirror = Mirror()
        for one in tail.messages:
            mirror.apply(one)
        assert mirror.sessions == {session["id"]: session for session in stack.get("/api/sessions")["sessions"]}
        assert mirror.replaced > 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_sentence(stack: Stack) -> None:
    with Path("/dev/full").open("wb") as full:
        tail = subprocess.run(
            [COMMAND, "tail"],
            cwd=ROOT,
            env=stack.environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=STOP_S,
            check=False,
        )

    assert (tail.returncode, tail.stderr) == (2, b"questmux: cannot print: No space left on device\n")


def test_ends_quietly_when_nobody_reads_it_any_more(stack: Stack) -> None:
    reader, writer = os.pipe()
    tail = subprocess.Popen(
        [COMMAND, "tail", "--json"], cwd=ROOT, env=stack.environment, stdout=writer, stderr=subprocess.PIPE
    )
    try:
        os.close(writer)
        assert b"connected" in os.read(reader, 4096)
        os.close(reader)  # And nothing more happens here.
        _, said = tail.communicate(timeout=STOP_S)
        assert (tail.returncode, said) == (0, b"")
    finally:
        if tail.poll() is None:
            tail.kill()
            tail.communicate()
