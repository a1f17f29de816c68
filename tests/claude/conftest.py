"""A real Claude Code in the panes of a running Questmux, in a network namespace of its own: `make test-claude`.

`python -m tests.claude` makes the namespace and names the program; without it nothing here is collected.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.claude import cli, namespace
from tests.claude.cli import PROGRAM_VARIABLE, Home
from tests.claude.messages_api import MessagesApi
from tests.claude.pane import ClaudePane
from tests.claude.play import HEADING, Play, Row, line_of
from tests.e2e.stack import Stack
from tests.e2e.watcher import Watcher

collect_ignore_glob = [] if PROGRAM_VARIABLE in os.environ else ["test_*.py"]
LAYOUTS = {"inline": "0", "full": "1"}
"""Claude Code draws below the shell's rows, or fills an alternate screen; left alone it asks tmux which it should."""
ROWS = pytest.StashKey[list[Row]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    if PROGRAM_VARIABLE not in os.environ:
        return
    if not namespace.is_alone():
        pytest.exit("Claude Code is only run where there is no network: use `make test-claude`", returncode=1)
    namespace.bring_up_loopback()
    session.config.stash[ROWS] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    terminalreporter.section(f"Claude Code {cli.version(Path(os.environ[PROGRAM_VARIABLE]))}")
    for line in (HEADING, *map(line_of, rows)):
        terminalreporter.write_line(line.rstrip())
    late = sorted(row.late_ms for row in rows if row.late_ms is not None)
    right = sum(row.is_right for row in rows)
    median = late[len(late) // 2] if late else 0
    terminalreporter.write_line(f"{right} of {len(rows)} right; median {median} ms, slowest {max(late, default=0)} ms")


class Rig(Struct, frozen=True):
    """What all scenes share, as one person has it."""

    api: MessagesApi
    home: Home
    stack: Stack
    watcher: Watcher
    work: Path
    """The folder in which all projects are; trusted."""


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """Questmux is up, and a person's home is set up with its hooks."""
    folder = tmp_path_factory.mktemp("person")
    work = folder / "work"
    work.mkdir()
    with MessagesApi() as api:
        home = Home(folder / "home", Path(os.environ[PROGRAM_VARIABLE]), api.address)
        home.set_up(work)
        stack = Stack(folder / "questmux", HOME=str(home.folder))
        home.set_up_hooks(stack.environment)
        try:
            # tmux ends with its last session, and scenes come and go.
            stack.tmux("new-session", "-d", "-c", str(work), "exec cat")
            stack.start_all()
            stack.wait_ready()
            with Watcher(stack.ws_port, stack.token) as watcher:
                yield Rig(api, home, stack, watcher, work)
            assert watcher.broken == []
        finally:
            stack.close(shows_logs=False)


@pytest.fixture(params=LAYOUTS)
def play(request: pytest.FixtureRequest, rig: Rig) -> Iterator[Play]:
    """A pane with a shell, in a folder of its own."""
    scene = request.node.name.removeprefix("test_").replace("_", " ")
    folder = rig.work / re.sub(r"\W", "-", request.node.name)
    pane = ClaudePane(rig.stack, rig.home, folder, CLAUDE_CODE_NO_FLICKER=LAYOUTS[request.param])
    try:
        yield Play(scene, pane, rig.watcher, rig.api, request.config.stash[ROWS])
    finally:
        pane.close()
