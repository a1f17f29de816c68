"""What the poller stands between in these tests: a real tmux server, and a core of the real bus."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from msgspec import structs

from services.bus import Bus, Server, wait_readable
from services.contract.errors import ErrorCode, Problem
from services.contract.requests import Beat, ReportTmux, SeenPane, SeenWindow, Taken
from tests.waiting import wait_until

ROOT: Final = Path(__file__).parents[3]
TMUX_TIMEOUT_S: Final = 20
WITHIN_S: Final = 1.0


class TmuxStage:
    """A tmux server of this test alone, at its own socket, without anybody's configuration."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def run(self, *args: str | bytes) -> str:
        done = self._run(*args)
        assert done.returncode == 0, f"tmux {args!r}: {done.stderr!r}"
        return done.stdout.decode("utf-8", "backslashreplace").removesuffix("\n")

    def start(self, name: str = "main") -> int:
        """Start the server with one session; answers its pid."""
        self.run("new-session", "-d", "-x", "100", "-y", "30", "-s", name, "sh")
        return self.pid()

    def pid(self) -> int:
        return int(self.run("display-message", "-p", "#{pid}"))

    def kill(self) -> None:
        """End the server if one runs."""
        done = self._run("kill-server")
        gone = (b"no server running", b"No such file", b"server exited")
        assert done.returncode == 0 or any(why in done.stderr for why in gone), done.stderr
        # tmux answers kill-server before the server has ended, and one that is ending may still take a client.
        wait_until(self._is_absent, what="the end of the tmux server")

    def _is_absent(self) -> bool:
        said = self._run("list-sessions").stderr
        return any(why in said for why in (b"no server running", b"No such file", b"Connection refused"))

    def _run(self, *args: str | bytes) -> subprocess.CompletedProcess[bytes]:
        environ = {name: value for name, value in os.environ.items() if name not in {"TMUX", "TMUX_PANE"}}
        line: list[str | bytes] = ["tmux", "-u", "-f", "/dev/null", "-S", str(self.socket), *args]
        return subprocess.run(
            line,
            capture_output=True,
            check=False,
            timeout=TMUX_TIMEOUT_S,
            env=environ,
            stdin=subprocess.DEVNULL,
        )


class CoreStage:
    """The core side of the bus: takes everything, in a thread of its own, and can die and come back."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.epoch = "first"
        self.reports: list[ReportTmux] = []
        self.reported_at: list[float] = []
        self.beats: list[Beat] = []
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, epoch: str) -> None:
        self.epoch = epoch
        self._end.clear()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,))
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        if self._thread is not None:
            self._end.set()
            self._thread.join()
            self._thread = None

    def _serve(self, ready: threading.Event) -> None:
        with Bus() as bus:
            server = Server(bus, self.address)
            ready.set()
            while not self._end.is_set():
                wait_readable(server, [], 0.02)
                for incoming in server.receive(time.time_ns() // 1_000_000):
                    if isinstance(incoming.request, ReportTmux):
                        whole = self._completed(incoming.request)
                        if whole is None:
                            server.fail(incoming, Problem(code=ErrorCode.CONFLICT, message="send it all"))
                            continue
                        self.reports.append(whole)
                        self.reported_at.append(time.time())
                    elif isinstance(incoming.request, Beat):
                        self.beats.append(incoming.request)
                    server.reply(incoming, Taken(epoch=self.epoch))

    def _completed(self, report: ReportTmux) -> ReportTmux | None:
        """A report of changes as the whole that it stands for; None when it changes another than the last."""
        if report.after is None:
            return report
        if not self.reports or report.after != self.last.revision:
            return None
        panes = {pane.id: pane for pane in self.last.panes if pane.id not in report.gone}
        panes |= {pane.id: pane for pane in report.panes}
        windows = self.last.windows if report.windows is None else report.windows
        return structs.replace(report, windows=windows, panes=tuple(panes.values()))

    @property
    def last(self) -> ReportTmux:
        return self.reports[-1]

    def sees(self, condition: Callable[[ReportTmux], object], what: str, deadline_s: float = 20) -> ReportTmux:
        """Wait for a report that fulfils the condition."""

        def look() -> ReportTmux | None:
            return self.last if self.reports and condition(self.last) else None

        found = wait_until(look, deadline_s, f"a report with {what}")
        assert found is not None
        return found

    def window(self, window_id: str) -> SeenWindow | None:
        windows = (self.last.windows or ()) if self.reports else ()
        return next((window for window in windows if window.id == window_id), None)

    def pane(self, pane_id: str) -> SeenPane | None:
        return next((pane for pane in self.last.panes if pane.id == pane_id), None) if self.reports else None

    def __enter__(self) -> Self:
        self.start(self.epoch)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class PollerStage:
    """The poller as it runs for people: `python -m services.poller`."""

    def __init__(self, folder: Path, tmux_socket: str, **environ: str) -> None:
        self.log = folder / "poller.log"
        inherited = {name: value for name, value in os.environ.items() if name not in {"TMUX", "TMUX_PANE"}}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.poller"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=inherited
                | {
                    "QUESTMUX_DATA_DIR": str(folder / "data"),
                    "QUESTMUX_RUNTIME_DIR": str(folder),
                    "QUESTMUX_CONFIG": "",
                    "QUESTMUX_TMUX_SOCKET": tmux_socket,
                    "QUESTMUX_POLL_MS": "250",
                }
                | environ,
            )

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def lines(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
