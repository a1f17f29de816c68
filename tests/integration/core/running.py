"""Core as its own process on private folders, and a peer that asks it things."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import orjson

from services.bus import Bus, Client
from services.contract.events import NewEvent
from services.contract.requests import (
    Appended,
    AppendEvents,
    GetEvents,
    GetHealth,
    GetSnapshot,
    Listing,
    Reply,
    ReportTmux,
    Request,
    Snapshot,
)
from services.process.clock import now_ms
from tests.unit.core.making import hook, pane, report

ROOT = Path(__file__).parents[3]
STOP_S = 10.0
ANSWER_S = 20.0
R = TypeVar("R", bound=Reply)


class RunningCore:
    """`python -m services.core`, started and stopped as often as a test likes."""

    def __init__(self, data_dir: Path, runtime_dir: Path | None = None) -> None:
        self.data_dir = data_dir
        self._own = Path(tempfile.mkdtemp(prefix="qm-"))  # Not tmp_path: a socket address holds 107 bytes.
        self.runtime_dir = runtime_dir or self._own
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def database(self) -> Path:
        return self.data_dir / "questmux.db"

    @property
    def spool_dir(self) -> Path:
        return self.data_dir / "spool"

    @property
    def requests_address(self) -> str:
        return f"ipc://{self.runtime_dir}/requests.sock"

    @property
    def updates_address(self) -> str:
        return f"ipc://{self.runtime_dir}/updates.sock"

    @property
    def log(self) -> str:
        return (self._own / "core.log").read_text()

    def start(self, **settings: str) -> "subprocess.Popen[bytes]":
        config = self._own / "config.toml"
        config.touch()
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("QUESTMUX_", "TMUX"))}
        with (self._own / "core.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "services.core"],
                cwd=ROOT,
                env=clean
                | {
                    "QUESTMUX_DATA_DIR": str(self.data_dir),
                    "QUESTMUX_RUNTIME_DIR": str(self.runtime_dir),
                    "QUESTMUX_CONFIG": str(config),
                    "QUESTMUX_TIME_ZONE": "UTC",
                    **settings,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def stop(self) -> int:
        """Ask the last one to end; its exit code."""
        self.processes[-1].send_signal(signal.SIGTERM)
        return self.processes[-1].wait(STOP_S)

    def kill(self) -> None:
        """As a power failure would end it."""
        self.processes[-1].kill()
        self.processes[-1].wait(STOP_S)

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(STOP_S)
        shutil.rmtree(self._own)

    # Requests. Each from a peer of its own.

    def ask(self, request: Request, kind: type[R]) -> R:
        return asyncio.run(self._ask(request, kind))

    async def _ask(self, request: Request, kind: type[R]) -> R:
        with Bus() as bus:
            client = Client(bus, self.requests_address)
            try:
                return await client.request(request, kind, ANSWER_S)
            finally:
                client.close()

    def append(self, *events: NewEvent) -> tuple[int, ...]:
        return self.ask(AppendEvents(events=events), Appended).seqs

    def events(self, after: int = 0, limit: int = 1_000) -> list[dict[str, Any]]:
        page = orjson.loads(self.ask(GetEvents(after=after, limit=limit), Listing).data)
        kept: list[dict[str, Any]] = page["events"]
        return kept

    def health(self) -> dict[str, Any]:
        whole: dict[str, Any] = orjson.loads(self.ask(GetHealth(), Listing).data)["core"]
        return whole

    def snapshot(self) -> Snapshot:
        return self.ask(GetSnapshot(), Snapshot)


def on_disk(core: RunningCore, query: str = "SELECT id FROM events ORDER BY seq") -> list[object]:
    """What another process reads from the file."""
    with closing(sqlite3.connect(f"file:{core.database}?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute(query)]


def tool(call: str) -> NewEvent:
    return hook("PostToolUse", now_ms(), event_id=f"e-{call}", tool_name="Bash", tool_use_id=call)


def report_of(*panes: str, title: str = "") -> ReportTmux:
    return report(*(pane(pane_id, index=n, title=title) for n, pane_id in enumerate(panes)), at=now_ms())
