"""Posts hook calls to the api, in the background and in order, over a connection that is kept."""

import contextlib
import http.client
import queue
import threading
from typing import Final

from msgspec import Struct

MAX_WAITING: Final = 10_000
"""Calls that wait while the api is away; with more the next ones are let go."""
CALL_S: Final = 5.0
AGAIN_S: Final = 0.2
TRIES: Final = 50
"""Of one call, while nobody answers. It has an id, so that it counts once however often it arrives."""


class HookCall(Struct, frozen=True, kw_only=True):
    """One hook call as it is sent."""

    id: str
    body: bytes
    pane_id: str
    tmux: str
    sent_at_ms: int

    def headers(self, token: str) -> dict[str, str]:
        """As the hook script sends them."""
        return {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "X-Event-Id": self.id,
            "X-Sent-At": str(self.sent_at_ms),
            "X-Tmux-Pane": self.pane_id,
            "X-Tmux": self.tmux,
        }


class HookCalls:
    """Takes calls from one thread and posts them from another. `close` lets those go that still wait."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._waiting: queue.Queue[HookCall | None] = queue.Queue(MAX_WAITING)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hook-calls", daemon=True)
        self._thread.start()
        self.refused = 0
        """Calls that were let go, or that the api did not take."""

    def send(self, call: HookCall) -> None:
        """Post it soon."""
        try:
            self._waiting.put_nowait(call)
        except queue.Full:
            self.refused += 1

    def close(self) -> None:
        """End the thread within a call's time."""
        self._stop.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(CALL_S + 1)

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=CALL_S)
        while (call := self._waiting.get()) is not None and not self._stop.is_set():
            if not self._post(connection, call):
                self.refused += 1
        connection.close()

    def _post(self, connection: http.client.HTTPConnection, call: HookCall) -> bool:
        for _ in range(TRIES):
            try:
                connection.request("POST", "/event", call.body, call.headers(self._token))
                with connection.getresponse() as answer:
                    answer.read()
                    return answer.status in {http.client.OK, http.client.ACCEPTED}
            except (OSError, http.client.HTTPException):
                connection.close()
                if self._stop.wait(AGAIN_S):
                    break
        return False
