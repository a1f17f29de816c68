# pyright: basic, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# gunicorn ships no types, and what it has is built by assignment.
"""gunicorn's master process: the listener, the settings, and stops that end as those of the other services do.

gunicorn alone tries a taken port five times with a traceback's worth of lines, takes SIGHUP for a reload and SIGINT for
an end without a goodbye; `docs/decisions/0004-api-worker.md` says on what of gunicorn the subclasses here lean.
"""

import contextlib
import errno
import os
import resource
import signal
import socket
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final

import gunicorn.app.base
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.glogging import Logger

from services.api.app import make_app
from services.api.worker import CONNECTIONS, KEEPALIVE_S, ApiWorker
from services.contract.settings import PREFIX, Settings
from services.process.life import EXIT_NOW, EXIT_OK, CannotStartError
from services.process.tokens import Tokens

BACKLOG: Final = 2_048
"""Connections that the system holds while no worker has taken them."""
LISTEN_S: Final = 4.0
"""A taken port may be that of a master that was killed: its workers are gone within this."""
LISTEN_PAUSE_S: Final = 0.05
OPEN_FILES: Final = CONNECTIONS + 200
"""What a worker may need at once."""
MAX_HEADER_BYTES: Final = 8_190
MAX_HEADERS: Final = 100
MAX_REQUEST_LINE_BYTES: Final = 4_094
STOP_S: Final = 8
"""A worker that has not ended by itself within this is killed."""
WORKER_SILENT_S: Final = 30
"""A worker whose loop stands still this long is replaced."""


class ApiServer(gunicorn.app.base.BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """The master process; `run` ends it with the process."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        self._listeners = (listen(settings.api_host, settings.api_port), listen_locally(settings.api_socket))
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn; its own files and environment are not read."""
        options: dict[str, Any] = {
            "bind": [f"fd://{listener.detach()}" for listener in self._listeners],
            "backlog": BACKLOG,
            "workers": self._settings.api_workers,
            "worker_class": ApiWorker,
            "worker_connections": CONNECTIONS,
            "timeout": WORKER_SILENT_S,
            "graceful_timeout": STOP_S,
            "keepalive": KEEPALIVE_S,
            "limit_request_line": MAX_REQUEST_LINE_BYTES,
            "limit_request_fields": MAX_HEADERS,
            "limit_request_field_size": MAX_HEADER_BYTES,
            "control_socket_disable": True,
            "proc_name": "questmux-api",
            "logger_class": ApiLogger,
            "loglevel": "warning",
            "asgi_lifespan": "on",
            "forwarded_allow_ips": "",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> object:
        """The app, made in each worker after the fork."""
        return make_app(self._settings, self._tokens)

    def run(self) -> None:
        """Serve until a signal; ends the process."""
        allow_open_files()
        ApiArbiter(self).run()


class ApiArbiter(Arbiter):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's master loop: SIGTERM, SIGINT and SIGHUP stop it, a second SIGTERM or SIGINT ends all at once."""

    _stops = 0

    def signal(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if os.getpid() != self.pid:
            os._exit(EXIT_OK)  # A worker so young that it has no handlers of its own; it serves nobody yet.
        if sig in {signal.SIGTERM, signal.SIGINT}:
            self._stops += 1
            if self._stops > 1:
                self._end_now()
        super().signal(sig, frame)

    def stop(self, graceful: bool = True) -> None:
        """Leave the Unix socket's file to the next life, as one that systemd gave: gunicorn trips when it is gone."""
        self.systemd = True
        super().stop(graceful)

    def _end_now(self) -> None:
        for pid in tuple(self.WORKERS):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os._exit(EXIT_NOW)

    def handle_int(self) -> None:
        """As SIGTERM, in this project."""
        self.handle_term()

    def handle_hup(self) -> None:
        """The terminal is gone."""
        self.handle_term()

    def handle_usr2(self) -> None:
        """Ignored: gunicorn would start a second master, which could not have the port."""
        self.log.warning("SIGUSR2 ignored")


class ApiLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's log lines among ours, in our form."""

    def setup(self, cfg: Config) -> None:
        """Give the lines to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def reopen_files(self) -> None:
        """There are none."""


def allow_open_files() -> None:
    """Raise the soft limit on open files as far as is needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def listen(host: str, port: int) -> socket.socket:
    """The listening socket.

    Raises:
        CannotStartError: the address cannot be had; says which setting to change.
    """
    deadline = time.monotonic() + LISTEN_S
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        try:
            return socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
                why = "another program has it" if exc.errno == errno.EADDRINUSE else exc.strerror
                raise CannotStartError(
                    f"cannot listen on {host} port {port}: {why}; {PREFIX}API_HOST and {PREFIX}API_PORT say where"
                ) from exc
            time.sleep(LISTEN_PAUSE_S)


def listen_locally(path: Path) -> socket.socket:
    """The listening Unix socket. One that somebody answers at is another server's; one that nobody does is left over.

    Only its owner can call it or put another in its place, also while nothing listens: its folder is closed to others.

    Raises:
        CannotStartError: the address cannot be had.
    """
    deadline = time.monotonic() + LISTEN_S
    while _is_answered(path):  # Workers of a killed master end within this, too.
        if time.monotonic() >= deadline:
            raise CannotStartError(f"another Questmux answers at {path}; {PREFIX}RUNTIME_DIR gives this one its own")
        time.sleep(LISTEN_PAUSE_S)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        server.bind(str(path))
        path.chmod(0o600)
        server.listen(BACKLOG)
    except OSError as exc:
        server.close()
        raise CannotStartError(f"cannot listen on {path}: {exc.strerror}; {PREFIX}RUNTIME_DIR says where") from exc
    return server


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
