"""What `questmux setup` installs, in a real Claude Code: nothing on the screen, nothing lost, also without a server."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.setup.hook_entries import NEVER_OVER_HTTP
from tests.claude.cli import Home
from tests.claude.conftest import Rig
from tests.claude.messages_api import Text
from tests.claude.pane import ClaudePane
from tests.claude.test_claude import PERMISSION, bash
from tests.e2e.stack import Stack
from tests.waiting import wait_until

TURN = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "PostToolUse", "Stop", "SessionEnd")
ONE_OF_MANY = re.compile(r"^[^\w\s] \w+ for \d+s.*|^.*\d+ tokens.*|.*\b\d+:\d\d.*|.*[Tt]ip:.*")
"""Rows that differ from run to run: how long it took, in a word by chance, and hints."""

SESSION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


class Person:
    """Somebody's home and Questmux, which is not running yet."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self.home = Home(folder / "home", rig.home.program, rig.api.address)
        self.home.set_up(self.work)
        self.stack = Stack(folder / "questmux", HOME=str(self.home.folder))
        self._rig = rig

    def turn(self, name: str) -> list[str]:
        """Start Claude Code, have a command run, leave; the rows of all that, but for those that differ each time."""
        self._rig.api.script(name, bash("touch made"), Text("It is made."))
        pane = ClaudePane(self.stack, self.home, self.work / "shop", CLAUDE_CODE_NO_FLICKER="0")
        pane.start_claude()
        pane.type(f"please {name} now")
        pane.wait_screen(PERMISSION, "a permission dialog")
        pane.answer("Enter", PERMISSION)
        pane.wait_screen(r"It is made\.", "the answer", without="esc to interrupt")
        pane.type("/exit")
        pane.wait_screen(r"^\$$", "the shell again", without=r"manual mode on")
        rows = [
            SESSION_ID.sub("ID", row).replace(name, "NAME")
            for row in pane.history()
            if row.strip() and not ONE_OF_MANY.match(row)
        ]
        pane.close()
        return rows

    def names(self) -> Counter[str]:
        """The hook events that are kept, by name."""
        return Counter(dict(self.stack.rows("SELECT name, count(*) FROM events WHERE source = 'hook' GROUP BY name")))


@pytest.fixture
def person(rig: Rig, tmp_path: Path) -> Iterator[Person]:
    made = Person(rig, tmp_path)
    made.stack.tmux("new-session", "-d", "-s", "stays", "cat")
    try:
        yield made
    finally:
        made.stack.close(shows_logs=False)


def waiting_calls(stack: Stack) -> int:
    return len(list((stack.data_dir / "spool").glob("hook-*.jsonl")))


def test_with_the_server_stopped_the_screen_is_as_without_hooks_and_nothing_is_lost(person: Person) -> None:
    bare = person.turn("without-hooks")
    printed = person.home.set_up_hooks(person.stack.environment)
    assert "Hooks for 20 events are in" in printed

    hooked = person.turn("with-hooks")

    assert hooked == bare
    assert not [row for row in hooked if "hook" in row.lower()]
    wait_until(lambda: waiting_calls(person.stack) >= len(TURN), 10, "every call waits")
    person.stack.start_all()
    person.stack.wait_ready()
    wait_until(lambda: waiting_calls(person.stack) == 0, 10, "what waited is taken in")
    assert set(TURN) <= set(person.names())
    assert person.names()["PostToolUse"] == 1
    [session] = person.stack.get("/api/sessions?include=ended")["sessions"]
    assert session["status"]["name"] == "ended"
    [persona] = person.stack.get("/api/personas")["personas"]
    assert persona["xp"] > 0


def test_claude_p_loses_nothing_at_its_end(person: Person, rig: Rig) -> None:
    person.home.set_up_hooks(person.stack.environment)
    rig.api.script("print-it", Text("Printed."))
    for _ in range(3):
        done = subprocess.run(
            [person.home.program, "-p", "please print-it now"],
            cwd=person.work,
            env=person.home.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stdout == "Printed.\n"
        assert done.stderr == ""
    person.stack.start_all()
    person.stack.wait_ready()

    wait_until(lambda: waiting_calls(person.stack) == 0, 10, "what waited is taken in")
    wait_until(lambda: person.names()["SessionEnd"] == 3, 10, f"every end is told: {person.names()}")
    assert [person.names()[name] for name in ("SessionStart", "UserPromptSubmit", "Stop")] == [3, 3, 3]


def test_http_hooks_tell_everything_while_the_server_is_up(person: Person) -> None:
    bare = person.turn("without-http")
    person.home.set_up_hooks(person.stack.environment, "--transport", "http")
    person.stack.start_all()
    person.stack.wait_ready()

    assert person.turn("with-http") == bare

    wait_until(lambda: set(TURN) <= set(person.names()), 10, "every event is there")
    rows = person.stack.rows("SELECT name, pane_id FROM events WHERE source = 'hook'")
    assert all(pane for _, pane in rows), rows
    settings = json.loads((person.home.claude_dir / "settings.json").read_text())
    assert {name for name, [group] in settings["hooks"].items() if group["hooks"][0]["type"] == "command"} == set(
        NEVER_OVER_HTTP
    )


def test_unsetup_is_heeded_by_a_running_session(person: Person, rig: Rig) -> None:
    person.home.set_up_hooks(person.stack.environment)
    person.stack.start_all()
    person.stack.wait_ready()
    rig.api.script("after-unsetup", Text("Said."))
    pane = ClaudePane(person.stack, person.home, person.work / "shop", CLAUDE_CODE_NO_FLICKER="0")
    pane.start_claude()
    wait_until(lambda: person.names()["SessionStart"] == 1, 10, "the session is known")
    (person.stack.data_dir / "questmux-hook").unlink()

    pane.type("please after-unsetup now")
    pane.wait_screen(r"Said\.", "the answer")

    assert not [row for row in pane.history() if "hook" in row.lower() or "questmux" in row.lower()]
