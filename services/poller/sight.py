"""What one look at tmux shows: its listing, with the processes below its panes."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, structs

from services.contract.entities import TmuxServer
from services.contract.requests import SeenPane, SeenWindow
from services.poller.listing import read_listing, with_processes
from services.poller.processes import ProcessReader

PROCESSES_EVERY_S: Final = 0.55
"""While what tmux lists stays the same, processes are read this seldom."""


class View(Struct, frozen=True, kw_only=True):
    """All that is to be told of a tmux server at one time."""

    server: TmuxServer | None = None
    windows: tuple[SeenWindow, ...] = ()
    panes: tuple[SeenPane, ...] = ()


NOTHING: Final = View()
"""There is no tmux server."""


class Sight:
    """Remembers the last look, so that the next one reads little."""

    def __init__(self, processes: ProcessReader) -> None:
        self.activity: Mapping[str, int] = {}
        """When each pane's window last had output, in whole Unix seconds."""
        self._processes = processes
        self._output = b""
        self._listed = NOTHING
        self._processes_at = 0.0
        self._view = NOTHING

    def take_nothing(self) -> View:
        """The view when there is no tmux server."""
        self.activity, self._output, self._listed, self._view = {}, b"", NOTHING, NOTHING
        return NOTHING

    def take(self, output: bytes, now_s: float) -> View:
        """The view after tmux printed this for `listing.COMMANDS`; the same object again when nothing is new.

        Raises:
            ListingError: tmux printed something else.
        """
        listed = self._listed
        if output != self._output:
            listing = read_listing(output)
            self._output, self.activity = output, listing.activity
            listed = View(server=listing.server, windows=listing.windows, panes=listing.panes)
        if listed == self._listed and now_s - self._processes_at < PROCESSES_EVERY_S:
            return self._view
        self._listed, self._processes_at = listed, now_s
        view = structs.replace(listed, panes=self._with_processes(listed.panes))
        if view != self._view:
            self._view = view
        return self._view

    def _with_processes(self, panes: tuple[SeenPane, ...]) -> tuple[SeenPane, ...]:
        # A dead pane keeps the pid of a process that has gone; another may have the number by now.
        found = self._processes.below([pane.pid for pane in panes if not pane.dead])
        return tuple(
            with_processes(pane, below.processes, below.agent)
            if not pane.dead and (below := found.get(pane.pid))
            else pane
            for pane in panes
        )
