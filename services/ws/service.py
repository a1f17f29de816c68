"""The gateway's life: made, running, beating to core, drained."""

import asyncio
import logging
import os
import resource
from typing import Final

from services.bus import Bus, UnavailableError
from services.bus import Client as CoreClient
from services.contract.errors import QuestmuxError
from services.contract.requests import Beat, Taken
from services.contract.settings import Settings
from services.process.clock import new_id
from services.process.life import CannotStartError, stop_event
from services.process.tokens import load_tokens
from services.ws.feed import Feed
from services.ws.gateway import MAX_CONNECTIONS, Gateway
from services.ws.replica import Replica
from services.ws.screen_feed import ScreenFeed

BEAT_S: Final = 2.0
STARTING_S: Final = 5.0
STARTING_BEAT_S: Final = 0.25
"""So soon after its start it tries this often, so that all that start at once are known soon. Not later: a beat lists
all clients, and thousands of them are much to list for a core that is away."""
SPARE_FILES: Final = 128
"""Descriptors that are not clients'."""

logger = logging.getLogger(__name__)


class Service:
    """All objects of one gateway process."""

    def __init__(self, settings: Settings, bus: Bus, gateway: Gateway, replica: Replica) -> None:
        self.gateway = gateway
        self.replica = replica
        self._instance = new_id()
        self.core = CoreClient(bus, settings.requests_address)
        self.screen_feed = ScreenFeed(self.core, self._instance, gateway.hub.screens)
        self.feed = Feed(
            bus, settings.updates_address, self.core, replica, audience=gateway.hub, screens=self.screen_feed
        )

        gateway.hub.recall = self.feed.recall

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until the event is set, then drain."""
        await self.gateway.open()
        logger.info("ws ready", extra={"port": self.gateway.port})
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(self.feed.watch()),
                tasks.create_task(self.screen_feed.run()),
                tasks.create_task(self.gateway.keep_pulse()),
                tasks.create_task(self._beat()),
            ]
            await stop.wait()
            self.feed.close()
            await self.gateway.drain()
            for task in work:
                task.cancel()
        logger.info("ws ended")

    def close(self) -> None:
        """Leave the bus."""
        self.core.close()

    def figures(self) -> dict[str, float]:
        """What `/health` and `/metrics` show of this process."""
        hub, feed, screens = self.gateway.hub, self.feed, self.gateway.hub.screens
        return {
            "clients": len(hub.clients),
            "watched_panes": len(screens.pane_ids),
            "paused_clients": sum(client.is_paused for client in hub.clients),
            "buffered_bytes": sum(client.buffered_bytes for client in hub.clients),
            "sent_total": hub.total("sent"),
            "dropped_total": hub.total("dropped"),
            "replaced_total": hub.total("replaced"),
            "pauses_total": hub.total("pauses"),
            "resumed_total": hub.resumes.get("resumed", 0),
            "resume_failures_total": sum(hub.resumes.get(why, 0) for why in ("epoch", "too_old", "unknown")),
            "terminal_messages_total": screens.sent,
            "dropped_clients_total": hub.dropped_clients,
            "gaps_total": feed.gaps,
            "repairs_total": feed.repairs,
            "snapshots_total": feed.snapshots,
            "bad_frames_total": feed.bad_frames + self.screen_feed.bad_screens,
            "stale": int(feed.is_stale),
        }

    async def _beat(self) -> None:
        """Tell core that this process lives; never returns."""
        loop = asyncio.get_running_loop()
        starts_until_s = loop.time() + STARTING_S
        while True:
            beat = Beat(
                service="ws",
                instance=self._instance,
                pid=os.getpid(),
                interval_s=BEAT_S,
                applied_seq=self.replica.seq if self.replica.is_ready else None,
                figures=self.figures(),
                clients=self.gateway.register.tell(self.gateway.hub.clients),
            )
            pause = BEAT_S
            try:
                await self.core.request(beat, Taken, BEAT_S, wait=False)
            except (QuestmuxError, ValueError) as exc:
                if isinstance(exc, UnavailableError) and loop.time() < starts_until_s:
                    pause = STARTING_BEAT_S
                logger.debug("core took no beat", extra={"problem": str(exc)})
            await asyncio.sleep(pause)


async def serve(settings: Settings) -> None:
    """Run one gateway until SIGTERM or SIGINT.

    Raises:
        CannotStartError: the address or the token cannot be had.
    """
    stop = stop_event(asyncio.get_running_loop())
    try:
        tokens = load_tokens(settings)
    except (OSError, ValueError) as exc:
        raise CannotStartError(f"the tokens cannot be read: {exc}") from exc
    replica = Replica()
    with Bus() as bus:
        gateway = Gateway(settings, tokens, replica, max_connections=_connections_possible())
        service = Service(settings, bus, gateway, replica)
        try:
            await service.run(stop)
        finally:
            service.close()


def _connections_possible() -> int:
    """How many clients the process may hold, after asking for as many files as it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft - SPARE_FILES)
