import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import NewEvent, Source
from services.contract.game import ProjectKind, QuestStatus, Repository
from services.contract.game_answers import EarnerType
from services.contract.game_requests import (
    GetAchievements,
    GetChallenges,
    GetLeaderboard,
    GetPersonas,
    GetProjects,
    GetReport,
    GetXp,
)
from services.core.game.quests import QuestChanged, QuestCreated
from services.core.game_answers import MAX_TOLD, GameAnswers, GameRead
from services.core.keeper import Keeper
from services.core.own_events import new_repository_reading, new_zone
from services.core.store import Store
from tests.unit.core.making import hook

DAY = 86_400_000
NOON = 1_790_000_000_000 // DAY * DAY + DAY // 2
PERSONA, PROJECT = EarnerType.PERSONA, EarnerType.PROJECT


class Stage:
    """Reads over a real file."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.keeper = Keeper(store)
        self.answers = GameAnswers(self.keeper.state, self.keeper.ledger)

    def add(self, *events: NewEvent) -> None:
        with self._store.transaction():
            self.keeper.append(events, NOON + 400 * DAY)

    def ask(self, request: GameRead, now: int = NOON) -> Any:
        return json.loads(self.answers.answer(request, now).data)


@pytest.fixture
def stage(opened: Callable[[], Store]) -> Stage:
    return Stage(opened())


def call(call_id: str, at: int = NOON, session: str = "s1", folder: str = "/w", **fields: Any) -> NewEvent:
    plain = {"tool_name": "Read", "tool_use_id": call_id, "cwd": folder}
    return hook("PostToolUse", at, session=session, **(plain | fields))


def prompt(at: int = NOON, session: str = "s1", folder: str = "/w") -> NewEvent:
    return hook("UserPromptSubmit", at, session=session, prompt="go", prompt_id=f"t{at}", cwd=folder)


def stop(at: int, session: str = "s1", said: str = "Done.", folder: str = "/w") -> NewEvent:
    return hook("Stop", at, session=session, last_assistant_message=said, cwd=folder)


def edit(call_id: str, path: str, at: int = NOON, **fields: Any) -> NewEvent:
    return call(call_id, at, tool_name="Write", tool_input={"file_path": path, "content": "x"}, **fields)


def reading(folder: str, file_id: str) -> NewEvent:
    name = folder.strip("/")
    found = Repository(folder=folder, path=folder, kind=ProjectKind.REPOSITORY, file_id=file_id, name=name)
    return new_repository_reading(f"r{folder}", NOON, found)


@pytest.fixture
def worked(stage: Stage) -> Stage:
    """Two personas in two projects: one did more, the other did it yesterday."""
    stage.add(reading("/w", "1:1:1"), reading("/v", "1:2:1"))
    stage.add(prompt(), edit("t1", "/w/a"), edit("t2", "/w/b"), edit("t3", "/w/a"), stop(NOON + 60_000))
    stage.add(prompt(NOON - DAY, "s2", "/v"), call("u1", NOON - DAY, "s2", "/v"))
    return stage


def ids(stage: Stage) -> dict[str, str]:
    named = {one["session_id"]: one["id"] for one in stage.ask(GetPersonas())["personas"]}
    return named | {one["name"]: one["id"] for one in stage.ask(GetProjects())["projects"]}


def test_lists_have_the_best_persona_and_the_newest_project_first(worked: Stage) -> None:
    assert [one["session_id"] for one in worked.ask(GetPersonas())["personas"]] == ["s1", "s2"]
    assert [one["name"] for one in worked.ask(GetProjects())["projects"]] == ["w", "v"]


def test_one_of_each(worked: Stage) -> None:
    known = ids(worked)

    assert worked.ask(GetPersonas(id=known["s1"]))["persona"]["statistics"]["edits"] == 3
    assert worked.ask(GetProjects(id=known["v"]))["project"]["statistics"]["tools"] == 1
    assert len(worked.ask(GetChallenges(persona_id=known["s1"]))["challenges"]) == 5
    assert len(worked.ask(GetAchievements())["achievements"]) >= 10


@pytest.mark.parametrize(
    "request_",
    [
        GetPersonas(id="p0"),
        GetChallenges(persona_id="p0"),
        GetProjects(id="r0"),
        GetXp(earner=PERSONA, id="p0"),
        GetXp(earner=PROJECT, id="p0", days=3),
        GetReport(days=1, project_id="r0"),
        GetPersonas(id=""),
        GetProjects(id=""),
        GetReport(days=1, project_id=""),
    ],
    ids=repr,
)
def test_what_is_not_there_is_not_found(worked: Stage, request_: GameRead) -> None:
    with pytest.raises(QuestmuxError) as raised:
        worked.ask(request_)

    assert raised.value.problem.code is ErrorCode.NOT_FOUND


def test_a_summary_is_what_the_persona_has(worked: Stage) -> None:
    known = ids(worked)
    persona = worked.ask(GetPersonas(id=known["s1"]))["persona"]

    summary = worked.ask(GetXp(earner=PERSONA, id=known["s1"]))["summary"]

    assert summary["total"] == persona["xp"] == 3 * 1 + 2 * 3 + 5
    assert summary["today"] == summary["week"] == summary["total"]
    assert {one["rule"]: one["xp"] for one in summary["by_rule"]} == {"edit": 6, "turn": 5, "tool": 3}
    assert worked.ask(GetXp(earner=PROJECT, id=known["w"]))["summary"]["total"] == summary["total"]


def test_a_timeline_has_every_day_up_to_today(worked: Stage) -> None:
    known = ids(worked)

    days = worked.ask(GetXp(earner=PERSONA, id=known["s2"], days=3))["days"]

    assert [one["xp"] for one in days] == [0, 1, 0]
    assert days[-1]["day"] == "2026-09-21"
    assert len(worked.ask(GetXp(earner=PERSONA, id=known["s2"], days=3_660))["days"]) == 3_660


def test_a_timeline_does_not_begin_before_time_does(worked: Stage) -> None:
    known = ids(worked)

    days = worked.ask(GetXp(earner=PERSONA, id=known["s2"], days=3_660), now=5 * DAY)["days"]

    assert [one["day"] for one in days][:1] == ["1970-01-01"]


def test_who_has_the_same_has_the_same_rank(stage: Stage) -> None:
    stage.add(call("a", session="s1"), call("b", session="s2"), call("c", session="s3"), call("d", session="s3"))
    stage.add(prompt(session="s4"))

    entries = stage.ask(GetLeaderboard(earner=PERSONA, limit=10))["entries"]

    assert [(one["rank"], one["xp"]) for one in entries] == [(1, 2), (2, 1), (2, 1)]
    assert len(stage.ask(GetLeaderboard(earner=PERSONA, limit=2))["entries"]) == 2
    assert stage.ask(GetLeaderboard(earner=PROJECT, limit=2))["entries"] == []


def test_a_report_tells_of_today(worked: Stage) -> None:
    report = worked.ask(GetReport(days=1), now=NOON + 2 * 60_000)["report"]

    assert (report["finished"], report["files"], report["failed"], report["xp"]) == (1, 2, 0, 14)
    assert [(one["kind"], one["project"], one["text"]) for one in report["told"] if one["kind"] == "finished"] == [
        ("finished", "w", "Done.")
    ]
    assert "edit" not in {one["kind"] for one in report["told"]}
    assert [(part["name"], part["xp"]) for part in report["projects"]] == [("w", 14)]
    assert report["waiting"][0]["status"] == "idle"
    assert report["waiting"][0]["persona"] == report["personas"][0]["name"]


def test_a_report_of_two_days_has_yesterday(worked: Stage) -> None:
    report = worked.ask(GetReport(days=2))["report"]

    assert report["xp"] == 15
    assert {part["name"] for part in report["projects"]} == {"w", "v"}
    assert report["until"] - report["since"] == DAY + DAY // 2


def test_a_narrative_is_of_one_project(worked: Stage) -> None:
    known = ids(worked)

    narrative = worked.ask(GetReport(days=2, project_id=known["v"]))["narrative"]

    assert narrative["project"]["name"] == "v"
    assert (narrative["report"]["xp"], narrative["report"]["finished"]) == (1, 0)
    assert narrative["report"]["projects"] == []
    assert {one["project"] for one in narrative["report"]["told"]} <= {"v", None}


def test_a_report_tells_the_newest_and_says_that_there_was_more(stage: Stage) -> None:
    for n in range(MAX_TOLD + 3):
        stage.add(prompt(NOON + 2 * n), stop(NOON + 2 * n + 1, said=f"number {n}"))

    report = stage.ask(GetReport(days=1), now=NOON + 10_000)["report"]

    assert (report["finished"], len(report["told"]), report["is_cut"]) == (MAX_TOLD + 3, MAX_TOLD, True)
    assert report["told"][0]["text"] == f"number {MAX_TOLD + 2}"


def test_days_are_the_persons(stage: Stage) -> None:
    """At 11:30 UTC it is past midnight in Kiritimati, 14 hours ahead."""
    stage.add(new_zone("z", 0, "Pacific/Kiritimati"), call("t1", NOON - 3 * 3_600_000))

    assert stage.ask(GetReport(days=1), now=NOON - DAY // 48)["report"]["xp"] == 0
    assert stage.ask(GetReport(days=2), now=NOON - DAY // 48)["report"]["time_zone"] == "Pacific/Kiritimati"


def test_a_report_counts_what_a_person_completed(worked: Stage) -> None:
    project = ids(worked)["w"]
    quest_id = "q" + "0" * 32
    made = QuestCreated(quest_id=quest_id, title="Ship", project_id=project)
    done = [QuestChanged(quest_id=quest_id, status=status) for status in (QuestStatus.ACTIVE, QuestStatus.COMPLETED)]
    worked.add(
        *(
            NewEvent(
                id=f"c{number}",
                name=type(one).__name__,
                received_at=NOON,
                payload=msgspec.json.encode(one),
                source=Source.API,
            )
            for number, one in enumerate((made, *done))
        )
    )

    report = worked.ask(GetReport(days=1), now=NOON + 2 * 60_000)["report"]

    assert report["xp"] == 14 + 50
    assert [part["xp"] for part in report["projects"]] == [64]
    assert [part["xp"] for part in report["personas"]] == [14]
