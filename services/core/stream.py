"""The update stream: `(epoch, seq)`, contiguous, from one writer, with a ring of what was sent last."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from services.contract import codec
from services.contract.updates import Message

RING_BATCHES: Final = 10_000
RING_BYTES: Final = 16 * 1024 * 1024
"""A subscriber that missed no more than this is repaired by replay, else by a snapshot."""
REPLAY_BYTES: Final = 8 * 1024 * 1024
"""One replay answer holds at most this; more is a snapshot's business."""


class Stream:
    """Numbers updates, sends them, remembers the last ones."""

    def __init__(self, epoch: str, send: Callable[[Sequence[bytes]], None]) -> None:
        self.epoch = epoch
        self.seq = 0
        self._send = send
        self._ring: deque[tuple[int, tuple[bytes, ...]]] = deque()
        self._ring_bytes = 0

    def publish(self, messages: Sequence[Message], ts: int) -> None:
        """Send what became true together, as one batch."""
        if not messages:
            return
        first = self.seq + 1
        frames = tuple(codec.batch_frames(self.epoch, first, messages, ts))
        self.seq += len(messages)
        self._remember(first, frames)
        self._send(frames)

    def beat(self, screens_seq: int = 0) -> None:
        """Say how far the stream is, and how far the screens."""
        self._send(codec.heartbeat_frames(self.epoch, self.seq, screens_seq))

    def replay(self, epoch: str, after: int) -> tuple[tuple[bytes, ...], ...] | None:
        """The batches that hold the updates after a seq; None when the ring cannot give them all."""
        if epoch != self.epoch or after > self.seq:
            return None
        if after == self.seq:
            return ()
        if not self._ring or self._ring[0][0] > after + 1:
            return None
        batches: list[tuple[bytes, ...]] = []
        total = 0
        for first, frames in reversed(self._ring):
            batches.append(frames)
            total += sum(map(len, frames))
            if total > REPLAY_BYTES:
                return None
            if first <= after + 1:
                break
        return tuple(reversed(batches))

    def _remember(self, first: int, frames: tuple[bytes, ...]) -> None:
        self._ring.append((first, frames))
        self._ring_bytes += sum(map(len, frames))
        while len(self._ring) > RING_BATCHES or self._ring_bytes > RING_BYTES:
            _, dropped = self._ring.popleft()
            self._ring_bytes -= sum(map(len, dropped))
