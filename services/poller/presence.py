"""Whether a coding agent runs in a pane just now, or is about to."""

from collections.abc import Callable
from typing import Final

from services.poller.processes import ProcessReader
from services.poller.target import PaneFacts

STARTING_S: Final = 60.0
"""An agent that was started by us is waited for this long: the person's shell may take its time before it."""


class Presence:
    """Reads the pane's processes anew: what was seen last may be a second old, and typing cannot be taken back."""

    def __init__(self, processes: ProcessReader, now_s: Callable[[], float]) -> None:
        self._processes = processes
        self._now_s = now_s
        self._starting: dict[str, float] = {}

    def expect(self, pane_id: str) -> None:
        """An agent was started in this pane, below a shell that has yet to run it."""
        now = self._now_s()
        self._starting = {one: until for one, until in self._starting.items() if until > now}
        self._starting[pane_id] = now + STARTING_S

    def has_agent(self, pane: PaneFacts) -> bool:
        """Whether what is typed now goes to an agent."""
        below = self._processes.below([pane.pid]).get(pane.pid)
        if below is not None and below.agent is not None:
            self._starting.pop(pane.id, None)
            return True
        return self._starting.get(pane.id, 0.0) > self._now_s()
