"""Starts the poller: settings, objects, run."""

import asyncio
import os

from services.bus import Bus, Client
from services.contract.settings import Settings
from services.poller.processes import reader_for_this_machine
from services.poller.service import Poller
from services.poller.sight import Sight
from services.poller.tmux import Tmux
from services.process import life
from services.process.clock import new_id, now_ms


def run(settings: Settings) -> None:
    """Poll until a signal."""
    asyncio.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Wire the poller and let it run."""
    stop = life.stop_event(asyncio.get_running_loop())
    tmux = Tmux(settings.tmux_socket)
    with Bus() as bus:
        client = Client(bus, settings.requests_address)
        poller = Poller(
            look=Sight(tmux, reader_for_this_machine()).look,
            core=client,
            poll_s=settings.poll_ms / 1000,
            now_ms=now_ms,
            instance=new_id(),
            pid=os.getpid(),
        )
        try:
            await poller.run(stop)
        finally:
            tmux.stop()  # A read that hangs would keep its thread, and so the process.
            client.close()


if __name__ == "__main__":
    life.start("poller", run)
