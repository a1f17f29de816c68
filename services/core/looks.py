"""Panes whose events call for a look at their screens, each not too often. Pure."""

from collections.abc import Callable, Iterable
from typing import Final

from services.contract.events import NewEvent

LOOK_EVERY_S: Final = 0.05
"""A pane is not looked at again within this time; the look that it asked for comes after it."""


class Looks:
    """What is to be looked at. Times are of any clock that only goes forward, in seconds."""

    def __init__(self) -> None:
        self._wanted: set[str] = set()
        self._looked_at: dict[str, float] = {}

    def want(self, events: Iterable[NewEvent]) -> None:
        """Something happened in the panes of these events."""
        for event in events:
            if event.pane_id is not None:
                self._wanted.add(event.pane_id)

    def take(self, now: float, is_shown: Callable[[str], bool]) -> tuple[str, ...]:
        """The panes to be looked at now; those that tmux does not show are dropped, those too early stay wanted."""
        if not self._wanted:
            return ()
        self._looked_at = {pane_id: at for pane_id, at in self._looked_at.items() if at + LOOK_EVERY_S > now}
        due = self._wanted - self._looked_at.keys()
        self._wanted -= due
        shown = tuple(sorted(pane_id for pane_id in due if is_shown(pane_id)))
        self._looked_at |= dict.fromkeys(shown, now)
        return shown

    def due_at(self) -> float | None:
        """When the next look is due."""
        return min((self._looked_at.get(pane_id, 0.0) + LOOK_EVERY_S for pane_id in self._wanted), default=None)
