import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.demo.panes import COLUMNS, ROWS, Pane, Place, Screen, TmuxServer
from services.cli.demo.stage import Stage, furnish
from services.cli.demo.typed import Typed
from services.poller.processes import reader_for_this_machine
from services.process.life import CannotStartError
from tests.waiting import wait_until


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(folder=tmp_path / "s", api_port=1, ws_port=2)
    furnish(made)
    return made


@pytest.fixture
def server(stage: Stage) -> Iterator[TmuxServer]:
    running = TmuxServer(stage.tmux_socket, os.environ)
    yield running
    running.end()


@pytest.fixture
def panes(server: TmuxServer, stage: Stage) -> dict[str, Pane]:
    return server.open(stage.run, [Place(name=f"p-{number}", folder=stage.folder) for number in range(45)])


def tmux(stage: Stage, *words: str) -> str:
    return subprocess.run(
        ["tmux", "-S", str(stage.tmux_socket), *words], capture_output=True, text=True, check=True
    ).stdout


def shown(stage: Stage, pane: Pane) -> list[str]:
    return tmux(stage, "capture-pane", "-p", "-t", pane.id).split("\n")[:-1]


def test_every_pane_is_an_agent_to_the_poller(panes: dict[str, Pane], stage: Stage) -> None:
    assert sorted(panes) == sorted(f"p-{number}" for number in range(45))
    assert (
        tmux(stage, "list-panes", "-a", "-F", "#{window_width}x#{window_height}").split() == [f"{COLUMNS}x{ROWS}"] * 45
    )
    pids = [pane.pid for pane in panes.values()]

    def agents() -> list[int]:
        below = reader_for_this_machine().below(pids).values()
        return [found.agent.pid for found in below if found.agent is not None]

    wait_until(lambda: agents() == pids, what="all to have begun")


def test_a_screen_is_shown_to_its_last_cell(panes: dict[str, Pane], stage: Stage) -> None:
    pane = panes["p-7"]
    rows = [f"{number:02d} " + "─" * (COLUMNS - 3) for number in range(ROWS)]
    screen = Screen(pane.tty)
    screen.draw("\n".join(rows))
    wait_until(lambda: screen.flush() and shown(stage, pane) == rows, what="all of it")
    rows[5] = "✻ other"
    screen.draw("\n".join(rows))
    wait_until(lambda: shown(stage, pane) == rows, what="the changed row")
    assert screen.shown == "\n".join(rows)
    screen.close()


def test_in_a_smaller_pane_the_last_rows_are_shown(panes: dict[str, Pane], stage: Stage) -> None:
    pane = panes["p-1"]
    rows = [f"row {number}" for number in range(ROWS)]
    screen = Screen(pane.tty)
    tmux(stage, "split-window", "-d", "-t", pane.id, "-l", "20", "cat")
    screen.draw("\n".join(rows))
    wait_until(lambda: shown(stage, pane) == rows[-19:], what="the last rows")
    screen.close()


def test_a_typed_line_is_told_and_not_shown(panes: dict[str, Pane], stage: Stage) -> None:
    screen = Screen(panes["p-3"].tty)
    screen.draw("quiet")
    wait_until(lambda: screen.flush() and "".join(shown(stage, panes["p-3"])) == "quiet", what="it is drawn")
    with Typed(stage.typed) as typed:
        tmux(stage, "send-keys", "-t", panes["p-3"].id, "Enter")
        wait_until(typed.panes, what="it reads")  # And no Ctrl-C ends it any more.
        tmux(stage, "send-keys", "-t", panes["p-3"].id, "hello there", "C-c", "Enter")
        assert wait_until(typed.panes, what="the pane") == {panes["p-3"].id}
    assert "".join(shown(stage, panes["p-3"])) == "quiet"
    screen.close()


def test_drawing_on_a_pane_that_is_gone_is_an_error(panes: dict[str, Pane], server: TmuxServer) -> None:
    screen = Screen(panes["p-0"].tty)
    server.end()
    server.end()

    def fails() -> bool:
        try:
            screen.draw(str(os.urandom(4)))
        except OSError:
            return True
        return False

    wait_until(fails, what="the end of the pane")
    screen.close()


def test_what_tmux_refuses_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match="tmux refused: "):
        TmuxServer(tmp_path / "no" / "such" / "folder", os.environ).open(("true", "x"), [])
