import asyncio

import pytest

from services.poller.alarm import MAX_ORDERS, Alarm
from services.poller.schedule import SETTLE_S, Schedule


async def test_a_pane_that_printed_is_due_soon_and_wakes_the_captures() -> None:
    schedule = Schedule()
    schedule.see({"%1": 0}, [])
    alarm = Alarm(schedule)
    now = asyncio.get_running_loop().time()
    alarm.pane_printed("%1")

    assert alarm.due.is_set()
    assert not alarm.change.is_set()
    assert now <= schedule.next_due() <= now + SETTLE_S + 1


async def test_a_change_of_tmux_wakes_the_looks() -> None:
    alarm = Alarm(Schedule())
    alarm.tmux_changed()

    assert alarm.change.is_set()
    assert not alarm.due.is_set()


async def test_orders_that_nobody_reads_are_bounded() -> None:
    alarm = Alarm(Schedule())
    for number in range(MAX_ORDERS):
        alarm.orders.put_nowait(b"%d" % number)

    with pytest.raises(asyncio.QueueFull):
        alarm.orders.put_nowait(b"one more")
