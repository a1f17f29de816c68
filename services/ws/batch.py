"""Updates that came together, made ready once for all clients. Pure."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from services.contract.updates import BY_TYPE, Priority

NOTHING: Final = frozenset[str]()


class Update(Struct, frozen=True):
    """One update as it goes over the wire."""

    seq: int
    kind: str
    key: str | None
    frame: bytes

    @property
    def priority(self) -> Priority:
        """What happens to it while a client is behind. A type that this gateway does not know can be missed."""
        known = BY_TYPE.get(self.kind)
        return Priority.LOW if known is None else known.priority


class Batch:
    """Some updates in their order."""

    __slots__ = ("_joined", "first", "high", "low", "normal", "size", "top", "updates")

    def __init__(self, updates: Sequence[Update]) -> None:
        self.updates = tuple(updates)
        self.first, self.top = self.updates[0].seq, self.updates[-1].seq
        self.size = sum(len(one.frame) for one in self.updates)
        self.high = tuple(one for one in self.updates if one.priority is Priority.HIGH)
        self.low = tuple(one for one in self.updates if one.priority is Priority.LOW)
        self.normal = tuple(one for one in self.updates if one.priority is Priority.NORMAL)
        self._joined: dict[frozenset[str], tuple[bytes, int]] = {}

    def joined(self, unwanted: frozenset[str]) -> tuple[bytes, int]:
        """All frames in one piece, but for types that are not wanted, and how many; the same bytes for every client."""
        found = self._joined.get(unwanted)
        if found is None:
            frames = [one.frame for one in self.updates if one.kind not in unwanted]
            found = self._joined[unwanted] = b"".join(frames), len(frames)
        return found
