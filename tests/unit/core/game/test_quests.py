import json
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract.events import NewEvent, Source
from services.contract.game import Phase, PhaseStatus, Quest, QuestStatus
from services.contract.quest_commands import MAX_PHASES, MAX_TITLE_CHARS
from services.core.game import quests as quests_module
from services.core.game.deeds import Deed, DeedKind
from services.core.game.quest_rules import OVER, PHASE_MOVES, QUEST_MOVES
from services.core.game.quests import QUEST_EVENTS, Completed, QuestBook, Quests

CREATED, TASK_DONE = DeedKind.TASK_CREATED, DeedKind.TASK_COMPLETED


def command(name: str, quest_id: str, *, source: Source = Source.API, **fields: Any) -> NewEvent:
    payload = json.dumps({"quest_id": quest_id, **fields}).encode()
    return NewEvent(id="e", name=name, received_at=0, payload=payload, source=source)


def created(quest_id: str = "q1", **fields: Any) -> NewEvent:
    return command("QuestCreated", quest_id, **{"title": "Ship", **fields})


def quest_moved(status: str, quest_id: str = "q1") -> NewEvent:
    return command("QuestChanged", quest_id, status=status)


def phase_moved(n: int, status: str, quest_id: str = "q1") -> NewEvent:
    return command("PhaseChanged", quest_id, n=n, status=status)


def task(kind: DeedKind, task_id: str, subject: str = "Read it", *, session: str = "s1", at: int = 50) -> Deed:
    return Deed(kind=kind, at=at, session_id=session, event_id="e", key=task_id, detail=subject)


def quests_with(*events: NewEvent) -> Quests:
    """Each event 10 ms after the one before, the first at 10; what changed is told already."""
    quests = Quests()
    for i, event in enumerate(events, 1):
        quests.apply(event, 10 * i)
    quests.take_changed()
    return quests


def following(project: str = "p", *quest_ids: str) -> Quests:
    """Active quests that follow the tasks of a project."""
    events = [
        event
        for quest_id in quest_ids or ("q1",)
        for event in (
            created(quest_id, project_id=project, follows_tasks=True),
            quest_moved("active", quest_id),
        )
    ]
    return quests_with(*events)


def only(quests: Quests) -> Quest:
    [quest] = quests.all()
    return quest


def phases_of(quests: Quests, quest_id: str = "q1") -> list[tuple[str, str]]:
    quest = quests.view(quest_id)
    assert quest is not None
    return [(phase.title, phase.status) for phase in quest.phases]


def restored(quests: Quests) -> Quests:
    """As a start makes them of a checkpoint."""
    return Quests(msgspec.msgpack.decode(msgspec.msgpack.encode(quests.book), type=QuestBook))


# Commands.


def test_a_new_quest_is_planned_with_its_phases_pending() -> None:
    quests = quests_with(created(description="d", project_id="p", phases=["a", "b"]))

    assert only(quests) == Quest(
        id="q1",
        title="Ship",
        description="d",
        status=QuestStatus.PLANNED,
        created_at=10,
        changed_at=10,
        project_id="p",
        phases=(Phase(n=1, title="a", changed_at=10), Phase(n=2, title="b", changed_at=10)),
    )


def test_what_is_given_of_a_quest_is_changed_and_the_rest_stays() -> None:
    quests = quests_with(created(description="d", project_id="p", follows_tasks=True, phases=["a"]))
    before = only(quests)

    quests.apply(command("QuestChanged", "q1", description="", phases=["b"], first_n=2), 30)

    after = msgspec.structs.replace(
        before, description="", changed_at=30, phases=(*before.phases, Phase(n=2, title="b", changed_at=30))
    )
    assert only(quests) == after


@pytest.mark.parametrize(
    ("fields", "project_id"),
    [({"title": "Go"}, "p"), ({"project_id": None}, None), ({"project_id": "o"}, "o")],
    ids=repr,
)
def test_a_project_is_changed_when_it_is_given_also_to_none(fields: dict[str, Any], project_id: str | None) -> None:
    quests = quests_with(created(project_id="p"), command("QuestChanged", "q1", **fields))

    assert only(quests).project_id == project_id


def test_a_phase_is_moved_and_renamed() -> None:
    quests = quests_with(created(phases=["a", "b"]), command("PhaseChanged", "q1", n=2, status="planned", title="c"))

    assert phases_of(quests) == [("a", "pending"), ("c", "planned")]
    assert only(quests).changed_at == 20


def test_what_was_completed_is_told_once() -> None:
    quests = quests_with(created(phases=["a", "b"]))

    told = [
        quests.apply(event, 9)
        for event in (
            phase_moved(1, "executing"),
            phase_moved(1, "completed"),
            phase_moved(1, "completed"),
            phase_moved(2, "skipped"),
            phase_moved(2, "skipped"),
            quest_moved("completed"),
            quest_moved("archived"),
        )
    ]

    assert told == [(), (Completed("q1", 1),), (), (Completed("q1", None),), (), (), ()]
    assert only(quests).status is QuestStatus.ARCHIVED


def test_a_phase_that_ends_its_quest_is_told_before_it() -> None:
    quests = quests_with(created(phases=["a"]), phase_moved(1, "executing"))

    assert quests.apply(phase_moved(1, "completed"), 9) == (Completed("q1", 1), Completed("q1", None))


def test_a_quest_without_phases_is_completed_by_hand() -> None:
    quests = quests_with(created(), quest_moved("active"))

    assert quests.apply(quest_moved("completed"), 9) == (Completed("q1", None),)
    assert (only(quests).completed_at, only(quests).progress) == (9, 100)


@pytest.mark.parametrize(
    "event",
    [
        created("q2", source=Source.HOOK),
        command("QuestChanged", "q1", status="active", source=Source.HOOK),
        created(title=None),
        command("QuestCompleted", "q2"),
        quest_moved("active", "q2"),
        quest_moved("completed"),
        quest_moved("lost"),
        phase_moved(1, "completed"),
        phase_moved(2, "executing"),
        phase_moved(0, "executing"),
        phase_moved(1, "executing", "q2"),
        command("QuestChanged", "q1", phases=["gap"], first_n=3),
        command("QuestChanged", "q1", title="Ship"),
        NewEvent(id="e", name="QuestChanged", received_at=0, payload=b"\xff", source=Source.API),
        NewEvent(id="e", name="QuestChanged", received_at=0, payload=b"[]", source=Source.API),
    ],
    ids=lambda event: f"{event.source} {event.name} {event.payload!r}",
)
def test_what_is_no_command_or_not_legal_changes_nothing(event: NewEvent) -> None:
    quests = quests_with(created(phases=["a"]))
    before = only(quests)

    assert quests.apply(event, 99) == ()
    assert only(quests) == before
    assert quests.take_changed() == ()


def test_the_same_quest_is_made_once() -> None:
    quests = quests_with(created(), created(title="Other"))

    assert only(quests).title == "Ship"


# Tasks.


def test_a_task_becomes_a_phase_and_completes_it() -> None:
    quests = following()

    assert quests.take(task(CREATED, "1", at=51), "p") == ()
    assert only(quests).phases == (
        Phase(
            n=1,
            title="Read it",
            status=PhaseStatus.EXECUTING,
            changed_at=51,
            task_id="1",
            session_id="s1",
        ),
    )
    assert quests.take(task(TASK_DONE, "1", at=52), "p") == (Completed("q1", 1),)
    assert phases_of(quests) == [("Read it", "completed")]
    assert (only(quests).status, only(quests).progress, only(quests).changed_at) == ("active", 100, 52)


def test_the_same_task_twice_is_once_also_after_a_start() -> None:
    quests = following()
    told: list[tuple[Completed, ...]] = []
    for _ in range(2):
        for deed in (task(CREATED, "1"), task(CREATED, "1"), task(TASK_DONE, "1"), task(TASK_DONE, "1")):
            told.append(quests.take(deed, "p"))
            quests = restored(quests)

    assert [one for one in told if one] == [(Completed("q1", 1),)]
    assert phases_of(quests) == [("Read it", "completed")]


def test_tasks_are_numbered_within_their_session() -> None:
    quests = following()
    for session in ("s1", "s2"):
        quests.take(task(CREATED, "1", session=session), "p")
    quests.take(task(TASK_DONE, "1", session="s2"), "p")

    assert phases_of(quests) == [("Read it", "executing"), ("Read it", "completed")]


def test_a_completion_without_its_creation_makes_a_completed_phase() -> None:
    quests = following()

    assert quests.take(task(TASK_DONE, "1"), "p") == (Completed("q1", 1),)
    assert quests.take(task(CREATED, "1"), "p") == ()
    assert phases_of(quests) == [("Read it", "completed")]


def test_a_task_that_another_session_made_is_completed_by_its_id_and_subject() -> None:
    quests = following()
    quests.take(task(CREATED, "1"), "p")

    other = task(TASK_DONE, "1", session="s2")
    assert quests.take(other, "p") == (Completed("q1", 1),)
    assert restored(quests).take(other, "p") == ()
    assert quests.take(task(TASK_DONE, "1", "Another", session="s3"), "p") == (Completed("q1", 2),)
    assert quests.take(task(TASK_DONE, "2", session="s3"), "p") == (Completed("q1", 3),)


def test_the_newest_active_quest_of_the_project_takes_a_task() -> None:
    quests = following("p", "q1", "q3", "q2")
    quests.apply(created("q4", project_id="p", follows_tasks=True), 9)
    quests.apply(created("q5", project_id="p"), 9)
    quests.apply(quest_moved("active", "q5"), 9)
    for event in (created("q6", project_id="o", follows_tasks=True), quest_moved("active", "q6")):
        quests.apply(event, 9)

    quests.take(task(CREATED, "1"), "p")
    quests.take(task(CREATED, "2"), "o")

    assert [quest.id for quest in quests.all() if quest.phases] == ["q3", "q6"]


@pytest.mark.parametrize("project_id", [None, "other"])
def test_tasks_elsewhere_are_nobodys(project_id: str | None) -> None:
    quests = following()
    quests.apply(created("q2", follows_tasks=True), 9)
    quests.apply(quest_moved("active", "q2"), 9)

    for deed in (task(CREATED, "1"), task(TASK_DONE, "1")):
        assert quests.take(deed, project_id) == ()
    assert quests.take_changed() == ("q2",)


@pytest.mark.parametrize("status", ["planned", "paused", "completed", "failed", "archived"])
def test_a_quest_that_is_not_active_takes_no_new_task(status: str) -> None:
    path = {"planned": (), "archived": ("paused", "archived")}.get(status, (status,))
    start = (created(project_id="p", follows_tasks=True), *([quest_moved("active")] if path else ()))
    quests = quests_with(*start, *map(quest_moved, path))
    assert only(quests).status == status

    for deed in (task(CREATED, "1"), task(TASK_DONE, "2")):
        assert quests.take(deed, "p") == ()
    assert only(quests).phases == ()


def test_a_task_stays_with_the_quest_that_took_it() -> None:
    quests = following()
    quests.take(task(CREATED, "1"), "p")
    for event in (
        quest_moved("paused"),
        created("q2", project_id="p", follows_tasks=True),
        quest_moved("active", "q2"),
    ):
        quests.apply(event, 9)

    assert quests.take(task(TASK_DONE, "1"), None) == (Completed("q1", 1),)
    assert phases_of(quests, "q2") == []


@pytest.mark.parametrize("status", [("failed",), ("failed", "skipped")])
def test_what_a_person_said_of_a_task_stays(status: tuple[str, ...]) -> None:
    quests = following()
    quests.take(task(CREATED, "1"), "p")
    for one in status:
        quests.apply(phase_moved(1, one), 9)

    assert quests.take(task(TASK_DONE, "1"), "p") == ()
    assert phases_of(quests) == [("Read it", status[-1])]


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        ("  a\n\tb\x1b[31mc\u2028d ", "a b [31mc d"),
        ("", "task 1"),
        (" \n", "task 1"),
        ("x" * 300, "x" * MAX_TITLE_CHARS),
    ],
    ids=repr,
)
def test_a_subject_becomes_a_title(subject: str, title: str) -> None:
    quests = following()
    quests.take(task(CREATED, "1", subject), "p")

    assert [phase.title for phase in only(quests).phases] == [title]


def test_a_quest_takes_no_more_tasks_than_it_may_have_phases() -> None:
    quests = following()
    for i in range(MAX_PHASES):
        quests.take(task(CREATED, f"{i}"), "p")
    before = only(quests)

    assert quests.take(task(CREATED, "more"), "p") == ()
    assert quests.take(task(TASK_DONE, "late"), "p") == ()
    assert only(quests) is before
    assert len(before.phases) == MAX_PHASES
    assert quests.take(task(TASK_DONE, "0"), "p") == (Completed("q1", 1),)


@pytest.mark.parametrize("deed", [task(CREATED, ""), task(TASK_DONE, ""), task(DeedKind.TOOL, "1")], ids=repr)
def test_what_is_no_task_or_cannot_be_told_apart_is_left(deed: Deed) -> None:
    quests = following()

    assert quests.take(deed, "p") == ()
    assert quests.take_changed() == ()


# Reads.


def test_a_filter_takes_status_and_project_and_gives_the_newest_first() -> None:
    quests = quests_with(
        created("q2", project_id="p"), created("q1", project_id="p"), created("q3"), quest_moved("active", "q1")
    )

    def ids(*filters: Any) -> tuple[list[str], bool]:
        page = quests.filter(*filters)
        return [quest.id for quest in page.quests], page.has_more

    assert ids(None, None, None, 9) == (["q3", "q2", "q1"], False)
    assert ids(None, "p", None, 9) == (["q2", "q1"], False)
    assert ids(QuestStatus.ACTIVE, "p", None, 9) == (["q1"], False)
    assert ids(QuestStatus.ACTIVE, "other", None, 9) == ([], False)
    assert ids(None, None, None, 2) == (["q3", "q2"], True)
    assert ids(None, None, "q2", 1) == (["q1"], False)
    assert ids(None, None, "q1", 9) == ([], False)


def test_a_change_is_told_once_in_its_order() -> None:
    quests = quests_with(created("q1"), created("q2"))

    for event in (quest_moved("active", "q2"), quest_moved("active", "q1"), quest_moved("paused", "q2")):
        quests.apply(event, 9)

    assert quests.take_changed() == ("q2", "q1")
    assert quests.take_changed() == ()


def test_room_is_made_by_letting_the_first_archived_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quests_module, "MAX_QUESTS", 3)
    quests = following("p", "q1", "q2", "q3")
    quests.take(task(CREATED, "1"), "p")
    assert quests.is_full

    for at, quest_id in enumerate(("q3", "q1"), 100):
        for status in ("paused", "archived"):
            quests.apply(quest_moved(status, quest_id), at)
    assert not quests.is_full
    quests.take_changed()
    quests.apply(quest_moved("active", "q2"), 100)
    quests.apply(created("q4"), 100)

    assert [quest.id for quest in quests.all()] == ["q1", "q2", "q4"]
    quests.apply(created("q5"), 100)
    assert [quest.id for quest in quests.all()] == ["q2", "q4", "q5"]
    assert quests.is_full
    assert quests.take(task(TASK_DONE, "1"), "p") == (Completed("q2", 1),), "its first quest has gone"


# Any course of things.


class Step(NamedTuple):
    """A command or a task."""

    event: NewEvent | None
    deed: Deed | None = None
    project_id: str | None = None

    def into(self, quests: Quests, at: int) -> tuple[Completed, ...]:
        if self.event is not None:
            return quests.apply(self.event, at)
        assert self.deed is not None
        return quests.take(msgspec.structs.replace(self.deed, at=at), self.project_id)


ids = st.sampled_from(["q1", "q2"])
numbers = st.integers(1, 4)
projects = st.sampled_from(["p", "o"])
creations = st.builds(
    created,
    ids,
    project_id=projects,
    follows_tasks=st.booleans(),
    phases=st.lists(st.sampled_from("ab"), max_size=2),
)
changes = st.builds(
    command,
    st.just("QuestChanged"),
    ids,
    title=st.sampled_from("xy"),
    phases=st.lists(st.sampled_from("mn"), max_size=2),
    first_n=numbers,
)
moves = st.builds(quest_moved, st.sampled_from(QuestStatus), ids)
phase_moves = st.builds(phase_moved, numbers, st.sampled_from(PhaseStatus), ids)
tasks = st.builds(
    task, st.sampled_from([CREATED, TASK_DONE]), st.sampled_from("12"), session=st.sampled_from(["s1", "s2"])
)
steps = st.lists(
    st.builds(Step, creations | changes | moves | phase_moves) | st.builds(Step, st.none(), tasks, projects),
    max_size=60,
).map(lambda some: [*(Step(created(one, project_id="p", follows_tasks=True)) for one in ("q1", "q2")), *some])


@settings(max_examples=150)
@given(steps)
def test_nothing_is_completed_twice_and_every_move_is_in_the_tables(course: list[Step]) -> None:
    quests, told = Quests(), list[Completed]()
    for at, step in enumerate(course):
        before = dict(quests.book.quests)
        told += step.into(quests, at)
        for quest in quests.all():
            was = before.get(quest.id, quest)
            assert quest.status in {was.status, *QUEST_MOVES[was.status]}
            for old, new in zip(was.phases, quest.phases, strict=False):
                assert new.status in {old.status, *PHASE_MOVES[old.status]}
            assert [phase.n for phase in quest.phases] == list(range(1, len(quest.phases) + 1))
            assert quest.status != "completed" or all(phase.status in OVER for phase in quest.phases)

    assert len(told) == len(set(told))
    done = {
        Completed(quest.id, phase.n) for quest in quests.all() for phase in quest.phases if phase.status == "completed"
    }
    done |= {Completed(quest.id, None) for quest in quests.all() if quest.completed_at is not None}
    assert set(told) == done


@settings(max_examples=150)
@given(steps)
def test_each_step_twice_is_the_same_as_once(course: list[Step]) -> None:
    once, twice = Quests(), Quests()
    for at, step in enumerate(course):
        told = step.into(once, at)
        assert step.into(twice, at) == told
        assert step.into(twice, at) == ()

    assert once.book == twice.book


@settings(max_examples=100)
@given(steps, st.integers(0, 60))
def test_a_checkpoint_in_between_changes_nothing(course: list[Step], cut: int) -> None:
    through, stopped = Quests(), Quests()
    for at, step in enumerate(course):
        if at == cut:
            stopped = restored(stopped)
        assert step.into(through, at) == step.into(stopped, at)

    assert msgspec.msgpack.encode(through.book) == msgspec.msgpack.encode(stopped.book)


def test_every_event_has_its_name() -> None:
    assert list(QUEST_EVENTS) == ["QuestCreated", "QuestChanged", "PhaseChanged"]
