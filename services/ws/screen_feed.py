"""Core's stream of screens: tells core which panes are watched here, and makes up for what the bus lost.

Only the newest screen of a pane matters, so every repair is the same question: core is told again what is watched, and
answers with the current screens and the number of its last batch. It is asked when the watched panes change, when a
number is missing before a batch or in a heartbeat, and after each repair of the updates, which notices a new epoch and
a broken subscription; and every two seconds, because core forgets a gateway that is silent.

The order is that of core's numbers within one epoch, never that of the captures' times: a clock may be set back.
"""

import asyncio
import contextlib
import logging
from typing import Final

from services.bus import Client as CoreClient
from services.contract import codec
from services.contract.codec import DecodeError
from services.contract.errors import QuestmuxError
from services.contract.requests import Watching, WatchPanes
from services.ws.screens import Screens

AGAIN_S: Final = 2.0
PACE_S: Final = 0.05
"""The least time between two questions; what changes meanwhile is told together."""
REQUEST_TIMEOUT_S: Final = 2.0
RETRY_S: Final = 0.2

logger = logging.getLogger(__name__)


class ScreenFeed:
    """Keeps the watched panes' screens at what core has. The epoch is that of the updates, as `Feed` says it."""

    def __init__(self, core: CoreClient, instance: str, screens: Screens) -> None:
        self.bad_screens = 0
        self._core = core
        self._instance = instance
        self._screens = screens
        self._epoch = ""
        self._top = 0
        """The number of the last batch that core is known to have sent."""
        self._told: tuple[str, ...] = ()
        self._due = asyncio.Event()
        screens.on_change = self._due.set

    def join(self, epoch: str) -> None:
        """The updates are whole again: what was sent meanwhile, and all of another epoch, is to be asked for."""
        if epoch != self._epoch:
            self._epoch, self._top = epoch, 0
            self._screens.restart_numbers()
        self._due.set()

    def hear(self, epoch: str, top: int) -> None:
        """A heartbeat says how far core's screens are."""
        if epoch == self._epoch and top > self._top:
            self._top = top
            self._due.set()

    def take(self, frames: list[bytes]) -> None:
        """Take a batch of screens; those that nobody watches here are not looked at."""
        try:
            batch = codec.decode_screens(frames)
        except DecodeError as exc:
            self._note_bad(exc)
            return
        header = batch.header
        if header.epoch != self._epoch or header.seq <= self._top:
            return
        if header.seq > self._top + 1:
            self._due.set()
        self._top = header.seq
        for pane_id, body in zip(header.pane_ids, batch.screens, strict=True):
            if self._screens.is_watched(pane_id):
                self._put(body, header.seq)

    async def run(self) -> None:
        """Tell core at once what changes, and again while something is watched; never returns."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self._due.wait()
            self._due.clear()
            await self._tell()
            await asyncio.sleep(PACE_S)

    async def _tell(self) -> None:
        pane_ids = self._screens.pane_ids
        if not pane_ids and not self._told:
            return
        asked = WatchPanes(instance=self._instance, panes=pane_ids)
        try:
            answer = await self._core.request(asked, Watching, REQUEST_TIMEOUT_S)
        except QuestmuxError as exc:
            logger.debug("core was not told what is watched", extra={"problem": str(exc)})
            self._due.set()
            await asyncio.sleep(RETRY_S)
            return
        self._told = pane_ids
        if answer.epoch == self._epoch:
            self._top = max(self._top, answer.seq)
            for body in answer.screens:
                self._put(body, answer.seq)

    def _put(self, body: bytes, number: int) -> None:
        try:
            self._screens.put(body, number)
        except DecodeError as exc:
            self._note_bad(exc)

    def _note_bad(self, exc: DecodeError) -> None:
        self.bad_screens += 1
        logger.warning("screen not understood", extra={"problem": str(exc)})
