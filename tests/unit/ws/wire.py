"""A connection that a test can see and hold up; it is what `client.Wire` asks for."""

import asyncio
import json
from collections.abc import Callable

from services.contract.commands import CloseCode


class HeldWire:
    """Takes frames while `writable` is set, and remembers what was done to it."""

    def __init__(self) -> None:
        self.heard_at = 0.0
        self.writable = asyncio.Event()
        self.writable.set()
        self.on_full: Callable[[], None] = _nothing
        self.on_room: Callable[[], None] = _nothing
        self.unsent_bytes = 0
        self.writes: list[bytes] = []
        self.probes = 0
        self.ended: CloseCode | None = None
        self.was_cut = False

    def write(self, frames: bytes) -> None:
        self.writes.append(frames)

    def fill(self) -> None:
        self.writable.clear()
        self.on_full()

    def drain(self) -> None:
        self.writable.set()
        self.on_room()

    def probe(self) -> None:
        self.probes += 1

    def end(self, code: CloseCode, reason: str) -> None:
        assert reason
        self.ended = self.ended or code

    def cut(self, reason: str) -> None:
        assert reason
        self.was_cut = True

    @property
    def now(self) -> float:
        """By the clock that clients live by."""
        return asyncio.get_running_loop().time()

    @property
    def frames(self) -> list[bytes]:
        """Each is one JSON object, or a number."""
        return [frame for write in self.writes for frame in split(write)]


def split(write: bytes) -> list[bytes]:
    """The JSON texts that stand in one write behind each other."""
    decoder, text, found = json.JSONDecoder(), write.decode(), list[bytes]()
    while text:
        _, end = decoder.raw_decode(text)
        found.append(text[:end].encode())
        text = text[end:]
    return found


def _nothing() -> None:
    pass
