"""Starts the poller: settings, objects, run."""

import asyncio
import os
import time
from pathlib import Path

from services.bus import Bus, Client
from services.contract.settings import Settings
from services.poller.actions import Actions
from services.poller.alarm import Alarm
from services.poller.core_link import CoreLink
from services.poller.gallery import Gallery
from services.poller.git import Git
from services.poller.git_desk import GitDesk
from services.poller.keyboard import Keyboard
from services.poller.observer import Observer
from services.poller.places import Places
from services.poller.presence import Presence
from services.poller.processes import reader_for_this_machine
from services.poller.prompting import Prompting
from services.poller.registry_files import RegistryFiles
from services.poller.reporter import Reporter
from services.poller.rule_book import RuleBook
from services.poller.schedule import Schedule
from services.poller.service import Poller
from services.poller.sight import Sight
from services.poller.sign_desk import SignDesk
from services.poller.signalling import Signalling
from services.poller.tmux import Tmux
from services.poller.windows import Windows
from services.process import life
from services.process.clock import new_id, now_ms


def run(settings: Settings) -> None:
    """Poll until a signal."""
    asyncio.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Wire the poller and let it run."""
    stop = life.stop_event(asyncio.get_running_loop())
    tmux, alarm = Tmux(settings.tmux_socket), Alarm(Schedule())
    loop = asyncio.get_running_loop()

    def registry_changed() -> None:
        """Called by watchdog's thread."""
        loop.call_soon_threadsafe(alarm.registry.set)

    files = RegistryFiles(settings.claude_dir / "sessions", now_ms, registry_changed)
    with Bus() as bus:
        client = Client(bus, settings.requests_address, alarm.orders.put_nowait)
        core = CoreLink(client)
        signs = SignDesk(files, RuleBook(settings.rules_dir, time.monotonic), core, now_ms)
        files.start()
        try:
            await make_poller(settings, tmux, alarm, core, signs).run(stop)
        finally:
            files.stop()
            tmux.stop()  # A call that hangs would keep its thread, and so the process.
            client.close()


def make_poller(settings: Settings, tmux: Tmux, alarm: Alarm, core: CoreLink, signs: SignDesk) -> Poller:
    """The poller of one tmux server."""
    observer = Observer(
        tmux,
        use_control=settings.tmux_control == "auto",
        on_change=alarm.tmux_changed,
        on_output=alarm.pane_printed,
    )
    gallery = Gallery(observer, now_ms)
    keyboard, processes = Keyboard(tmux), reader_for_this_machine()
    presence = Presence(processes, time.monotonic)
    actions = Actions(
        tmux=tmux,
        windows=Windows(tmux, settings.claude_command, Path.home()),
        prompting=Prompting(keyboard, gallery.capture_one, presence.has_agent),
        presence=presence,
        signalling=Signalling(keyboard),
        capture=gallery.capture_one,
        now_ms=now_ms,
    )
    return Poller(
        observer=observer,
        sight=Sight(processes),
        schedule=alarm.schedule,
        gallery=gallery,
        actions=actions,
        core=core,
        reporter=Reporter(core, now_ms),
        signs=signs,
        git=GitDesk(Places(), Git(os.environ), core, now_ms),
        alarm=alarm,
        poll_s=settings.poll_ms / 1000,
        wall_s=time.time,
        instance=new_id(),
        pid=os.getpid(),
    )


if __name__ == "__main__":
    life.start("poller", run)
