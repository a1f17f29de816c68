"""tmux as a poller reports it, whole or in changes, and what of it is an event. Pure.

Only what a person would call a change of the layout is an event in the log: panes and windows that open, close, move,
get another name, folder or process. A title or the running command changes many times a second and is only shown.
"""

from collections.abc import Iterable

from msgspec import Struct, structs

from services.contract.entities import TmuxServer
from services.contract.requests import ReportTmux, SeenPane, SeenWindow


class TmuxState(Struct, frozen=True, kw_only=True):
    """tmux as it was last seen, in tmux's order."""

    server: TmuxServer | None = None
    windows: tuple[SeenWindow, ...] = ()
    panes: dict[str, SeenPane] = {}


class TmuxChange(Struct, frozen=True, kw_only=True):
    """The payload of a `TmuxReport` event."""

    server: TmuxServer | None
    is_new_server: bool = False
    """Another life of the server: all panes are other panes, whatever their ids."""
    closed: tuple[str, ...] = ()
    opened: tuple[SeenPane, ...] = ()
    changed: tuple[SeenPane, ...] = ()
    windows: tuple[SeenWindow, ...] | None = None
    """All windows, when one of them changed."""


def view_of(seen: TmuxState, report: ReportTmux) -> TmuxState:
    """Tmux as the report shows it: a whole report by itself, changes put into what was seen before."""
    windows = seen.windows if report.windows is None else report.windows
    if report.after is None:
        return _in_order(report.server, windows, report.panes)
    gone = set(report.gone)
    panes = {pane_id: pane for pane_id, pane in seen.panes.items() if pane_id not in gone}
    panes |= {pane.id: pane for pane in report.panes}
    return _in_order(report.server, windows, panes.values())


def change_between(before: TmuxState, now: TmuxState) -> TmuxChange | None:
    """What differs in the log's view; None when nothing."""
    is_new_server = before.server != now.server
    known = {} if is_new_server else before.panes
    windows_differ = is_new_server or [_lasting(w) for w in before.windows] != [_lasting(w) for w in now.windows]
    change = TmuxChange(
        server=now.server,
        is_new_server=is_new_server,
        closed=tuple(before.panes)
        if is_new_server
        else tuple(pane_id for pane_id in known if pane_id not in now.panes),
        opened=tuple(pane for pane in now.panes.values() if pane.id not in known),
        changed=tuple(
            pane for pane in now.panes.values() if pane.id in known and _place(known[pane.id]) != _place(pane)
        ),
        windows=now.windows if windows_differ else None,
    )
    is_empty = not (is_new_server or change.closed or change.opened or change.changed or windows_differ)
    return None if is_empty else change


def apply_change(before: TmuxState, change: TmuxChange) -> TmuxState:
    """Tmux after a change."""
    closed = set(change.closed)
    panes = {pane_id: pane for pane_id, pane in before.panes.items() if pane_id not in closed}
    panes |= {pane.id: pane for pane in (*change.changed, *change.opened)}
    windows = before.windows if change.windows is None else change.windows
    return _in_order(change.server, windows, panes.values())


def has_moved(before: SeenPane | None, after: SeenPane) -> bool:
    """Whether a pane is elsewhere in the layout: its window's list of panes is another one then."""
    return before is None or (before.window_id, before.index) != (after.window_id, after.index)


def _in_order(server: TmuxServer | None, windows: tuple[SeenWindow, ...], panes: Iterable[SeenPane]) -> TmuxState:
    """The order of tmux: that of the windows, and within one that of its panes."""
    places = {window.id: place for place, window in enumerate(windows)}
    in_order = sorted(panes, key=lambda pane: (places.get(pane.window_id, len(places)), pane.index))
    return TmuxState(server=server, windows=windows, panes={pane.id: pane for pane in in_order})


def _place(pane: SeenPane) -> tuple[object, ...]:
    return (pane.window_id, pane.index, pane.pid, pane.dead, pane.cwd, pane.agent)


def _lasting(window: SeenWindow) -> SeenWindow:
    return structs.replace(window, active=False, layout="")
