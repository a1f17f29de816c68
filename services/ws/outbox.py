"""One client's bounded queue: what it is still to be sent, in the order in which it leaves. Pure.

Two lanes. What is said to this client alone (`connected`, `pong`, `error`, `draining`) leaves first; updates, which
all clients share, follow in their order. A new snapshot takes the place of the updates that still wait, as it holds
what they said. A snapshot does not count against the limit: all clients share its bytes, and one at most is here.
"""

from collections.abc import Sequence
from typing import Final

MAX_WAITING_BYTES: Final = 1024 * 1024
MAX_WAITING_MESSAGES: Final = 10_000
"""A client for which more than one of these still waits when the next comes is too slow. What comes at once may be
larger: it says nothing about the client."""


class Outbox:
    """Frames that wait for one client. Once over the limit it is broken: it holds and takes nothing more."""

    __slots__ = (
        "_direct",
        "_direct_bytes",
        "_max_bytes",
        "_max_messages",
        "_snapshot",
        "_update_bytes",
        "_updates",
        "is_broken",
    )

    def __init__(self, max_bytes: int = MAX_WAITING_BYTES, max_messages: int = MAX_WAITING_MESSAGES) -> None:
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._direct: list[bytes] = []
        self._snapshot: list[bytes] = []
        self._updates: list[bytes] = []
        self._direct_bytes = 0
        self._update_bytes = 0
        self.is_broken = False

    def __len__(self) -> int:
        return len(self._direct) + len(self._snapshot) + len(self._updates)

    @property
    def waiting_bytes(self) -> int:
        """What counts against the limit."""
        return self._direct_bytes + self._update_bytes

    def put_direct(self, frame: bytes) -> bool:
        """Add what is said to this client alone; False when the client is too slow."""
        if self._is_within_limit():
            self._direct.append(frame)
            self._direct_bytes += len(frame)
        return not self.is_broken

    def put_updates(self, frames: Sequence[bytes]) -> bool:
        """Add updates in their order; False when the client is too slow."""
        if self._is_within_limit():
            self._updates += frames
            self._update_bytes += sum(map(len, frames))
        return not self.is_broken

    def put_snapshot(self, frames: Sequence[bytes]) -> bool:
        """Put a snapshot in the place of what waits but for direct messages; False when the client was too slow."""
        if not self.is_broken:
            self._updates = []
            self._update_bytes = 0
            self._snapshot = list(frames)
        return not self.is_broken

    def take(self, up_to_bytes: int) -> list[bytes]:
        """Remove what leaves next: whole frames, one at least if any waits, no more than the bytes given."""
        if not self._direct and not self._snapshot and self._update_bytes <= up_to_bytes:
            everything, self._updates, self._update_bytes = self._updates, [], 0
            return everything
        taken: list[bytes] = []
        room = up_to_bytes
        for lane in (self._direct, self._snapshot, self._updates):
            count = size = 0
            for frame in lane:
                if len(frame) > room and (taken or count):
                    break
                count += 1
                size += len(frame)
                room -= len(frame)
            taken += lane[:count]
            del lane[:count]
            if lane is self._direct:
                self._direct_bytes -= size
            elif lane is self._updates:
                self._update_bytes -= size
            if lane:
                break
        return taken

    def _is_within_limit(self) -> bool:
        too_many = len(self._direct) + len(self._updates) > self._max_messages
        if not self.is_broken and (too_many or self.waiting_bytes > self._max_bytes):
            self.is_broken = True
            self._direct, self._snapshot, self._updates = [], [], []
            self._direct_bytes = self._update_bytes = 0
        return not self.is_broken
