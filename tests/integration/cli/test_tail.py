import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from services.cli.api_client import ApiError
from services.cli.mirror import Mirror
from services.cli.tail import Tail, chosen_types, gateway_url, longest_wait_s
from services.contract.settings import Settings
from services.contract.updates import BY_TYPE
from tests.e2e.stack import free_port
from tests.waiting import wait_until

Scene = Callable[[ServerConnection], None]
Judge = Callable[[ServerConnection, Request], Response | None]


class EnoughError(Exception):
    """The test has seen what it wanted."""


class Gateway:
    """Serves one scene after the other, each to one connection; keeps how the client came."""

    def __init__(self, *scenes: Scene, judge: Judge | None = None) -> None:
        self.requests: list[Request] = []
        self._scenes = list(scenes)
        self._server = serve(self._play, "127.0.0.1", 0, process_request=judge)
        self.port = int(self._server.socket.getsockname()[1])
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _play(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.requests.append(connection.request)
        self._scenes.pop(0)(connection)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()


@contextmanager
def gateway(*scenes: Scene, judge: Judge | None = None) -> Iterator[Gateway]:
    made = Gateway(*scenes, judge=judge)
    try:
        yield made
    finally:
        made.close()


class Seen:
    """A tail whose pauses are noted; it ends after so many."""

    def __init__(self, port: int, pauses: int, **more: Any) -> None:
        self.said: list[str] = []
        self.shown: list[dict[str, Any]] = []
        self.pauses: list[float] = []
        self._allowed = pauses
        self.tail = Tail(
            f"ws://127.0.0.1:{port}/",
            "secret",
            guard=lambda _: None,
            show=self._show,
            say=self.said.append,
            pause=self._pause,
            chance=lambda: 0.5,
            **more,
        )

    def _show(self, message: dict[str, Any], _had: Mirror) -> None:
        self.shown.append(message)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) >= self._allowed:
            raise EnoughError

    def run(self) -> None:
        with pytest.raises(EnoughError):
            self.tail.run()


def send(connection: ServerConnection, kind: str, **data: Any) -> None:
    connection.send(json.dumps({"type": kind, "ts": 1, "data": data}))


def welcome(connection: ServerConnection, *, cursor: str = "c1") -> None:
    send(connection, "connected", client_id="c", epoch="e", heartbeat_s=30, resumed=False, why="new")
    send(connection, "synced", epoch="e", seq=1, cursor=cursor)


def welcome_and_restart(connection: ServerConnection) -> None:
    welcome(connection)
    send(connection, "draining", reconnect_in_ms=1_750, cursor="c/2+")
    connection.close(1012, "the gateway stops")


def cut(connection: ServerConnection) -> None:
    connection.socket.close()


def test_comes_back_with_the_newest_cursor_after_the_time_that_was_named() -> None:
    with gateway(welcome_and_restart, cut) as server:
        seen = Seen(server.port, 2)
        seen.run()

    first, second = server.requests
    assert first.headers["Authorization"] == "Bearer secret"
    assert (first.path, second.path) == ("/", "/?cursor=c%2F2%2B")
    assert seen.pauses == [1.75, 0.25]
    assert seen.said[0] == "the connection was closed with 1012 (the gateway stops); trying again in 1.8 s"
    assert seen.said[1].startswith("the connection was cut; trying again")
    assert [one["type"] for one in seen.shown] == ["connected", "synced", "draining"]


def test_waits_longer_each_time_and_begins_anew_once_it_had_the_state() -> None:
    with gateway(cut, cut, cut, welcome, cut) as server:
        seen = Seen(server.port, 5)
        seen.run()

    assert seen.pauses == [0.25, 0.5, 1.0, 0.25, 0.5]


def test_who_is_not_there_is_named_once() -> None:
    seen = Seen(port := free_port(), 9)
    seen.run()

    assert seen.said == [f"nothing answers at ws://127.0.0.1:{port}/: start it with `questmux up`; trying on"]
    assert seen.pauses == [0.25, 0.5, 1, 2, 4, 8, 10, 10, 10]


def test_who_is_watched_never_waits_for_long() -> None:
    seen = Seen(free_port(), 5, is_watched=True)
    seen.run()

    assert seen.pauses == [0.25, 0.5, 1, 1, 1]


def test_says_which_types_it_does_not_want() -> None:
    heard: list[str | bytes] = []
    with gateway(lambda connection: heard.append(connection.recv())) as server:
        Seen(server.port, 1, unwanted={"event", "attention"}).run()

    assert [json.loads(one) for one in heard] == [{"type": "unsubscribe", "data": {"types": ["attention", "event"]}}]


def test_is_asked_between_messages_when_to_look_up_again() -> None:
    asked: list[int] = []

    def look_up() -> float:
        asked.append(len(seen.shown))
        return 0.01 if len(asked) < 6 else 60.0

    def wait_and_welcome(connection: ServerConnection) -> None:
        wait_until(lambda: len(asked) == 6, what="it looks up while nothing comes")
        welcome(connection)

    with gateway(wait_and_welcome) as server:
        seen = Seen(server.port, 1, check=look_up)
        seen.run()

    assert asked == [0, 0, 0, 0, 0, 0, 1, 2]


@pytest.mark.timeout(8)
def test_who_is_watched_takes_a_gateway_that_hangs_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.tail.WATCHED_OPEN_S", 0.1)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:  # Takes connections, and says nothing.
        seen = Seen(listener.getsockname()[1], 2, is_watched=True)
        seen.run()

    assert len(seen.said) == 1


def test_who_is_watched_takes_a_gateway_that_falls_silent_for_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.cli.tail.WATCHED_PING_S", 0.1)
    is_over = threading.Event()

    def fall_silent(connection: ServerConnection) -> None:
        welcome(connection)
        monkeypatch.setattr(connection.protocol, "receive_data", lambda _data: None)
        is_over.wait(20)

    with gateway(fall_silent) as server:
        seen = Seen(server.port, 1, is_watched=True)
        try:
            seen.run()
        finally:
            is_over.set()

    assert seen.said[0].startswith("the connection was cut; trying again")


def test_a_bad_token_ends_it() -> None:
    with (
        gateway(lambda connection: connection.close(4401, "say hello")) as server,
        pytest.raises(ApiError, match="does not take this installation's token"),
    ):
        Seen(server.port, 1).tail.run()


def test_a_refused_handshake_ends_it() -> None:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        body = json.dumps({"success": False, "error": {"code": "forbidden", "message": "this Host\x07 is not served"}})
        return connection.respond(HTTPStatus.FORBIDDEN, body)

    with gateway(judge=refuse) as server, pytest.raises(ApiError, match="refuses with 403: this Host\ufffd is not"):
        Seen(server.port, 1).tail.run()


def test_a_gateway_that_has_no_room_is_asked_again() -> None:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "full")

    with gateway(judge=refuse) as server:
        seen = Seen(server.port, 3)
        seen.run()

    assert len(seen.said) == 1


def test_somebody_else_at_the_port_ends_it() -> None:
    with (
        gateway(lambda connection: connection.send("hi")) as server,
        pytest.raises(ApiError, match="is not Questmux"),
    ):
        Seen(server.port, 1).tail.run()


def test_the_waits_grow_to_their_limit_and_no_further() -> None:
    assert [longest_wait_s(tries) for tries in range(8)] == [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert longest_wait_s(100_000) == 20


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "ws://127.0.0.1:9/"),
        ("0.0.0.0", "ws://127.0.0.1:9/"),  # noqa: S104
        ("::", "ws://[::1]:9/"),
        ("fd00::1", "ws://[fd00::1]:9/"),
    ],
)
def test_a_gateway_is_met_where_it_listens(tmp_path: Path, host: str, url: str) -> None:
    settings = Settings(
        data_dir=tmp_path, runtime_dir=tmp_path, claude_dir=tmp_path, rules_dir=tmp_path, ws_host=host, ws_port=9
    )

    assert gateway_url(settings) == url


def test_types_are_chosen_by_name() -> None:
    assert chosen_types(" attention, event,") == {"attention", "event"}
    assert chosen_types("") == set(BY_TYPE)
    with pytest.raises(ApiError, match="'evnt' is no type of a message"):
        chosen_types("evnt")
