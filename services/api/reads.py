"""The reads that core answers: windows, panes, sessions, events, and the audit of commands."""

from typing import Final

from falcon.asgi import Request, Response

from services.api.envelope import answer_data
from services.api.intake import Core
from services.api.query import MAX_NUMBER, read_number
from services.api.target import read_pane_id
from services.contract.requests import (
    ExplainPane,
    GetActions,
    GetClients,
    GetEvents,
    GetPanes,
    GetSessions,
    GetWindows,
    Listing,
)
from services.contract.requests import Request as BusRequest

READ_S: Final = 2.0
DEFAULT_ROWS: Final = 100
MAX_ROWS: Final = 500


class CoreReads:
    """Asks core, and answers with what it says."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def answer(self, resp: Response, request: BusRequest) -> None:
        """Put core's answer into the envelope."""
        answer_data(resp, (await self._core.request(request, Listing, READ_S)).data)


class WindowsResource(CoreReads):
    """`GET /api/windows`."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """All windows with their panes and sessions."""
        await self.answer(resp, GetWindows())

    on_head = on_get


class PanesResource(CoreReads):
    """`GET /api/panes`, `GET /api/panes/{pane_id}`, `GET /api/panes/{pane_id}/explain`."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """All panes."""
        await self.answer(resp, GetPanes())

    on_head = on_get

    async def on_get_one(self, _req: Request, resp: Response, pane_id: str) -> None:
        """One pane."""
        await self.answer(resp, GetPanes(id=read_pane_id(pane_id)))

    on_head_one = on_get_one

    async def on_get_explanation(self, _req: Request, resp: Response, pane_id: str) -> None:
        """Why a pane's status is what it is."""
        await self.answer(resp, ExplainPane(id=read_pane_id(pane_id)))

    on_head_explanation = on_get_explanation


class SessionsResource(CoreReads):
    """`GET /api/sessions`, `GET /api/sessions/{session_id}`."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """All sessions."""
        await self.answer(resp, GetSessions())

    on_head = on_get

    async def on_get_one(self, _req: Request, resp: Response, session_id: str) -> None:
        """One session."""
        await self.answer(resp, GetSessions(id=session_id))

    on_head_one = on_get_one


class EventsResource(CoreReads):
    """`GET /api/events?after=&limit=`."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """A page of the log after a seq, oldest first."""
        after = read_number(req, "after", 0, 0, MAX_NUMBER)
        limit = read_number(req, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
        await self.answer(resp, GetEvents(after=after, limit=limit))

    on_head = on_get


class CommandsResource(CoreReads):
    """`GET /api/commands?limit=`."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """Who had what done, newest first."""
        limit = read_number(req, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
        await self.answer(resp, GetActions(limit=limit))

    on_head = on_get


class ClientsResource(CoreReads):
    """`GET /api/clients`."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """The WebSocket clients of all gateways."""
        await self.answer(resp, GetClients())

    on_head = on_get
