import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from services.cli.demo.hook_calls import MAX_WAITING, HookCall, HookCalls
from tests.e2e.stack import free_port
from tests.waiting import wait_until


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    taken: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.taken.append((dict(self.headers), body))
        self.send_response(401 if body == b"bad" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """A port at which the api comes up a little later."""
    number = free_port()
    Api.taken.clear()
    servers: list[HTTPServer] = []

    def serve() -> None:
        time.sleep(0.3)
        servers.append(HTTPServer(("127.0.0.1", number), Api))
        servers[0].serve_forever(0.05)

    thread = Thread(target=serve)
    thread.start()
    yield number
    wait_until(lambda: servers, what="the api")
    servers[0].shutdown()
    servers[0].server_close()
    thread.join()


def call(number: int, body: bytes = b"{}") -> HookCall:
    return HookCall(id=f"demo-{number}", body=body, pane_id="%1", tmux="/s,1,0", sent_at_ms=number)


def test_calls_wait_for_the_api_and_come_in_order(port: int) -> None:
    calls = HookCalls(port, "T0ken")
    for number in range(20):
        calls.send(call(number))
    calls.send(call(20, b"bad"))
    wait_until(lambda: len(Api.taken) == 21, what="all calls")
    wait_until(lambda: calls.refused == 1, what="the refusal")
    calls.close()

    headers, body = Api.taken[7]
    assert [one["X-Event-Id"] for one, _ in Api.taken] == [f"demo-{number}" for number in range(21)]
    assert headers["Authorization"] == "Bearer T0ken"
    assert (headers["X-Tmux-Pane"], headers["X-Tmux"], headers["X-Sent-At"], body) == ("%1", "/s,1,0", "7", b"{}")


def test_what_nobody_takes_is_bounded_and_does_not_hold_up_the_end() -> None:
    calls = HookCalls(free_port(), "T0ken")
    for number in range(MAX_WAITING + 10):
        calls.send(call(number))
    started = time.monotonic()
    calls.close()

    assert calls.refused >= 9
    assert time.monotonic() - started < 5
