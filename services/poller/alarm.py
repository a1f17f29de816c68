"""What wakes the poller's loops before their time."""

import asyncio
from typing import Final

from services.poller.schedule import Schedule

MAX_ORDERS: Final = 1_000
"""Orders of core that wait to be read; one more is dropped, and its sender told by its deadline."""


class Alarm:
    """Set by whoever hears of something; the loops wait on it."""

    def __init__(self, schedule: Schedule) -> None:
        self.change = asyncio.Event()
        """Look at tmux now."""
        self.due = asyncio.Event()
        """See which panes are due."""
        self.registry = asyncio.Event()
        """Read the agents' registry now."""
        self.orders: asyncio.Queue[bytes] = asyncio.Queue(MAX_ORDERS)
        self.schedule = schedule

    def tmux_changed(self) -> None:
        """There is another listing."""
        self.change.set()

    def pane_printed(self, pane_id: str) -> None:
        """A watched pane has output."""
        self.schedule.printed(pane_id, asyncio.get_running_loop().time())
        self.due.set()


async def wait_for(event: asyncio.Event, within_s: float) -> None:
    """Until the event, or the time is over, which may be infinite."""
    if within_s <= 0 or event.is_set():
        return
    try:
        async with asyncio.timeout(None if within_s == float("inf") else within_s):
            await event.wait()
    except TimeoutError:
        return
