"""Asks the poller what the folders are in where work was done and that nobody has read."""

from typing import Final

from services.contract.orders import ReadFolders
from services.core.poller_link import PollerLink
from services.core.state import State

ASK_AGAIN_S: Final = 60.0
"""A folder that the poller could not read is asked for again after this."""
MAX_FOLDERS: Final = 32
"""Of one order; the others come with the next ones."""


class FolderDesk:
    """Which folders were asked for, and when."""

    def __init__(self, state: State, link: PollerLink) -> None:
        self._state = state
        self._link = link
        self._asked: dict[str, float] = {}
        self._peer: bytes | None = None

    def tell_poller(self, clock_s: float) -> None:
        """Order what was not read yet, by a monotonic clock; all again when the poller is another one."""
        unplaced = self._state.game.projects.unplaced
        if not unplaced or self._link.peer is None:
            self._asked.clear()
            return
        if self._link.peer != self._peer:
            self._peer = self._link.peer
            self._asked.clear()
        due = [folder for folder in unplaced if clock_s >= self._asked.get(folder, clock_s)][:MAX_FOLDERS]
        if due and self._link.order(ReadFolders(folders=tuple(due))):
            waiting = {folder: self._asked[folder] for folder in unplaced if folder in self._asked}
            self._asked = waiting | dict.fromkeys(due, clock_s + ASK_AGAIN_S)
