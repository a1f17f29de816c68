"""`python -m tests.soak.lagging FILE`: a gateway that writes how late its loop is, `[moment, milliseconds]` a line."""

import asyncio
import importlib
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from services.contract.settings import Settings
from services.process.life import start
from services.ws.service import serve

LOOK_S: Final = 0.005
WRITE_S: Final = 1.0


async def _serve(settings: Settings) -> None:
    looking = asyncio.create_task(_look(Path(sys.argv[1])))
    try:
        await serve(settings)
    finally:
        looking.cancel()


async def _look(path: Path) -> None:
    lines: list[bytes] = []
    written = time.monotonic()
    while True:
        due = time.monotonic() + LOOK_S
        await asyncio.sleep(LOOK_S)
        now = time.monotonic()
        lines.append(msgspec.json.encode((now, 1000 * max(0.0, now - due))))
        if now - written >= WRITE_S:
            _append(path, lines)
            lines.clear()
            written = now


def _append(path: Path, lines: list[bytes]) -> None:
    with path.open("ab") as file:
        file.write(b"\n".join(lines) + b"\n")


def _run(settings: Settings) -> None:
    try:
        new_loop = importlib.import_module("uvloop").new_event_loop
    except ImportError:
        new_loop = asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_serve(settings))


if __name__ == "__main__":
    start("ws", _run)
