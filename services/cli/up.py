# pyright: basic
# honcho ships no types.
"""`questmux up`: the lines of `procfile` in the foreground; one that died is started again, the others live on."""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Final

from honcho.colour import get_colours
from honcho.environ import parse_procfile
from honcho.printer import Message, Printer

from services.cli.greeting import greeting
from services.contract.settings import Settings
from services.process.life import CannotStartError
from services.process.tokens import load_tokens

STOP_S: Final = 9.0
"""Every service ends on SIGTERM within this; then it is killed."""
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 10.0
STEADY_S: Final = 10.0
"""A service that ran this long starts again without a grown pause."""
READY_S: Final = 15.0
MAX_LOG_LINE_BYTES: Final = 4 * 1024 * 1024
PRCTL: Final = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG: Final = 1
SYSTEM: Final = "questmux"
GATEWAY: Final = "ws"
"""The line that may run more than once: gateways share their port."""


class Line:
    """One line of the procfile, running or about to run again."""

    def __init__(self, name: str, command: str, colour: str) -> None:
        self.name = name
        self.command = command
        self.colour = colour
        self.process: asyncio.subprocess.Process | None = None
        self.restarts = 0

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it runs."""
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)


class Supervisor:
    """Runs all lines until asked to stop."""

    def __init__(self, lines: dict[str, str], printer: Printer, *, quiet: bool) -> None:
        colours = get_colours()
        self._lines = [Line(name, command, next(colours)) for name, command in lines.items()]
        self._printer = printer
        self._printer.width = max(map(len, [*lines, SYSTEM]))
        self._quiet = quiet
        self._stop = asyncio.Event()
        self._signals = 0

    async def run(self, settings: Settings, full_token: str) -> None:
        """Start everything, greet, restart what dies, stop everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_signal)
        tasks = [asyncio.create_task(self._keep_running(line)) for line in self._lines]
        greeted = asyncio.create_task(self._greet(settings, full_token))
        await self._stop.wait()
        greeted.cancel()
        self._say("stopping")
        await self._stop_all(tasks)
        self._say("stopped")

    def _on_signal(self) -> None:
        self._signals += 1
        self._stop.set()
        if self._signals > 1:
            for line in self._lines:
                line.signal(signal.SIGKILL)

    async def _stop_all(self, tasks: list[asyncio.Task[None]]) -> None:
        # Against the flow of data, so that nobody writes to one that is gone; core is the first line and ends last.
        for line in reversed(self._lines):
            line.signal(signal.SIGTERM)
            if line.process is not None and line is not self._lines[0]:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(line.process.wait(), STOP_S / len(self._lines))
        _, late = await asyncio.wait(tasks, timeout=STOP_S)
        for line in self._lines:
            line.signal(signal.SIGKILL)
        if late:
            await asyncio.wait(late)

    async def _keep_running(self, line: Line) -> None:
        pause = FIRST_PAUSE_S
        while not self._stop.is_set():
            started = time.monotonic()
            code = await self._run_once(line)
            if self._stop.is_set():
                return
            pause = FIRST_PAUSE_S if time.monotonic() - started > STEADY_S else min(pause * 2, LONGEST_PAUSE_S)
            line.restarts += 1
            self._say(f"{line.name} ended ({_how(code)}); it starts again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)

    async def _run_once(self, line: Line) -> int:
        line.process = await asyncio.create_subprocess_shell(
            line.command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            stdin=asyncio.subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,
            preexec_fn=_end_with_parent,
            limit=MAX_LOG_LINE_BYTES,
        )
        assert line.process.stdout is not None, "asked for above"  # noqa: S101 - impossible state
        while text := await line.process.stdout.readline():
            if not self._quiet:
                self._print(line.name, line.colour, text.decode(errors="replace"))
        return await line.process.wait()

    async def _greet(self, settings: Settings, full_token: str) -> None:
        await _wait_until_up(settings)
        # A log that others may read must not have the token.
        text = await asyncio.to_thread(greeting, settings, full_token, shows_token=sys.stdout.isatty())
        with contextlib.suppress(OSError):
            sys.stdout.write(text)
            sys.stdout.flush()

    def _say(self, text: str) -> None:
        self._print(SYSTEM, None, text + "\n")

    def _print(self, name: str, colour: str | None, text: str) -> None:
        message = Message("line", text, datetime.now().astimezone(), name, colour)
        with contextlib.suppress(
            OSError
        ):  # Whoever read it is gone, as `tee` after Ctrl-C: everything is ended all the same.
            self._printer.write(message)


def run_up(settings: Settings, *, quiet: bool) -> int:
    """Run all services until Ctrl-C; the exit code.

    Raises:
        CannotStartError: another Questmux has the ports, or the procfile is not there.
    """
    for host, port, name in (
        (settings.api_host, settings.api_port, "QUESTMUX_API_PORT"),
        (settings.ws_host, settings.ws_port, "QUESTMUX_WS_PORT"),
    ):
        if _answers(host, port):
            raise CannotStartError(f"port {port} on {host} is taken: is Questmux running already? {name} sets another")
    if shutil.which("tmux") is None:
        sys.stderr.write("questmux: tmux is not installed; sessions are seen by their hooks only (apt install tmux)\n")
    lines = dict(parse_procfile(find_procfile().read_text(encoding="utf-8")).processes)
    supervisor = Supervisor(repeated(lines, GATEWAY, settings.ws_processes), Printer(sys.stdout), quiet=quiet)
    asyncio.run(supervisor.run(settings, load_tokens(settings).full))
    return 0


def repeated(lines: dict[str, str], name: str, times: int) -> dict[str, str]:
    """The lines, one of them as many times under the names that honcho gives: `ws.1`, `ws.2`."""
    if times == 1:
        return lines
    return {
        named: command
        for line, command in lines.items()
        for named in ([f"{line}.{number + 1}" for number in range(times)] if line == name else [line])
    }


def find_procfile() -> Path:
    """The procfile of this source tree, or the one that was installed with the package."""
    here = Path(__file__).resolve().parent
    for path in (here.parents[1] / "procfile", here / "procfile"):
        if path.is_file():
            return path
    raise CannotStartError("the procfile is missing: install Questmux again")


def _environment() -> dict[str, str]:
    """This environment, with this program's own `python` first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    # The services write into our pipe, but on a terminal a person reads it.
    form = {"QUESTMUX_LOG_FORMAT": "text"} if sys.stdout.isatty() else {}
    return {**form, **os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


def _end_with_parent() -> None:
    """In the child: be asked to end when this program is killed, or its next life would find the ports taken.

    Linux only; `prctl(2)`. Elsewhere the services of a killed `questmux up` live on until they are ended by hand.
    """
    if PRCTL is not None:
        PRCTL(PR_SET_PDEATHSIG, signal.SIGTERM)


def _how(code: int) -> str:
    return f"exit {code}" if code >= 0 else signal.Signals(-code).name


async def _wait_until_up(settings: Settings) -> None:
    """Return when both ports answer, or after a while; looking is a thread's work, and each look is short."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and not await asyncio.to_thread(_is_up, settings):  # noqa: ASYNC110 - a port calls nobody
        await asyncio.sleep(0.1)


def _is_up(settings: Settings) -> bool:
    return _answers(settings.api_host, settings.api_port) and _answers(settings.ws_host, settings.ws_port)


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.2):
            return True
    except OSError:
        return False
