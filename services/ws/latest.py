"""The newest message of each key that may be held back, one for all clients. Pure.

A client that is behind holds no queue: it knows the number up to which it has everything, and asks what changed since.
What it is sent is always the value of now. The list of what it is to be sent is frozen when it begins (`Plan`): walked
live, a key that changes all the time would get ahead of the others for ever.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Final

from services.contract.updates import SessionRemoved, SessionUpdate, XpGain

MAX_REMOVALS: Final = 10_000
"""Removals remembered; a client that is behind more than those needs a snapshot."""
OUTDATED: Final = {
    SessionRemoved.type: (SessionUpdate.type, XpGain.type),
    SessionUpdate.type: (SessionRemoved.type,),
}
"""Messages that say nothing any more once another of the same key has come."""


class Entry:
    """The newest message of one type and key."""

    __slots__ = ("frame", "is_outdated", "kind", "seq")

    def __init__(self, seq: int, kind: str, frame: bytes) -> None:
        self.seq = seq
        self.kind = kind
        self.frame = frame
        self.is_outdated = False


class Plan:
    """What a client is to be sent so that it has all up to `top`."""

    __slots__ = ("entries", "top")

    def __init__(self, entries: tuple[Entry, ...], top: int) -> None:
        self.entries = entries
        self.top = top


class Latest:
    """Everything newest, in the order in which it changed last."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._removals = 0
        self._plans: dict[int, Plan] = {}
        self.top = 0
        """The number of the last update, of whatever kind."""
        self.floor = 0
        """Who has not everything up to this needs a snapshot."""
        self.counts: Counter[str] = Counter()
        """Messages that were put, by type."""

    @property
    def count(self) -> int:
        """Messages that were put."""
        return self.counts.total()

    def restart(self, seq: int) -> None:
        """The state was taken anew: what came before is in its snapshot."""
        self._entries.clear()
        self._plans.clear()
        self._removals = 0
        self.top = self.floor = seq

    def put(self, seq: int, kind: str, key: str, frame: bytes) -> None:
        """A newer message of a key."""
        self.counts[kind] += 1
        for other in OUTDATED.get(kind, ()):
            gone = self._entries.pop((other, key), None)
            if gone is not None:
                gone.is_outdated = True
                self._removals -= other == SessionRemoved.type
        entry = self._entries.get((kind, key))
        if entry is None:
            self._entries[kind, key] = Entry(seq, kind, frame)
            self._removals += kind == SessionRemoved.type
            self._forget_removals()
        else:
            entry.seq, entry.frame = seq, frame
            self._entries.move_to_end((kind, key))

    def advance(self, seq: int) -> None:
        """All updates up to this number have come."""
        self.top = seq
        self._plans.clear()

    def _forget_removals(self) -> None:
        if self._removals <= MAX_REMOVALS:
            return
        oldest = next(place for place, entry in self._entries.items() if entry.kind == SessionRemoved.type)
        gone = self._entries.pop(oldest)
        gone.is_outdated = True
        self.floor = max(self.floor, gone.seq)
        self._removals -= 1

    def since(self, seq: int) -> Plan | None:
        """What changed after a number; None when that is too long ago. Clients that have the same share it."""
        if seq < self.floor:
            return None
        plan = self._plans.get(seq)
        if plan is None:
            plan = self._plans[seq] = Plan(tuple(self._changed_after(seq))[::-1], self.top)
        return plan

    def _changed_after(self, seq: int) -> Iterator[Entry]:
        for entry in reversed(self._entries.values()):
            if entry.seq <= seq:
                return
            yield entry
