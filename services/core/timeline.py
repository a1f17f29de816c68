"""A session's facts put in their own order, however they arrive. Pure."""

from bisect import bisect_right
from typing import Final

from msgspec import Struct, field

from services.core.facts import Fact
from services.core.lifecycle import fold
from services.core.turn import Turn

WINDOW: Final = 64
"""Facts kept in order behind the newest; an event that comes later than that is counted, not applied."""


class Timeline(Struct, kw_only=True):
    """The turn after all facts, and enough of the past to put a late one where it belongs."""

    base: Turn = Turn()
    facts: list[Fact] = field(default_factory=list[Fact])
    turn: Turn = Turn()
    is_cut: bool = False
    """Whether facts have left the window into `base`."""

    def add(self, fact: Fact) -> bool:
        """Put a fact in its place; False when its place is before the window."""
        if not self.facts or fact.order >= self.facts[-1].order:
            self.facts.append(fact)
            self.turn = fold(self.turn, fact)
        else:
            place = bisect_right(self.facts, fact.order, key=lambda known: known.order)
            if place == 0 and self.is_cut:
                return False
            self.facts.insert(place, fact)
            self.turn = self._refold()
        if len(self.facts) > WINDOW:
            self.base = fold(self.base, self.facts.pop(0))
            self.is_cut = True
        return True

    def _refold(self) -> Turn:
        turn = self.base
        for fact in self.facts:
            turn = fold(turn, fact)
        return turn
