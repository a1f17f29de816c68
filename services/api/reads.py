"""The reads that core answers: windows, panes, sessions, events."""

import re
from typing import Final, TypeVar

import falcon
from falcon.asgi import Request, Response

from services.api.intake import Core
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.requests import GetEvents, GetPanes, GetSessions, GetWindows, Listing
from services.contract.requests import Request as BusRequest

R = TypeVar("R")

READ_S: Final = 2.0
DEFAULT_EVENTS: Final = 100
MAX_EVENTS: Final = 500
MAX_SEQ: Final = 2**53 - 1

_PANE: Final = re.compile(r"%?([0-9]{1,9})")


class CoreReads:
    """Asks core, and answers with what it says."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def answer(self, resp: Response, request: BusRequest) -> None:
        """Put core's answer into the envelope."""
        listing = await self._core.request(request, Listing, READ_S)
        resp.content_type = falcon.MEDIA_JSON
        resp.data = b'{"success":true,"data":' + listing.data + b"}"


class WindowsResource(CoreReads):
    """`GET /api/windows`."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """All windows with their panes and sessions."""
        await self.answer(resp, GetWindows())

    on_head = on_get


class PanesResource(CoreReads):
    """`GET /api/panes`, `GET /api/panes/{pane_id}`."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """All panes."""
        await self.answer(resp, GetPanes())

    on_head = on_get

    async def on_get_one(self, _req: Request, resp: Response, pane_id: str) -> None:
        """One pane."""
        await self.answer(resp, GetPanes(id=read_pane_id(pane_id)))

    on_head_one = on_get_one


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
        after = read_number(req, "after", 0, 0, MAX_SEQ)
        limit = read_number(req, "limit", DEFAULT_EVENTS, 1, MAX_EVENTS)
        await self.answer(resp, GetEvents(after=after, limit=limit))

    on_head = on_get


def read_pane_id(text: str) -> str:
    """A pane id of a path, which may leave out its `%`.

    Raises:
        QuestmuxError: it is none.
    """
    match = _PANE.fullmatch(text)
    if match is None or not text.isascii():
        raise QuestmuxError(ErrorCode.INVALID_FIELD, "pane_id is wrong: it takes %3, written %253, or 3")
    return f"%{match[1]}"


def read_number(req: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query.

    Raises:
        QuestmuxError: it is none, given twice, or out of bounds.
    """
    given = req.get_param_as_list(name)
    if given is None:
        return default
    text = given[0] if len(given) == 1 else ""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_SEQ)) and low <= int(text) <= high):
        raise QuestmuxError(ErrorCode.INVALID_FIELD, f"{name} is wrong: it takes a whole number from {low} to {high}")
    return int(text)
