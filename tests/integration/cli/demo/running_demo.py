"""A demo that runs as a process of its own, in a home folder of its own."""

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Self

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[4]
START = (
    "import sys; from services.cli.demo.command import run_demo; from services.process.settings import load_settings; "
    "sys.exit(run_demo(load_settings(), agents=int(sys.argv[1])))"
)
STARTS_S = 20
ENDS_S = 20


class RunningDemo:
    """What it printed tells where it is; `left` lists what is still there of it."""

    def __init__(self, home: Path, agents: int) -> None:
        private = ("QUESTMUX_", "TMUX", "CLAUDE", "XDG_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(private)}
        self.home = home
        self._out, self._err = home.parent / "demo.out", home.parent / "demo.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-c", START, str(agents)],
                cwd=ROOT,
                env=clean | {"HOME": str(home)},
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        wait_until(lambda: "Ctrl-C ends it" in self.out or self.process.poll() is not None, STARTS_S, "the notice")
        assert self.process.poll() is None, self.err
        self.folder = Path(self._said("folder"))
        self.token = self._said("token")
        self.api_port, self.ws_port = (
            int(self._said(name).strip("/").rpartition(":")[2]) for name in ("HTTP API", "WebSocket")
        )
        self.pids = self.processes()
        self.tmux_pid = next(pid for pid, line in self.pids.items() if line.startswith("tmux -S"))
        self.keeper_pid = next(pid for pid, line in self.pids.items() if "demo.keeper" in line)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(ENDS_S)

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()

    def processes(self) -> dict[int, str]:
        """Every process whose environment or command line names the demo's folder."""
        found: dict[int, str] = {}
        for place in Path("/proc").glob("[1-9]*"):
            try:
                line = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(self.folder).encode() in (place / "environ").read_bytes() or str(self.folder) in line:
                    found[int(place.name)] = line
            except OSError:
                continue
        return found

    def left(self) -> list[str]:
        """Processes, ports and folders of it that are still there."""
        ports = [port for port in (self.api_port, self.ws_port) if _is_open(port)]
        folder = [str(self.folder)] if self.folder.exists() else []
        return [*self.processes().values(), *map(str, ports), *folder]

    def _said(self, name: str) -> str:
        found = re.search(rf"^  {name} +(\S+)$", self.out, re.MULTILINE)
        assert found is not None, self.out
        return found[1]


def _is_open(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
