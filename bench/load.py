"""Hook calls at full speed over a bounded number of connections; counts, and times each answer."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Final, cast

from msgspec import Struct

SESSIONS: Final = 100
"""So many that none of them meets the day's limit of XP for calls with 20,000 in all."""


class Load(Struct, kw_only=True):
    """What came back."""

    seconds: float = 0
    latencies_ms: list[float] = []
    statuses: dict[int, int] = {}
    ids: dict[int, list[str]] = {}
    """Event ids by the status they were answered with."""

    @property
    def per_second(self) -> float:
        """Answered calls per second."""
        return len(self.latencies_ms) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """The latency that this share of the calls did not exceed."""
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def post_tool_use(number: int) -> bytes:
    """A PostToolUse of about 1 kB, as Claude Code 2.1.330 sends it."""
    session = f"bench-{number % SESSIONS:02d}"
    body = {
        "session_id": session,
        "transcript_path": f"/home/lab/.claude/projects/-home-lab-shop/{session}.jsonl",
        "cwd": "/home/lab/shop",
        "prompt_id": "b3811b14-6ba0-4abf-9804-e04d922a8ec8",
        "permission_mode": "default",
        "effort": {"level": "medium"},
        "hook_event_name": "PostToolUse",
        "tool_name": "Bash",
        "tool_input": {"command": "make test", "description": "Run the tests"},
        "tool_response": {"stdout": "ok " * 130, "stderr": "", "interrupted": False, "isImage": False},
        "tool_use_id": f"toolu_{number:024d}",
        "duration_ms": 1016,
    }
    return json.dumps(body).encode()


class _Caller(asyncio.Protocol):
    """One connection: the next call goes out when the answer to the last one is whole."""

    def __init__(self, run: "_Run") -> None:
        self._run = run
        self._answer = b""
        self._sent = 0.0
        self._id = ""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass.
        self._next()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if len(body) < length:
            return
        self._run.answered(int(head[9:12]), time.perf_counter() - self._sent, self._id)
        self._answer = body[length:]
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.lost(self._id if exc is not None or self._sent else "")

    def _next(self) -> None:
        call = self._run.next_call()
        if self._transport is None:
            return
        if call is None:
            self._sent = 0.0
            self._transport.close()
            return
        self._id, request = call
        self._sent = time.perf_counter()
        self._transport.write(request)


class _Run:
    def __init__(
        self,
        *,
        host: str,
        token: str,
        total: int,
        make_body: Callable[[int], bytes],
        id_of: Callable[[int], str],
        first: int,
    ) -> None:
        self._head = (
            f"POST /event HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
            "Content-Type: application/json\r\n"
        )
        self._first = first
        self._number = 0
        self._total = total
        self._make_body = make_body
        self._id_of = id_of
        self._open = 0
        self.load = Load(latencies_ms=[], statuses={}, ids={})
        self.done = asyncio.Event()

    def next_call(self) -> tuple[str, bytes] | None:
        if self._number >= self._total:
            return None
        number = self._first + self._number
        self._number += 1
        body = self._make_body(number)
        event_id = self._id_of(number)
        head = f"{self._head}X-Event-Id: {event_id}\r\nX-Tmux-Pane: %0\r\nContent-Length: {len(body)}\r\n\r\n"
        return event_id, head.encode() + body

    def answered(self, status: int, seconds: float, event_id: str) -> None:
        self.load.latencies_ms.append(seconds * 1000)
        self.load.statuses[status] = self.load.statuses.get(status, 0) + 1
        self.load.ids.setdefault(status, []).append(event_id)

    def opened(self) -> None:
        self._open += 1

    def lost(self, event_id: str) -> None:
        if event_id:
            self.load.statuses[0] = self.load.statuses.get(0, 0) + 1
            self.load.ids.setdefault(0, []).append(event_id)
        self._open -= 1
        if self._open == 0:
            self.done.set()


async def run_load(
    port: int,
    token: str,
    *,
    total: int,
    connections: int,
    make_body: Callable[[int], bytes] = post_tool_use,
    id_of: Callable[[int], str] = "load-{}".format,
    first: int = 0,
) -> Load:
    """Send `total` hook calls, numbered from `first`, over this many connections. A lost connection is not renewed."""
    run = _Run(host=f"127.0.0.1:{port}", token=token, total=total, make_body=make_body, id_of=id_of, first=first)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    for _ in range(connections):
        run.opened()
        await loop.create_connection(lambda: _Caller(run), "127.0.0.1", port)
    await run.done.wait()
    run.load.seconds = time.perf_counter() - started
    return run.load
