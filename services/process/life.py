"""How a process begins and ends: exit codes, the first and the second signal, one clear sentence on a bad start."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

from services.contract.settings import SettingError, Settings
from services.process.logs import start_logging
from services.process.settings import load_settings, make_folders

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
"""A setting cannot be used, or another process has the place; a restart will not help."""
EXIT_NOW: Final = 1
"""A second signal came."""

GC_THRESHOLDS: Final = (20_000, 20, 20)
"""Python's own look for cycles every 700 objects took 3.5 % of an api worker's time under load."""

logger = logging.getLogger(__name__)


class CannotStartError(Exception):
    """The process cannot do its work; the message tells a person what to change."""


def start(service: str, run: Callable[[Settings], None]) -> None:
    """Run a service with its settings; ends the process."""
    try:
        settings = load_settings()
        start_logging(service, settings.log_level, settings.log_format)
        make_folders(settings)
        run(settings)
    except (SettingError, CannotStartError) as exc:
        sys.stderr.write(f"questmux {service}: {exc}\n")
        sys.exit(EXIT_USAGE)
    except KeyboardInterrupt:
        pass
    sys.exit(EXIT_OK)


def settle_memory() -> None:
    """What was made up to now stays: the collector need not look at it again, and seldom at what comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class StopSignal:
    """SIGTERM and SIGINT for a loop that polls descriptors: `fileno()` becomes readable, `is_set` true.

    A second signal ends the process at once.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def fileno(self) -> int:
        """Readable from the first signal on."""
        return self._reader.fileno()

    def _on_signal(self, number: int, _frame: object) -> None:
        if self.is_set:
            os._exit(EXIT_NOW)
        self.is_set = True
        with contextlib.suppress(RuntimeError):  # The signal came amid a write to the log: then no line.
            logger.info("stop asked for", extra={"signal": signal.Signals(number).name})

    def close(self) -> None:
        """Give the signals back."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        self._reader.close()
        self._writer.close()


def stop_event(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets; a second one ends the process at once."""
    event = asyncio.Event()
    came: list[int] = []

    def set_event() -> None:
        logger.info("stop asked for", extra={"signal": signal.Signals(came[0]).name})
        event.set()

    def on_signal(number: int, _frame: object) -> None:
        came.append(number)
        if len(came) > 1:
            os._exit(EXIT_NOW)
        with contextlib.suppress(RuntimeError):  # The loop is closed: the process is ending already.
            loop.call_soon_threadsafe(set_event)

    # Not `add_signal_handler`: a loop that hangs would never see the second signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    return event
