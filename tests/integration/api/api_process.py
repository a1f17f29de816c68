"""The api as its own process, as the procfile starts it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from tests.e2e.stack import Answer, free_port, is_open
from tests.integration.api.wire import exchange, head
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


class ApiProcess:
    """gunicorn's master and its workers, on private folders and a port of their own."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.runtime_dir = Path(tempfile.mkdtemp(prefix="qm-", dir="/tmp"))
        self.port = free_port()
        self.settings = settings
        self.masters: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        (self.runtime_dir / "config.toml").touch()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("QUESTMUX_")}
        environment = clean | {
            "QUESTMUX_DATA_DIR": str(self.data_dir),
            "QUESTMUX_RUNTIME_DIR": str(self.runtime_dir),
            "QUESTMUX_CONFIG": str(self.runtime_dir / "config.toml"),
            "QUESTMUX_API_PORT": str(self.port),
            **self.settings,
        }
        with (self.runtime_dir / "log").open("ab") as log:
            self.masters.append(
                subprocess.Popen(
                    [sys.executable, "-m", "services.api"],
                    cwd=ROOT,
                    env=environment,
                    stderr=log,
                    start_new_session=True,
                )
            )

    @property
    def master(self) -> subprocess.Popen[bytes]:
        return self.masters[-1]

    @property
    def log(self) -> str:
        return (self.runtime_dir / "log").read_text(errors="replace")

    @property
    def hook_token(self) -> str:
        return (self.data_dir / "hook-token").read_text().strip()

    def wait_ready(self) -> None:
        wait_until(lambda: is_open(self.port) and len(self.workers()) == self.worker_count, what="all workers")
        wait_until(lambda: exchange(self.port, head()).status == 503, what="/health says that core is away")

    @property
    def worker_count(self) -> int:
        return int(self.settings.get("QUESTMUX_API_WORKERS", "2"))

    def workers(self) -> set[int]:
        return children(self.master.pid)

    def signal(self, number: int) -> None:
        self.master.send_signal(number)

    def post(self, body: bytes, **headers: str) -> Answer:
        return exchange(self.port, self.event_head(len(body), **headers), body)

    def event_head(self, length: int, **headers: str) -> bytes:
        return head("/event", "POST", Authorization=f"Bearer {self.hook_token}", Content_Length=str(length), **headers)

    def close(self) -> None:
        for master in self.masters:
            if master.poll() is None:
                master.send_signal(signal.SIGTERM)
                try:
                    master.wait(12)
                except subprocess.TimeoutExpired:
                    master.kill()
                    master.wait(5)
            with suppress(ProcessLookupError):
                os.killpg(master.pid, signal.SIGKILL)  # What a master left behind.
        sys.stderr.write(self.log[-4000:])
        shutil.rmtree(self.runtime_dir, ignore_errors=True)


def children(pid: int) -> set[int]:
    """The processes that this one started and that live."""
    run = subprocess.run(["ps", "-o", "pid=,stat=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return {int(line.split()[0]) for line in run.stdout.splitlines() if not line.split()[1].startswith("Z")}


def is_alive(pid: int) -> bool:
    run = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(run.stdout.strip()) and not run.stdout.strip().startswith("Z")
