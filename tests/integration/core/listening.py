"""A subscriber of core's updates and screens."""

import json
import math

from services.bus import Bus, Subscriber
from services.contract import codec
from services.contract.codec import Batch, ScreenBatch
from tests.integration.core.running import RunningCore
from tests.waiting import wait_until_async


class Listener:
    """A subscriber that keeps every batch."""

    def __init__(self, bus: Bus, core: RunningCore) -> None:
        self.frames: list[tuple[bytes, ...]] = []
        self.batches: list[Batch] = []
        self.screens: list[ScreenBatch] = []
        self.beats: list[Batch] = []
        self.is_welcome = False
        self._subscriber = Subscriber(bus, core.updates_address, self._take)

    def _take(self, frames: list[bytes]) -> None:
        if frames == [codec.WELCOME]:
            self.is_welcome = True
        elif codec.is_screens(frames):
            self.screens.append(codec.decode_screens(frames))
        else:
            self._take_batch(frames)

    def _take_batch(self, frames: list[bytes]) -> None:
        batch = codec.decode_batch(frames)
        if batch.payloads:
            self.frames.append(tuple(frames))
            self.batches.append(batch)
        else:
            self.beats.append(batch)

    async def joined(self) -> None:
        await wait_until_async(lambda: self.is_welcome, what="the welcome")

    async def reaches(self, seq: int) -> None:
        await wait_until_async(lambda: self.batches and self.batches[-1].header.seq >= seq, what=f"update {seq}")

    async def shows(self, count: int) -> None:
        await wait_until_async(lambda: len(self.screens) >= count, what=f"{count} batches of screens")

    def updates(self, after: int, until: float = math.inf) -> list[dict[str, object]]:
        texts = [payload for batch in self.batches for payload in batch.payloads]
        return [update for text in texts if after < (update := json.loads(text))["seq"] <= until]

    def close(self) -> None:
        self._subscriber.close()
