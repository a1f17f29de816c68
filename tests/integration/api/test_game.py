from typing import Any

import pytest

from services.contract.game import Project, ProjectKind
from services.contract.game_answers import EarnerType, Narrative, NarrativeData, ReportData, WorkReport
from services.contract.game_requests import (
    GetAchievements,
    GetChallenges,
    GetLeaderboard,
    GetPersonas,
    GetProjects,
    GetReport,
    GetXp,
)
from services.contract.requests import Request
from tests.integration.api.client import TOKENS, Client
from tests.integration.api.fake_core import FakeCore

PERSONA, PROJECT = EarnerType.PERSONA, EarnerType.PROJECT
REPORT = WorkReport(since=0, until=86_400_000, time_zone="UTC", finished=2)


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/api/personas", GetPersonas()),
        ("/api/personas/p1", GetPersonas(id="p1")),
        ("/api/personas/p1/challenges", GetChallenges(persona_id="p1")),
        ("/api/achievements", GetAchievements()),
        ("/api/projects", GetProjects()),
        ("/api/projects/r1", GetProjects(id="r1")),
        ("/api/projects/r1/narrative", GetReport(days=1, project_id="r1")),
        ("/api/projects/r1/narrative?days=31&format=json", GetReport(days=31, project_id="r1")),
        ("/api/report", GetReport(days=1)),
        ("/api/report?days=7", GetReport(days=7)),
        ("/api/xp/summary?type=persona&id=p1", GetXp(earner=PERSONA, id="p1")),
        ("/api/xp/timeline?type=project&id=r1", GetXp(earner=PROJECT, id="r1", days=30)),
        ("/api/xp/timeline?type=project&id=r1&days=3660", GetXp(earner=PROJECT, id="r1", days=3_660)),
        ("/api/xp/leaderboard?type=persona", GetLeaderboard(earner=PERSONA, limit=20)),
        ("/api/xp/leaderboard?type=project&limit=500", GetLeaderboard(earner=PROJECT, limit=500)),
    ],
)
async def test_a_read_asks_core_and_answers_with_what_it_says(
    client: Client, core: FakeCore, path: str, request_: Request
) -> None:
    core.will_say(type(request_), {"said": 1})

    answer = await client.get(path)

    assert (answer.status, answer.data) == (200, {"said": 1})
    assert core.requests == [request_]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        *((f"/api/report?days={days}", "days") for days in ("0", "-1", "32", "", "x", "1.5", "9" * 30, "1&days=2")),
        *((f"/api/xp/timeline?type=persona&id=p1&days={days}", "days") for days in ("0", "-7", "3661", "1e3")),
        *((f"/api/projects/r1/narrative?days={days}", "days") for days in ("0", "-1", "32")),
        ("/api/report?format=html", "format"),
        ("/api/report?format=json&format=markdown", "format"),
        ("/api/projects/r1/narrative?format=", "format"),
        ("/api/xp/summary?id=p1", "type"),
        ("/api/xp/summary?type=quest&id=p1", "type"),
        ("/api/xp/summary?type=persona", "id"),
        ("/api/xp/summary?type=persona&id=", "id"),
        ("/api/xp/summary?type=persona&id=a/b", "id"),
        ("/api/xp/summary?type=persona&id=p1&id=p2", "id"),
        ("/api/xp/leaderboard", "type"),
        ("/api/xp/leaderboard?type=persona&limit=0", "limit"),
        ("/api/xp/leaderboard?type=persona&limit=501", "limit"),
    ],
)
async def test_bad_input_is_refused_by_the_fields_name(client: Client, core: FakeCore, path: str, field: str) -> None:
    answer = await client.get(path)

    assert (answer.status, answer.code) == (422, "invalid_field")
    assert answer.json["error"]["message"].startswith(f"{field} is wrong")
    assert core.requests == []


@pytest.mark.parametrize(
    "path", ["/api/personas/p0", "/api/personas/p0/challenges", "/api/projects/r0", "/api/projects/r0/narrative"]
)
async def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    answer = await client.get(path)

    assert (answer.status, answer.code) == (404, "not_found")


async def test_a_report_can_be_read_as_markdown(client: Client, core: FakeCore) -> None:
    core.will_say(GetReport, ReportData(report=REPORT))

    answer = await client.get("/api/report?format=markdown")

    assert (answer.status, answer.headers["content-type"]) == (200, "text/markdown; charset=utf-8")
    assert answer.body.decode().startswith("# While you were away\n")
    assert "2 turns finished" in answer.body.decode()


async def test_a_narrative_can_be_read_as_markdown(client: Client, core: FakeCore) -> None:
    project = Project(id="r1", name="shop", path="/shop", kind=ProjectKind.REPOSITORY)
    core.will_say(GetReport, NarrativeData(narrative=Narrative(project=project, report=REPORT)))

    answer = await client.get("/api/projects/r1/narrative?format=markdown")

    assert answer.body.decode().startswith("# shop\n")


@pytest.mark.parametrize("path", ["/api/personas", "/api/report", "/api/avatars/p1.svg", "/api/xp/summary"])
@pytest.mark.parametrize(("token", "status"), [("", 401), (TOKENS.hook, 403)], ids=["none", "hook"])
async def test_reads_take_the_full_token(client: Client, path: str, token: str, status: int) -> None:
    answer = await client.get(path, token=token)

    assert answer.status == status


async def test_an_avatar_needs_no_core(client: Client, core: FakeCore) -> None:
    core.is_away = True

    answer = await client.get("/api/avatars/p1.svg")

    headers: Any = answer.headers
    assert (answer.status, headers["content-type"]) == (200, "image/svg+xml")
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.body.startswith(b"<svg ")
