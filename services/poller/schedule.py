"""Which panes are to be captured when. Pure: times come in as arguments.

Only what somebody wants is captured: panes that are watched, panes with an agent, panes that something happened in.
Times named `now` are seconds of a steady clock; activity is in tmux's whole seconds of wall time.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

from msgspec import Struct

SETTLE_S: Final = 0.004
"""From the first output to the capture: a redraw comes in several writes."""
WATCHED_S: Final = 0.04
"""A watched pane that prints without end is captured this often."""
UNHEARD_S: Final = 0.1
"""A watched pane whose output is not told is looked at this often."""
CHECK_S: Final = 2.0
"""A watched pane is looked at this often in any case."""
WORKING_S: Final = 1.0
IDLE_S: Final = 5.0
"""An agent's pane is captured this often while its window has output."""
UNREGISTERED_WORKING_S: Final = 0.4
UNREGISTERED_IDLE_S: Final = 1.0
"""The same of an agent that no registry tells of: only its screen shows an Esc."""
HOOK_S: Final = (0.03, 0.3)
"""After a hook its pane is captured twice: the screen follows the hook, at once or when the program has drawn it."""


class Care(Enum):
    """How close a look a pane deserves."""

    NONE = 0
    IDLE = 1
    WORKING = 2
    WATCHED = 3


class _Pane(Struct):
    care: Care = Care.NONE
    is_registered: bool = False
    captured_at: float | None = None
    activity: int = 0
    captured_activity: int = 0
    may_miss_some: bool = False
    """There was output in the second of the last capture: perhaps after it."""
    is_heard: bool = False
    asked: tuple[float, ...] = ()
    """Times at which it is to be captured whatever else."""
    due_at: float = float("inf")
    """What `_due_at` says; reckoned anew whenever one of the others changes, which is seldom beside how often all are
    asked."""


class Schedule:
    """What is known of each pane, and when it is due."""

    def __init__(self) -> None:
        self._panes: dict[str, _Pane] = {}
        self._watched: frozenset[str] = frozenset()
        self._working: frozenset[str] = frozenset()
        self._agents: frozenset[str] = frozenset()
        self._registered: frozenset[str] = frozenset()

    def see(self, activity: Mapping[str, int], agents: Iterable[str]) -> None:
        """These panes are there now, with the activity of their windows; these run an agent."""
        self._agents = frozenset(agents)
        self._panes = {pane_id: self._panes.get(pane_id) or _Pane() for pane_id in activity}
        for pane_id, at in activity.items():
            self._panes[pane_id].activity = at
        self._weigh(activity)

    def attend(self, watched: Iterable[str], working: Iterable[str]) -> None:
        """These panes are watched, and these have a session that works or waits."""
        before = self._watched, self._working
        self._watched, self._working = frozenset(watched), frozenset(working)
        self._weigh((before[0] ^ self._watched) | (before[1] ^ self._working))

    def register(self, registered: frozenset[str]) -> bool:
        """These panes hold agents that a registry tells of; whether that is news."""
        if registered == self._registered:
            return False
        changed, self._registered = self._registered ^ registered, registered
        self._weigh(changed)
        return True

    def _weigh(self, pane_ids: Iterable[str]) -> None:
        for pane_id in pane_ids:
            pane = self._panes.get(pane_id)
            if pane is None:
                continue
            pane.is_registered = pane_id in self._registered
            if pane_id in self._watched:
                pane.care = Care.WATCHED
            elif pane_id in self._working:
                pane.care = Care.WORKING
            else:
                pane.care = Care.IDLE if pane_id in self._agents else Care.NONE
            pane.due_at = _due_at(pane)

    @property
    def watched(self) -> frozenset[str]:
        """The watched panes that are there."""
        return self._watched & self._panes.keys()

    def hear(self, heard: Iterable[str]) -> None:
        """Of these panes, and of no others, output is told."""
        told = frozenset(heard)
        for pane_id, pane in self._panes.items():
            if pane.is_heard != (pane_id in told):
                pane.is_heard = not pane.is_heard
                pane.due_at = _due_at(pane)

    def printed(self, pane_id: str, now: float) -> None:
        """A pane's output was told."""
        pane = self._panes.get(pane_id)
        if pane is not None:
            soonest = 0.0 if pane.captured_at is None else pane.captured_at + WATCHED_S
            at = max(now + SETTLE_S, soonest)
            if not _has(pane, at):
                pane.asked = (at, *pane.asked)
                pane.due_at = _due_at(pane)

    def happened(self, pane_ids: Iterable[str], now: float) -> None:
        """A hook told of something in these panes."""
        for pane_id in pane_ids:
            pane = self._panes.get(pane_id)
            if pane is not None:
                soonest = now if pane.captured_at is None else max(now, pane.captured_at + WATCHED_S)
                soon, later = (soonest + pause for pause in HOOK_S)
                pane.asked = (min((soon, *pane.asked)), later)  # Hooks without end do not put it off.
                pane.due_at = _due_at(pane)

    def missed(self, pane_ids: Iterable[str]) -> None:
        """These were not captured after all."""
        for pane_id in pane_ids:
            if pane_id in self._panes:
                _forget_capture(self._panes[pane_id])

    def forget_captures(self) -> None:
        """Nobody has what was captured: begin again."""
        for pane in self._panes.values():
            _forget_capture(pane)

    def captured(self, pane_ids: Iterable[str], now: float, wall_s: float) -> None:
        """These panes were asked for at this time."""
        for pane_id in pane_ids:
            pane = self._panes.get(pane_id)
            if pane is not None:
                pane.captured_at, pane.captured_activity = now, pane.activity
                pane.may_miss_some = pane.activity >= int(wall_s)
                pane.asked = tuple(at for at in pane.asked if at > now)
                pane.due_at = _due_at(pane)

    def due(self, now: float) -> list[str]:
        """The panes to capture now, the watched ones first."""
        ready = [(pane.care.value, pane_id) for pane_id, pane in self._panes.items() if pane.due_at <= now]
        return [pane_id for _, pane_id in sorted(ready, key=lambda one: -one[0])]

    def next_due(self) -> float:
        """When the next pane is due; infinite when none is."""
        return min((pane.due_at for pane in self._panes.values()), default=float("inf"))


def _forget_capture(pane: _Pane) -> None:
    pane.captured_at = None
    pane.due_at = _due_at(pane)


def _has(pane: _Pane, at: float) -> bool:
    """Whether the pane is asked for at this time or sooner."""
    return any(other <= at for other in pane.asked)


def _due_at(pane: _Pane) -> float:
    """When a pane is due, as far as is known now."""
    asked = min(pane.asked, default=float("inf"))
    if pane.care is Care.NONE:
        return asked
    if pane.captured_at is None:
        return float("-inf")
    if pane.care is Care.WATCHED:
        return min(asked, pane.captured_at + (CHECK_S if pane.is_heard else UNHEARD_S))
    if pane.activity == pane.captured_activity and not pane.may_miss_some:
        return asked
    return min(asked, pane.captured_at + _PAUSES[pane.care, pane.is_registered])


_PAUSES: Final = {
    (Care.WORKING, True): WORKING_S,
    (Care.WORKING, False): UNREGISTERED_WORKING_S,
    (Care.IDLE, True): IDLE_S,
    (Care.IDLE, False): UNREGISTERED_IDLE_S,
}
