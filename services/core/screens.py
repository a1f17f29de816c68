"""The newest screen of each pane, who watches it, and which panes the poller is to attend to. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from services.contract.entities import Pane, StatusName
from services.contract.orders import Attend
from services.contract.requests import SeenScreen
from services.contract.updates import Message, PaneRemoved, PaneUpdate

FORGET_MS: Final = 10_000
"""A gateway that was silent for this long watches nothing any more."""
MAX_SCREENS: Final = 1_000
"""Screens kept; over it the one that changed longest ago goes."""
PAST_SCREENS: Final = 12
"""Of one pane, for a report; and of all panes together:"""
ALL_PAST_SCREENS: Final = 400
PAST_EVERY_MS: Final = 500
"""Between two past screens of a pane; one that comes earlier takes the place of the last."""
BUSY: Final = frozenset({StatusName.WORKING, StatusName.WAITING})


class _Watcher(Struct, frozen=True):
    heard_at: int
    panes: frozenset[str]


class _Past(Struct, frozen=True):
    """A screen that was there, and when its time began."""

    began_at: int
    body: bytes


class Screens:
    """Screens as they came, still encoded. They are not in the log, and a restart begins without any."""

    def __init__(self) -> None:
        self.seq = 0
        """The number of the last batch that was published."""
        self._bodies: dict[str, bytes] = {}
        self._watchers: dict[str, _Watcher] = {}
        self._watched: frozenset[str] = frozenset()
        self._working: set[str] = set()
        self._attend: Attend | None = None
        self._past: dict[str, list[_Past]] = {}
        self._agents: set[str] = set()

    def take(self, screens: Iterable[SeenScreen], now: int) -> list[tuple[str, bytes]]:
        """Keep screens that changed; answers those that are watched, to be published as the batch `seq`, if any."""
        news: dict[str, bytes] = {}
        for seen in screens:
            self._bodies.pop(seen.pane_id, None)
            self._bodies[seen.pane_id] = seen.screen
            if seen.pane_id in self._watched or seen.pane_id in self._agents:
                self._add_past(seen.pane_id, _Past(now, seen.screen))
            if seen.pane_id in self._watched:
                news[seen.pane_id] = seen.screen
        while len(self._bodies) > MAX_SCREENS:
            del self._bodies[next(iter(self._bodies))]
        if news:
            self.seq += 1
        return list(news.items())

    def _add_past(self, pane_id: str, screen: _Past) -> None:
        past = self._past.setdefault(pane_id, [])
        if past and screen.began_at - past[-1].began_at < PAST_EVERY_MS:
            past[-1] = _Past(past[-1].began_at, screen.body)
            return
        past.append(screen)
        del past[:-PAST_SCREENS]
        if sum(map(len, self._past.values())) > ALL_PAST_SCREENS:
            oldest = min(self._past, key=lambda one: self._past[one][0].began_at)
            del self._past[oldest][0]
            if not self._past[oldest]:
                del self._past[oldest]

    def past(self, pane_id: str) -> tuple[bytes, ...]:
        """The last screens of a pane, the oldest first, and at last the one that it shows now."""
        bodies = [screen.body for screen in self._past.get(pane_id, ())]
        newest = self._bodies.get(pane_id)
        if newest is not None and (not bodies or bodies[-1] != newest):
            bodies.append(newest)
        return tuple(bodies)

    def watch(self, instance: str, panes: Sequence[str], now: int) -> tuple[bytes, ...]:
        """A gateway watches these panes, and no others; their screens as they are now, as far as they are known."""
        if panes:
            self._watchers[instance] = _Watcher(now, frozenset(panes))
        else:
            self._watchers.pop(instance, None)
        self._unite()
        return tuple(self._bodies[pane_id] for pane_id in dict.fromkeys(panes) if pane_id in self._bodies)

    def forget_silent(self, now: int) -> None:
        """Let go of what gateways watched that were not heard of for long."""
        silent = [instance for instance, watcher in self._watchers.items() if now - watcher.heard_at >= FORGET_MS]
        for instance in silent:
            del self._watchers[instance]
        if silent:
            self._unite()

    def note(self, messages: Iterable[Message]) -> None:
        """Follow what became true: a pane that went takes its screen along, also when another gets its id."""
        for message in messages:
            if isinstance(message, PaneUpdate):
                self._note_pane(message.pane)
            elif isinstance(message, PaneRemoved):
                self._bodies.pop(message.pane_id, None)
                self._past.pop(message.pane_id, None)
                self._agents.discard(message.pane_id)
                self._note_busy(message.pane_id, is_busy=False)

    def _note_pane(self, pane: Pane) -> None:
        self._note_busy(pane.id, is_busy=pane.status is not None and pane.status.name in BUSY)
        if pane.agent is None:
            self._agents.discard(pane.id)
        else:
            self._agents.add(pane.id)

    def _note_busy(self, pane_id: str, *, is_busy: bool) -> None:
        if is_busy == (pane_id in self._working):
            return
        self._attend = None
        if is_busy:
            self._working.add(pane_id)
        else:
            self._working.discard(pane_id)

    def _unite(self) -> None:
        watched = frozenset[str]().union(*(watcher.panes for watcher in self._watchers.values()))
        if watched != self._watched:
            self._watched = watched
            self._attend = None

    def attend(self) -> Attend:
        """What the poller is to attend to; the same object as before, as long as it is the same."""
        if self._attend is None:
            self._attend = Attend(watched=tuple(sorted(self._watched)), working=tuple(sorted(self._working)))
        return self._attend
