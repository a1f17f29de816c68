import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import pytest

from services.contract import codec
from services.contract.orders import Attend, DoAction, LookSoon, Order
from services.contract.requests import Beat, ReportAction, ReportScreens, ReportTmux
from services.poller import service
from services.poller.actions import Actions
from services.poller.alarm import Alarm
from services.poller.core_link import CoreLink
from services.poller.gallery import Gallery
from services.poller.git import Git
from services.poller.git_desk import GitDesk
from services.poller.observer import Observer, RawCapture
from services.poller.places import Places
from services.poller.processes import Below
from services.poller.reporter import Reporter
from services.poller.schedule import Schedule
from services.poller.service import MISSING_RETRY_S, QUIET_CONTROL_S, QUIET_LOOKS, QUIET_S, Poller
from services.poller.sight import Sight
from services.poller.sign_desk import SignDesk
from services.poller.tmux import NoTmuxServerError, TmuxHungError, TmuxMissingError
from tests.unit.poller.fake_core import FakeCore
from tests.unit.poller.fake_signs import FirstLine, Folder
from tests.waiting import wait_until_async

LISTING = b"7 1 3.3a /s |\n$0 @1 %1 0 0 1 1 0 100 8 2 5 s w l t c /d |\n"
META = "%1 8 2 0 0 1 0"


class FakeObserver(Observer):
    """A tmux server with one pane, `%1`."""

    def __init__(self) -> None:
        self.prints: bytes | Exception = LISTING
        self.screen = b"first"
        self.captured: list[list[str]] = []
        self.watched: list[dict[str, str]] = []
        self.control_failures = 0
        self.uses_control = False

    @property
    def is_control(self) -> bool:
        return self.uses_control

    def hears(self, pane_id: str) -> bool:
        return bool(self.watched) and pane_id in self.watched[-1]

    async def list_all(self) -> bytes:
        await asyncio.sleep(0)
        if isinstance(self.prints, Exception):
            raise self.prints
        return self.prints

    async def connect(self, socket_path: str) -> None:
        assert socket_path == "/s"

    async def listen(self, watched: Mapping[str, str], panes: Mapping[str, str]) -> None:
        assert set(watched) <= set(panes)
        self.watched.append(dict(watched))

    async def capture(self, pane_ids: Sequence[str]) -> dict[str, RawCapture]:
        self.captured.append(list(pane_ids))
        return {pane_id: RawCapture(META, self.screen) for pane_id in pane_ids}

    async def close(self) -> None:
        pass


class NoProcesses:
    def below(self, roots: Iterable[int]) -> dict[int, Below]:
        return dict.fromkeys(roots, Below(processes=(), agent=None))


class FakeActions:
    def __init__(self) -> None:
        self.ran: list[DoAction] = []

    async def run(self, order: DoAction) -> ReportAction:
        self.ran.append(order)
        return ReportAction(id=order.id, data=b"{}")


class Parts:
    def __init__(self) -> None:
        self.core = FakeCore()
        self.tmux = FakeObserver()
        self.actions = FakeActions()
        schedule = Schedule()
        self.alarm = Alarm(schedule)
        link = CoreLink(self.core)
        self.folder = Folder()
        self.signs = SignDesk(self.folder, FirstLine(), link, lambda: 123)
        self.git = GitDesk(Places(), Git({}), link, lambda: 123)
        self.poller = Poller(
            observer=self.tmux,
            sight=Sight(NoProcesses()),
            schedule=schedule,
            gallery=Gallery(self.tmux, lambda: 123),
            actions=cast("Actions", self.actions),
            core=link,
            reporter=Reporter(link, lambda: 123),
            signs=self.signs,
            git=self.git,
            alarm=self.alarm,
            poll_s=0.01,
            wall_s=lambda: 1_000.0,
            instance="one",
            pid=1,
        )

    @property
    def reports(self) -> list[ReportTmux]:
        return self.core.of(ReportTmux)

    def order(self, order: Order) -> None:
        self.alarm.orders.put_nowait(codec.encode(order))


class Running:
    """A poller that runs, for the length of a test."""

    def __init__(self, parts: Parts) -> None:
        self._poller = parts.poller
        self._stop = asyncio.Event()

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._poller.run(self._stop))

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.wait_for(self._task, 5)


async def test_reports_once_and_again_only_after_a_change() -> None:
    parts = Parts()
    for _ in range(3):
        await parts.poller.poll()
    assert [len(report.panes) for report in parts.reports] == [1]
    parts.tmux.prints = LISTING.replace(b" t c ", b" title c ")
    await parts.poller.poll()
    assert [(pane.id, pane.title) for pane in parts.reports[-1].panes] == [("%1", "title")]


async def test_tells_core_at_start_that_there_is_no_server() -> None:
    parts = Parts()
    parts.tmux.prints = NoTmuxServerError("no server running on /s")
    await parts.poller.poll()
    assert [(report.server, report.after) for report in parts.reports] == [(None, None)]


async def test_reports_all_again_when_a_beat_finds_another_epoch() -> None:
    parts = Parts()
    await parts.poller.beat()
    await parts.poller.poll()
    await parts.poller.beat()
    await parts.poller.poll()
    assert len(parts.reports) == 1
    parts.core.epoch = "b"
    await parts.poller.beat()
    await parts.poller.poll()
    assert [report.after for report in parts.reports] == [None, None]


async def test_counts_a_failed_look_and_keeps_what_core_has(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    parts = Parts()
    await parts.poller.poll()
    parts.tmux.prints = TmuxHungError("tmux did not answer")
    await parts.poller.poll()
    await parts.poller.poll()
    assert parts.poller.figures["failures_total"] == 2
    assert parts.poller.figures["tmux_up"] == 0
    parts.tmux.prints = LISTING
    await parts.poller.poll()
    assert parts.poller.figures["tmux_up"] == 1
    assert len(parts.reports) == 1
    assert [r.message for r in caplog.records if "read" in r.message] == [
        "tmux could not be read",
        "tmux could be read again",
    ]


async def test_without_tmux_tells_core_so_and_looks_seldom() -> None:
    parts = Parts()
    parts.tmux.prints = TmuxMissingError("tmux is not on PATH")
    assert await parts.poller.poll() == MISSING_RETRY_S
    assert [report.server for report in parts.reports] == [None]
    parts.tmux.prints = LISTING
    assert await parts.poller.poll() == 0
    assert len(parts.reports) == 2


@pytest.mark.parametrize(("uses_control", "quiet_s"), [(False, QUIET_S), (True, QUIET_CONTROL_S)])
async def test_looks_less_often_while_nothing_changes_and_at_full_pace_after_a_change(
    uses_control: bool, quiet_s: float
) -> None:
    parts = Parts()
    parts.tmux.uses_control = uses_control
    pauses = [await parts.poller.poll() for _ in range(QUIET_LOOKS + 3)]
    parts.tmux.prints = LISTING.replace(b" t c ", b" title c ")

    assert pauses == [0.0] * QUIET_LOOKS + [quiet_s] * 3
    assert await parts.poller.poll() == 0.0


async def test_a_beat_carries_the_figures() -> None:
    parts = Parts()
    parts.tmux.uses_control = True
    await parts.poller.poll()
    await parts.poller.beat()
    beat = parts.core.of(Beat)[-1]
    assert (beat.service, beat.instance, beat.pid, beat.interval_s) == ("poller", "one", 1, 1.0)
    assert {name: beat.figures[name] for name in ("polls_total", "reports_total", "tmux_up", "control_mode")} == {
        "polls_total": 1,
        "reports_total": 1,
        "tmux_up": 1,
        "control_mode": 1,
    }


async def test_a_change_that_tmux_tells_of_is_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "QUIET_S", 1_000.0)
    parts = Parts()
    async with Running(parts):
        await wait_until_async(
            lambda: parts.poller.figures["polls_total"] > QUIET_LOOKS, what="quiet: the next look is far"
        )
        parts.tmux.prints = LISTING.replace(b" t c ", b" title c ")
        parts.alarm.tmux_changed()
        await wait_until_async(lambda: len(parts.reports) == 2, what="a report before the next look is due")


async def test_what_is_watched_is_listened_to_and_captured_and_only_news_go_to_core() -> None:
    parts = Parts()
    async with Running(parts):
        await wait_until_async(lambda: parts.reports, what="a report")
        assert parts.tmux.captured == []
        parts.order(Attend(watched=("%1", "%7")))
        await wait_until_async(lambda: parts.core.of(ReportScreens), what="a screen")
        assert parts.tmux.watched[-1] == {"%1": "$0"}

        captures = len(parts.tmux.captured)
        parts.alarm.pane_printed("%1")
        await wait_until_async(lambda: len(parts.tmux.captured) > captures, what="another capture")
        assert len(parts.core.of(ReportScreens)) == 1
        parts.tmux.screen = b"second"
        parts.alarm.pane_printed("%1")
        await wait_until_async(lambda: len(parts.core.of(ReportScreens)) == 2, what="the other screen")

    lines = [codec.decode_screen(one.screens[0].screen).lines for one in parts.core.of(ReportScreens)]
    assert lines == [("first", ""), ("second", "")]


async def test_a_pane_that_something_happened_in_is_captured_soon() -> None:
    parts = Parts()
    async with Running(parts):
        await wait_until_async(lambda: parts.reports, what="a report")
        parts.order(LookSoon(panes=("%1",)))
        await wait_until_async(lambda: parts.core.of(ReportScreens), what="a screen")


async def test_a_screen_that_core_did_not_take_goes_again() -> None:
    parts = Parts()
    async with Running(parts):
        await wait_until_async(lambda: parts.reports, what="a report")
        parts.core.is_there = False
        parts.order(LookSoon(panes=("%1",)))
        await wait_until_async(lambda: parts.tmux.captured, what="a capture")
        parts.core.is_there = True
        parts.order(LookSoon(panes=("%1",)))
        await wait_until_async(lambda: parts.core.of(ReportScreens), what="the screen")


async def test_an_action_is_carried_out_and_its_result_delivered_also_to_a_core_that_was_away() -> None:
    parts = Parts()
    order = DoAction(id="a1", action="refresh", fields=b"\x80", target="%1", deadline_at=1, server=None)
    async with Running(parts):
        await wait_until_async(lambda: parts.reports, what="a report")
        parts.core.is_there = False
        parts.order(order)
        await wait_until_async(lambda: parts.actions.ran, what="the action")
        parts.core.is_there = True
        await wait_until_async(lambda: parts.core.of(ReportAction), what="its result")

    assert parts.actions.ran == [order]
    assert parts.core.of(ReportAction) == [ReportAction(id="a1", data=b"{}")]


async def test_what_a_layout_action_made_is_told_before_its_result() -> None:
    parts = Parts()
    async with Running(parts):
        await wait_until_async(lambda: parts.reports, what="a report")
        parts.tmux.prints = LISTING.replace(b" w l ", b" renamed l ")
        parts.order(DoAction(id="a1", action="rename_window", fields=b"", target="@1", deadline_at=1, server=None))
        await wait_until_async(lambda: parts.core.of(ReportAction), what="its result")

    told = [type(one) for one in parts.core.requests if isinstance(one, ReportTmux | ReportAction)]
    assert told == [ReportTmux, ReportTmux, ReportAction]


async def test_rubbish_in_place_of_an_order_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    parts = Parts()
    async with Running(parts):
        parts.alarm.orders.put_nowait(b"\xffrubbish")
        parts.order(LookSoon(panes=()))
        await wait_until_async(lambda: "order not understood" in caplog.text, what="a warning")


async def test_a_defect_ends_the_process_instead_of_going_on_blind() -> None:
    parts = Parts()
    parts.tmux.prints = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        await parts.poller.run(asyncio.Event())
