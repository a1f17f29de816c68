"""The door for clients: accepts, judges, lets in, hears, closes. With `link`, all that imports `websockets`."""

import asyncio
import errno
import http
import logging
from collections.abc import Callable, Sequence
from secrets import randbelow
from typing import Final, cast
from urllib.parse import parse_qs, urlsplit

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from services.contract.commands import AUTH_TIMEOUT_S, MAX_CLIENT_MESSAGE_BYTES, CloseCode, HelloData
from services.contract.errors import CODE_FOR_STATUS, HTTP_STATUS, ErrorCode, Problem
from services.contract.origins import is_allowed_host, is_allowed_origin
from services.contract.settings import Settings
from services.contract.updates import Draining
from services.process.clock import new_id, now_ms
from services.process.life import CannotStartError
from services.process.tokens import Tokens, bearer
from services.ws.client import Client
from services.ws.hub import Hub
from services.ws.incoming import read_hello
from services.ws.link import CLOSE_WITHIN_S, Link, text_frame
from services.ws.port_lock import PortLock, share
from services.ws.register import Register
from services.ws.replica import Replica
from services.ws.ticket import TicketOffice

MAX_CONNECTIONS: Final = 10_000
PATHS: Final = frozenset({"/", "/ws"})
OPEN_WITHIN_S: Final = 5.0
BACKLOG: Final = 1_024
"""Those who connect at the same moment; one more waits a second for its next try."""
DRAIN_STEP_WITHIN_S: Final = 1.0
"""Of each of the three steps of the end: send what waits, close, wait for the server."""
RECONNECT_SPREAD_MS: Final = 2_000
MAX_FRAMES_UNHEARD: Final = 8
ANY_REQUEST: Final = Request("/", Headers())
"""Stands in for a client's own once that was read: its headers would stay, 1.5 KiB and more. To the library None is one
that is yet to come."""

logger = logging.getLogger(__name__)


class Gateway:
    """Serves clients at one address, alone or beside other gateways of this installation."""

    def __init__(
        self,
        settings: Settings,
        tokens: Tokens,
        replica: Replica,
        *,
        auth_timeout_s: float = AUTH_TIMEOUT_S,
        max_connections: int = MAX_CONNECTIONS,
        random_below: Callable[[int], int] = randbelow,
    ) -> None:
        self.hub = Hub(replica, text_frame, TicketOffice(tokens.full))
        self.register = Register()
        self._settings = settings
        self._tokens = tokens
        self._replica = replica
        self._auth_timeout_s = auth_timeout_s
        self._max_connections = max_connections
        self._random_below = random_below
        self._port_lock = PortLock(settings.runtime_dir, settings.ws_port)
        self._server: Server | None = None

    async def open(self) -> None:
        """Begin to accept.

        Raises:
            CannotStartError: the address cannot be had.
        """
        settings = self._settings
        try:
            async with self._port_lock.opening() as is_shared:
                self._server = await self._listen(reuse_port=is_shared)
                share(self._server.sockets)
        except OSError as exc:
            address = f"{settings.ws_host}:{settings.ws_port}"
            if exc.errno == errno.EADDRINUSE:
                raise CannotStartError(f"{address} is in use: stop who uses it, or set QUESTMUX_WS_PORT") from exc
            raise CannotStartError(f"{address} cannot be served: {exc}") from exc

    async def _listen(self, *, reuse_port: bool) -> Server:
        settings = self._settings
        return await serve(
            self._serve_client,
            settings.ws_host,
            settings.ws_port,
            reuse_port=reuse_port,
            backlog=BACKLOG,
            compression=None,
            process_request=self._judge,
            process_response=_in_envelope,
            server_header=None,
            open_timeout=OPEN_WITHIN_S,
            ping_interval=None,
            close_timeout=CLOSE_WITHIN_S,
            max_size=MAX_CLIENT_MESSAGE_BYTES,
            max_queue=MAX_FRAMES_UNHEARD,
            write_limit=(settings.ws_pause_bytes, settings.ws_resume_bytes),
            create_connection=Link,
        )

    @property
    def is_open(self) -> bool:
        """Whether it accepts."""
        return self._server is not None and self._server.is_serving()

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._opened().sockets[0].getsockname()[1])

    def links(self) -> list[Link]:
        """Connections that are open, let in or not yet."""
        return [link for link in self._opened().connections if isinstance(link, Link)]

    def _opened(self) -> Server:
        if self._server is None:
            raise AssertionError("the gateway was not opened")
        return self._server

    def _judge(self, connection: ServerConnection, request: Request) -> Response | None:
        """Let a handshake go on, or answer it."""
        hosts = request.headers.get_all("Host")
        origins = request.headers.get_all("Origin")
        if len(hosts) != 1 or not is_allowed_host(hosts[0], self._settings):
            problem = Problem(code=ErrorCode.FORBIDDEN, message="this Host is not served; see QUESTMUX_ALLOWED_HOSTS")
        elif len(origins) > 1 or not all(is_allowed_origin(origin, self._settings) for origin in origins):
            problem = Problem(code=ErrorCode.FORBIDDEN, message="this Origin may not; see QUESTMUX_ALLOWED_ORIGINS")
        elif request.path.partition("?")[0] not in PATHS:
            problem = Problem(code=ErrorCode.NOT_FOUND, message="the WebSocket is at / and /ws")
        elif len(self._opened().handler_tasks) > self._max_connections:
            problem = Problem(code=ErrorCode.CORE_UNAVAILABLE, message="too many connections")
        else:
            return None
        logger.debug("handshake refused", extra={"problem": problem.message, "host": hosts, "origin": origins})
        return _envelope(connection, HTTP_STATUS[problem.code], problem)

    async def _serve_client(self, connection: ServerConnection) -> None:
        link = cast("Link", connection)  # Of `create_connection`.
        try:
            hello = await self._hello(link)
            if hello is None:
                logger.info("client refused", extra={"address": str(link.remote_address)})
                await link.shut(CloseCode.UNAUTHORIZED, "say hello with the token first")
                return
            link.request, link.response = ANY_REQUEST, None
            settings = self._settings
            client = Client(
                client_id=new_id(),
                address=_address(link),
                wire=link,
                frame=text_frame,
                screens=self.hub.screens,
                latest=self.hub.latest,
                on_lost=self.hub.refill,
                cursor=self.hub.cursor,
                heartbeat_s=settings.heartbeat_s,
                slice_bytes=settings.ws_pause_bytes,
            )
            logger.info("client came", extra={"client": client.id, "address": str(link.remote_address)})
            await self._attend(client, link, hello.resume)
        except ConnectionClosed:
            pass

    async def _hello(self, link: Link) -> HelloData | None:
        """What a client brings that has the token, in its header or else in its first message; None without it."""
        request = link.request
        headers = request.headers.get_all("Authorization") if request else []
        if request and headers:
            is_known = len(headers) == 1 and self._tokens.is_full(bearer(headers[0]))
            cursors = parse_qs(urlsplit(request.path).query).get("cursor", [""])
            return HelloData(resume=cursors[-1]) if is_known else None
        try:
            async with asyncio.timeout(self._auth_timeout_s):
                first = await link.recv()
        except TimeoutError:
            return None
        hello = read_hello(first)
        return hello if hello is not None and self._tokens.is_full(hello.token) else None

    async def _attend(self, client: Client, link: Link, cursor: str) -> None:
        try:
            await self.hub.join(client, self._settings.heartbeat_s, cursor)
            while True:
                message = await link.recv()
                if not link.ended_for:
                    client.hear(message, link.heard_at)
        finally:
            self.register.left(client, now_ms(), link.close_code, link.ended_for or "client closed")
            self.hub.leave(client)
            why = link.ended_for or "client closed"
            logger.info(
                "client left", extra={"client": client.id, "why": why, "code": link.close_code, "sent": client.sent}
            )

    async def keep_pulse(self) -> None:
        """Ping clients and end the silent ones; never returns."""
        tick_s = min(1.0, self._settings.heartbeat_s / 4)
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(tick_s)
            self.hub.beat(loop.time())

    async def drain(self) -> None:
        """Accept nobody more, send what waits, tell each client when to come back, close all; in bounded time."""
        server = self._opened()
        await asyncio.sleep(0)  # Takes who has connected already: when the port is closed they are cut off.
        server.close(close_connections=False)
        await asyncio.sleep(0)  # Closes the port.
        self._port_lock.release()
        clients = tuple(self.hub.clients)
        await _within(DRAIN_STEP_WITHIN_S, [asyncio.create_task(client.flushed()) for client in clients])
        for client in clients:
            client.say(Draining(reconnect_in_ms=self._random_below(RECONNECT_SPREAD_MS), cursor=client.cursor))
        links = self.links()
        shutting = [asyncio.create_task(link.shut(CloseCode.RESTART, "the gateway stops")) for link in links]
        await _within(DRAIN_STEP_WITHIN_S, shutting)
        for link in links:
            link.transport.abort()
        await _within(DRAIN_STEP_WITHIN_S, [asyncio.create_task(server.wait_closed())])


def _address(link: Link) -> str:
    """Where a client is, as text for a person."""
    match link.remote_address:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case other:
            return str(other)


async def _within(seconds: float, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the tasks, and cancel those that are late."""
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()


def _envelope(connection: ServerConnection, status: int, problem: Problem) -> Response:
    body = msgspec.json.encode({"success": False, "error": problem}).decode()
    response = connection.respond(status, body)
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response


def _in_envelope(connection: ServerConnection, _request: Request, response: Response) -> Response | None:
    """The library's own refusals, as this house says them."""
    is_plain = response.headers.get("Content-Type", "").startswith("text/plain")
    if response.status_code == http.HTTPStatus.SWITCHING_PROTOCOLS or not is_plain:
        return None
    code = CODE_FOR_STATUS.get(response.status_code, ErrorCode.BAD_REQUEST)
    problem = Problem(code=code, message=bytes(response.body).decode().strip())
    enveloped = _envelope(connection, response.status_code, problem)
    for name in ("Allow", "Upgrade"):
        if name in response.headers:
            enveloped.headers[name] = response.headers[name]
    return enveloped
