"""`questmux tail`: prints what the WebSocket sends, and comes back whenever it is cut off."""

import json
import os
import random
import select
import socket
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Final
from urllib.parse import urlencode, urlsplit

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from services.cli.api_client import LOOPBACK_OF, ApiError, known_token, refuse_stranger, url_host
from services.cli.message_line import message_line
from services.cli.mirror import Json, Mirror
from services.cli.printable import json_line, printable
from services.contract.commands import CloseCode
from services.contract.settings import Settings
from services.contract.updates import BY_TYPE, SELECTABLE

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 20.0
"""docs/protocol.md, Heartbeat and closing."""
DOUBLINGS: Final = 6
"""By then the longest wait is reached."""
CLOSE_WITHIN_S: Final = 1.0
CHECK_EVERY_S: Final = 1.0
OPEN_S: Final = 10.0
PING_S: Final = 20.0
WATCHED_OPEN_S: Final = 2.0
WATCHED_PING_S: Final = 5.0
"""Between two pings, and until a pong."""
WATCHED_WAIT_S: Final = 2.0
"""The longest wait while a person looks on; there are never many of these."""
HTTP_PORT: Final = 80
HTTP_SERVER_ERROR: Final = 500


class Tail:
    """A client that goes on: after a cut it brings its cursor, and gets what it missed."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        guard: Callable[[socket.socket], None],
        show: Callable[[Json, Mirror], None],
        say: Callable[[str], None],
        unwanted: Iterable[str] = (),
        pause: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        check: Callable[[], float] = lambda: CHECK_EVERY_S,
        is_watched: bool = False,
    ) -> None:
        """`show` gets each message with the state before it; `say` a sentence about the connection.

        `guard` gets each connection before the token is sent over it; an ApiError that it raises ends the tail.
        `unwanted` are types of updates not to be sent; `chance` gives numbers from 0 to 1. `check` is called
        before each connection, after each message, and after as many seconds without one as it answered; what it
        raises ends the tail. With `is_watched` somebody looks on: a gateway that hangs is taken for gone within
        seconds.
        """
        self.mirror = Mirror()
        self._url = url
        place = urlsplit(url)
        self._place = str(place.hostname), place.port or HTTP_PORT
        self._headers = {"Authorization": f"Bearer {token}"}
        self._guard = guard
        self._show = show
        self._say = say
        self._unwanted = sorted(unwanted)
        self._pause = pause
        self._chance = chance
        self._check = check
        self._is_watched = is_watched
        self._tries = 0
        self._named_wait_s: float | None = None

    def run(self) -> None:
        """Follow for ever.

        Raises:
            ApiError: the gateway refuses; trying again would not help.
        """
        was_away = False
        while True:
            self._check()
            connection = self._connect()
            if connection is None:
                if not was_away:
                    self._say(f"nothing answers at {self._url}: start it with `questmux up`; trying on")
                was_away = True
                self._pause(self._next_wait_s())
                continue
            was_away = False
            why = self._listen(connection)
            wait_s = self._next_wait_s()
            self._say(f"{why}; trying again in {wait_s:.1f} s")
            self._pause(wait_s)

    def _connect(self) -> ClientConnection | None:
        """A connection; None while nobody serves there.

        Raises:
            ApiError: the handshake is refused, or another user answers.
        """
        cursor = self.mirror.cursor
        within_s = WATCHED_OPEN_S if self._is_watched else OPEN_S
        ping_s = WATCHED_PING_S if self._is_watched else PING_S
        with ExitStack() as failing:
            try:
                line = failing.enter_context(socket.create_connection(self._place, within_s))
                self._guard(line)
                connection = connect(
                    f"{self._url}?{urlencode({'cursor': cursor})}" if cursor else self._url,
                    sock=line,
                    additional_headers=self._headers,
                    compression=None,
                    proxy=None,
                    max_size=None,  # A snapshot is as large as the state.
                    open_timeout=within_s,
                    ping_interval=ping_s,
                    ping_timeout=ping_s,
                    close_timeout=CLOSE_WITHIN_S,
                )
            except InvalidStatus as exc:
                status = exc.response.status_code
                if status >= HTTP_SERVER_ERROR:
                    return None
                raise ApiError(f"{self._url} refuses with {status}: {_refusal(exc)}") from exc
            except (OSError, InvalidHandshake, ConnectionClosed, EOFError):
                return None
            failing.pop_all()
        return connection

    def _listen(self, connection: ClientConnection) -> str:
        """Take what comes until the connection ends; why it ended.

        Raises:
            ApiError: the token is not valid, or it is not Questmux that answers.
        """
        try:
            with connection:
                if self._unwanted:
                    connection.send(json.dumps({"type": "unsubscribe", "data": {"types": self._unwanted}}))
                while True:
                    with suppress(TimeoutError):
                        self._take(self._decoded(connection.recv(timeout=self._check())))
        except ConnectionClosed as exc:
            closed = exc.rcvd
            if closed is None:
                return "the connection was cut"
            if closed.code == CloseCode.UNAUTHORIZED:
                raise ApiError(f"{self._url} does not take this installation's token") from exc
            return f"the connection was closed with {closed.code} ({closed.reason})"

    def _decoded(self, text: str | bytes) -> Json:
        try:
            message: Json = json.loads(text)
        except ValueError as exc:
            raise ApiError(f"what answers at {self._url} is not Questmux") from exc
        return message

    def _take(self, message: Json) -> None:
        self._show(message, self.mirror)
        self.mirror.apply(message)
        if message["type"] == "draining":
            self._named_wait_s = message["data"]["reconnect_in_ms"] / 1000
        elif self.mirror.is_synced:
            self._tries, self._named_wait_s = 0, None

    def _next_wait_s(self) -> float:
        """What the gateway named; else more each time, and by chance, so that clients do not come back all at once."""
        named, self._named_wait_s = self._named_wait_s, None
        if named is not None:
            return named
        longest_s = min(longest_wait_s(self._tries), WATCHED_WAIT_S if self._is_watched else LONGEST_WAIT_S)
        wait_s = longest_s * self._chance()
        self._tries += 1
        return wait_s


def longest_wait_s(tries: int) -> float:
    """Before the next try, after so many in vain."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * (1 << min(tries, DOUBLINGS)))


def gateway_url(settings: Settings) -> str:
    """Where this installation's gateway is."""
    host = LOOPBACK_OF.get(settings.ws_host, settings.ws_host)
    return f"ws://{url_host(host)}:{settings.ws_port}/"


def gateway_guard(settings: Settings) -> Callable[[socket.socket], None]:
    """What keeps the token from another user who listens in the gateway's place."""
    return partial(refuse_stranger, token_file=settings.data_dir / "token")


def chosen_types(text: str) -> frozenset[str]:
    """The types in a list with commas; all types of an empty one.

    Raises:
        ApiError: one of them is none.
    """
    chosen = frozenset(word.strip() for word in text.split(",") if word.strip())
    unknown = sorted(chosen - BY_TYPE.keys())
    if unknown:
        raise ApiError(f"{unknown[0]!r} is no type of a message; docs/protocol.md lists them")
    return chosen or frozenset(BY_TYPE)


def run_tail(settings: Settings, types: str, *, as_json: bool) -> None:
    """Print messages until Ctrl-C, or until nobody reads them any more.

    Raises:
        ApiError: the types, the token or the gateway does not allow it, or nothing can be printed.
    """
    chosen, is_all = chosen_types(types), not types.strip(" ,")
    if sys.stdout is None:  # Closed by whoever started it.
        return
    in_colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def show(message: Json, had: Mirror) -> None:
        if is_all or message["type"] in chosen:
            print(json_line(message) if as_json else message_line(message, had, in_colour=in_colour), flush=True)

    tail = Tail(
        gateway_url(settings),
        known_token(settings),
        guard=gateway_guard(settings),
        show=show,
        say=_say,
        unwanted=SELECTABLE - chosen,
        check=check_reader,
    )
    with printing():
        tail.run()


@contextmanager
def printing() -> Generator[None]:
    """Print in here: what the encoding lacks is escaped; Ctrl-C and a reader that is gone end it without a word.

    Raises:
        ApiError: nothing can be printed.
    """
    _accept_any_character()
    try:
        yield
    except KeyboardInterrupt:
        pass
    except OSError as exc:  # Of printing; the tail keeps those of the connection.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Or Python complains when it ends.
        if not isinstance(exc, BrokenPipeError):
            raise ApiError(f"cannot print: {exc.strerror}") from exc


def check_reader() -> float:
    """See whether the reader of a pipe is gone, which a program that has nothing to print would never learn.

    Answers when to look again, in seconds.

    Raises:
        BrokenPipeError: it is.
    """
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if any(state & select.POLLERR for _, state in poll.poll(0)):
        raise BrokenPipeError
    return CHECK_EVERY_S


def _accept_any_character() -> None:
    """What the terminal's encoding does not have is printed as an escape."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def _say(sentence: str) -> None:
    print(f"questmux: {printable(sentence)}", file=sys.stderr, flush=True)


def _refusal(refused: InvalidStatus) -> str:
    try:
        return printable(str(json.loads(refused.response.body or b"")["error"]["message"]))
    except (ValueError, KeyError, TypeError):
        return refused.response.reason_phrase
