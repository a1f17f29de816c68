"""Panes watched over the WebSocket: what a client draws is what tmux shows."""

import fcntl
import json
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.e2e.terminal import Terminal
from tests.waiting import wait_until

RECORDINGS = Path(__file__).parents[1] / "fixtures" / "claude"
PLAYER = Path(__file__).with_name("player.py")
SOON_S = 30
TERMINAL_QUERY_S = 5.5
"""tmux waits five seconds for a terminal to say what it is, and then sends it one thing more."""


@pytest.fixture(scope="module", params=["auto", "off"], ids=["control mode", "plain calls"])
def stack(request: pytest.FixtureRequest, module_memory: Path) -> Iterator[Stack]:
    running = Stack(module_memory / request.param, QUESTMUX_TMUX_CONTROL=request.param)
    try:
        running.tmux("new-session", "-d", "-s", "first", "sleep 1000")
        running.start_all()
        running.wait_ready()
        uses_control = float(request.param == "auto")
        wait_until(lambda: figure(running, "control_mode") == uses_control, SOON_S, "/health says how tmux is read")
        yield running
    finally:
        running.close()


def figure(stack: Stack, name: str) -> float:
    """A figure of the poller in /health."""
    return float(stack.figures()["services"]["poller"][0]["figures"][name])


def new_pane(stack: Stack, command: str, width: int = 110, height: int = 40) -> str:
    """A pane in a tmux session of its own that the API knows."""
    size = ("-x", str(width), "-y", str(height))
    pane = stack.tmux("new-session", "-d", *size, "-P", "-F", "#{pane_id}", command).strip()
    wait_until(lambda: stack.call("GET", f"/api/panes/{pane[1:]}").status == 200, SOON_S, f"{pane} is known")
    return pane


def shown(stack: Stack, pane: str) -> list[str]:
    """What tmux says that a pane shows."""
    return [line.rstrip(" ") for line in stack.tmux("capture-pane", "-p", "-t", pane).removesuffix("\n").split("\n")]


@pytest.mark.parametrize("recording", sorted(path.name for path in RECORDINGS.iterdir() if path.is_dir()))
def test_the_recorded_screens_arrive_cell_for_cell(stack: Stack, tmp_path: Path, recording: str) -> None:
    fifo = tmp_path / "screens"
    os.mkfifo(fifo)
    pane = new_pane(stack, f"exec {sys.executable} {PLAYER} {fifo}")
    wait_until(lambda: "ready" in shown(stack, pane)[0], SOON_S, "the player")
    texts = [json.loads(line)["screen"] for line in (RECORDINGS / recording / "screens.jsonl").read_text().splitlines()]
    with Terminal(stack.ws_port, stack.token) as client, fifo.open("w", encoding="utf-8") as screens:
        client.watch(pane)
        for text in texts:
            screens.write(f"{json.dumps(text)}\n")
            screens.flush()
            expected = [row.rstrip(" ") for row in text.split("\n")][:40]
            expected += [""] * (40 - len(expected))
            client.until_screen(pane, expected)
            assert shown(stack, pane) == expected
    stack.tmux("kill-pane", "-t", pane, check=False)


def test_colours_wide_characters_and_the_cursor_arrive(stack: Stack) -> None:
    pane = new_pane(
        stack, "printf '\\033[31;44m日本\\033[0m\\033[7m x \\033[0m\\n\\033[38;5;200mé\\033[3;9H'; sleep 1000", 40, 5
    )
    with Terminal(stack.ws_port, stack.token) as client:
        client.watch(pane)
        client.until(lambda: client.cursors[pane] == {"x": 8, "y": 2, "visible": True}, "the cursor")
        assert client.screen(pane) == ["日本 x ", "é", "", "", ""]
        first, second, *_ = client.lines[pane]
        assert first.startswith("\x1b[31;44m日本")
        assert "\x1b[38;5;200mé" in second
    stack.tmux("kill-pane", "-t", pane, check=False)


def test_a_pane_of_another_size_is_sent_whole(stack: Stack) -> None:
    pane = new_pane(stack, "sleep 1000", 80, 24)
    with Terminal(stack.ws_port, stack.token) as client:
        client.watch(pane)
        assert len(client.lines[pane]) == 24
        stack.tmux("resize-window", "-t", pane, "-x", "60", "-y", "10")
        client.until(lambda: len(client.lines[pane]) == 10, "the smaller screen")
    stack.tmux("kill-pane", "-t", pane, check=False)


def test_a_flood_is_shown_at_a_bounded_pace_and_holds_nobody_up(stack: Stack) -> None:
    pane = new_pane(stack, "i=0; while :; do i=$((i+1)); echo line number $i of a flood; done")
    quiet = new_pane(stack, "cat")
    with Terminal(stack.ws_port, stack.token) as client:
        client.watch(pane)
        client.watch(quiet)
        before, started = client.bytes, time.monotonic()
        shown_lines = set()
        while time.monotonic() - started < 3:
            client.read(1)
            shown_lines.add(client.screen(pane)[0])
        per_second = (client.bytes - before) / 3
        print(f"a flood costs its watcher {per_second / 1000:.0f} kB/s; {len(shown_lines)} screens seen in 3 s")
        assert len(shown_lines) >= 5, "the flood stands still"
        assert per_second < 400_000
        stack.tmux("send-keys", "-t", quiet, "-l", "hello")
        client.until(lambda: client.screen(quiet)[0] == "hello", "the quiet pane beside it")
        assert stack.call("POST", f"/api/panes/{pane[1:]}/signal", b'{"signal": "SIGKILL"}').status == 200
        client.until(lambda: client.counts.get("pane_removed"), "the end of the flood")
    stack.tmux("kill-pane", "-t", quiet)


def test_everybody_who_watches_sees_the_same_and_the_stream_ends_with_the_last(stack: Stack) -> None:
    pane = new_pane(stack, "cat", 80, 10)
    with Terminal(stack.ws_port, stack.token) as one, Terminal(stack.ws_port, stack.token) as other:
        one.watch(pane)
        stack.tmux("send-keys", "-t", pane, "-l", "first")
        one.until(lambda: one.screen(pane)[0] == "first", "the first text")
        other.watch(pane)
        assert other.screen(pane) == one.screen(pane)
        one.say("unwatch", pane_id=pane)
        one.say("ping", n=1)
        one.until(lambda: one.counts.get("pong"), "the answer to what was said last")
        stack.tmux("send-keys", "-t", pane, "-l", " second")
        other.until(lambda: other.screen(pane)[0] == "first second", "the second text")
        while one.read(0.2):
            pass
        assert one.screen(pane)[0] == "first"
    stack.tmux("kill-pane", "-t", pane, check=False)


def test_a_watched_pane_goes_on_after_each_process_was_killed(stack: Stack) -> None:
    pane = new_pane(stack, "cat", 80, 10)
    text = ""
    with Terminal(stack.ws_port, stack.token) as client:
        client.watch(pane)
        for name in ("core", "poller"):
            stack.kill(name)
            stack.start(name)
            text += f" {name}"
            stack.tmux("send-keys", "-t", pane, "-l", f" {name}")
            took_s = client.until_row(pane, text)
            print(f"whole again {took_s:.2f} s after {name} was started")
    stack.tmux("kill-pane", "-t", pane, check=False)
    wait_until(lambda: stack.health().status == 200, SOON_S, "everything")


class Person:
    """Somebody attached to a tmux session, at a terminal of 90x20 cells."""

    def __init__(self, stack: Stack, session: str) -> None:
        self.terminal, far_end = os.openpty()
        fcntl.ioctl(far_end, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 90, 0, 0))
        self._tmux = subprocess.Popen(
            ["tmux", "-u", "-L", stack.tmux_socket, "attach-session", "-t", session],
            stdin=far_end,
            stdout=far_end,
            stderr=far_end,
            env={**os.environ, "TERM": "xterm-256color", "TMUX": ""},
            start_new_session=True,
        )
        os.close(far_end)

    def sent(self, quiet_s: float = 1.0) -> bytes:
        """What tmux sends to the terminal until it has been quiet for so long."""
        data = b""
        while select.select([self.terminal], [], [], quiet_s)[0]:
            data += os.read(self.terminal, 65_536)
        return data

    def leave(self) -> None:
        self._tmux.terminate()
        self._tmux.wait(SOON_S)
        os.close(self.terminal)


def test_a_person_who_is_attached_is_not_sent_a_byte_and_keeps_the_place(stack: Stack) -> None:
    pane = new_pane(stack, "seq 200; exec cat", 90, 20)
    session = stack.tmux("display-message", "-p", "-t", pane, "#{session_id}").strip()
    stack.tmux("set-option", "-t", session, "status-interval", "0")  # Its clock would be sent.
    person = Person(stack, session)
    look = (
        "list-windows",
        "-a",
        "-F",
        "#{session_name} #{window_width}x#{window_height} #{window_layout} #{pane_in_mode} #{scroll_position}",
    )
    try:
        assert b"200" in person.sent(TERMINAL_QUERY_S)
        stack.tmux("copy-mode", "-t", pane)
        stack.tmux("send-keys", "-X", "-t", pane, "-N", "30", "scroll-up")
        assert b"153" in person.sent()
        before, sessions = stack.tmux(*look), stack.tmux("list-sessions", "-F", "#{session_name} #{session_windows}")
        with Terminal(stack.ws_port, stack.token) as client:
            client.watch(pane)
            stack.call("POST", f"/api/panes/{pane[1:]}/refresh")
            while client.read(3):  # It is captured every two seconds.
                pass
            assert stack.tmux("list-sessions", "-F", "#{session_name} #{session_windows}") == sessions
        stack.stop("poller")
        stack.start("poller")
        wait_until(lambda: stack.call("POST", f"/api/panes/{pane[1:]}/refresh").status == 200, SOON_S, "the poller")

        assert person.sent() == b""
        assert stack.tmux(*look) == before
    finally:
        person.leave()
        stack.tmux("kill-pane", "-t", pane, check=False)
