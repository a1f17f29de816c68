import asyncio
import logging

import pytest

from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.requests import ReportAction, ReportScreens
from services.poller import core_link
from services.poller.core_link import CoreLink
from tests.unit.poller.fake_core import FakeCore
from tests.waiting import wait_until_async

NEWS = ReportScreens(screens=())
RESULT = ReportAction(id="a1", data=b"{}")


async def test_logs_once_that_core_went_and_does_not_wait_for_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    core = FakeCore()
    link = CoreLink(core)
    core.is_there = False
    assert [await link.tell(NEWS) for _ in range(3)] == [False] * 3
    core.is_there = True
    assert await link.tell(NEWS)

    assert core.waits == [True, False, False, False]
    assert [record.message for record in caplog.records] == [
        "core does not take what is seen",
        "core takes what is seen again",
    ]


async def test_a_core_that_wants_something_else_first_is_there(caplog: pytest.LogCaptureFixture) -> None:
    core = FakeCore()
    link = CoreLink(core)
    core.refuses = QuestmuxError(ErrorCode.CONFLICT, "send it all")
    assert not await link.tell(NEWS)
    core.refuses = None
    assert await link.tell(NEWS)

    assert core.waits == [True, True]
    assert not caplog.records


async def test_a_result_is_delivered_once_core_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_link, "DELIVER_EVERY_S", 0.01)
    core = FakeCore()
    core.is_there = False
    delivery = asyncio.create_task(CoreLink(core).deliver(RESULT))
    await wait_until_async(lambda: len(core.waits) > 2, what="some tries")
    core.is_there = True
    await delivery

    assert core.requests == [RESULT]


async def test_a_result_is_given_up_after_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(core_link, "DELIVER_EVERY_S", 0.01)
    monkeypatch.setattr(core_link, "DELIVER_S", 0.05)
    core = FakeCore()
    core.is_there = False
    await CoreLink(core).deliver(RESULT)

    assert "core did not take the result of an action" in caplog.text
