import asyncio
import logging
from typing import TypeVar

import pytest

from services.bus import UnavailableError
from services.contract.entities import TmuxServer
from services.contract.requests import Beat, Reply, ReportTmux, Request, Taken
from services.poller.service import MISSING_RETRY_S, QUIET_LOOKS, QUIET_S, Poller
from services.poller.sight import NOTHING, View
from services.poller.tmux import TmuxHungError, TmuxMissingError
from tests.waiting import wait_until_async

R = TypeVar("R", bound=Reply)
VIEW = View(server=TmuxServer(socket="/s", pid=7, started_at=1000, version="3.3a"))


class FakeCore:
    def __init__(self) -> None:
        self.epoch = "a"
        self.is_there = True
        self.requests: list[Request] = []
        self.waits: list[bool] = []

    async def request(self, request: Request, kind: type[R], timeout_s: float, *, wait: bool = True) -> R:
        assert timeout_s > 0
        self.waits.append(wait)
        await asyncio.sleep(0)
        if not self.is_there:
            raise UnavailableError("core is not there")
        self.requests.append(request)
        reply = Taken(epoch=self.epoch)
        assert isinstance(reply, kind)
        return reply

    @property
    def reports(self) -> list[ReportTmux]:
        return [request for request in self.requests if isinstance(request, ReportTmux)]


class FakeSight:
    def __init__(self) -> None:
        self.shows: View | Exception = VIEW

    def look(self, _now_s: float) -> View:
        if isinstance(self.shows, Exception):
            raise self.shows
        return self.shows


class Parts:
    def __init__(self) -> None:
        self.core = FakeCore()
        self.sight = FakeSight()
        self.poller = Poller(
            look=self.sight.look, core=self.core, poll_s=0.01, now_ms=lambda: 123, instance="one", pid=1
        )


async def test_reports_once_and_again_only_after_a_change() -> None:
    parts = Parts()
    for _ in range(3):
        await parts.poller.poll()
    assert [report.server for report in parts.core.reports] == [VIEW.server]
    parts.sight.shows = NOTHING
    await parts.poller.poll()
    assert [report.server for report in parts.core.reports] == [VIEW.server, None]


async def test_tells_core_at_start_that_there_is_no_server() -> None:
    parts = Parts()
    parts.sight.shows = NOTHING
    await parts.poller.poll()
    assert parts.core.reports == [ReportTmux(at=123, server=None)]


async def test_reports_all_again_when_a_beat_finds_another_epoch() -> None:
    parts = Parts()
    await parts.poller.poll()
    await parts.poller.beat()
    await parts.poller.poll()
    assert len(parts.core.reports) == 1
    parts.core.epoch = "b"
    await parts.poller.beat()
    await parts.poller.poll()
    await parts.poller.beat()
    await parts.poller.poll()
    assert len(parts.core.reports) == 2


async def test_reports_all_again_after_a_failed_request() -> None:
    parts = Parts()
    await parts.poller.poll()
    parts.core.is_there = False
    await parts.poller.beat()
    parts.core.is_there = True
    await parts.poller.poll()
    assert len(parts.core.reports) == 2


async def test_logs_once_that_core_went_and_does_not_wait_for_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    parts = Parts()
    parts.core.is_there = False
    for _ in range(3):
        await parts.poller.poll()
        await parts.poller.beat()
    parts.core.is_there = True
    await parts.poller.poll()
    assert parts.core.waits == [True, *[False] * 6]
    assert [r.message for r in caplog.records if "core" in r.message] == [
        "core does not take what is seen",
        "core takes what is seen again",
    ]


async def test_counts_a_failed_look_and_keeps_what_core_has(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    parts = Parts()
    await parts.poller.poll()
    parts.sight.shows = TmuxHungError("tmux did not answer")
    await parts.poller.poll()
    await parts.poller.poll()
    assert parts.poller.figures["failures_total"] == 2
    assert parts.poller.figures["tmux_up"] == 0
    parts.sight.shows = VIEW
    await parts.poller.poll()
    assert parts.poller.figures["tmux_up"] == 1
    assert len(parts.core.reports) == 1
    assert [r.message for r in caplog.records if "read" in r.message] == [
        "tmux could not be read",
        "tmux could be read again",
    ]


async def test_without_tmux_tells_core_so_and_looks_seldom() -> None:
    parts = Parts()
    parts.sight.shows = TmuxMissingError("tmux is not on PATH")
    assert await parts.poller.poll() == MISSING_RETRY_S
    assert parts.core.reports == [ReportTmux(at=123, server=None)]
    parts.sight.shows = VIEW
    assert await parts.poller.poll() == 0
    assert len(parts.core.reports) == 2


async def test_looks_less_often_while_nothing_changes_and_at_full_pace_after_a_change() -> None:
    parts = Parts()
    pauses = [await parts.poller.poll() for _ in range(QUIET_LOOKS + 2)]
    parts.sight.shows = NOTHING

    assert pauses == [0.0] * QUIET_LOOKS + [QUIET_S] * 2
    assert await parts.poller.poll() == 0.0


async def test_a_beat_carries_the_figures() -> None:
    parts = Parts()
    await parts.poller.poll()
    await parts.poller.beat()
    beat = parts.core.requests[-1]
    assert isinstance(beat, Beat)
    assert (beat.service, beat.instance, beat.pid, beat.interval_s) == ("poller", "one", 1, 2.0)
    assert beat.figures["polls_total"] == 1
    assert beat.figures["reports_total"] == 1
    assert beat.figures["tmux_up"] == 1


async def test_runs_until_stop_is_set() -> None:
    parts = Parts()
    stop = asyncio.Event()
    running = asyncio.create_task(parts.poller.run(stop))
    await wait_until_async(lambda: parts.poller.figures["polls_total"] >= 3)
    stop.set()
    await asyncio.wait_for(running, 2)


async def test_a_defect_ends_the_process_instead_of_going_on_blind() -> None:
    parts = Parts()
    parts.sight.shows = ZeroDivisionError("a defect")
    with pytest.raises(ZeroDivisionError):
        await parts.poller.run(asyncio.Event())
