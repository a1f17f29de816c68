"""`questmux demo`: makes the stage, starts Questmux and the agents on it, and clears it again."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from services.cli.api_client import ApiClient, ApiError, known_token
from services.cli.demo.actor import Actor, Sender
from services.cli.demo.cast import MAX_AGENTS, Seat, seats
from services.cli.demo.hook_calls import HookCalls
from services.cli.demo.notice import notice
from services.cli.demo.orphans import Children
from services.cli.demo.panes import Pane, Place, TmuxServer
from services.cli.demo.recordings import find_recordings
from services.cli.demo.repertoire import Repertoire
from services.cli.demo.simulator import Simulator
from services.cli.demo.stage import Stage, environment, make_projects, make_stage, remove_folder
from services.cli.demo.typed import Typed
from services.contract.settings import Settings
from services.process.life import EXIT_OK, CannotStartError
from services.process.settings import load_settings
from services.process.tokens import Tokens, load_tokens

READY_S: Final = 30.0
END_S: Final = 15.0
"""Questmux ends within this; then it is killed."""
LOOK_S: Final = 0.05
HEALTHY: Final = ("api", "ws", "poller")
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_demo(settings: Settings, *, agents: int = 12, seconds: float | None = None) -> int:
    """Play until Ctrl-C, or for so many seconds; the exit code.

    Raises:
        CannotStartError: it cannot be shown here; nothing is left of it.
    """
    if not 1 <= agents <= MAX_AGENTS:
        raise CannotStartError(f"the demo takes 1 to {MAX_AGENTS} agents, not {agents}")
    if shutil.which("tmux") is None:
        raise CannotStartError("the demo needs tmux, which is not installed (apt install tmux, brew install tmux)")
    repertoire = Repertoire(find_recordings())
    with _stop_event() as stop, _stage(settings) as stage:
        _say("starting Questmux and a private tmux server ...")
        demo = _Demo(stage, stop)
        try:
            reason = demo.play(repertoire, agents, seconds)
        finally:
            _say("ending ...")
            demo.end()
    _say(f"{reason}; nothing of the demo is left")
    return EXIT_OK


class _Demo:
    """Everything that runs on one stage."""

    def __init__(self, stage: Stage, stop: threading.Event) -> None:
        self._stage = stage
        self._stop = stop
        self._environment = environment(stage)
        self._server = TmuxServer(stage.tmux_socket, self._environment)
        self._keeper = _start_keeper(stage, self._environment)
        self._children = Children(self._keeper.pid)
        self._calls: HookCalls | None = None
        self._log_bytes = -1

    def play(self, repertoire: Repertoire, agents: int, seconds: float | None) -> str:
        """Play until it is over; why it is.

        Raises:
            CannotStartError: Questmux or tmux did not start.
        """
        ends_at = None if seconds is None else time.monotonic() + seconds
        make_projects(self._stage)
        cast = seats(agents)
        places = [Place(name=seat.name, folder=self._stage.project(seat.project)) for seat in cast]
        panes = self._server.open(self._stage.run, places)
        self._wait_ready()
        if self._stop.is_set():
            return "stopped"
        tokens = load_tokens(load_settings(self._environment))
        self._calls = HookCalls(self._stage.api_port, tokens.hook)
        performances = [
            (make_actor(self._stage, seat, panes[seat.name], self._calls), repertoire.performance(seat))
            for seat in cast
        ]
        self._children.look()
        self._tell(tokens, agents)
        server_pid = panes[cast[0].name].server_pid
        with Typed(self._stage.typed) as typed:
            Simulator(performances).run(self._stop, lambda: self._goes_on(server_pid, ends_at), typed.panes)
        return self._reason(ends_at)

    def end(self) -> None:
        """Leave nothing: no process, no socket, no folder."""
        if self._calls is not None:
            self._calls.close()
        assert self._keeper.stdin is not None, "asked for"  # noqa: S101 - impossible state
        self._keeper.stdin.close()  # It ends Questmux, tmux and the folder by itself ...
        try:
            self._keeper.wait(END_S)
        except subprocess.TimeoutExpired:
            self._keeper.kill()
            self._keeper.wait()
        if self._keeper.returncode < 0:  # ... unless it was killed.
            self._children.end()
        self._server.end()

    def _wait_ready(self) -> None:
        settings = load_settings(self._environment)
        deadline = time.monotonic() + READY_S
        while not _is_ready(settings):
            if self._stop.wait(LOOK_S):
                return
            if self._keeper.poll() is not None or time.monotonic() > deadline:
                raise CannotStartError(f"the demo's Questmux did not start: {_last_line(self._stage)}")

    def _tell(self, tokens: Tokens, agents: int) -> None:
        stage = self._stage
        url, ws_url = f"http://127.0.0.1:{stage.api_port}", f"ws://127.0.0.1:{stage.ws_port}/"
        text = notice(stage.folder, agents=agents, url=url, ws_url=ws_url, token=tokens.full)
        with contextlib.suppress(OSError):
            sys.stdout.write(text)
            sys.stdout.flush()

    def _goes_on(self, server_pid: int, ends_at: float | None) -> bool:
        with contextlib.suppress(OSError):
            size = self._stage.log.stat().st_size
            if size != self._log_bytes:  # A service was started again: it is another process.
                self._log_bytes = size
                self._children.look()
        is_over = ends_at is not None and time.monotonic() >= ends_at
        return not is_over and self._keeper.poll() is None and _is_there(server_pid)

    def _reason(self, ends_at: float | None) -> str:
        if self._stop.is_set():
            return "stopped"
        if self._keeper.poll() is not None:
            return "Questmux has ended"
        is_over = ends_at is not None and time.monotonic() >= ends_at
        return "the time is over" if is_over else "its tmux server has ended"


def make_actor(stage: Stage, seat: Seat, pane: Pane, sender: Sender) -> Actor:
    """The agent of a seat, in its pane."""
    return Actor(
        pane,
        folder=stage.project(seat.project),
        claude_dir=stage.claude_dir,
        tmux_socket=stage.tmux_socket,
        sender=sender,
    )


def _start_keeper(stage: Stage, environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """In a session of its own: a terminal's Ctrl-C is for the demo alone, which then ends it."""
    with stage.log.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "services.cli.demo.keeper"],
            cwd=stage.folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _is_ready(settings: Settings) -> bool:
    try:
        services = ApiClient(settings, known_token(settings), 1.0).get("/health")["services"]
    except (ApiError, KeyError):
        return False
    return all(services.get(name) for name in HEALTHY)


def _last_line(stage: Stage) -> str:
    try:
        lines = stage.log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        lines = []
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _stage(settings: Settings) -> Generator[Stage]:
    stage = make_stage(settings)
    try:
        yield stage
    finally:
        remove_folder(stage.folder)


@contextmanager
def _stop_event() -> Generator[threading.Event]:
    """Set by the first signal to end; the ones after it change nothing, so that all is cleared."""
    stop = threading.Event()

    def on_signal(_number: int, _frame: object) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stderr.write(f"questmux demo: {text}\n")
        sys.stderr.flush()
