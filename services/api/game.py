"""The game's reads: personas, projects, XP, achievements, and the report of what happened meanwhile."""

from typing import Final

import falcon
import msgspec
from falcon.asgi import Request, Response

from services.api.query import read_id, read_number, read_word
from services.api.reads import READ_S, CoreReads
from services.api.story import narrative_text, report_text
from services.contract.game_answers import EarnerType, NarrativeData, ReportData
from services.contract.game_requests import (
    GetAchievements,
    GetChallenges,
    GetLeaderboard,
    GetPersonas,
    GetProjects,
    GetReport,
    GetXp,
)
from services.contract.requests import Listing

MAX_DAYS: Final = 3_660
"""Of a timeline: ten years."""
MAX_REPORT_DAYS: Final = 31
DEFAULT_DAYS: Final = 30
DEFAULT_PLACES: Final = 20
MAX_PLACES: Final = 500
MARKDOWN: Final = "text/markdown; charset=utf-8"
FORMATS: Final = ("json", "markdown")


class PersonasResource(CoreReads):
    """`GET /api/personas`, `GET /api/personas/{persona_id}`, `GET /api/personas/{persona_id}/challenges`."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """All personas."""
        await self.answer(resp, GetPersonas())

    on_head = on_get

    async def on_get_one(self, _req: Request, resp: Response, persona_id: str) -> None:
        """One persona."""
        await self.answer(resp, GetPersonas(id=persona_id))

    on_head_one = on_get_one

    async def on_get_challenges(self, _req: Request, resp: Response, persona_id: str) -> None:
        """Its challenges of this day and week."""
        await self.answer(resp, GetChallenges(persona_id=persona_id))

    on_head_challenges = on_get_challenges


class AchievementsResource(CoreReads):
    """`GET /api/achievements`."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """All that can be unlocked."""
        await self.answer(resp, GetAchievements())

    on_head = on_get


class ProjectsResource(CoreReads):
    """`GET /api/projects`, `GET /api/projects/{project_id}`, `GET /api/projects/{project_id}/narrative`."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        """All projects."""
        await self.answer(resp, GetProjects())

    on_head = on_get

    async def on_get_one(self, _req: Request, resp: Response, project_id: str) -> None:
        """One project."""
        await self.answer(resp, GetProjects(id=project_id))

    on_head_one = on_get_one

    async def on_get_narrative(self, req: Request, resp: Response, project_id: str) -> None:
        """Its story of the last days."""
        days = read_number(req, "days", 1, 1, MAX_REPORT_DAYS)
        is_text = read_word(req, "format", FORMATS, "json") == "markdown"
        request = GetReport(days=days, project_id=project_id)
        if not is_text:
            await self.answer(resp, request)
            return
        data = (await self._core.request(request, Listing, READ_S)).data
        _answer_text(resp, narrative_text(msgspec.json.decode(data, type=NarrativeData).narrative))

    on_head_narrative = on_get_narrative


class ReportResource(CoreReads):
    """`GET /api/report?days=&format=`."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """What happened in the last days."""
        request = GetReport(days=read_number(req, "days", 1, 1, MAX_REPORT_DAYS))
        if read_word(req, "format", FORMATS, "json") == "json":
            await self.answer(resp, request)
            return
        data = (await self._core.request(request, Listing, READ_S)).data
        _answer_text(resp, report_text(msgspec.json.decode(data, type=ReportData).report))

    on_head = on_get


class XpResource(CoreReads):
    """`GET /api/xp/summary`, `GET /api/xp/timeline`, `GET /api/xp/leaderboard`."""

    async def on_get_summary(self, req: Request, resp: Response) -> None:
        """The XP of a persona or project."""
        await self.answer(resp, GetXp(earner=_read_type(req), id=read_id(req, "id")))

    on_head_summary = on_get_summary

    async def on_get_timeline(self, req: Request, resp: Response) -> None:
        """Day by day."""
        days = read_number(req, "days", DEFAULT_DAYS, 1, MAX_DAYS)
        await self.answer(resp, GetXp(earner=_read_type(req), id=read_id(req, "id"), days=days))

    on_head_timeline = on_get_timeline

    async def on_get_leaderboard(self, req: Request, resp: Response) -> None:
        """Who has most."""
        limit = read_number(req, "limit", DEFAULT_PLACES, 1, MAX_PLACES)
        await self.answer(resp, GetLeaderboard(earner=_read_type(req), limit=limit))

    on_head_leaderboard = on_get_leaderboard


def _read_type(req: Request) -> EarnerType:
    return EarnerType(read_word(req, "type", tuple(EarnerType)))


def _answer_text(resp: Response, text: str) -> None:
    """Markdown as it is: no envelope, so that it can be shown or kept as a file."""
    resp.status = falcon.HTTP_200
    resp.content_type = MARKDOWN
    resp.data = text.encode()
