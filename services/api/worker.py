# pyright: basic, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# gunicorn ships no types, and what it has is built by assignment.
"""gunicorn's asgi worker and its connections, with our limits and our error envelope.

gunicorn answers what it cannot parse with plain text, holds a connection that never sends a request for ever, does not
count connections, and closes a connection in the face of a client that is still sending, who then never reads why.
"""

import asyncio
import signal
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import orjson
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from services.contract.errors import CODE_FOR_STATUS, HTTP_STATUS, ErrorCode

CONNECTIONS: Final = 1_000
"""Open connections of one worker; one more is answered 429 and closed."""
FIRST_REQUEST_S: Final = 10.0
"""A new connection has this long to send the head of its first request."""
KEEPALIVE_S: Final = 75
"""A connection has this long between the end of an answer and the end of the next head."""
GRACEFUL_S: Final = 4.0
"""Requests under way at a stop have this long to end."""
GRACEFUL_LOOK_S: Final = 0.02
LINGER_S: Final = 5.0
"""A client that still sends when it was answered has this long to read the answer."""
LINGER_BYTES: Final = 64 * 1024 * 1024
"""So much of what it still sends is thrown away; then the connection is cut."""


class ApiWorker(gasgi.ASGIWorker):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's asgi worker with `ApiProtocol`."""

    def init_process(self) -> None:
        """Put our protocol where the worker looks for it, then go on as gunicorn does."""
        self.connections: set[ApiProtocol] = set()
        self._looking: asyncio.Task[object] | None = None
        gasgi.ASGIProtocol = ApiProtocol
        super().init_process()

    def init_signals(self) -> None:
        """Ctrl-C and a lost terminal reach all processes of a group: stop as the master will ask to."""
        super().init_signals()
        for number in (signal.SIGINT, signal.SIGHUP):
            self.loop.add_signal_handler(number, self.handle_exit_signal)

    def notify(self) -> None:
        """Once a second, before it sleeps: the one place where `_serve` waits while it is alive."""
        super().notify()
        self._looking = asyncio.current_task()

    def handle_exit_signal(self) -> None:
        """Stop now, and not when the second is over."""
        super().handle_exit_signal()
        self._wake()

    def handle_quit_signal(self) -> None:
        """The same, without waiting for requests under way."""
        super().handle_quit_signal()
        self._wake()

    def _wake(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _shutdown(self) -> None:
        """Wait for requests under way, not for idle connections; then let the app put away what it holds."""
        self._looking = None  # It is awake, also when the master is gone and no signal came yet.
        for server in self.servers:
            server.close()
        deadline = self.loop.time() + GRACEFUL_S
        while self.connections and self.loop.time() < deadline and not self._quick_shutdown:
            for connection in tuple(self.connections):
                connection.close_if_idle()
            await asyncio.sleep(GRACEFUL_LOOK_S)
        if self.lifespan:
            await self.lifespan.shutdown()


class ApiProtocol(ASGIProtocol):  # type: ignore[misc] # gunicorn has no types
    """One connection: bounded in number and in waiting time, and errors in our envelope."""

    _first_request: asyncio.TimerHandle | None = None
    _closed: bool
    _has_data = False
    _is_refused = False
    _linger: asyncio.TimerHandle | None = None
    _thrown_away_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many."""
        super().connection_made(transport)
        self.worker.connections.add(self)
        if self.worker.nr_conns > CONNECTIONS:
            self._send_error_response(HTTP_STATUS[ErrorCode.TOO_MANY_REQUESTS], "too many connections")
            super()._close_transport()  # No lingering: it would count as a connection.
            return
        self._first_request = self.worker.loop.call_later(FIRST_REQUEST_S, self._no_request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._forget_timer()
        if self._linger is not None:
            self._linger.cancel()
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what the client sends."""
        self._has_data = True
        if self._linger is None:
            super().data_received(data)
            return
        self._thrown_away_bytes += len(data)
        if self._thrown_away_bytes > LINGER_BYTES:
            self.transport.abort()

    def close_if_idle(self) -> None:
        """Close, if no request is under way."""
        if self._linger is not None:
            self.transport.abort()
        elif self._awaiting_request:
            super()._close_transport()

    def _on_headers_complete(self) -> object:
        self._forget_timer()
        return super()._on_headers_complete()

    def _no_request(self) -> None:
        self._first_request = None
        if self._has_data:
            self._send_error_response(408, f"the request's head did not arrive within {FIRST_REQUEST_S:g} s")
        self._close_transport()

    def _forget_timer(self) -> None:
        if self._first_request is not None:
            self._first_request.cancel()
            self._first_request = None

    def _close_transport(self) -> None:
        """Close; a client that still sends gets our end of the stream first.

        To close with bytes unread resets the connection, and the client could not read its answer.
        """
        receiver = self._body_receiver
        is_sending = self._is_refused or (receiver is not None and not receiver._complete)  # noqa: SLF001 - a subclass
        if self._closed or not is_sending or not self.transport.can_write_eof():
            super()._close_transport()
            return
        self._closed = True
        self._linger = self.worker.loop.call_later(LINGER_S, self.transport.abort)
        self.transport.write_eof()
        self._resume_reading()

    def _is_websocket_upgrade(self, _request: object) -> bool:
        """Never: the gateway speaks WebSocket, and here an `Upgrade` is ignored as HTTP allows."""
        return False

    def _send_error_response(self, status: int, message: str, extra_headers: Iterable[tuple[str, str]] = ()) -> None:
        """Answer what never reached the app, in the envelope that the app uses."""
        self._is_refused = True
        reason = HTTPStatus(status).phrase
        code = CODE_FOR_STATUS.get(status, ErrorCode.INTERNAL if status >= 500 else ErrorCode.BAD_REQUEST)  # noqa: PLR2004
        body = orjson.dumps({"success": False, "error": {"code": code, "message": message or reason}})
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            *extra_headers,
            ("Connection", "close"),
        ]
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._safe_write(f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("latin-1") + body)
