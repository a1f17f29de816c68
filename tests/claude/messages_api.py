"""A Messages API on loopback that says what a test tells it to, as Claude Code asks.

A script is a name and the replies of one turn, in order. The name stands in the prompt that a test types, as a word
of its own. How many replies a conversation has had since that prompt tells which comes next, so a request that is
sent again gets the same reply.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Final, Self

from msgspec import Struct


class Text(Struct, frozen=True):
    """The model speaks; `pace_s` between words."""

    text: str
    pace_s: float = 0.0


class Tools(Struct, frozen=True):
    """The model calls tools, all in one message: name and input of each."""

    calls: tuple[tuple[str, Mapping[str, Any]], ...]
    text: str = ""


class Refusal(Struct, frozen=True):
    """The API answers with an error, however often it is asked."""

    status: int
    kind: str
    message: str


Reply = Text | Tools | Refusal
Step = Reply | Callable[[Mapping[str, Any]], Reply]
"""A reply, or what makes one of the request."""


def call(name: str, **given: Any) -> Tools:
    """One call of one tool."""
    return Tools(((name, given),))


SIDE: Final = Text("done")
"""For what Claude Code asks beside a conversation, a title for instance, and for what no script foresees."""
_STREAM: Final = "text/event-stream; charset=utf-8"
_IDS: Final = count(1)


class MessagesApi:
    """Serves from its own threads until it is closed."""

    def __init__(self) -> None:
        self.scripts: dict[str, tuple[Step, ...]] = {}
        self._closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def script(self, name: str, *replies: Step) -> None:
        """What the model does when a prompt has this word."""
        self.scripts[name] = replies

    def wait(self, seconds: float) -> bool:
        """Stand still, unless the server is closed; whether it was."""
        return self._closing.wait(seconds)

    def choose(self, request: Mapping[str, Any]) -> Reply:
        """The reply to a request."""
        if not request.get("tools"):
            return SIDE
        step = choose(self.scripts, request["messages"])
        return step(request) if callable(step) else step


def choose(scripts: Mapping[str, Sequence[Step]], messages: Sequence[Mapping[str, Any]]) -> Step:
    """The reply of the script that the latest prompt with a script's name asks for."""
    for index in reversed(range(len(messages))):
        words = re.findall(r"[\w-]+", spoken(messages[index]))
        name = next((word for word in reversed(words) if word in scripts), None)
        if messages[index]["role"] == "user" and name is not None:
            had = sum(message["role"] == "assistant" for message in messages[index:])
            return scripts[name][had] if had < len(scripts[name]) else SIDE
    return SIDE


def spoken(message: Mapping[str, Any]) -> str:
    """The text of a message, without what tools gave back."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def events(reply: Text | Tools, model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The server-sent events of a message."""
    number = next(_IDS)
    message: dict[str, Any] = {
        "id": f"msg_{number:06}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 100, "output_tokens": 1},
    }
    yield "message_start", {"message": message}
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if reply.text:
        words = re.findall(r"\S+\s*", reply.text)
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": word} for word in words]))
    for place, (name, given) in enumerate(reply.calls if isinstance(reply, Tools) else ()):
        start = {"type": "tool_use", "id": f"toolu_{number:06}_{place}", "name": name, "input": {}}
        blocks.append((start, [{"type": "input_json_delta", "partial_json": json.dumps(given)}]))
    for index, (start, deltas) in enumerate(blocks):
        yield "content_block_start", {"index": index, "content_block": start}
        for delta in deltas:
            yield "content_block_delta", {"index": index, "delta": delta}
        yield "content_block_stop", {"index": index}
    stop = "tool_use" if isinstance(reply, Tools) else "end_turn"
    yield "message_delta", {"delta": {"stop_reason": stop, "stop_sequence": None}, "usage": {"output_tokens": 50}}
    yield "message_stop", {}


def whole(reply: Text | Tools, model: str) -> dict[str, Any]:
    """The same message for a request that does not stream."""
    message: dict[str, Any] = {}
    for kind, data in events(reply, model):
        match kind:
            case "message_start":
                message = data["message"]
            case "content_block_start":
                message["content"].append(data["content_block"])
            case "content_block_delta":
                block, delta = message["content"][-1], data["delta"]
                if "text" in delta:
                    block["text"] += delta["text"]
                else:
                    block["input"] = json.loads(delta["partial_json"])
            case "message_delta":
                message["stop_reason"] = data["delta"]["stop_reason"]
            case _:
                pass
    return message


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: MessagesApi) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.api = api


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def api(self) -> MessagesApi:
        assert isinstance(self.server, _Server)
        return self.server.api

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal is the test's."""

    def do_HEAD(self) -> None:
        self._give(200, {})

    def do_GET(self) -> None:
        self._give(404, _error("not_found_error", "nothing here"))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        if path == "/v1/messages/count_tokens":
            self._give(200, {"input_tokens": 100})
        elif path == "/v1/messages":
            self._answer(json.loads(body))
        else:
            self._give(404, _error("not_found_error", "nothing here"))

    def _answer(self, request: dict[str, Any]) -> None:
        reply = self.api.choose(request)
        match reply:
            case Refusal():
                self._give(reply.status, _error(reply.kind, reply.message))
            case _ if request.get("stream"):
                self._stream(reply, request["model"])
            case _:
                self._give(200, whole(reply, request["model"]))

    def _stream(self, reply: Text | Tools, model: str) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", _STREAM)
        self.send_header("Connection", "close")
        self.end_headers()
        pace_s = reply.pace_s if isinstance(reply, Text) else 0.0
        try:
            for kind, data in events(reply, model):
                self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode())
                self.wfile.flush()
                if kind == "content_block_delta" and pace_s and self.api.wait(pace_s):
                    return
        except OSError:
            return  # Claude Code was interrupted, and has hung up.

    def _give(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}
