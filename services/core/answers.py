"""What core answers to reads: the `data` of an HTTP answer, encoded once."""

from typing import Protocol

import msgspec
from msgspec import Struct

from services.contract.actions import ActionRecord
from services.contract.answers import (
    ClientsData,
    CommandsData,
    CoreHealth,
    EventsData,
    ExplanationData,
    HealthData,
    PaneData,
    PanesData,
    Peer,
    SessionData,
    SessionsData,
    WindowsData,
    WindowWithPanes,
)
from services.contract.entities import ClientInfo
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import NewEvent
from services.contract.requests import ExplainPane, GetActions, GetEvents, GetPanes, GetSessions, Listing
from services.core.state import State
from services.core.views import kept_event

WHOLE: int = 2**62
"""No limit on a payload."""
MAX_PAGE: int = 1_000
"""A page of the log or of the audit holds at most so many rows."""


class Log(Protocol):
    """What pages are read from; `Store` is one."""

    def events_after(self, seq: int, limit: int) -> list[tuple[int, NewEvent]]:
        """A page, oldest first; empty only at the end."""
        ...


class Audit(Protocol):
    """Where actions are written down; `Store` is one."""

    def actions(self, limit: int) -> list[ActionRecord]:
        """The newest rows, the newest first."""
        ...


def windows(state: State) -> Listing:
    """All windows with their panes, and the sessions in them."""
    panes = {pane.id: pane for pane in state.panes()}
    in_view = {pane.session_id for pane in panes.values()}
    return _listing(
        WindowsData(
            windows=tuple(
                WindowWithPanes(
                    **{name: getattr(window, name) for name in window.__struct_fields__},
                    panes=tuple(panes[pane_id] for pane_id in window.pane_ids),
                )
                for window in state.windows()
            ),
            sessions=tuple(session for session in state.sessions() if session.id in in_view),
        )
    )


def panes(state: State, request: GetPanes) -> Listing:
    """All panes, or one.

    Raises:
        QuestmuxError: no such pane.
    """
    if request.id is None:
        return _listing(PanesData(panes=state.panes()))
    pane = state.pane(request.id)
    if pane is None:
        raise QuestmuxError(ErrorCode.NOT_FOUND, f"there is no pane {request.id}")
    return _listing(PaneData(pane=pane))


def explanation(state: State, request: ExplainPane) -> Listing:
    """Why a pane's status is what it is.

    Raises:
        QuestmuxError: no such pane.
    """
    found = state.explanation(request.id)
    if found is None:
        raise QuestmuxError(ErrorCode.NOT_FOUND, f"there is no pane {request.id}")
    return _listing(ExplanationData(explanation=found))


def sessions(state: State, request: GetSessions) -> Listing:
    """All sessions, or one.

    Raises:
        QuestmuxError: no such session.
    """
    if request.id is None:
        return _listing(SessionsData(sessions=state.sessions()))
    session = state.session(request.id)
    if session is None:
        raise QuestmuxError(ErrorCode.NOT_FOUND, f"there is no session {request.id}")
    return _listing(SessionData(session=session))


def events(log: Log, request: GetEvents) -> Listing:
    """A page of the log."""
    page = log.events_after(request.after, min(max(request.limit, 1), MAX_PAGE))
    next_after = page[-1][0] if page else request.after
    return _listing(
        EventsData(
            events=tuple(kept_event(seq, event, WHOLE) for seq, event in page),
            next_after=next_after,
            has_more=bool(log.events_after(next_after, 1)),
        )
    )


def actions(audit: Audit, request: GetActions) -> Listing:
    """Who had what done, the newest first."""
    return _listing(CommandsData(commands=tuple(audit.actions(min(max(request.limit, 1), MAX_PAGE)))))


def clients(found: tuple[ClientInfo, ...]) -> Listing:
    """The WebSocket clients."""
    return _listing(ClientsData(clients=found))


def health(core: CoreHealth, services: dict[str, list[Peer]]) -> Listing:
    """What core knows of itself and of the others."""
    return _listing(HealthData(core=core, services=services))


def _listing(data: Struct) -> Listing:
    return Listing(data=msgspec.json.encode(data))
