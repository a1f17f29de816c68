"""Asks the app as gunicorn would for a client on this machine, without a network."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from falcon.asgi import App

from services.process.tokens import Tokens
from tests.e2e.stack import Answer

TOKENS = Tokens(full="full-token", hook="hook-token")
STOP = b'{"hook_event_name":"Stop","session_id":"s"}'


class Client:
    """One app. Every error is checked to be in the envelope."""

    def __init__(self, app: App[Any, Any]) -> None:
        self._app = app

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        headers: Mapping[str, str | None] | None = None,
        *,
        token: str = TOKENS.full,
    ) -> Answer:
        """Ask; a header that is None is not sent, nor is an empty token."""
        all_headers: dict[str, str | None] = {"Host": "127.0.0.1:4011", "Content-Length": str(len(body))}
        all_headers["Authorization"] = f"Bearer {token}" if token else None
        all_headers |= headers or {}
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if sent:
                await asyncio.Event().wait()
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope_of(method, target, all_headers), receive, send)
        given = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        answer = Answer(sent[0]["status"], given, b"".join(message.get("body", b"") for message in sent[1:]))
        if answer.status >= 400 and method != "HEAD":
            check_failure(answer)
        return answer

    async def get(
        self, target: str, headers: Mapping[str, str | None] | None = None, *, token: str = TOKENS.full
    ) -> Answer:
        return await self.ask("GET", target, headers=headers, token=token)

    async def post_event(
        self, body: bytes = STOP, headers: Mapping[str, str | None] | None = None, *, token: str = TOKENS.full
    ) -> Answer:
        return await self.ask(
            "POST", "/event", body, {"Content-Type": "application/json", **(headers or {})}, token=token
        )


def scope_of(method: str, target: str, headers: Mapping[str, str | None]) -> dict[str, Any]:
    raw_path, _, query = target.encode().partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote_to_bytes(raw_path).decode(errors="replace"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [
            (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items() if value is not None
        ],
        "server": ("127.0.0.1", 4011),
        "client": ("127.0.0.1", 50_000),
    }


def check_failure(answer: Answer) -> None:
    """The envelope of an error, and nothing else."""
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.body)
    assert set(body) == {"success", "error"}
    assert body["success"] is False
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["code"]
    assert body["error"]["message"]
