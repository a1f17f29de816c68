import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.cli.api_client import ApiClient, ApiError, url_host
from services.contract.settings import Settings

ANSWERS = {
    "/good": (200, b'{"success": true, "data": {"n": 1}}'),
    "/gone": (404, b'{"success": false, "error": {"code": "not_found", "message": "there is no pane %9"}}'),
    "/odd": (502, b"<html>"),
    "/text": (200, b"hello"),
    "/list": (200, b"[]"),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = ANSWERS[self.path]
        if self.headers["Authorization"] != "Bearer secret":
            status, body = 401, json.dumps({"error": {"message": "no token"}}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def client(folder: Path, port: int, token: str = "secret") -> ApiClient:  # noqa: S107
    return ApiClient(
        Settings(data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder, api_port=port), token
    )


def test_gives_the_data(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert client(tmp_path, port).get("/good") == {"n": 1}


@pytest.mark.parametrize(
    ("path", "token", "message"),
    [
        ("/gone", "secret", "there is no pane %9"),
        ("/odd", "secret", "the API answered 502"),
        ("/good", "wrong", "no token"),
        ("/text", "secret", "nothing answers at http://127.0.0.1:"),
        ("/list", "secret", "nothing answers at http://127.0.0.1:"),
    ],
)
def test_a_refusal_is_one_sentence(tmp_path: Path, port: int, path: str, token: str, message: str) -> None:
    with pytest.raises(ApiError, match=message):
        client(tmp_path, port, token).get(path)


def test_says_how_to_start_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="start it with `questmux up`"):
        client(tmp_path, 1).get("/good")


def test_an_ipv6_host_stands_in_brackets() -> None:
    assert (url_host("::1"), url_host("127.0.0.1")) == ("[::1]", "127.0.0.1")
