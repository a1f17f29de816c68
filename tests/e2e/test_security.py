"""What docs/security.md promises, tried on a running stack that listens on every address and logs all that it can."""

import asyncio
import functools
import http.server
import json
import re
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.chromium import chromium, find_chromium
from tests.e2e.stack import ROOT, STOP_S, Stack
from tests.integration.api.wire import exchange, head
from tests.waiting import wait_until, wait_until_async

MARK: Final = "FORGED-BY-A-STRANGER"
HOSTILE: Final = f"\x1b]0;owned\x07\x1b[2J\r\n{MARK} error all is lost\n<img src=x onerror=owned=1>\u2028\x9b31m\x00"
SECRET: Final = "the-secret-of-the-prompt"  # noqa: S105 - a word to look for
BAD_HELLO: Final = json.dumps({"type": "hello", "data": {"token": "wrong"}})
INVALID_TOKEN: Final = 4401
PANE_TEXT: Final = "<img src=x onerror=owned=1>"
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Where the example page is served."""
    handler = functools.partial(QuietFiles, directory=str(ROOT / "docs/examples"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def stack(module_memory: Path, origin: str) -> Iterator[Stack]:
    """One for the whole file, open to the network; two services log as text, two as JSON, all that they can."""
    running = Stack(
        module_memory / "data",
        QUESTMUX_API_HOST="0.0.0.0",  # noqa: S104 - that is the test
        QUESTMUX_WS_HOST="0.0.0.0",  # noqa: S104 - that is the test
        QUESTMUX_ALLOWED_ORIGINS=origin,
        QUESTMUX_LOG_LEVEL="debug",
        QUESTMUX_LOG_FORMAT="text",
    )
    try:
        running.tmux("new-session", "-d", "-s", "desk", "-n", PANE_TEXT, "-x", "80", "-y", "24", "exec cat")
        for name in running.commands:
            running.settings["QUESTMUX_LOG_FORMAT"] = "json" if name in {"core", "ws"} else "text"
            running.start(name)
        running.wait_ready()
        wait_until(lambda: running.get("/api/panes")["panes"], what="the pane is seen")
        running.tmux("select-pane", "-t", "desk", "-T", PANE_TEXT)
        for name in ("SessionStart", "UserPromptSubmit", "Stop"):
            hostile = {
                "hook_event_name": name,
                "session_id": "hostile",
                "prompt": f"{SECRET} {HOSTILE}",
                "error": HOSTILE,
            }
            running.keep({**hostile, "cwd": f"/srv/{HOSTILE}"}, {"X-Tmux-Pane": "%0"})
        yield running
    finally:
        running.close()


def ws_close_code(stack: Stack, first: str, path: str = "/", **options: Any) -> int | None:
    """The code with which the gateway ends a connection that says this first."""
    with connect(f"ws://127.0.0.1:{stack.ws_port}{path}", proxy=None, **options) as connection:
        connection.send(first)
        try:
            while True:
                connection.recv(timeout=STOP_S)
        except ConnectionClosed as end:
            return end.rcvd.code if end.rcvd else None


def routes(stack: Stack) -> list[tuple[str, str]]:
    """Every route of the described API, with an id in each place for one; those for all are left out."""
    described = stack.call("GET", "/openapi.json").json["paths"]
    return [
        (method.upper(), re.sub(r"\{\w+\}", "0", path))
        for path, methods in described.items()
        for method in methods
        if method in {"get", "post", "patch", "put", "delete"} and path not in {"/health", "/event"}
    ]


# Who may ask.


def test_a_bind_to_every_address_asks_for_the_token_at_every_route(stack: Stack) -> None:
    every = routes(stack)
    assert len(every) > 30

    for method, path in [*every, ("POST", "/event"), ("GET", "/metrics"), ("GET", "/openapi.json")]:
        body = b"{}" if method != "GET" else None
        for token in ("", "wrong"):
            assert stack.call(method, path, body, token=token).status == HTTPStatus.UNAUTHORIZED, path
    assert ws_close_code(stack, BAD_HELLO) == INVALID_TOKEN


def test_a_stolen_hook_token_posts_events_and_does_nothing_else(stack: Stack) -> None:
    for method, path in routes(stack):
        body = b"{}" if method != "GET" else None
        assert stack.call(method, path, body, token=stack.hook_token).status == HTTPStatus.FORBIDDEN, path
    hello = json.dumps({"type": "hello", "data": {"token": stack.hook_token}})
    assert ws_close_code(stack, hello) == INVALID_TOKEN
    stack.keep({"hook_event_name": "Stop", "session_id": "s-1"})


def test_a_name_of_the_network_is_served_only_when_it_was_named(stack: Stack) -> None:
    for host in ("192.168.1.20", "0.0.0.0", "build-box.lan"):  # noqa: S104 - a name in a header
        assert (
            stack.call("GET", "/api/panes", None, {"Host": f"{host}:{stack.api_port}"}).status == HTTPStatus.FORBIDDEN
        )


def test_a_token_in_an_address_opens_nothing(stack: Stack) -> None:
    query = urlencode({"token": stack.token, "access_token": stack.token, "authorization": f"Bearer {stack.token}"})

    assert stack.call("GET", f"/api/panes?{query}", token="").status == HTTPStatus.UNAUTHORIZED
    assert ws_close_code(stack, BAD_HELLO, f"/?{query}") == INVALID_TOKEN


@pytest.mark.parametrize("header", ["Origin: https://evil.example", "Host: evil.example"])
def test_no_page_of_another_origin_or_name_gets_a_websocket(stack: Stack, header: str) -> None:
    answer = exchange(stack.ws_port, handshake(header, f"Authorization: Bearer {stack.token}"))

    assert answer.status == HTTPStatus.FORBIDDEN


def handshake(*headers: str) -> bytes:
    """A WebSocket's opening request, with a good Host unless another is given."""
    host = () if any(header.startswith("Host:") for header in headers) else ("Host: 127.0.0.1",)
    fixed = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {'A' * 22}==",
    )
    return "\r\n".join(("GET / HTTP/1.1", *host, *fixed, *headers, "", "")).encode()


def test_health_tells_an_asker_without_a_token_figures_only(stack: Stack) -> None:
    said = [stack.health().body.decode(), stack.call("GET", "/metrics").body.decode()]

    for text in said:
        for word in (SECRET, MARK, PANE_TEXT, "hostile", "desk", str(stack.data_dir), str(Path.home()), stack.token):
            assert word not in text
    assert_figures(stack.figures())


def assert_figures(value: object, name: str = "") -> None:
    """Numbers, booleans, and words without a blank or a slash."""
    match value:
        case dict():
            for key, inner in value.items():
                assert_figures(inner, key)
        case list():
            for inner in value:
                assert_figures(inner, name)
        case str():
            assert re.fullmatch(r"[\w.:-]*", value), (name, value)
        case _:
            assert value is None or isinstance(value, int | float)


# Paths.


@pytest.mark.parametrize(
    "target",
    [
        "/../../etc/passwd",
        "/api/avatars/../../x.svg",
        "/api/avatars/..%2f..%2fetc%2fpasswd.svg",
        "/api/avatars/%2e%2e.svg/../x",
        "/api/avatars/a%00.svg",
        "/api/panes/..%2f..%2fsessions",
        "/api/panes/%2e%2e/sessions/hostile",
        "/api/panes/0%00",
        "/api/panes/0%0aSet-Cookie:x",
        "/api/panes/..;/sessions",
        "/api/sessions/..%2f..%2f..%2ftoken",
        "/api/sessions/%5c..%5ctoken",
        "/api/quests/..%2f..%2ftoken",
        "//evil.example/api/panes",
        "/api//panes",
        "/static/token",
    ],
)
def test_no_path_leads_anywhere_else(stack: Stack, target: str) -> None:
    answer = exchange(stack.api_port, head(target, Authorization=f"Bearer {stack.token}"))

    assert answer.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}, answer.body
    assert answer.json["success"] is False
    assert "set-cookie" not in {name.lower() for name in answer.headers}
    assert stack.token.encode() not in answer.body


def test_a_folder_whose_name_is_a_tmux_command_is_only_a_folder(stack: Stack, tmp_path: Path) -> None:
    proof = tmp_path / "owned"
    names = [
        f"a\nrun-shell 'touch {proof.name}' ; #",
        f"#(touch {proof.name})",
        "b'; kill-server ;",
        "-t",
        "$(touch owned)",
    ]
    for name in names:
        (tmp_path / name).mkdir()
        made = stack.call(
            "POST", "/api/windows/create", json.dumps({"cwd": str(tmp_path / name), "command": "pwd; cat"}).encode()
        )
        assert made.status in {HTTPStatus.CREATED, HTTPStatus.UNPROCESSABLE_ENTITY}, made.body
    assert stack.tmux("list-sessions", "-F", "#{session_name}").splitlines() == ["desk"]
    assert not list(tmp_path.rglob("owned"))


# Text of others.


def test_hostile_text_never_drives_the_terminal_of_who_looks(stack: Stack, tmp_path: Path) -> None:
    output = tmp_path / "tail.out"
    command = [Path(sys.executable).parent / "questmux"]
    with output.open("wb") as file:
        tail = subprocess.Popen([*command, "tail"], env=stack.environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: b"synced" in output.read_bytes(), what="it has the state")
        for name in ("UserPromptSubmit", "StopFailure"):
            hostile = {"hook_event_name": name, "session_id": "hostile", "prompt": HOSTILE, "error": HOSTILE}
            stack.keep({**hostile, "model": HOSTILE}, {"X-Tmux-Pane": "%0"})
        wait_until(lambda: output.read_bytes().count(MARK.encode()) > 1, what="it has told of it")
    finally:
        tail.send_signal(signal.SIGINT)
        assert tail.wait(STOP_S) == 0
    explained = subprocess.run([*command, "explain", "%0"], env=stack.environment, capture_output=True, check=True)

    for shown in (output.read_text(encoding="utf-8"), explained.stdout.decode()):
        assert shown
        assert not [char for char in shown if not char.isprintable() and char != "\n"]
        assert not [line for line in shown.split("\n") if line.startswith(MARK)]


def test_hostile_text_is_no_markup_in_the_report(stack: Stack) -> None:
    said = "All is <img src=x onerror=owned=1> \x1b]0;owned\x07 done."  # On one line: a report has the last one only.
    for name, field in {"UserPromptSubmit": "prompt", "Stop": "last_assistant_message"}.items():
        stack.keep({"hook_event_name": name, "session_id": "told", "cwd": "/srv", field: said})

    def report() -> str:
        return stack.call("GET", "/api/report?days=2&format=markdown").body.decode()

    wait_until(lambda: "img src" in report(), 20, what="the turn's last line is in the report")
    text = report()
    assert not re.search(r"(?<!\\)[<>]", text)
    assert not [char for char in text if not char.isprintable() and char != "\n"]
    assert not [line for line in text.split("\n") if line.startswith(MARK)]


@pytest.mark.skipif(find_chromium() is None, reason="the page is tried in Chromium: apt install chromium")
async def test_hostile_text_is_no_markup_in_the_example_page(stack: Stack, origin: str) -> None:
    program = find_chromium()
    assert program is not None
    words = {"address": f"ws://127.0.0.1:{stack.ws_port}/", "token": stack.token}
    async with chromium(program) as browser:
        await browser.call("Page.navigate", url=f"{origin}/page.html#{urlencode(words)}")
        shown = "document.getElementById('rows')?.textContent ?? ''"

        async def is_shown() -> bool:
            return PANE_TEXT in await browser.value(shown) and SECRET in await browser.value(shown)

        await asyncio.to_thread(
            stack.post_event,
            {"hook_event_name": "UserPromptSubmit", "session_id": "hostile", "prompt": f"{SECRET} {HOSTILE}"},
            {"X-Tmux-Pane": "%0"},
        )
        await wait_until_async(is_shown, 20, "the page shows it")
        assert await browser.value("[document.querySelectorAll('img').length, typeof owned]") == [0, "undefined"]
        assert "token" not in await browser.value("location.href"), "the history would keep it"


# What is kept, and said of it.


def test_no_stranger_writes_a_line_of_the_log_and_no_token_is_in_it(stack: Stack) -> None:
    headers = {"User-Agent": f"x\x1b[2J {MARK}", "X-Command-Id": f"\x1b{MARK}", "Origin": f"http://\x1b{MARK}"}
    for name, value in headers.items():
        stack.call("GET", "/api/panes", None, {name: value})
        stack.call("POST", "/api/panes/0/refresh", b"{}", {name: value})
    exchange(stack.api_port, b"GET /" + MARK.encode() + b"\x1b[2J HTTP/1.1\r\nHost: \x1b\r\n\r\n")
    exchange(stack.api_port, head(f"/api/panes/%0a{MARK}", Authorization=f"Bearer {stack.token}"))
    for origin in (f"http://\x1b[2J{MARK}", f"http://{MARK}\u009b".encode().decode("latin-1")):
        with suppress(ConnectionError):  # A header that is none is not answered.
            exchange(stack.ws_port, handshake(f"Origin: {origin}"))
    assert ws_close_code(stack, json.dumps({"type": "hello", "data": {"token": HOSTILE}})) == INVALID_TOKEN

    assert MARK in stack.log("ws"), "what was refused is logged, as one value of one line"
    for name in stack.commands:
        text = stack.log(name)
        assert not [char for char in text if not char.isprintable() and char != "\n"], name
        assert not [line for line in text.split("\n") if line.lstrip().startswith(MARK)], name
        assert stack.token not in text
        assert stack.hook_token not in text
        assert SECRET not in text, "what people write to agents is not logged"
        if name in {"core", "ws"}:
            assert all(json.loads(line)["message"] for line in text.splitlines())


def test_no_process_shows_a_token_in_its_arguments(stack: Stack) -> None:
    seen = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        seen += b"services." in words
        assert stack.token.encode() not in words, path
        assert stack.hook_token.encode() not in words, path
    assert seen >= len(stack.commands)


def test_every_file_is_its_owners_alone(stack: Stack) -> None:
    stack.kill("core")
    try:
        assert stack.post_event({"hook_event_name": "Stop", "session_id": "kept"}).status == HTTPStatus.ACCEPTED
        (stack.data_dir / "spool/hook-1.jsonl").touch(mode=0o600)
        (stack.data_dir / "spool/hook-1.jsonl").write_text("no event\n", encoding="utf-8")
        found = [*stack.data_dir.rglob("*"), *stack.runtime_dir.glob("*.sock")]
        open_ones = [path for path in (*found, stack.data_dir, stack.runtime_dir) if path.lstat().st_mode & OTHERS]
    finally:
        stack.settings["QUESTMUX_LOG_FORMAT"] = "json"
        stack.start("core")
        stack.wait_ready()
    wait_until((stack.data_dir / "spool/rejected").exists, what="a line that is none is put aside")
    open_ones += [path for path in stack.data_dir.rglob("*") if path.lstat().st_mode & OTHERS]

    assert {path.name for path in found} >= {"questmux.db", "questmux.db-wal", "token", "hook-token", "events.jsonl"}
    assert open_ones == []
