"""A client that watches panes as docs/protocol.md says, and what it would draw."""

import json
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

SGR = re.compile(r"\x1b\[[0-9;:]*m")


def plain(line: str) -> str:
    """A line without its colours."""
    return SGR.sub("", line)


class Terminal:
    """One connection; reads only while a test waits."""

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token
        self._open = ExitStack()
        self.lines: dict[str, list[str]] = {}
        self.cursors: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, int] = {}
        self.bytes = 0
        self.errors: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        opening = connect(
            f"ws://127.0.0.1:{self._port}/",
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,
            max_size=None,
            proxy=None,
        )
        self.socket: ClientConnection = self._open.enter_context(opening)
        self.until(lambda: self.counts.get("synced"), "synced")
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def say(self, kind: str, **data: Any) -> None:
        self.socket.send(json.dumps({"type": kind, "data": data}))

    def watch(self, pane_id: str) -> None:
        """Ask for a pane's screen, and wait for the whole of it."""
        before = self.counts.get("terminal_output", 0)
        self.say("watch", pane_id=pane_id)
        self.until_more("terminal_output", before)

    def screen(self, pane_id: str) -> list[str]:
        """Its rows without colours."""
        return [plain(line) for line in self.lines.get(pane_id, ())]

    def until(self, condition: Callable[[], Any], what: str, deadline_s: float = 10) -> float:
        """Read until the condition holds; how long that took, in seconds.

        Raises:
            AssertionError: it did not hold in time.
        """
        started = time.monotonic()
        while not condition():
            left_s = started + deadline_s - time.monotonic()
            assert left_s > 0, f"waited in vain for {what}: {self.lines}"
            self.read(left_s)
        return time.monotonic() - started

    def until_screen(self, pane_id: str, rows: list[str]) -> float:
        """Read until a pane's screen is this."""
        return self.until(lambda: self.screen(pane_id) == rows, f"the screen {rows}")

    def until_row(self, pane_id: str, row: str) -> float:
        """Read until a pane shows this row."""
        return self.until(lambda: row in self.screen(pane_id), f"the row {row!r}")

    def until_more(self, kind: str, count: int) -> float:
        """Read until more messages of a type than so many have come."""
        return self.until(lambda: self.counts.get(kind, 0) > count, f"another {kind}")

    def read(self, within_s: float) -> bool:
        """Take one message, if one comes in time."""
        try:
            text = self.socket.recv(timeout=within_s)
        except TimeoutError:
            return False
        self.bytes += len(text)
        message = json.loads(text)
        kind, data = message["type"], message["data"]
        self.counts[kind] = self.counts.get(kind, 0) + 1
        match kind:
            case "terminal_output":
                assert "seq" not in message
                self.lines[data["pane_id"]] = list(data["lines"])
                assert len(data["lines"]) == data["height"]
                self.cursors[data["pane_id"]] = data["cursor"]
            case "terminal_diff":
                self._apply(data)
            case "error":
                self.errors.append(data)
            case _:
                pass
        return True

    def _apply(self, diff: dict[str, Any]) -> None:
        lines = self.lines[diff["pane_id"]]
        lines[:] = lines[diff["scroll"] :] + [""] * diff["scroll"]
        for row, line in diff["lines"].items():
            lines[int(row)] = line
        self.cursors[diff["pane_id"]] = diff["cursor"]
