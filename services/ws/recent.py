"""The last updates, for clients that were cut off and come back. Pure."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from services.contract.updates import Priority
from services.ws.batch import Batch, Update
from services.ws.latest import OUTDATED

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_BATCHES: Final = 10_000


class Recent:
    """Batches without a hole between them, the newest last."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_batches: int = MAX_BATCHES) -> None:
        self._max_bytes = max_bytes
        self._max_batches = max_batches
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self.floor = 0
        """What came up to this is not remembered."""

    def restart(self, seq: int) -> None:
        """The state was taken anew."""
        self._batches.clear()
        self._bytes = 0
        self.floor = seq

    def add(self, batch: Batch) -> None:
        """What came after all that is here."""
        self._batches.append(batch)
        self._bytes += batch.size
        while self._bytes > self._max_bytes or len(self._batches) > self._max_batches:
            gone = self._batches.popleft()
            self._bytes -= gone.size
            self.floor = gone.top

    def put_before(self, batches: Sequence[Batch]) -> None:
        """Take what came before, batches in their order, as far as it reaches what is here and there is room."""
        for batch in reversed(batches):
            if batch.first > self.floor:
                continue
            if batch.top < self.floor or self._bytes + batch.size > self._max_bytes:
                return
            older = Batch([update for update in batch.updates if update.seq <= self.floor])
            self._batches.appendleft(older)
            self._bytes += older.size
            self.floor = older.first - 1

    def missed(self, normal: int, high: int) -> list[bytes] | None:
        """What a client needs that has these: of high priority all, of normal the newest of each key, in order.

        None when it is too long ago.
        """
        if min(normal, high) < self.floor:
            return None
        chosen: dict[tuple[str, str] | int, Update] = {}
        for batch in self._batches:
            if batch.top <= min(normal, high):
                continue
            for update in batch.updates:
                if update.priority is Priority.HIGH and update.seq > high:
                    chosen[update.seq] = update
                elif update.priority is Priority.NORMAL and update.seq > normal:
                    key = update.key or ""
                    for other in OUTDATED.get(update.kind, ()):
                        chosen.pop((other, key), None)
                    chosen[update.kind, key] = update
        return [update.frame for update in sorted(chosen.values(), key=lambda update: update.seq)]
