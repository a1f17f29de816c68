"""Core's update stream, joined to a snapshot so that nothing is lost, and repaired when something was.

The bus drops silently. So: the subscription is proven live by a first frame before the snapshot is asked for; updates
that come meanwhile are kept; every batch must follow the one before; the heartbeat's top seq shows a lost tail; a
welcome frame after the first shows that the stream was broken. Each of these leads to the same repair: ask for the
updates after the last applied one, and take a new snapshot when core does not have them or its epoch is another.

Screens come through the same subscription and are handed on; each repair of the updates has them asked for anew.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from services.bus import Bus, Client, Subscriber
from services.contract import codec
from services.contract.codec import Batch, DecodeError, Tag
from services.contract.errors import QuestmuxError
from services.contract.requests import GetSnapshot, GetUpdates, Replayed, Snapshot
from services.contract.updates import PaneRemoved
from services.ws.replica import Replica
from services.ws.screen_feed import ScreenFeed

STALE_AFTER_S: Final = 3.0
"""Core's heartbeat comes every second."""
WATCH_S: Final = 0.5
REQUEST_TIMEOUT_S: Final = 2.0
RETRY_S: Final = 0.2
MAX_RETRY_S: Final = 1.0
MAX_KEPT_BATCHES: Final = 10_000
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Updates kept during a repair. Over it they are let go, and the next repair asks core for them."""

logger = logging.getLogger(__name__)


class Audience(Protocol):
    """Who is told."""

    def publish(self, first_seq: int, tags: Sequence[Tag], payloads: Sequence[bytes]) -> None:
        """These updates follow those before."""
        ...

    def remove_pane(self, pane_id: str) -> None:
        """One of the updates to come says that this pane is gone."""
        ...

    def restart(self) -> None:
        """The replica was loaded anew."""
        ...


class Feed:
    """Keeps the replica at the top of core's stream and tells the audience of every step."""

    def __init__(
        self,
        bus: Bus,
        updates_address: str,
        core: Client,
        replica: Replica,
        *,
        audience: Audience,
        screens: ScreenFeed,
    ) -> None:
        self.gaps = 0
        self.repairs = 0
        self.snapshots = 0
        self.bad_frames = 0
        self.is_stale = False
        self._core = core
        self._replica = replica
        self._audience = audience
        self._screens = screens
        self._kept: deque[Batch] = deque()
        self._kept_bytes = 0
        self._repair_task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._subscriber = Subscriber(bus, updates_address, self._on_frames)

    async def watch(self) -> None:
        """Notice when core falls silent. Returns never; raises what a repair died of."""
        while True:
            await asyncio.sleep(WATCH_S)
            if self._repair_task is not None and self._repair_task.done():
                self._repair_task.result()
            if not self.is_stale and self._loop.time() - self._heard_at > STALE_AFTER_S:
                self.is_stale = True
                logger.warning("core is away", extra={"epoch": self._replica.epoch, "seq": self._replica.seq})

    async def recall(self, epoch: str, after: int) -> Sequence[Batch]:
        """The updates of an epoch after a number, from core's memory; none when it does not have them, or is away."""
        if self.is_stale:
            return ()  # Those who come back all at once must not wait for each other.
        try:
            asked = GetUpdates(epoch=epoch, after=after)
            replayed = await self._core.request(asked, Replayed, REQUEST_TIMEOUT_S)
            return [codec.decode_batch(frames) for frames in replayed.batches or ()]
        except (QuestmuxError, DecodeError) as exc:
            logger.debug("core did not recall", extra={"problem": str(exc)})
            return ()

    def close(self) -> None:
        """Stop listening."""
        self._subscriber.close()
        if self._repair_task is not None:
            self._repair_task.cancel()

    def _on_frames(self, frames: list[bytes]) -> None:
        self._heard_at = self._loop.time()
        if self.is_stale:
            self.is_stale = False
            logger.info("core is back")
        if len(frames) == 1:
            self._start_repair()
            return
        if codec.is_screens(frames):
            self._screens.take(frames)
            return
        try:
            batch = codec.decode_batch(frames)
        except DecodeError as exc:
            self.bad_frames += 1
            logger.warning("update not understood", extra={"problem": str(exc)})
            return
        if not batch.payloads:
            self._screens.hear(batch.header.epoch, batch.header.screens_seq)
        if self._repair_task is not None:
            self._keep(batch)
        elif not self._follow(batch):
            self.gaps += 1
            logger.debug("gap", extra={"has": self._replica.seq, "got": batch.header.seq, "epoch": batch.header.epoch})
            self._keep(batch)
            self._start_repair()

    def _follow(self, batch: Batch) -> bool:
        """Apply what is new in a batch; False when something before it, or of its stream, is missing."""
        if batch.header.epoch != self._replica.epoch:
            return False
        if batch.header.seq <= self._replica.seq:
            return True
        had = self._replica.seq + 1 - batch.first_seq
        if had < 0 or not batch.payloads:
            return False
        fresh = batch.payloads[had:]
        for tag, payload in zip(batch.header.tags[had:], fresh, strict=True):
            try:
                self._replica.apply(tag.type, payload)
            except DecodeError as exc:
                self.bad_frames += 1
                logger.warning("update not understood", extra={"problem": str(exc)})
            if tag.type == PaneRemoved.type and tag.key is not None:
                self._audience.remove_pane(tag.key)
        self._audience.publish(batch.first_seq + had, batch.header.tags[had:], fresh)
        return True

    def _keep(self, batch: Batch) -> None:
        self._kept.append(batch)
        self._kept_bytes += sum(map(len, batch.payloads))
        if len(self._kept) > MAX_KEPT_BATCHES or self._kept_bytes > MAX_KEPT_BYTES:
            self._let_go()

    def _let_go(self) -> deque[Batch]:
        kept, self._kept, self._kept_bytes = self._kept, deque(), 0
        return kept

    def _start_repair(self) -> None:
        if self._repair_task is None:
            self._repair_task = self._loop.create_task(self._repair())

    async def _repair(self) -> None:
        """Catch up until what was kept meanwhile follows without a hole."""
        pause = 0.0
        while True:
            try:
                await self._catch_up()
            except (QuestmuxError, DecodeError) as exc:
                logger.debug("core did not help", extra={"problem": str(exc)})
            else:
                followed = [self._follow(batch) for batch in self._let_go()]
                if not followed or followed[-1]:
                    break
            pause = min(pause + RETRY_S, MAX_RETRY_S)
            await asyncio.sleep(pause)
        self._repair_task = None
        self._screens.join(self._replica.epoch)

    async def _catch_up(self) -> None:
        replica = self._replica
        if replica.is_ready:
            asked = GetUpdates(epoch=replica.epoch, after=replica.seq)
            batches = (await self._core.request(asked, Replayed, REQUEST_TIMEOUT_S)).batches
            if batches is not None and await self._replay(batches):
                self.repairs += bool(batches)
                return
        snapshot = await self._core.request(GetSnapshot(), Snapshot, REQUEST_TIMEOUT_S)
        replica.load(snapshot)
        self.snapshots += 1
        logger.info("snapshot taken", extra={"epoch": snapshot.epoch, "seq": snapshot.seq})
        self._audience.restart()

    async def _replay(self, batches: Sequence[Sequence[bytes]]) -> bool:
        for frames in batches:
            if not self._follow(codec.decode_batch(frames)):
                return False
            await asyncio.sleep(0)  # So that a long replay leaves, instead of piling up at every client.
        return True
