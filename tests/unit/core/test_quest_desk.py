import json
from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec
import pytest

from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import NewEvent, Source
from services.contract.game import QuestStatus
from services.contract.game_requests import CommandQuest, GetQuest, GetQuests
from services.contract.quest_commands import MAX_PHASES
from services.contract.requests import Listing
from services.core import quest_desk
from services.core.game import quests as quests_module
from services.core.game.quests import Quests
from services.core.quest_desk import QuestDesk, find_earlier

NOW = 1_000


class Side:
    """Keeps and applies what the desk decides, as core does; also a log to look things up in."""

    def __init__(self) -> None:
        self._commands, self._quests = count(1), count(1)
        self.desk = QuestDesk(has_project={"p1", "p2"}.__contains__, new_id=lambda at: f"{at}-{next(self._quests)}")
        self.quests = Quests()
        self.log: list[NewEvent] = []
        self.first_seq = 1

    def seqs_of(self, ids: Sequence[str]) -> dict[str, int]:
        return {event.id: seq for seq, event in enumerate(self.log, 1) if event.id in ids}

    def events_after(self, seq: int, limit: int) -> list[tuple[int, NewEvent]]:
        kept = [(n, event) for n, event in enumerate(self.log, 1) if n > seq and n >= self.first_seq]
        return kept[:limit]

    def run(
        self,
        command: str,
        fields: object = None,
        *,
        id_: str | None = None,
        quest: str | None = None,
        n: int | None = None,
    ) -> dict[str, Any]:
        request = CommandQuest(
            id=id_ or f"c{next(self._commands)}",
            who="127.0.0.1 curl/8.5",
            command=command,
            fields=msgspec.msgpack.encode({} if fields is None else fields),
            quest_id=quest,
            n=n,
        )
        decision = self.desk.run(request, self.quests, NOW, find_earlier(self, request))
        for event in decision.events:
            self.log.append(event)
            self.quests.apply(event, event.received_at)
        made: dict[str, Any] = data_of(decision.answer(self.quests))["quest"]
        return made

    def create(self, **fields: Any) -> dict[str, Any]:
        return self.run("create_quest", {"title": "Ship", **fields})


def data_of(listing: Listing) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(listing.data)
    return data


@pytest.fixture
def side() -> Side:
    return Side()


def refused(exc: pytest.ExceptionInfo[QuestmuxError]) -> tuple[ErrorCode, str]:
    return exc.value.problem.code, exc.value.problem.message


# What is done.


def test_a_new_quest_is_kept_with_its_id_and_who_made_it(side: Side) -> None:
    quest = side.run(
        "create_quest",
        {"title": "Ship", "description": "d", "project_id": "p1", "follows_tasks": True, "phases": ["a", "b"]},
        id_="build-7",
    )

    [event] = side.log
    assert (event.id, event.name, event.source) == ("quest-build-7", "QuestCreated", Source.API)
    assert (event.received_at, event.session_id, event.pane_id) == (NOW, None, None)
    payload = json.loads(event.payload)
    assert len(payload.pop("asked")) == 16
    assert payload == {
        "quest_id": "q1000-1",
        "by": "127.0.0.1 curl/8.5",
        "title": "Ship",
        "description": "d",
        "project_id": "p1",
        "follows_tasks": True,
        "phases": ["a", "b"],
    }
    assert quest["id"] == "q1000-1"
    assert (quest["status"], quest["created_at"], quest["progress"]) == ("planned", NOW, 0)
    assert [(phase["n"], phase["title"], phase["status"]) for phase in quest["phases"]] == [
        (1, "a", "pending"),
        (2, "b", "pending"),
    ]


def test_a_quest_is_changed_in_all_that_is_given_at_once(side: Side) -> None:
    quest = side.create(project_id="p1", phases=["a"])

    after = side.run(
        "change_quest",
        {
            "title": "Go",
            "description": "d",
            "status": "active",
            "project_id": "p2",
            "follows_tasks": True,
            "add_phases": ["b"],
        },
        quest=quest["id"],
    )

    assert (after["title"], after["description"], after["status"]) == ("Go", "d", "active")
    assert (after["project_id"], after["follows_tasks"]) == ("p2", True)
    assert [(phase["n"], phase["title"]) for phase in after["phases"]] == [(1, "a"), (2, "b")]
    assert side.log[-1].name == "QuestChanged"


def test_a_quest_leaves_its_project(side: Side) -> None:
    quest = side.create(project_id="p1")

    assert side.run("change_quest", {"title": "x"}, quest=quest["id"])["project_id"] == "p1"
    assert side.run("change_quest", {"project_id": None}, quest=quest["id"])["project_id"] is None


def test_a_phase_is_changed_and_its_quest_is_answered(side: Side) -> None:
    quest = side.create(phases=["a"])

    after = side.run("change_phase", {"status": "executing", "title": "b"}, quest=quest["id"], n=1)

    assert after["status"] == "active"
    assert [(phase["title"], phase["status"]) for phase in after["phases"]] == [("b", "executing")]
    assert side.log[-1].name == "PhaseChanged"
    assert side.run("change_phase", {"status": "completed"}, quest=quest["id"], n=1)["status"] == "completed"


@pytest.mark.parametrize("fields", [{}, {"status": "planned"}, {"title": "Ship"}], ids=repr)
def test_what_is_so_already_may_be_asked_for(side: Side, fields: dict[str, Any]) -> None:
    quest = side.create()

    assert side.run("change_quest", fields, quest=quest["id"]) == quest


# Once.


def test_the_same_command_again_is_not_done_twice(side: Side) -> None:
    first = side.run("create_quest", {"title": "Ship"}, id_="c")
    again = side.run("create_quest", {"title": "Ship", "phases": []}, id_="c")

    assert again == first
    assert len(side.log) == 1


def test_a_command_again_is_answered_with_the_quest_as_it_is_then(side: Side) -> None:
    quest = side.create()
    side.run("change_quest", {"status": "active"}, id_="c", quest=quest["id"])
    side.run("change_quest", {"status": "paused"}, quest=quest["id"])

    assert side.run("change_quest", {"status": "active"}, id_="c", quest=quest["id"])["status"] == "paused"
    assert len(side.log) == 3


def test_the_id_of_another_command_is_refused(side: Side) -> None:
    quest, other = side.create(phases=["a", "b"]), side.create()
    side.run("change_phase", {"title": "x"}, id_="c", quest=quest["id"], n=1)

    for command, fields, quest_id, n in (
        ("change_phase", {"title": "y"}, quest["id"], 1),
        ("change_phase", {"title": "x"}, quest["id"], 2),
        ("change_phase", {"title": "x"}, other["id"], 1),
        ("change_quest", {"title": "x"}, quest["id"], None),
        ("create_quest", {"title": "x"}, None, None),
    ):
        with pytest.raises(QuestmuxError) as exc:
            side.run(command, fields, id_="c", quest=quest_id, n=n)
        assert refused(exc) == (ErrorCode.CONFLICT, "the id c is that of another command")


@pytest.mark.parametrize("payload", [b"{}", b"\xff", b'{"quest_id":"q1","asked":""}'], ids=repr)
def test_the_id_of_another_event_is_refused(side: Side, payload: bytes) -> None:
    side.log.append(NewEvent(id="quest-c", name="Stop", received_at=1, payload=payload))

    with pytest.raises(QuestmuxError) as exc:
        side.run("create_quest", {"title": "x"}, id_="c")
    assert refused(exc) == (ErrorCode.CONFLICT, "the id c is that of another command")


def test_a_command_that_the_log_has_no_more_is_not_done_again(side: Side) -> None:
    side.run("create_quest", {"title": "x"}, id_="c")
    side.create()
    side.first_seq = 2

    with pytest.raises(QuestmuxError) as exc:
        side.run("create_quest", {"title": "x"}, id_="c")
    assert refused(exc) == (ErrorCode.CONFLICT, "the command c was done already, long ago")


def test_a_refused_command_may_come_again(side: Side) -> None:
    quest = side.create()
    with pytest.raises(QuestmuxError):
        side.run("change_quest", {"status": "paused"}, id_="c", quest=quest["id"])
    side.run("change_quest", {"status": "active"}, quest=quest["id"])

    assert side.run("change_quest", {"status": "paused"}, id_="c", quest=quest["id"])["status"] == "paused"


# What is refused.


@pytest.mark.parametrize(
    ("command", "fields", "n", "said"),
    [
        ("change_quest", {"status": "completed"}, None, "conflict: a planned quest cannot become completed;"),
        ("change_phase", {"status": "completed"}, 1, "conflict: a pending phase of a planned quest cannot become"),
        ("change_phase", {"title": "x"}, 2, "not_found: the quest q1000-1 has no phase 2"),
        ("change_phase", {"title": "x"}, 0, "not_found: the quest q1000-1 has no phase 0"),
        ("change_phase", {"title": "x"}, None, "not_found: the quest q1000-1 has no phase None"),
        ("change_quest", {"project_id": "p9"}, None, "invalid_field: project_id is wrong: there is no project p9"),
        ("create_quest", {"title": "x", "project_id": "p9"}, None, "invalid_field: project_id is wrong:"),
        ("change_quest", {"follows_tasks": True}, None, "invalid_field: project_id is wrong: a quest that follows"),
        ("change_quest", {"extra": 1}, None, "invalid_field: extra is unknown"),
        ("delete_quest", {}, None, "invalid_field: command is wrong: there is no 'delete_quest'"),
        (
            "change_quest",
            {"status": "archived", "add_phases": ["a"]},
            None,
            "conflict: a quest that is archived gets",
        ),
    ],
    ids=repr,
)
def test_what_cannot_be_done_is_not_kept(side: Side, command: str, fields: object, n: int | None, said: str) -> None:
    quest = side.create(phases=["a"])

    with pytest.raises(QuestmuxError) as exc:
        side.run(command, fields, quest=quest["id"], n=n)

    assert f"{exc.value.problem.code}: {exc.value.problem.message}".startswith(said)
    assert len(side.log) == 1


@pytest.mark.parametrize("quest_id", [None, "q1", ""], ids=repr)
@pytest.mark.parametrize("command", ["change_quest", "change_phase"])
def test_a_quest_that_is_not_there_is_not_found(side: Side, command: str, quest_id: str | None) -> None:
    with pytest.raises(QuestmuxError) as exc:
        side.run(command, {"title": "x"}, quest=quest_id, n=1)
    assert refused(exc) == (ErrorCode.NOT_FOUND, f"there is no quest {quest_id}")


def test_fields_that_cannot_be_read_are_refused(side: Side) -> None:
    request = CommandQuest(id="c", who="me", command="create_quest", fields=b"\xc1")

    with pytest.raises(QuestmuxError) as exc:
        side.desk.run(request, side.quests, NOW)
    assert exc.value.problem.message.startswith("fields is wrong: ")


def test_a_quest_that_follows_tasks_keeps_a_project(side: Side) -> None:
    quest = side.create(project_id="p1", follows_tasks=True)

    with pytest.raises(QuestmuxError):
        side.run("change_quest", {"project_id": None}, quest=quest["id"])
    after = side.run("change_quest", {"project_id": None, "follows_tasks": False}, quest=quest["id"])
    assert (after["project_id"], after["follows_tasks"]) == (None, False)


def test_a_quest_has_its_limit_of_phases(side: Side) -> None:
    quest = side.create(phases=["a"] * (MAX_PHASES // 2))
    half = {"add_phases": ["b"] * (MAX_PHASES // 2)}
    assert len(side.run("change_quest", half, quest=quest["id"])["phases"]) == MAX_PHASES

    with pytest.raises(QuestmuxError) as exc:
        side.run("change_quest", {"add_phases": ["c"]}, quest=quest["id"])
    assert refused(exc) == (ErrorCode.CONFLICT, "the quest would have 201 phases; it may have 200")


def test_a_failed_quest_gets_phases_as_it_is_tried_again(side: Side) -> None:
    quest = side.create()
    for status in ("active", "failed"):
        side.run("change_quest", {"status": status}, quest=quest["id"])

    with pytest.raises(QuestmuxError) as exc:
        side.run("change_quest", {"add_phases": ["a"]}, quest=quest["id"])
    assert refused(exc)[0] is ErrorCode.CONFLICT
    again = side.run("change_quest", {"status": "active", "add_phases": ["a"]}, quest=quest["id"])
    assert (again["status"], len(again["phases"])) == ("active", 1)


def test_a_full_board_takes_no_quest_until_one_is_archived(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quests_module, "MAX_QUESTS", 2)
    first, _ = side.create(), side.create()

    with pytest.raises(QuestmuxError) as exc:
        side.create()
    assert refused(exc)[0] is ErrorCode.CONFLICT
    side.run("change_quest", {"status": "archived"}, quest=first["id"])
    side.create()
    with pytest.raises(QuestmuxError) as exc:
        quest_desk.one(side.quests, GetQuest(id=first["id"]))
    assert refused(exc) == (ErrorCode.NOT_FOUND, f"there is no quest {first['id']}")


# Reads.


def test_pages_lead_through_all_quests(side: Side) -> None:
    ids = [side.create()["id"] for _ in range(5)]
    seen: list[str] = []
    after, has_more = None, True
    while has_more:
        data = data_of(quest_desk.page(side.quests, GetQuests(limit=2, after=after)))
        seen += [quest["id"] for quest in data["quests"]]
        after, has_more = data["next_after"], data["has_more"]

    assert seen == sorted(ids, reverse=True)


def test_a_page_has_what_was_asked_for(side: Side) -> None:
    quest, _ = side.create(project_id="p1"), side.create(project_id="p2")

    wanted = GetQuests(status=QuestStatus.PLANNED, project_id="p1", limit=10)
    assert data_of(quest_desk.page(side.quests, wanted)) == {
        "quests": [quest],
        "next_after": quest["id"],
        "has_more": False,
    }
    nothing = GetQuests(status=QuestStatus.ACTIVE, limit=10)
    assert data_of(quest_desk.page(side.quests, nothing)) == {"quests": [], "next_after": None, "has_more": False}


def test_one_quest_is_read(side: Side) -> None:
    quest = side.create()

    assert data_of(quest_desk.one(side.quests, GetQuest(id=quest["id"]))) == {"quest": quest}
