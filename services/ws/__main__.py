"""`python -m services.ws`: runs one gateway."""

import asyncio
import importlib

from services.contract.settings import Settings
from services.process.life import start
from services.ws.service import serve


def run(settings: Settings) -> None:
    """Run until told to stop, on uvloop where the platform has it."""
    try:
        new_loop = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        new_loop = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve(settings))


if __name__ == "__main__":
    start("ws", run)
