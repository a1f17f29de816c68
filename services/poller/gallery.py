"""The screens of panes as they were captured last, and which of them core has."""

import logging
from collections.abc import Callable, Sequence

from msgspec import structs

from services.contract import codec
from services.contract.entities import Screen
from services.contract.requests import SeenScreen
from services.poller.capture import CaptureError, read_capture
from services.poller.observer import Observer, RawCapture
from services.poller.tmux import NoSuchTargetError

logger = logging.getLogger(__name__)


class Gallery:
    """Captures, and tells what is news."""

    def __init__(self, observer: Observer, now_ms: Callable[[], int]) -> None:
        self._observer = observer
        self._now_ms = now_ms
        self._shown: dict[str, Screen] = {}
        self.captures = 0

    async def capture(self, pane_ids: Sequence[str]) -> list[Screen]:
        """The screens of these panes now; one that is gone is left out.

        Raises:
            TmuxError: tmux could not be asked.
        """
        at = self._now_ms()  # From before: what is printed meanwhile is not said to be in it.
        found = await self._observer.capture(pane_ids)
        self.captures += len(found)
        return [screen for raw in found.values() if (screen := _screen_of(raw, at)) is not None]

    async def capture_one(self, pane_id: str) -> Screen:
        """The screen of a pane now.

        Raises:
            NoSuchTargetError: it is not there.
            TmuxError: tmux could not be asked.
        """
        screens = await self.capture([pane_id])
        if not screens:
            raise NoSuchTargetError(f"can't find pane: {pane_id}")
        return screens[0]

    def news(self, screens: Sequence[Screen]) -> tuple[SeenScreen, ...]:
        """Those that show something else than core has; core is taken to have them from now on."""
        fresh: list[SeenScreen] = []
        for screen in screens:
            known = self._shown.get(screen.pane_id)
            if known is None or structs.replace(known, captured_at=screen.captured_at) != screen:
                self._shown[screen.pane_id] = screen
                fresh.append(SeenScreen(pane_id=screen.pane_id, screen=codec.encode(screen)))
        return tuple(fresh)

    def keep_only(self, pane_ids: frozenset[str]) -> None:
        """Forget the panes that are gone."""
        self._shown = {pane_id: screen for pane_id, screen in self._shown.items() if pane_id in pane_ids}

    def forget(self) -> None:
        """Core has none of them."""
        self._shown.clear()


def _screen_of(raw: RawCapture, at: int) -> Screen | None:
    try:
        return read_capture(raw.meta, raw.text, at)
    except CaptureError as exc:
        logger.warning("a capture was not understood", extra={"problem": str(exc)})
        return None
