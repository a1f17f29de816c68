"""Whatever a client sends: a clear answer in the envelope, nothing crashed, nothing lost."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Answer, Stack
from tests.integration.api.api_process import children
from tests.integration.api.client import check_failure
from tests.integration.api.wire import Wire, exchange, head

HOOK = {"hook_event_name": "Stop", "session_id": "s-1"}
BODY = json.dumps(HOOK).encode()
MIB = 2**20


@pytest.fixture(scope="module")
def running(module_memory: Path) -> Iterator[Stack]:
    """One stack for this file: what one test sends must not harm the next."""
    stack = Stack(module_memory / "data")
    try:
        stack.start_all()
        stack.wait_ready()
        yield stack
    finally:
        stack.close()


def api_workers(stack: Stack) -> set[int]:
    return children(stack.processes["api"].pid)


@pytest.fixture(autouse=True)
def _nothing_crashed_and_nothing_is_lost(running: Stack) -> Iterator[None]:
    workers = api_workers(running)
    assert len(workers) == 2
    yield
    assert api_workers(running) == workers
    assert all(process.poll() is None for process in running.processes.values())
    running.wait_for_spool()
    assert running.figures()["status"] == "ok"
    after = newest(running)
    answer = running.keep({**HOOK, "session_id": "afterwards"})
    assert hooks_after(running, after, "afterwards") == [answer.data["seq"]]


def hooks_after(stack: Stack, seq: int, session_id: str) -> list[int]:
    """The numbers of a session's hook calls since."""
    events = stack.get(f"/api/events?after={seq}")["events"]
    return [event["seq"] for event in events if (event["source"], event["session_id"]) == ("hook", session_id)]


def newest(stack: Stack) -> int:
    return int(stack.figures()["core"]["event_seq"])


def shown(sent: object) -> str:
    """A test's name for what it sends: its beginning and its length."""
    return f"{sent[:70]!r} {len(sent)}" if isinstance(sent, bytes) else str(sent)


def kept(stack: Stack, answer: Answer) -> Any:
    """The event that an answer says is kept."""
    assert answer.status == 200, answer.body
    seq = answer.data["seq"]
    [event] = stack.get(f"/api/events?after={seq - 1}&limit=1")["events"]
    assert event["seq"] == seq
    return event


def refused(answer: Answer, status: int, code: str) -> str:
    answer.headers = {name.lower(): value for name, value in answer.headers.items()}
    assert answer.status == status, answer.body
    check_failure(answer)
    assert answer.code == code
    return str(answer.json["error"]["message"])


def post(stack: Stack, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    return stack.call("POST", "/event", body, headers, token=stack.hook_token)


def post_head(stack: Stack, **headers: str) -> bytes:
    return head(
        "/event", "POST", Authorization=f"Bearer {stack.hook_token}", Content_Type="application/json", **headers
    )


# Bodies.


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"not json",
        b"{",
        b'{"a":}',
        b"[]",
        b"1",
        b'"text"',
        b"null",
        b'{"session_id":"\xff\xfe"}',
        b"\x80",
        b"\x1f\x8b\x08\x00\x00",
        b'{"hook_event_name":"Stop","session_id":"s","n":' + b"7" * 10_000 + b"}",
        b'{"hook_event_name":"Stop","session_id":"s","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"hook_event_name":"Stop","session_id":"s","x":' + b"[" * 999 + b"\n" + b"]" * 999 + b"}",
        b'{"x":' * 100_000,
    ],
    ids=shown,
)
def test_a_body_that_is_no_json_object(running: Stack, body: bytes) -> None:
    refused(post(running, body), 400, "bad_request")


def test_no_body_at_all(running: Stack) -> None:
    refused(exchange(running.api_port, post_head(running)), 400, "bad_request")


@pytest.mark.parametrize("field", ["session_id", "hook_event_name"])
@pytest.mark.parametrize("value", [None, 7, "", "a b", "x" * 200, ["Stop"], "\u0000"])
def test_a_field_that_cannot_be_used_is_named(running: Stack, field: str, value: object) -> None:
    missing = {name: given for name, given in HOOK.items() if name != field}

    for body in (missing, {**HOOK, field: value}):
        message = refused(post(running, json.dumps(body).encode()), 422, "invalid_field")
        assert message.startswith(f"{field} ")


def test_an_unknown_event_is_kept(running: Stack) -> None:
    event = kept(running, running.keep({**HOOK, "hook_event_name": "NeverHeardOf", "new": {"field": [1]}}))

    assert event["name"] == "NeverHeardOf"
    assert event["payload"]["new"] == {"field": [1]}


def test_a_body_of_two_megabytes_is_kept_with_its_long_texts_cut(running: Stack) -> None:
    event = kept(running, running.keep({**HOOK, "tool_response": {"stdout": "x" * 2_000_000}, "tool_use_id": "t"}))

    assert len(event["payload"]["tool_response"]["stdout"]) < 5_000
    assert event["payload"]["tool_use_id"] == "t"
    assert event["payload"]["questmux_shortened"] is True


@pytest.mark.parametrize(
    ("escaped", "shown"),
    [(r"a\ud800b", "a?b"), (r"\udc00", "?"), (r"nul \u0000 end", "nul \x00 end"), (r"\ud83d\ude00", "😀")],
)
def test_odd_escapes_in_a_prompt_are_kept(running: Stack, escaped: str, shown: str) -> None:
    body = f'{{"hook_event_name":"UserPromptSubmit","session_id":"odd","prompt":"{escaped}"}}'.encode()

    assert kept(running, running.keep(body))["payload"]["prompt"] == shown
    assert running.session("odd")["prompt"] == shown


def test_of_a_repeated_key_the_last_counts(running: Stack) -> None:
    body = b'{"hook_event_name":"Stop","session_id":"first","session_id":"last"}'

    assert kept(running, running.keep(body))["session_id"] == "last"


def test_the_deepest_nesting_that_is_taken_is_kept(running: Stack) -> None:
    body = (
        b'{"hook_event_name":"PreToolUse","tool_name":"T","session_id":"deep","tool_input":'
        + b"[" * 199
        + b"]" * 199
        + b"}"
    )

    assert kept(running, running.keep(body))["session_id"] == "deep"
    assert running.figures()["core"]["figures"]["failed_events_total"] == 0


def rss_bytes(pids: set[int]) -> int:
    run = subprocess.run(
        ["ps", "-o", "rss=", "-p", ",".join(map(str, pids))], capture_output=True, text=True, check=True
    )
    return sum(map(int, run.stdout.split())) * 1024


def test_fifty_megabytes_are_refused_readably_and_not_held(running: Stack) -> None:
    before = rss_bytes(api_workers(running))
    size = 50 * MIB
    chunk = f"{MIB:x}\r\n".encode() + b"x" * MIB + b"\r\n"

    announced = exchange(running.api_port, post_head(running, Content_Length=str(size)), b"x" * size)
    chunked = exchange(running.api_port, post_head(running, Transfer_Encoding="chunked"), *([chunk] * 50), b"0\r\n\r\n")

    for answer in (announced, chunked):
        assert "16777216" in refused(answer, 413, "body_too_large")
    grown = rss_bytes(api_workers(running)) - before
    print(f"memory of the workers grew by {grown / MIB:.1f} MiB")
    assert grown < 40 * MIB


def test_a_sender_that_asks_first_is_told_before_it_sends(running: Stack) -> None:
    with Wire(running.api_port) as wire:
        wire.send(post_head(running, Content_Length=str(50 * MIB), Expect="100-continue"))

        refused(wire.answer(), 413, "body_too_large")


# Headers.


@pytest.mark.parametrize("event_id", ["no good", "x" * 129, "ü"])
def test_a_malformed_event_id_is_refused(running: Stack, event_id: str) -> None:
    message = refused(post(running, BODY, {"X-Event-Id": event_id}), 422, "invalid_field")

    assert message.startswith("X-Event-Id ")


@pytest.mark.parametrize("sent_at", ["soon", "-1", "9" * 500, "1e3"])
def test_a_malformed_clock_or_pane_costs_no_event(running: Stack, sent_at: str) -> None:
    event = kept(running, running.keep(BODY, {"X-Sent-At": sent_at, "X-Tmux-Pane": "%%", "X-Tmux": ",,,"}))

    assert (event["sent_at"], event["pane_id"]) == (None, None)


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/plain"}, {"Content-Type": "a/b/c"}, {"Content-Encoding": "gzip"}]
)
def test_another_kind_of_body(running: Stack, headers: dict[str, str]) -> None:
    refused(post(running, BODY, headers), 415, "unsupported_media_type")


def test_wrong_or_no_token(running: Stack) -> None:
    for token in ("", "wrong", running.hook_token + "x"):
        refused(running.call("POST", "/event", BODY, token=token), 401, "unauthorized")
        refused(running.call("GET", "/api/events", token=token), 401, "unauthorized")


@pytest.mark.parametrize(
    "path", ["/api/windows", "/api/panes", "/api/sessions", "/api/events", "/metrics", "/openapi.json"]
)
def test_the_hook_token_elsewhere(running: Stack, path: str) -> None:
    refused(running.call("GET", path, token=running.hook_token), 403, "forbidden")


def test_a_large_body_with_a_wrong_token_reads_its_answer(running: Stack) -> None:
    answer = exchange(
        running.api_port, head("/event", "POST", Authorization="Bearer x", Content_Length=str(8 * MIB)), b"x" * 8 * MIB
    )

    refused(answer, 401, "unauthorized")


def test_a_foreign_origin_or_host(running: Stack) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}, {"Host": ""}):
        refused(post(running, BODY, headers), 403, "forbidden")
        refused(running.call("GET", "/health", None, headers, token=""), 403, "forbidden")
    refused(exchange(running.api_port, b"GET /health HTTP/1.0\r\n\r\n"), 403, "forbidden")


def test_our_own_origin_may_read(running: Stack) -> None:
    origin = f"http://localhost:{running.ws_port}"
    preflight = {"Origin": origin, "Access-Control-Request-Method": "GET"}

    read = running.call("GET", "/api/panes", None, {"Origin": origin})
    asked = running.call("OPTIONS", "/api/panes", None, preflight, token="")

    for answer, status in ((read, 200), (asked, 204)):
        headers = {name.lower(): value for name, value in answer.headers.items()}
        assert (answer.status, headers["access-control-allow-origin"]) == (status, origin)


# Targets.


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/event", 405, "method_not_allowed"),
        ("DELETE", "/api/panes", 405, "method_not_allowed"),
        ("TRACE", "/health", 405, "method_not_allowed"),
        ("PUT", "/api/events", 405, "method_not_allowed"),
        ("GET", "/nowhere", 404, "not_found"),
        ("POST", "/api/nothing", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("GET", "/../etc/passwd", 404, "not_found"),
        ("GET", "http://127.0.0.1/health", 404, "not_found"),
        ("GET", "/api/panes/%", 400, "bad_request"),
        ("GET", "/api/panes/%zz", 400, "bad_request"),
        ("GET", "/api/events?after=%", 400, "bad_request"),
        ("GET", "/%ff%fe", 400, "bad_request"),
        ("GET", "/api/sessions/%c3%28", 400, "bad_request"),
        ("BREW", "/health", 400, "bad_request"),
        ("GET", "/api/panes/%3", 400, "bad_request"),
        ("GET", "/api/panes/abc", 422, "invalid_field"),
        ("GET", "/api/panes/%253", 404, "not_found"),
        ("GET", "/api/panes/3", 404, "not_found"),
        ("GET", "/api/sessions/nobody", 404, "not_found"),
        ("GET", "/api/panes/99999999999", 422, "invalid_field"),
        ("GET", "/api/events?limit=0", 422, "invalid_field"),
        ("GET", "/api/events?limit=501", 422, "invalid_field"),
        ("GET", "/api/events?limit=ten", 422, "invalid_field"),
        ("GET", "/api/events?after=-1", 422, "invalid_field"),
        ("GET", "/api/events?after=99999999999999999999", 422, "invalid_field"),
        ("GET", "/api/events?after=1&after=2", 422, "invalid_field"),
    ],
)
def test_a_target_that_is_not_there(running: Stack, method: str, path: str, status: int, code: str) -> None:
    answer = exchange(running.api_port, head(path, method, Authorization=f"Bearer {running.token}"))

    refused(answer, status, code)
    assert ("allow" in answer.headers) == (status == 405)


# What is hardly HTTP.


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /health\r\n\r\n", 400),
        (b"\r\n\r\nhello there\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400),
        (b"GET /health HTTP/9.9\r\n\r\n", 400),
        (b"GET /h\xffh HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n folded\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\n\r\n", 400),
        (b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /health HTTP/1.1\r\nX: " + b"a" * 9_000 + b"\r\n\r\n", 431),
        (b"GET /health HTTP/1.1\r\nX: " + b"a" * MIB, 431),
        (b"GET /health HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"POST /event HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /event HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
        (b"POST /event HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", 400),
        (b"POST /event HTTP/1.1\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /event HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
        (b"POST /event HTTP/1.1\r\nTransfer-Encoding: cow\r\n\r\n", 501),
        (b"POST /event HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ],
    ids=shown,
)
def test_what_is_no_http(running: Stack, sent: bytes, status: int) -> None:
    answer = exchange(running.api_port, sent)

    assert answer.status == status, answer.body
    check_failure(answer)


@pytest.mark.parametrize("chunks", [b"zz\r\n", b"5\r\nhelloX\r\n", b"-1\r\n", b"5;\x00\r\nhello\r\n"])
def test_a_broken_chunk(running: Stack, chunks: bytes) -> None:
    refused(exchange(running.api_port, post_head(running, Transfer_Encoding="chunked"), chunks), 400, "bad_request")


def test_a_chunked_body_is_kept(running: Stack) -> None:
    chunks = b"".join(b"1\r\n" + BODY[i : i + 1] + b"\r\n" for i in range(len(BODY))) + b"0\r\n\r\n"

    start = post_head(running, Transfer_Encoding="chunked", X_Event_Id="chunked")
    [answer] = running.until_kept(lambda: [exchange(running.api_port, start, chunks)])

    kept(running, answer)


def test_requests_behind_each_other_are_all_answered_in_order(running: Stack) -> None:
    one = post_head(running, Content_Length=str(len(BODY))) + BODY

    def send() -> list[Answer]:
        with Wire(running.api_port) as wire:
            wire.send(one + post_head(running, Content_Length="1") + b"{" + one)
            return [wire.answer() for _ in range(3)]

    answers = running.until_kept(send)

    assert [answer.status for answer in answers] == [200, 400, 200]
    assert hooks_after(running, answers[0].data["seq"], HOOK["session_id"]) == [answers[2].data["seq"]]


def test_a_websocket_at_the_wrong_port(running: Stack) -> None:
    upgrade = head(
        "/ws",
        Connection="Upgrade",
        Upgrade="websocket",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="AQIDBAUGBwgJCgsMDQ4PEA==",
    )

    refused(exchange(running.api_port, upgrade), 401, "unauthorized")


# Many, and slow ones.


def test_five_hundred_connections_at_once_are_all_served(running: Stack) -> None:
    before = newest(running)
    wires = [Wire(running.api_port, 60) for _ in range(500)]
    for number, wire in enumerate(wires):
        wire.send(post_head(running, Content_Length=str(len(BODY)), X_Event_Id=f"many-{number}"), BODY)

    answers = [wire.answer() for wire in wires]

    for wire in wires:
        wire.close()
    assert {answer.status for answer in answers} <= {200, 202}
    running.wait_for_spool()
    ids = set()
    after = before
    while page := running.get(f"/api/events?after={after}&limit=500")["events"]:
        ids |= {event["id"] for event in page}
        after = page[-1]["seq"]
    assert ids >= {f"many-{number}" for number in range(500)}


def test_slow_senders_are_told_and_others_are_served_meanwhile(running: Stack) -> None:
    half = [
        head()[:-2],
        b"G",
        post_head(running, Content_Length=str(len(BODY))),
        post_head(running, Content_Length=str(len(BODY))) + BODY[:5],
        post_head(running, Transfer_Encoding="chunked") + b"5\r\nhel",
    ]
    done = threading.Event()

    def serve_others() -> int:
        served = 0
        while not done.wait(0.05):
            assert running.post_event(HOOK).status in {200, 202}
            served += 1
        return served

    with ThreadPoolExecutor(len(half) * 10 + 1) as pool:
        others = pool.submit(serve_others)
        slow = [pool.submit(exchange, running.api_port, part) for part in half * 10]
        answers = [one.result(30) for one in slow]
        done.set()
        assert others.result(30) > 20

    for answer in answers:
        refused(answer, 408, "request_timeout")


def test_connections_that_break_off_leave_nothing(running: Stack) -> None:
    # Some of the whole calls are kept, and not before this test ends: in a session of their own.
    whole = json.dumps({**HOOK, "session_id": "broken-off"}).encode()
    for part in (
        b"",
        b"GET",
        head(),
        post_head(running, Content_Length="100") + b"{",
        post_head(running, Content_Length=str(len(whole))) + whole,
    ):
        for _ in range(20):
            wire = Wire(running.api_port)
            wire.send(part)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # A reset.
            wire.close()
