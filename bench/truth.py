"""How soon a status reaches a WebSocket client: told by a hook, by the registry alone, by the screen alone."""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.tmux import Row
from tests.e2e.recordings import screens
from tests.e2e.replay import Actor, TimedWatcher, stage
from tests.e2e.stack import Stack

ROUNDS: Final = 30
OK: Final = 200
RUN: Final = "interrupt"
"""The recording of an Esc: what was registered and drawn before and after it."""
BUSY_S, IDLE_S = 12.0, 14.0
TURN_S: Final = 0.5
"""The pace of a person: an Esc comes some time after its turn began."""


def truth_rows(folder: Path) -> list[Row]:
    """A stack with one pane, in which a program plays Claude Code."""
    stack = Stack(folder / "truth", QUESTMUX_CLAUDE_DIR=str(folder / "claude"), QUESTMUX_LOG_LEVEL="warning")
    try:
        stage(stack, folder)
        stack.start_all()
        stack.wait_ready()
        with TimedWatcher(stack.ws_port, stack.token) as watcher:
            return [
                Row("status by a hook to WebSocket", Trial(stack, folder, watcher, "hook").measure(), "<= 100 ms"),
                Row(
                    "Esc by the registry to WebSocket", Trial(stack, folder, watcher, "registry").measure(), "<= 600 ms"
                ),
                Row(
                    "Esc by the screen alone to WebSocket",
                    Trial(stack, folder, watcher, "screen").measure(),
                    "<= 1,000 ms",
                ),
            ]
    finally:
        stack.close(shows_logs=False)


class Trial:
    """One pane whose turn begins by a hook, and ends by one of the sources."""

    def __init__(self, stack: Stack, folder: Path, watcher: TimedWatcher, by: str) -> None:
        own = folder / by
        own.mkdir()
        for name in ("bin", "claude"):
            (own / name).symlink_to(folder / name)
        self._stack, self._watcher, self._by = stack, watcher, by
        self._actor = Actor(stack, own, RUN, "registry" if by == "screen" else None)
        self._session = f"bench-{by}"
        self._busy, self._idle = (_seen_at(at_s) for at_s in (BUSY_S, IDLE_S))
        watcher.wait(lambda: (watcher.panes.get(self._actor.pane_id) or {}).get("agent"), "the agent in the pane", 20)

    def measure(self) -> str:
        """The times that the source took."""
        starts, ends = zip(*(self._turn() for _ in range(ROUNDS)), strict=True)
        self._actor.end()
        ms = sorted(1000 * one for one in ((*starts, *ends) if self._by == "hook" else ends))
        return f"p50 {statistics.median(ms):.1f} ms, p99 {ms[int(0.99 * (len(ms) - 1))]:.1f} ms, n {len(ms)}"

    def _turn(self) -> tuple[float, float]:
        start = self._until("working", lambda: self._hook("UserPromptSubmit"))
        self._register("busy")
        self._actor.draw(self._busy)
        time.sleep(TURN_S)
        end = self._until("idle", self._end)
        self._actor.draw(self._idle)
        self._register("idle")
        return start, end

    def _end(self) -> None:
        match self._by:
            case "hook":
                self._hook("Stop")
            case "registry":
                self._register("idle")
            case _:
                self._actor.draw(self._idle)

    def _hook(self, name: str) -> None:
        headers = {"X-Tmux-Pane": self._actor.pane_id, "X-Sent-At": str(round(time.time() * 1000))}
        body = {"hook_event_name": name, "prompt": "go", "session_id": self._session}
        answer = self._stack.post_event(body, headers)
        if answer.status != OK:
            sys.exit(f"a hook was not kept: {answer.body!r}")

    def _register(self, status: str) -> None:
        if self._by != "screen":
            now = round(time.time() * 1000)
            times = {"startedAt": now, "statusUpdatedAt": now}
            self._actor.write({"sessionId": self._session, "status": status, **times})

    def _until(self, name: str, act: Callable[[], None]) -> float:
        began, statuses = time.time(), self._watcher.statuses
        count, wanted = len(statuses), (self._actor.pane_id, name)
        act()
        found = self._watcher.wait(lambda: [at for at, *said in statuses[count:] if tuple(said) == wanted], name)
        return float(found[0] - began)


def _seen_at(at_s: float) -> str:
    return [screen.text for screen in screens(RUN) if screen.t <= at_s][-1]
