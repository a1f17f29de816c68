"""What one look at tmux shows: its listing, with the processes below its panes."""

from typing import Final, Protocol

from msgspec import Struct

from services.contract.entities import TmuxServer
from services.contract.requests import SeenPane, SeenWindow
from services.poller.listing import read_listing, with_processes
from services.poller.processes import ProcessReader
from services.poller.tmux import NoTmuxServerError

PROCESSES_EVERY_S: Final = 0.45
"""While tmux's listing stays the same, processes are read this seldom: every second look at the default pace."""


class Lister(Protocol):
    """Prints what a tmux server holds; `services.poller.tmux.Tmux` is one."""

    def list_all(self) -> bytes:
        """Raises a `TmuxError` when it cannot."""
        ...


class View(Struct, frozen=True, kw_only=True):
    """All that is to be told of a tmux server at one time."""

    server: TmuxServer | None = None
    windows: tuple[SeenWindow, ...] = ()
    panes: tuple[SeenPane, ...] = ()


NOTHING: Final = View()
"""There is no tmux server."""


class Sight:
    """Looks at one tmux server. Blocks; for one thread at a time."""

    def __init__(self, tmux: Lister, processes: ProcessReader) -> None:
        self._tmux = tmux
        self._processes = processes
        self._output: bytes = b""
        self._processes_at = 0.0
        self._view = NOTHING

    def look(self, now_s: float) -> View:
        """What is there now; the very same object again when nothing was read anew.

        Raises:
            TmuxError: tmux did not tell.
            ListingError: tmux told something else.
        """
        try:
            output = self._tmux.list_all()
        except NoTmuxServerError:
            self._output, self._view = b"", NOTHING
            return self._view
        if output == self._output:
            if now_s - self._processes_at < PROCESSES_EVERY_S:
                return self._view
            view = self._view
        else:
            listing = read_listing(output)
            view = View(server=listing.server, windows=listing.windows, panes=listing.panes)
        # A dead pane keeps the pid of a process that has gone; another may have the number by now.
        found = self._processes.below([pane.pid for pane in view.panes if not pane.dead])
        panes = tuple(with_processes(pane, found.get(pane.pid, ())) for pane in view.panes)
        self._output, self._processes_at = output, now_s
        if panes != self._view.panes or view is not self._view:
            self._view = View(server=view.server, windows=view.windows, panes=panes)
        return self._view
