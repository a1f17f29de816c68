"""Screens on their way from the poller to the gateways, and what core tells the poller to look at."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from services.contract import codec
from services.contract.entities import Screen
from services.contract.events import NewEvent
from services.contract.orders import Attend, LookSoon
from services.contract.requests import ReportScreens, Watching, WatchPanes
from services.contract.updates import Message, PaneUpdate
from services.core.looks import Looks
from services.core.poller_link import PollerLink
from services.core.screens import Screens
from services.core.state import State


class ScreenDesk:
    """Publishes screens that somebody watches, and directs the poller's eyes."""

    def __init__(self, state: State, link: PollerLink, epoch: str, send: Callable[[Sequence[bytes]], None]) -> None:
        self._state = state
        self._link = link
        self._epoch = epoch
        self._send = send
        self._screens = Screens()
        self._looks = Looks()
        self._told: tuple[bytes, Attend] | None = None
        self._screens.note([PaneUpdate(pane=pane) for pane in state.panes()])

    @property
    def seq(self) -> int:
        """The number of the last screens that were published."""
        return self._screens.seq

    def report(self, request: ReportScreens, now: int) -> None:
        """Keep screens, and publish those that are watched."""
        news = self._screens.take(request.screens, now)
        if news:
            self._send(codec.screens_frames(self._epoch, self._screens.seq, news))

    def watch(self, request: WatchPanes, now: int) -> Watching:
        """Note what a gateway watches; the screens as they are now."""
        screens = self._screens.watch(request.instance, request.panes, now)
        return Watching(epoch=self._epoch, seq=self._screens.seq, screens=screens)

    def past(self, pane_id: str) -> tuple[Screen, ...]:
        """The last screens of a pane, the oldest first; one that cannot be read is left out."""
        screens: list[Screen] = []
        for body in self._screens.past(pane_id):
            with suppress(codec.DecodeError):
                screens.append(codec.decode_screen(body))
        return tuple(screens)

    def forget_silent(self, now: int) -> None:
        """Let go of what silent gateways watched."""
        self._screens.forget_silent(now)

    def note(self, messages: Sequence[Message]) -> None:
        """Follow what became true."""
        self._screens.note(messages)

    def hear(self, events: Sequence[NewEvent]) -> None:
        """Something happened in the panes of these events."""
        self._looks.want(events)

    def tell_poller(self, clock_s: float) -> None:
        """Order what is due by a monotonic clock: looks, and attention when it or the poller is another one."""
        panes = self._looks.take(clock_s, self._state.has_pane)
        peer = self._link.peer
        if peer is None:
            return
        attend = self._screens.attend()
        if self._told != (peer, attend) and self._link.order(attend):
            self._told = (peer, attend)
        if panes:
            self._link.order(LookSoon(panes=panes))

    def pause_s(self, clock_s: float) -> float:
        """How long no look is due."""
        due_at = self._looks.due_at()
        return float("inf") if due_at is None else due_at - clock_s
