"""What the API's tests do not reach: orders that come twice, late, or for another life of the server."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from services.contract import codec
from services.contract.actions import Action, ClosePane, CreateWindow, NewPaneData, ReadScreen, Refresh, ScreenData
from services.contract.entities import TmuxServer
from services.contract.errors import ErrorCode
from services.contract.orders import DoAction
from services.contract.requests import ReportAction
from services.poller.actions import Actions
from services.poller.gallery import Gallery
from services.poller.keyboard import Keyboard
from services.poller.listing import read_listing
from services.poller.observer import Observer
from services.poller.presence import Presence
from services.poller.processes import reader_for_this_machine
from services.poller.prompting import Prompting
from services.poller.signalling import Signalling
from services.poller.tmux import Tmux
from services.poller.windows import Windows
from services.process.clock import now_ms
from tests.integration.poller.stage import TmuxStage


def nothing(*_: object) -> None:
    """Nobody is told."""


@pytest.fixture
def actions(tmux: TmuxStage, folder: Path) -> Actions:
    tmux.start()
    door = Tmux(str(tmux.socket))
    gallery = Gallery(Observer(door, use_control=False, on_change=nothing, on_output=nothing), now_ms)
    keyboard = Keyboard(door)
    return Actions(
        tmux=door,
        windows=Windows(door, "claude", folder),
        prompting=Prompting(keyboard, gallery.capture_one, lambda _: False),
        presence=Presence(reader_for_this_machine(), time.monotonic),
        signalling=Signalling(keyboard),
        capture=gallery.capture_one,
        now_ms=now_ms,
    )


def order(
    action: Action, target: str | None, *, number: int = 1, in_ms: int = 5_000, pid: int | None = None
) -> DoAction:
    server = None if pid is None else TmuxServer(socket="/s", pid=pid, started_at=0, version="3.3a")
    return DoAction(
        id=f"a{number}",
        action=action.name,
        fields=codec.encode(action),
        target=target,
        deadline_at=now_ms() + in_ms,
        server=server,
    )


def code_of(report: ReportAction) -> ErrorCode | None:
    return None if report.problem is None else report.problem.code


async def test_an_order_that_comes_twice_is_carried_out_once(tmux: TmuxStage, actions: Actions) -> None:
    twice = order(CreateWindow(command="sleep 1000"), None)
    first, beside = await asyncio.gather(actions.run(twice), actions.run(twice))
    after = await actions.run(twice)

    assert first == beside == after
    assert first.data is not None
    assert msgspec.json.decode(first.data, type=NewPaneData) == NewPaneData(window_id="@1", pane_id="%1")
    assert len(tmux.run("list-windows", "-a", "-F", "#{window_id}").split()) == 2


async def test_an_order_whose_time_is_over_is_not_carried_out(tmux: TmuxStage, actions: Actions) -> None:
    report = await actions.run(order(ClosePane(), "%0", in_ms=0))

    assert code_of(report) is ErrorCode.TMUX_TIMEOUT
    assert tmux.run("list-panes", "-a", "-F", "#{pane_id}") == "%0"


@pytest.mark.parametrize("kind", [ClosePane, Refresh])
async def test_a_target_of_another_life_of_the_server_is_gone(
    tmux: TmuxStage, actions: Actions, kind: Callable[[], Action]
) -> None:
    report = await actions.run(order(kind(), "%0", pid=tmux.pid() + 1))

    assert code_of(report) is ErrorCode.NOT_FOUND
    assert tmux.run("list-panes", "-a", "-F", "#{pane_id}") == "%0"


async def test_a_target_that_is_gone_meanwhile_is_said(actions: Actions) -> None:
    for number, kind in enumerate((ClosePane, Refresh, ReadScreen)):
        report = await actions.run(order(kind(), "%9", number=number))
        assert report.problem is not None
        assert (report.problem.code, report.problem.message) == (ErrorCode.NOT_FOUND, "there is no pane %9")


async def test_a_screen_is_read_for_who_asks(tmux: TmuxStage, actions: Actions) -> None:
    server = read_listing(Tmux(str(tmux.socket)).list_all()).server
    told = DoAction(
        id="a", action="read_screen", fields=codec.encode(ReadScreen()), target="%0", deadline_at=2**53, server=server
    )
    report = await actions.run(told)

    assert report.data is not None
    screen = msgspec.json.decode(report.data, type=ScreenData).screen
    assert (screen.pane_id, screen.width, screen.height, len(screen.lines)) == ("%0", 100, 30, 30)


async def test_what_tmux_refuses_is_a_conflict_in_its_words(tmux: TmuxStage, actions: Actions) -> None:
    report = await actions.run(order(CreateWindow(command="\U0001f680" * 8_000), None))

    assert code_of(report) is ErrorCode.CONFLICT
    tmux.kill()
    gone = await actions.run(order(ClosePane(), "%0", number=2))
    assert code_of(gone) is ErrorCode.NOT_FOUND


async def test_a_defect_is_an_answer_too(actions: Actions, caplog: pytest.LogCaptureFixture) -> None:
    broken = DoAction(id="a", action="refresh", fields=b"\xff", target="%0", deadline_at=2**53, server=None)

    assert code_of(await actions.run(broken)) is ErrorCode.INTERNAL
    assert "action failed" in caplog.text
