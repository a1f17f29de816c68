"""A plain WebSocket client that does what docs/protocol.md says, connects again when it is cut off, and keeps count."""

import threading
from collections.abc import Callable
from typing import Any, Self

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.sync.client import connect

from tests.waiting import DEADLINE_S, wait_until

RECONNECT_S = 0.05
CLOSE_S = 1
"""The closing handshake; the answer to it waits behind all that this client has not read."""


class Watcher:
    """The state as a client has it; `broken` lists every breach of the protocol it saw."""

    def __init__(self, port: int, token: str) -> None:
        self._url = f"ws://127.0.0.1:{port}/"
        self._headers = {"Authorization": f"Bearer {token}"}
        self.messages: list[dict[str, Any]] = []
        self.windows: list[Any] = []
        self.panes: dict[str, Any] = {}
        self.sessions: dict[str, Any] = {}
        self.epoch = ""
        self.seq = -1
        self.syncs = 0
        self.connections = 0
        self._broken: list[str] = []
        self._jumps: list[str] = []
        self._live = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self.syncs, what="synced")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the watcher did not end"

    @property
    def broken(self) -> list[str]:
        """Breaches of the protocol; a jump is none once `lagged` explained it."""
        return [*self._broken, *self._jumps]

    def types(self) -> list[str]:
        """The message types so far, in order."""
        return [message["type"] for message in self.messages]

    def of(self, kind: str) -> list[Any]:
        """The data of all messages of a type."""
        return [message["data"] for message in self.messages if message["type"] == kind]

    def wait(self, condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
        """Wait until what arrived makes this true."""
        return wait_until(condition, deadline_s, what)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with connect(
                    self._url,
                    additional_headers=self._headers,
                    compression=None,
                    max_size=None,
                    proxy=None,
                    close_timeout=CLOSE_S,
                ) as socket:
                    self.connections += 1
                    self._live = False
                    while not self._stop.is_set():
                        try:
                            self._take(msgspec.json.decode(socket.recv(timeout=0.2)))
                        except TimeoutError:
                            continue
            except (OSError, ConnectionClosed, InvalidHandshake, InvalidMessage, EOFError):
                self._stop.wait(RECONNECT_S)

    def _take(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        kind, data = message["type"], message["data"]
        if kind in {"connected", "windows", "sessions"} and "seq" not in message:
            self._live = False
        if "seq" in message:
            if not self._live:
                self._broken.append(f"{kind} {message['seq']} before synced")
            elif message["seq"] != self.seq + 1:
                self._jumps.append(f"{kind} {message['seq']} after {self.seq}")
            self.seq = max(self.seq, message["seq"])
        if kind == "lagged":
            self._jumps.clear()
            self.seq = data["upto"]
        self._apply(kind, data)

    def _apply(self, kind: str, data: Any) -> None:
        match kind:
            case "windows":
                self.windows = data["windows"]
                if data["panes"] is not None:
                    self.panes = {pane["id"]: pane for pane in data["panes"]}
            case "sessions":
                self.sessions = {session["id"]: session for session in data["sessions"]}
            case "pane_update":
                self.panes[data["pane"]["id"]] = data["pane"]
            case "pane_removed":
                self.panes.pop(data["pane_id"], None)
            case "session_update":
                self.sessions[data["session"]["id"]] = data["session"]
            case "session_removed":
                self.sessions.pop(data["session_id"], None)
            case "synced":
                self.epoch, self.seq, self._live = data["epoch"], data["seq"], True
                self.syncs += 1
            case _:
                pass
