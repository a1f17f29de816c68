"""Runs the lines of `procfile` as a person or honcho would, and asks them things."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from honcho.environ import parse_procfile

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
STOP_S = 20.0
MOST_LATE = 5
"""Of all hook calls that a test needs to be kept before they are answered."""
_giving = threading.Lock()
_given: set[int] = set()


class Answer:
    """What an HTTP call came back with."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        assert self.json["success"] is True, self.body
        return self.json["data"]

    @property
    def code(self) -> str:
        assert self.json["success"] is False, self.body
        return str(self.json["error"]["code"])


class Stack:
    """Every process of the procfile, each restartable alone."""

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        # A Unix socket's path is short: pytest's own folders are too deep for it.
        self.runtime_dir = Path(tempfile.mkdtemp(prefix="qm-", dir="/tmp"))
        self.api_port, self.ws_port = free_port(), free_port()
        self.tmux_socket = f"qm-test-{uuid.uuid4().hex[:8]}"
        self.commands: dict[str, str] = dict(parse_procfile((ROOT / "procfile").read_text()).processes)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.settings = settings
        self._late = 0

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("QUESTMUX_", "TMUX"))}
        return clean | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "QUESTMUX_DATA_DIR": str(self.data_dir),
            "QUESTMUX_RUNTIME_DIR": str(self.runtime_dir),
            "QUESTMUX_CONFIG": str(self._empty_config()),
            "QUESTMUX_TIME_ZONE": "UTC",
            "QUESTMUX_API_PORT": str(self.api_port),
            "QUESTMUX_WS_PORT": str(self.ws_port),
            "QUESTMUX_TMUX_SOCKET": self.tmux_socket,
            **self.settings,
        }

    def _empty_config(self) -> Path:
        path = self.runtime_dir / "config.toml"
        path.touch()
        return path

    # Processes.

    def start(self, name: str) -> None:
        log = (self.runtime_dir / f"{name}.log").open("ab")
        with closing(log):
            self.processes[name] = subprocess.Popen(
                self.commands[name],
                shell=True,
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start_all(self) -> None:
        for name in self.commands:
            self.start(name)

    def wait_ready(self) -> None:
        wait_until(
            lambda: all(self.figures()["services"].get(name) for name in ("api", "ws", "poller")),
            what="every service has said that it is there",
        )
        wait_until(lambda: is_open(self.ws_port), what="the gateway listens")

    def kill(self, name: str) -> None:
        """SIGKILL, as the system's out-of-memory killer would."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait(STOP_S)

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        """Ask a process to end; its exit code."""
        self.processes[name].send_signal(number)
        return self.processes[name].wait(STOP_S)

    def stop_for_a_while(self, name: str) -> None:
        """SIGSTOP: it lives, and does nothing."""
        self.processes[name].send_signal(signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        """SIGCONT."""
        self.processes[name].send_signal(signal.SIGCONT)

    def log(self, name: str) -> str:
        path = self.runtime_dir / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def close(self, *, shows_logs: bool = True) -> None:
        """End everything; the logs are for a test that failed."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for name, process in self.processes.items():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                sys.stderr.write(f"{name} did not end within {STOP_S} s\n")
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(STOP_S)
        for name in self.processes if shows_logs else ():
            sys.stderr.write(f"--- {name}\n{self.log(name)[-4000:]}\n")
        self.tmux("kill-server", check=False)
        shutil.rmtree(self.runtime_dir, ignore_errors=True)

    # Asking.

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()

    @property
    def hook_token(self) -> str:
        return (self.data_dir / "hook-token").read_text().strip()

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        token: str | None = None,
        timeout_s: float = 10,
    ) -> Answer:
        """One HTTP call. `token` is the full token unless another is given; an empty one sends none."""
        given = self.token if token is None else token
        all_headers = {"Authorization": f"Bearer {given}"} if given else {}
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.api_port}{path}",
            data=body,
            method=method,
            headers={**all_headers, **(headers or {})},
        )
        try:
            with NO_PROXY.open(request, timeout=timeout_s) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as exc:
            with exc:
                return Answer(exc.code, dict(exc.headers), exc.read())

    def get(self, path: str) -> Any:
        """The `data` of a read, once core is there to answer it."""
        return self._once_core_answers(lambda: self.call("GET", path)).data

    def health(self) -> Answer:
        """`/health`; status 0 while nobody listens."""
        try:
            return self.call("GET", "/health", token="")
        except OSError:
            return Answer(0, {}, b"{}")

    def figures(self) -> Any:
        """The `data` of `/health`, once core is there to answer it: it is asked for half a second only."""
        return self._once_core_answers(self.health).data

    def _once_core_answers(self, ask: Callable[[], Answer]) -> Answer:
        answers: list[Answer] = []

        def is_answered() -> bool:
            answers[:] = [ask()]
            return answers[0].status not in {0, 503}

        wait_until(is_answered, what="core to answer")
        return answers[0]

    def get_update_seq(self) -> int:
        """The last update that core has published."""
        return int(self.figures()["core"]["update_seq"])

    def wait_for_spool(self) -> None:
        """Until core has taken in what it was too late for."""
        wait_until(lambda: self.figures()["core"]["spool_bytes"] == 0, 60, "what a slow core was late for")

    def post_event(
        self, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None, *, timeout_s: float = 10
    ) -> Answer:
        """One hook call with the hook token."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", "/event", data, headers, token=self.hook_token, timeout_s=timeout_s)

    def keep(self, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """One hook call that is in the log when it is answered."""
        named = {"X-Event-Id": uuid.uuid4().hex, **(headers or {})}
        [answer] = self.until_kept(lambda: [self.post_event(body, named)])
        assert answer.status == 200, answer.body
        return answer

    def until_kept(self, send: Callable[[], list[Answer]]) -> list[Answer]:
        """The answers to hook calls that are in the log when they are answered.

        A machine that stands still for 0.2 s makes one a 202; then they are sent once more. One that has an id gets
        the number that it has.
        """
        while True:
            answers = send()
            if all(answer.status != 202 for answer in answers):
                return answers
            self._late += 1
            assert self._late <= MOST_LATE, "it keeps nothing at once"
            self.wait_for_spool()

    def session(self, session_id: str) -> Any:
        """One session as the API shows it."""
        return self.get(f"/api/sessions/{session_id}")["session"]

    def tmux(self, *words: str, check: bool = True) -> str:
        """A tmux command on this stack's own server."""
        run = subprocess.run(
            ["tmux", "-L", self.tmux_socket, "-f", "/dev/null", *words], capture_output=True, text=True, check=False
        )
        assert run.returncode == 0 or not check, run.stderr
        return run.stdout

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the database, read beside the running core."""
        with closing(sqlite3.connect(f"file:{self.data_dir / 'questmux.db'}?mode=ro", uri=True)) as db:
            return db.execute(query, values).fetchall()


def free_port() -> int:
    """A port that nobody has now, and that nobody else was given here: stacks may be made side by side."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        with _giving:
            if port not in _given:
                _given.add(port)
                return port


def is_open(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    with closing(socket.socket()) as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
