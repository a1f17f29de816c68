"""A gateway in its own process between core's side of the bus and herds of clients, and what the system says of it."""

import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from services.contract.settings import Settings
from services.contract.updates import Message
from services.process.tokens import load_tokens
from tests.e2e.stack import free_port
from tests.integration.ws.core_side import CoreSide
from tests.soak.herd import ROOT, Herd
from tests.soak.stream import Stream, attention
from tests.waiting import wait_until

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
SAMPLE_S: Final = 0.02
HAS_PROC: Final = Path("/proc/self/statm").exists()


class Stage:
    """Set up once for each scenario."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="qm")))
        self.settings = Settings(
            data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder, ws_port=free_port()
        )
        self.token = load_tokens(self.settings).full
        self.core = CoreSide(self.settings, heartbeat_s=1.0)
        self._stack.callback(self.core.stop)
        self.lag_file = folder / "lag"
        self._gateway: subprocess.Popen[bytes] | None = None

    def start(self, module: str = "services.ws") -> None:
        """Start the gateway, and wait until it accepts and has what core has."""
        own = {
            "DATA_DIR": self.settings.data_dir,
            "RUNTIME_DIR": self.settings.runtime_dir,
            "WS_PORT": self.settings.ws_port,
            "CONFIG": "",
            "LOG_LEVEL": "warning",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QUESTMUX_")}
        environ = kept | {f"QUESTMUX_{name}": str(value) for name, value in own.items()}
        command = [sys.executable, "-m", module, str(self.lag_file)]
        self._gateway = process = subprocess.Popen(command, cwd=ROOT, env=environ)
        self._stack.callback(self._end, process)
        wait_until(self._is_ready, 30, "the gateway")

    def _is_ready(self) -> bool:
        beats = self.core.beats
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.settings.ws_port), 1):
            return bool(beats) and beats[-1].applied_seq == self.core.seq
        return False

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def herd(self) -> Herd:
        """One more process for clients."""
        return self._stack.enter_context(Herd(self.settings.ws_port, self.token))

    def finish(self, stream: Stream, base_seq: int) -> tuple[int, dict[str, int]]:
        """End the load with an update of high priority: its number, and of each session that of its last update."""
        self.core.load(None)
        self.core.publish(attention("end"))
        return self.core.seq, {key: base_seq + number for key, number in stream.newest.items()}

    def fill(self, messages: list[Message], burst: int = 100) -> None:
        """Publish all this, not faster than the bus can take it."""
        for start in range(0, len(messages), burst):
            self.core.publish(*messages[start : start + burst])

    @property
    def pid(self) -> int:
        assert self._gateway is not None
        return self._gateway.pid

    @property
    def figures(self) -> dict[str, float]:
        """What the gateway told core of itself last; it does every two seconds."""
        return dict(self.core.beats[-1].figures)

    def next_figures(self) -> dict[str, float]:
        """What it tells next."""
        told = len(self.core.beats)
        wait_until(lambda: len(self.core.beats) > told, 10, "the gateway to tell core of itself")
        return self.figures

    def cpu_s(self) -> float:
        """Time that the gateway has had of a core."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def resident_bytes(self) -> int:
        """Memory that the gateway holds."""
        return int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Peak:
    """The most memory that the gateway held while this was entered."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak")
        self.begin_bytes = self.top_bytes = stage.resident_bytes()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self.top_bytes = max(self.top_bytes, self._stage.resident_bytes())

    @property
    def growth_bytes(self) -> int:
        """Above what it held at the beginning."""
        return self.top_bytes - self.begin_bytes

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def lag_p99_ms(lag_file: Path, began: float) -> float:
    """How late the gateway's loop was, of all looks since a moment of the steady clock."""
    lines = [msgspec.json.decode(line, type=tuple[float, float]) for line in lag_file.read_bytes().splitlines()]
    late = sorted(late_ms for at, late_ms in lines if at >= began)
    return late[int(len(late) * 0.99)]


def now() -> float:
    """The steady clock, which is the same in all processes."""
    return time.monotonic()
