"""What goes to one client next: everything as it comes, or while it is slow only what it must have. Pure.

A client *follows* as long as it takes what it is sent. When it does not, it is *behind*: updates of high priority wait
for it in their order, those of normal priority do not wait at all, because `Latest` has the newest of each key, and
those of low priority are dropped and counted. When it takes something again, it is sent what waited, then what changed
since it fell behind, each key once as it is now, until nothing is newer; then it follows again, and is told what it
missed.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from services.ws.batch import NOTHING, Batch, Update
from services.ws.latest import Entry, Latest, Plan

MAX_WAITING_BYTES: Final = 1024 * 1024
"""Of what must be sent. A client for which more than this waits when the next comes is too slow."""


class Pace:
    """One client's place in the stream."""

    __slots__ = (
        "_ahead",
        "_direct",
        "_had",
        "_high",
        "_is_behind",
        "_latest",
        "_mark",
        "_max_bytes",
        "_on_caught_up",
        "_place",
        "_plan",
        "_replaced",
        "_seen",
        "_snapshot",
        "_waiting_bytes",
        "dropped",
        "is_broken",
        "needs_snapshot",
        "replaced",
        "unwanted",
    )

    def __init__(
        self, latest: Latest, on_caught_up: Callable[[int, int], bytes | None], max_bytes: int = MAX_WAITING_BYTES
    ) -> None:
        """`on_caught_up` makes the frame that tells how many messages were dropped, and how many were replaced."""
        self._latest = latest
        self._on_caught_up = on_caught_up
        self._max_bytes = max_bytes
        self._direct: list[bytes] = []  # A deque is ten times as large while it is empty.
        self._snapshot: list[bytes] = []
        self._high: list[Update] = []
        self._waiting_bytes = 0
        self._is_behind = True
        self._plan: Plan | None = None
        self._place = 0
        self._replaced = 0
        self._seen: Counter[str] = Counter()
        self._had: dict[Entry, int] = {}
        self._ahead: dict[Entry, int] = {}
        self._mark = 0
        self.dropped = 0
        """Messages of low priority that were dropped since it fell behind; then those that newer ones replaced."""
        self.replaced = 0
        self.unwanted = NOTHING
        self.is_broken = False
        self.needs_snapshot = False
        """What it missed is not remembered any more."""

    @property
    def is_following(self) -> bool:
        """Whether an update may go to it at once."""
        return not self._is_behind and not self._direct

    @property
    def is_prompt(self) -> bool:
        """Whether nothing waits but what was said to it alone."""
        return not self._is_behind and bool(self._direct)

    @property
    def has_waiting(self) -> bool:
        """Whether there is something to hand over."""
        return (self._is_behind or bool(self._direct)) and not (self.is_broken or self.needs_snapshot)

    @property
    def waiting_bytes(self) -> int:
        """What must be sent and waits, but for a snapshot."""
        return self._waiting_bytes

    @property
    def marks(self) -> tuple[int, int] | None:
        """Up to which number it has all of normal priority, or something newer; and all of high priority.

        None while it is still to be sent the state that all that changes.
        """
        if self._snapshot:
            return None
        high = self._high[0].seq - 1 if self._high else self._latest.top
        return (self._mark, high) if self._is_behind else (self._latest.top, high)

    @property
    def lag(self) -> int:
        """Updates since its mark."""
        return self._latest.top - self._mark if self._is_behind else 0

    def fall_behind(self) -> None:
        """The client does not take what it is sent."""
        if not self._is_behind:
            self._is_behind = True
            self._mark, self._seen, self._replaced = self._latest.top, self._latest.counts.copy(), 0

    def put_direct(self, frame: bytes) -> bool:
        """Add what is said to this client alone; False when the client is too slow."""
        if self._has_room():
            self._direct.append(frame)
            self._waiting_bytes += len(frame)
        return not self.is_broken

    def hasten(self) -> None:
        """Have what must be sent leave before a snapshot that is asked for: not all of it is in there."""
        if not self._snapshot:
            self._direct.extend(one.frame for one in self._high)
            self._high.clear()

    def put_snapshot(self, frames: tuple[bytes, ...], seq: int) -> None:
        """Put a snapshot in the place of all updates that wait; they are in it."""
        if self.is_broken:
            return
        self._waiting_bytes -= sum(len(one.frame) for one in self._high)
        self._high.clear()
        self.needs_snapshot = False
        self._snapshot = list(frames)
        self._mark = seq
        self._plan = None
        self._is_behind = True
        self._seen = self._latest.counts.copy()
        self._had, self._ahead = {}, {}
        self.dropped = self._replaced = 0

    def hold(self, batch: Batch) -> bool:
        """A batch comes while it is behind; False when the client is too slow. `Latest` has had the batch already."""
        if not self._is_behind:
            self.fall_behind()
            self._mark = batch.first - 1
            self._seen.subtract(one.kind for one in batch.normal)
        self.dropped += sum(one.kind not in self.unwanted for one in batch.low)
        wanted = [one for one in batch.high if one.kind not in self.unwanted]
        if wanted and self._has_room():
            self._high.extend(wanted)
            self._waiting_bytes += sum(len(one.frame) for one in wanted)
        return not self.is_broken

    def _has_room(self) -> bool:
        """What comes at once may be larger than the limit: it says nothing about the client."""
        if not self.is_broken and self._waiting_bytes > self._max_bytes:
            self.is_broken = True
            self._direct.clear()
            self._snapshot.clear()
            self._high.clear()
            self._waiting_bytes = 0
        return not self.is_broken

    def take(self, up_to_bytes: int) -> list[bytes]:
        """Remove what leaves next: whole frames, one at least if any waits, no more than the bytes given."""
        taken: list[bytes] = []
        room = self._move(self._direct, taken, up_to_bytes)
        if not self._direct:
            room = self._move(self._snapshot, taken, room)
        if not (self._direct or self._snapshot):
            room = self._move_high(taken, room)
        if self._is_behind and not (self._direct or self._snapshot or self._high or self.is_broken):
            self._catch_up(taken, room)
        return taken

    def _move(self, lane: list[bytes], taken: list[bytes], room: int) -> int:
        count, size = _fitting(map(len, lane), room, is_first=not taken)
        taken += lane[:count]
        del lane[:count]
        if lane is self._direct:
            self._waiting_bytes -= size
        return room - size

    def _move_high(self, taken: list[bytes], room: int) -> int:
        count, size = _fitting((len(one.frame) for one in self._high), room, is_first=not taken)
        taken += [one.frame for one in self._high[:count]]
        del self._high[:count]
        self._waiting_bytes -= size
        return room - size

    def _catch_up(self, taken: list[bytes], room: int) -> None:
        """Add what changed since the mark, each key once as it is now; when that is all, follow again."""
        while self._is_behind:
            plan = self._plan or self._new_plan()
            if plan is None:
                return
            while self._place < len(plan.entries):
                entry = plan.entries[self._place]
                if self._is_due(entry):
                    if len(entry.frame) > room and taken:
                        return
                    room -= len(entry.frame)
                    taken.append(entry.frame)
                    self._replaced -= 1
                    if entry.seq > plan.top:
                        self._ahead[entry] = entry.seq
                self._place += 1
            self._mark, self._plan = plan.top, None
            self._had, self._ahead = self._ahead, {}
            if self._latest.top == plan.top:
                self._follow(taken)

    def _is_due(self, entry: Entry) -> bool:
        """Whether it says something to this client; one that changed before its turn went ahead of the next plan."""
        return not entry.is_outdated and entry.kind not in self.unwanted and self._had.get(entry) != entry.seq

    def _new_plan(self) -> Plan | None:
        self._plan, self._place = self._latest.since(self._mark), 0
        self.needs_snapshot = self._plan is None
        return self._plan

    def _follow(self, taken: list[bytes]) -> None:
        self._is_behind = False
        self._had, self._ahead = {}, {}
        came = sum(n - self._seen[kind] for kind, n in self._latest.counts.items() if kind not in self.unwanted)
        replaced = max(0, came + self._replaced)
        self.replaced += replaced
        frame = self._on_caught_up(self.dropped, replaced)
        if frame is not None:
            taken.append(frame)
        self.dropped = self._replaced = 0


def _fitting(sizes: Iterable[int], room: int, *, is_first: bool) -> tuple[int, int]:
    """How many frames of these sizes there is room for, and their size; the very first is taken in any case."""
    count = total = 0
    for size in sizes:
        if total + size > room and not (is_first and count == 0):
            break
        count += 1
        total += size
    return count, total
