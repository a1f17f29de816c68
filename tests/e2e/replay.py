"""Plays recordings of a real Claude Code in their own time: hooks, registry files and screens, in panes of tmux."""

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from msgspec import Struct

from services.cli.demo.actor import proc_start
from services.cli.demo.panes import Screen
from services.cli.demo.stage import PROGRAM
from tests.e2e.recordings import calls, registry, screens
from tests.e2e.stack import Stack
from tests.e2e.watcher import Watcher
from tests.waiting import wait_until

APART_S = 0.25
"""How long after another a run begins."""
SOURCES = ("hooks", "registry", "screen", "processes")


class TimedWatcher(Watcher):
    """Keeps when each message came, by the wall's clock."""

    def __init__(self, port: int, token: str) -> None:
        super().__init__(port, token)
        self.statuses: list[tuple[float, str, str]] = []
        """When, of which pane, and what; `none` without a status."""

    def _apply(self, kind: str, data: Any) -> None:
        super()._apply(kind, data)
        if kind == "pane_update":
            status = data["pane"]["status"]
            self.statuses.append((time.time(), data["pane"]["id"], "none" if status is None else status["name"]))


class Step(Struct, frozen=True, order=True):
    """Something that happens in a run at a time, in seconds from its start."""

    t: float
    number: int
    run: str
    kind: str
    value: Any


class Played(Struct, frozen=True):
    """A step of a run, in seconds of the wall's clock: a busy machine plays late.

    A record of the registry is one also when its file is not to be written.
    """

    step: Step
    began_s: float
    done_s: float


class Actor:
    """One run in one pane. Its program is called `claude`, unless the process tree is to tell nothing."""

    def __init__(self, stack: Stack, folder: Path, run: str, without: str | None) -> None:
        self._stack = stack
        self._without = without
        self._program = folder / "bin" / ("program" if without == "processes" else "claude")
        words = f"{self._program} {folder / 'bin' / 'typed'}; exec cat"
        answer = "#{pane_id} #{pane_pid} #{pane_tty}"
        window = stack.tmux("new-window", "-d", "-P", "-F", answer, "-t", "lab:", words)
        self.pane_id, self._shell, terminal = window.split()
        self._pid = wait_until(self._running, deadline_s=20, what=f"the program of {run}")
        self._screen = Screen(terminal)
        self._file = folder / "claude" / "sessions" / f"{self._pid}.json"
        self.played: list[Played] = []
        """All steps so far, in order."""

    def _running(self) -> int:
        """The program's pid, once it is the one that was asked for; 0 before."""
        children = Path(f"/proc/{self._shell}/task/{self._shell}/children").read_text().split()
        names = {int(pid): Path(f"/proc/{pid}/comm").read_text().strip() for pid in children}
        return next((pid for pid, name in names.items() if name == self._program.name), 0)

    def play(self, step: Step, begin_s: float) -> None:
        """Do one step of the run. `begin_s` is when the run began, by the wall's clock."""
        began_s = time.time()
        self._do(step, begin_s)
        self.played.append(Played(step, began_s, time.time()))

    def _do(self, step: Step, begin_s: float) -> None:
        match step.kind:
            case "hook" if self._without != "hooks":
                headers = {"X-Tmux-Pane": self.pane_id, "X-Sent-At": str(round(time.time() * 1000))}
                assert self._stack.post_event(self._mine(step.value), headers).status in {200, 202}
            case "registry" if self._without != "registry":
                self.register(step.value, begin_s)
            case "screen" if self._without != "screen":
                self.draw(step.value)
            case "end":
                self.end()
            case _:
                pass

    def draw(self, text: str) -> None:
        """Show a screen in the pane."""
        self._screen.draw(text)
        wait_until(self._screen.flush, what="the terminal to take it")

    def end(self) -> None:
        """The program leaves the pane."""
        os.kill(self._pid, signal.SIGTERM)
        self._screen.close()

    def _mine(self, body: dict[str, Any]) -> dict[str, Any]:
        return body | {"session_id": self.session_id(body["session_id"])}

    def session_id(self, recorded: str) -> str:
        """Each way of playing has its own sessions."""
        return f"{self._without or 'nothing'}-{recorded}"

    def register(self, record: dict[str, Any] | None, begin_s: float) -> None:
        """Write the program's registry file, or delete it; times are moved to when the run began."""
        if record is None:
            self._file.unlink(missing_ok=True)
            return
        shift = round(begin_s * 1000) - record["startedAt"]
        mine = record | {
            "sessionId": self.session_id(record["sessionId"]),
            "startedAt": record["startedAt"] + shift,
        }
        if "statusUpdatedAt" in record:
            mine["statusUpdatedAt"] = min(record["statusUpdatedAt"] + shift + 400, round(time.time() * 1000))
        self.write(mine)

    def write(self, record: dict[str, Any]) -> None:
        """Write a registry file of this pane's program."""
        own = {"pid": self._pid, "procStart": proc_start(self._pid), "pidDomain": None}
        self._file.write_text(json.dumps(record | own))


def steps(runs: Sequence[str]) -> list[Step]:
    """All that happens in these runs, in the order of time."""
    found: list[Step] = []
    for run in runs:
        rows: list[tuple[float, str, Any]] = [
            *((call.t, "hook", call.body) for call in calls(run)),
            *((record.t, "registry", record.record) for record in registry(run)),
            *((screen.t, "screen", screen.text) for screen in screens(run)),
        ]
        rows.append((max(t for t, _, _ in rows) + 0.01, "end", None))
        found += [Step(t, len(found) + i, run, kind, value) for i, (t, kind, value) in enumerate(rows)]
    return sorted(found)


def play(actors: dict[str, Actor]) -> None:
    """Play all runs side by side, the longest first: they were recorded by one script, and would all do the same at the
    same moment."""
    todo = steps(list(actors))
    lengths = {step.run: step.t for step in todo}
    begins = {run: i * APART_S for i, run in enumerate(sorted(lengths, key=lambda run: -lengths[run]))}
    origin_s, pause = time.time(), Event()
    for step in sorted(todo, key=lambda step: begins[step.run] + step.t):
        begin_s = origin_s + begins[step.run]
        pause.wait(max(0.0, begin_s + step.t - time.time()))
        actors[step.run].play(step, begin_s)


def stage(stack: Stack, folder: Path) -> None:
    """Folders, programs and a tmux session to play in."""
    (folder / "claude" / "sessions").mkdir(parents=True)
    (folder / "bin").mkdir(exist_ok=True)
    os.mkfifo(folder / "bin" / "typed")
    for name in ("claude", "program"):
        (folder / "bin" / name).write_text(PROGRAM)
        (folder / "bin" / name).chmod(0o700)
    stack.tmux("new-session", "-d", "-s", "lab", "-x", "110", "-y", "40", "cat")


def moments(begin: float, end: float, step: float) -> Iterator[float]:
    """Times from one to another."""
    count = int((end - begin) / step)
    yield from (begin + number * step for number in range(count))
