"""`questmux status` beside the real services: once, live in a real tmux pane, and as lines of JSON."""

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import ROOT, STOP_S, Stack
from tests.waiting import wait_until

COMMAND = [str(Path(sys.executable).parent / "questmux"), "status"]
HOSTILE = "say \x1b]0;owned\x07 \x1b[2J"


@pytest.fixture(scope="module")
def stack(module_memory: Path) -> Iterator[Stack]:
    running = Stack(module_memory / "data")
    try:
        running.tmux("new-session", "-d", "-s", "work", "-n", "api", "-x", "110", "-y", "20", "cat")
        running.start_all()
        running.wait_ready()
        wait_until(lambda: running.get("/api/panes")["panes"], what="the pane is known")
        yield running
    finally:
        running.close()


@pytest.fixture
def unstarted(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "data")
    stack.data_dir.mkdir()
    (stack.data_dir / "token").write_text("a-token-that-is-there-before-the-start-000")
    try:
        yield stack
    finally:
        stack.close()


def post(stack: Stack, name: str, pane_id: str = "%0", **more: Any) -> None:
    body = {"hook_event_name": name, "session_id": "s1", **more}
    wait_until(lambda: stack.post_event(body, {"X-Tmux-Pane": pane_id}).status == 200, what="the event is kept")


def ask(stack: Stack, command: str) -> None:
    """A session in pane %0 asks for a permission."""
    post(stack, "UserPromptSubmit", prompt=HOSTILE)
    post(stack, "PermissionRequest", tool_name="Bash", tool_input={"command": command})
    wait_until(lambda: stack.session("s1")["status"]["name"] == "waiting", what="it waits")


def run(stack: Stack, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=ROOT,
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=STOP_S,
        check=False,
    )


class Pane:
    """A shell in a pane of another tmux server, as a person's terminal."""

    def __init__(self, stack: Stack) -> None:
        self._socket = f"{stack.tmux_socket}-look"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "12", "env PS1='$ ' bash --norc")
        sets = " ".join(f"{name}={shlex.quote(value)}" for name, value in stack.environment.items() if "QUEST" in name)
        self.type(f"export {sets}; clear; echo BEFORE")
        wait_until(lambda: self.lines[:1] == ["BEFORE"], what="the shell")

    def _tmux(self, *words: str) -> str:
        return subprocess.run(["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=True).stdout

    def type(self, line: str) -> None:
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def press(self, key: str) -> None:
        self._tmux("send-keys", key)

    def resize(self, columns: int) -> None:
        self._tmux("resize-window", "-x", str(columns))

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self._tmux("capture-pane", "-p").split("\n")]

    @property
    def command(self) -> str:
        return self._tmux("display-message", "-p", "#{pane_current_command}").strip()

    @property
    def modes(self) -> str:
        """Alternate screen, cursor and wrapping."""
        return self._tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}").strip()

    def close(self) -> None:
        self._tmux("kill-server")


@contextmanager
def looking(stack: Stack) -> Iterator[Pane]:
    pane = Pane(stack)
    try:
        yield pane
    finally:
        sys.stderr.write("--- pane\n" + "\n".join(pane.lines) + "\n")
        pane.close()


def test_once_it_is_a_plain_table(stack: Stack) -> None:
    ask(stack, f"make {HOSTILE}")
    answer = run(stack)

    assert (answer.returncode, answer.stderr) == (0, "")
    assert all(line.isprintable() for line in answer.stdout.splitlines())
    head, row, counts = answer.stdout.splitlines()
    name = stack.get("/api/personas")["personas"][0]["name"]
    assert head.split() == ["PANE", "STATUS", "PLACE", "WHO", "PROJECT", "ASKED", "AGE"]
    assert row.startswith(f"%0    waiting permission  work:api  {name}")
    assert "Bash: make say �]0;owned� �[2J" in row
    assert counts == "1 waiting"


def test_json_has_the_panes_as_the_api_gives_them_and_who_is_in_them(stack: Stack) -> None:
    ask(stack, "make")
    shown = json.loads(run(stack, "--json").stdout)["panes"]

    (pane,) = stack.get("/api/panes")["panes"]
    session = stack.session("s1")
    persona = stack.get(f"/api/personas/{session['persona_id']}")["persona"]
    assert shown == [pane | {"activity_at": shown[0]["activity_at"], "persona": persona["name"]}]


def test_a_person_sees_it_live_over_restarts_and_gets_a_clean_terminal_back(stack: Stack) -> None:
    ask(stack, "first")
    with looking(stack) as pane:
        pane.type(shlex.join([*COMMAND, "--watch"]))
        wait_until(lambda: "Bash: first" in pane.lines[2], what="the table")
        wait_until(lambda: pane.lines[0] == "live", what="it is live")
        assert pane.modes == "1 0 0"
        ask(stack, "second")
        wait_until(lambda: "Bash: second" in pane.lines[2], what="the change")

        stack.kill("ws")
        wait_until(lambda: "reconnecting" in pane.lines[0], what="it says so")
        assert pane.lines[0].startswith("as of ")
        assert "Bash: second" in pane.lines[2]
        ask(stack, "third")
        wait_until(lambda: age_of(pane.lines[0]) >= 4, what="its age grows, though the API is well")
        stack.start("ws")
        wait_until(lambda: pane.lines[0] == "live", what="it is back")
        wait_until(lambda: "Bash: third" in pane.lines[2], what="what was missed")

        pane.resize(40)
        wait_until(lambda: "Bash: third" in pane.lines[3], what="a small table")
        pane.resize(110)
        pane.press("x")
        pane.press("C-c")
        wait_until(lambda: pane.modes == "0 1 1", what="the terminal as it was")
        wait_until(lambda: pane.command == "bash", what="the shell: until then, what is typed is thrown away")
        pane.type("echo $?")
        wait_until(lambda: "0" in pane.lines, what="the exit code, and what is typed")
        assert pane.lines[0] == "BEFORE"


def age_of(head: str) -> int:
    """The seconds that a table without a connection says that it is old; 0 of one that says none."""
    found = re.search(r", (\d+)s ago: reconnecting", head)
    return int(found[1]) if found else 0


def test_it_is_not_called_live_while_core_or_the_poller_is_away(stack: Stack) -> None:
    with watching(stack) as watch:
        wait_until(lambda: watch.lives[-1:] == [(True, None)], what="it is live")
        before = len(watch.lives)
        stack.stop("core")
        wait_until(
            lambda: any(not live and "core is away" in str(why) for live, why in watch.lives[before:]),
            what="it says so",
        )
        stack.start("core")
        wait_until(lambda: watch.lives[-1] == (True, None), 60, "it is live again")


class Watching:
    """A running `--watch --json`; what it printed is in a file."""

    def __init__(self, stack: Stack) -> None:
        self._out = stack.runtime_dir / "status.out"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [*COMMAND, "--watch", "--json"], cwd=ROOT, env=stack.environment, stdout=out, stderr=subprocess.PIPE
            )

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._out.read_text().split("\n")[:-1]]

    @property
    def lives(self) -> list[tuple[bool, str | None]]:
        return [(one["live"], one["why"]) for one in self.told if "live" in one]

    @property
    def panes(self) -> list[tuple[str, str]]:
        """The id and the status of each pane that was told."""
        told = [one["pane"] for one in self.told if "pane" in one]
        return [(one["id"], one["status"]["name"] if one["status"] else "none") for one in told]


@contextmanager
def watching(stack: Stack) -> Iterator[Watching]:
    watch = Watching(stack)
    try:
        yield watch
    finally:
        watch.process.send_signal(signal.SIGINT)
        _, said = watch.process.communicate(timeout=STOP_S)
        sys.stderr.write(f"--- watch\n{watch.told}\n")
        assert (watch.process.returncode, said) == (0, b"")


def test_each_change_is_a_line_of_json(stack: Stack) -> None:
    ask(stack, "make")
    with watching(stack) as watch:
        wait_until(lambda: watch.lives[-1:] == [(True, None)], what="it is live")
        assert set(watch.panes) == {("%0", "waiting")}
        post(stack, "Stop")
        wait_until(lambda: watch.panes[-1] == ("%0", "idle"), what="the change")
        pane_id = stack.tmux("new-window", "-d", "-P", "-F", "#{pane_id}", "cat").strip()
        wait_until(lambda: watch.panes[-1] == (pane_id, "none"), what="the new pane")
        stack.tmux("kill-pane", "-t", pane_id)
        wait_until(lambda: watch.told[-1] == {"removed": pane_id}, what="it is gone")


def test_watch_without_a_terminal_says_what_to_add(stack: Stack) -> None:
    answer = run(stack, "--watch")

    assert (answer.returncode, answer.stderr) == (
        2,
        "questmux: --watch draws on a terminal: for a pipe or a file add --json\n",
    )


@pytest.mark.parametrize("words", [[], ["--json"], ["--watch", "--json"]], ids=repr)
def test_where_nothing_runs_it_says_how_to_start_it(unstarted: Stack, words: list[str]) -> None:
    answer = run(unstarted, *words)

    assert (answer.returncode, answer.stdout) == (2, "")
    (said,) = answer.stderr.splitlines()
    assert "start it with `questmux up`" in said
