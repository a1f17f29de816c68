"""One loop that drives every agent of the demo, in the order of time."""

import heapq
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from services.cli.demo.actor import Actor, Watch
from services.cli.demo.score import Step

LATE_S: Final = 5.0
"""What is due longer ago is not caught up with: the machine slept, or had more to do than it can."""
CHECK_S: Final = 0.25
PAUSE_S: Final = 0.6
"""An agent whose next step is further away waits for a person, or rests: a typed line makes it go on."""

Performance = Iterator[tuple[float, Step]]
"""What one agent does: seconds from the start, and the step."""


class Simulator:
    """Plays until it is stopped, or nobody is left on the stage."""

    def __init__(self, performances: Sequence[tuple[Actor, Performance]], on_step: Watch | None = None) -> None:
        self._actors = [actor for actor, _ in performances]
        self._steps = [steps for _, steps in performances]
        self._hastened_s = [0.0] * len(performances)
        self._on_step = on_step
        self._agenda: list[tuple[float, int, Step]] = []
        self.late_s = 0.0
        """The most that a step was late."""

    def run(
        self, stop: threading.Event, check: Callable[[], bool], typed: Callable[[], Iterable[str]] = lambda: ()
    ) -> None:
        """Play. Some times a second `check` is asked whether to go on, and `typed` in which panes a line was typed."""
        origin_s, checked_s = time.monotonic(), -CHECK_S
        for number in range(len(self._actors)):
            self._plan(number)
        while self._agenda and not stop.is_set():
            now_s = time.monotonic() - origin_s
            if now_s - checked_s >= CHECK_S:
                if not check():
                    return
                self._hasten(set(typed()), now_s)
                for actor in self._actors:
                    actor.refresh()
                checked_s = now_s
            due_s, number, step = self._agenda[0]
            if due_s > now_s:
                stop.wait(min(due_s - now_s, CHECK_S))
                continue
            if now_s - due_s > LATE_S:
                origin_s += now_s - due_s
            self.late_s = max(self.late_s, now_s - due_s)
            heapq.heappop(self._agenda)
            if self._does(self._actors[number], step):
                self._plan(number)

    def _plan(self, number: int) -> None:
        due_s, step = next(self._steps[number])
        heapq.heappush(self._agenda, (due_s - self._hastened_s[number], number, step))

    def _hasten(self, panes: set[str], now_s: float) -> None:
        """Let the agents in these panes go on."""
        for entry in list(self._agenda) if panes else ():
            due_s, number, step = entry
            if self._actors[number].pane.id in panes and due_s - now_s > PAUSE_S:
                self._hastened_s[number] += due_s - now_s
                self._agenda.remove(entry)
                heapq.heapify(self._agenda)
                heapq.heappush(self._agenda, (now_s, number, step))

    def _does(self, actor: Actor, step: Step) -> bool:
        """Do a step; False when the pane is gone, and its agent with it."""
        try:
            actor.play(step)
        except OSError:
            actor.leave()
            return False
        if self._on_step is not None:
            self._on_step(actor, step)
        return True
