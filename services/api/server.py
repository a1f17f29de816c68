# pyright: basic, reportAttributeAccessIssue=false
# gunicorn ships no types, and what it has is built by assignment.
"""gunicorn around the app: its settings, and its worker with our limits and our error envelope.

gunicorn's `asgi` worker answers what it cannot parse with plain text, holds a connection that never sends a request for
ever, and does not count connections; `docs/decisions/0004-api-worker.md` says why the subclasses here, and on what of
gunicorn they lean.
"""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

import gunicorn.app.base
import orjson
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from services.api.app import make_app
from services.contract.errors import CODE_FOR_STATUS, ErrorCode
from services.contract.settings import Settings
from services.process.tokens import Tokens

CONNECTIONS: Final = 1_000
"""Open connections of one worker; one more is answered 503 and closed."""
FIRST_REQUEST_S: Final = 10.0
"""A new connection has this long to send the head of its first request."""
KEEPALIVE_S: Final = 75
GRACEFUL_S: Final = 4
"""Requests under way at a stop have this long to end."""
MAX_HEADER_BYTES: Final = 8_190
MAX_HEADERS: Final = 100
MAX_REQUEST_LINE_BYTES: Final = 4_094
WORKER_SILENT_S: Final = 30
"""A worker whose loop stands still this long is replaced."""


class ApiServer(gunicorn.app.base.BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """The master process; `run` ends it with the process."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        super().__init__()

    def load_config(self) -> None:
        """Hand our settings to gunicorn; its own files and environment are not read."""
        host = f"[{self._settings.api_host}]" if ":" in self._settings.api_host else self._settings.api_host
        options: dict[str, Any] = {
            "bind": f"{host}:{self._settings.api_port}",
            "workers": self._settings.api_workers,
            "worker_class": ApiWorker,
            "worker_connections": CONNECTIONS,
            "timeout": WORKER_SILENT_S,
            "graceful_timeout": GRACEFUL_S,
            "keepalive": KEEPALIVE_S,
            "limit_request_line": MAX_REQUEST_LINE_BYTES,
            "limit_request_fields": MAX_HEADERS,
            "limit_request_field_size": MAX_HEADER_BYTES,
            "control_socket_disable": True,
            "proc_name": "questmux-api",
            "loglevel": "warning",
            "asgi_lifespan": "on",
            "forwarded_allow_ips": "",
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> object:
        """The app, made in each worker after the fork."""
        return make_app(self._settings, self._tokens)


class ApiWorker(gasgi.ASGIWorker):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's asgi worker with `ApiProtocol`."""

    def init_process(self) -> None:
        """Put our protocol where the worker looks for it, then go on as gunicorn does."""
        self.open_protocols: set[ApiProtocol] = set()
        gasgi.ASGIProtocol = ApiProtocol
        super().init_process()

    async def _shutdown(self) -> None:
        """Idle connections are closed at once: a stop waits only for requests under way."""
        for protocol in tuple(self.open_protocols):
            protocol.close_if_idle()
        await super()._shutdown()


class ApiProtocol(ASGIProtocol):  # type: ignore[misc] # gunicorn has no types
    """One connection: bounded in number and in waiting time, and errors in our envelope."""

    _first_request: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many."""
        super().connection_made(transport)
        self.worker.open_protocols.add(self)
        if self.worker.nr_conns > CONNECTIONS:
            self._send_error_response(503, "too many connections")
            self._close_transport()
            return
        self._first_request = asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._no_request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._forget_timer()
        self.worker.open_protocols.discard(self)
        super().connection_lost(exc)

    def close_if_idle(self) -> None:
        """Close, if no request is under way."""
        if getattr(self, "_awaiting_request", False):
            self._close_transport()

    def _on_headers_complete(self) -> object:
        self._forget_timer()
        return super()._on_headers_complete()

    def _no_request(self) -> None:
        self._first_request = None
        self._send_error_response(408, "the request did not arrive in time")
        self._close_transport()

    def _forget_timer(self) -> None:
        if self._first_request is not None:
            self._first_request.cancel()
            self._first_request = None

    def _send_error_response(self, status: int, message: str, extra_headers: Iterable[tuple[str, str]] = ()) -> None:
        """Answer what never reached the app, in the envelope that the app uses."""
        code = CODE_FOR_STATUS.get(status, ErrorCode.INTERNAL if status >= 500 else ErrorCode.BAD_REQUEST)  # noqa: PLR2004
        body = orjson.dumps({"success": False, "error": {"code": code, "message": message}})
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *extra_headers,
            ("Connection", "close"),
        ]
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._safe_write(f"HTTP/1.1 {status} {self._get_reason_phrase(status)}\r\n{head}\r\n".encode("latin-1") + body)
