"""A connection that a test can see and hold up; it is what `client.Wire` asks for."""

import asyncio
from collections.abc import Sequence

from services.contract.commands import CloseCode


class HeldWire:
    """Takes frames while `writable` is set, and remembers what was done to it."""

    def __init__(self) -> None:
        self.heard_at = 0.0
        self.writable = asyncio.Event()
        self.writable.set()
        self.writes: list[list[bytes]] = []
        self.probes = 0
        self.ended: CloseCode | None = None

    def write(self, frames: Sequence[bytes]) -> None:
        self.writes.append(list(frames))

    def probe(self) -> None:
        self.probes += 1

    def end(self, code: CloseCode, reason: str) -> None:
        assert reason
        self.ended = self.ended or code

    @property
    def now(self) -> float:
        """By the clock that clients live by."""
        return asyncio.get_running_loop().time()

    @property
    def frames(self) -> list[bytes]:
        return [frame for write in self.writes for frame in write]
