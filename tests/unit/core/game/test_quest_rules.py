import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from services.contract.errors import QuestmuxError
from services.contract.game import Phase, PhaseStatus, Quest, QuestStatus
from services.core.game.quest_rules import (
    ENDED,
    PHASE_MOVES,
    QUEST_MOVES,
    STARTS,
    check_phase_move,
    check_quest_move,
    counted,
    moved_phase,
    moved_quest,
)

DOCUMENT = (Path(__file__).parents[4] / "docs" / "quests.md").read_text(encoding="utf-8")
DIAGRAM = re.compile(r"^```mermaid\nstateDiagram-v2\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MOVE = re.compile(r"^    (\[\*\]|\w+) --> (\w+)(?:: .+)?$")


def quest_of(status: str, *phases: str, follows_tasks: bool = False) -> Quest:
    return Quest(
        id="q1",
        title="t",
        description="",
        status=QuestStatus(status),
        created_at=1,
        changed_at=1,
        follows_tasks=follows_tasks,
        phases=tuple(Phase(n=n, title=f"p{n}", status=PhaseStatus(one)) for n, one in enumerate(phases, 1)),
    )


def statuses(quest: Quest) -> tuple[str, ...]:
    return (quest.status, *(phase.status for phase in quest.phases))


def refusal(quest: Quest, to: QuestStatus) -> str | None:
    return _refusal(lambda: check_quest_move(quest, to))


def phase_refusal(quest: Quest, n: int, to: PhaseStatus) -> str | None:
    return _refusal(lambda: check_phase_move(quest, quest.phases[n - 1], to))


def _refusal(check: Callable[[], None]) -> str | None:
    try:
        check()
    except QuestmuxError as exc:
        return f"{exc.problem.code}: {exc.problem.message}"
    return None


# The tables and their drawing.


def drawn(diagram: str) -> list[tuple[str, str]]:
    found = [MOVE.match(line) for line in diagram.splitlines()]
    assert all(found), diagram
    return [(one[1], one[2]) for one in found if one is not None]


def test_the_document_draws_the_moves_of_the_code() -> None:
    quests, phases = (drawn(diagram) for diagram in DIAGRAM.findall(DOCUMENT))

    assert quests == [("[*]", "planned"), *((a, b) for a, to in QUEST_MOVES.items() for b in to)]
    assert phases[0] == ("[*]", "pending")
    assert set(phases[1:]) == {(a, b) for a, to in PHASE_MOVES.items() for b in to}
    assert len(phases) == len(set(phases))


def test_every_status_has_its_moves() -> None:
    assert list(QUEST_MOVES) == list(QuestStatus)
    assert set(PHASE_MOVES) == set(PhaseStatus)


@pytest.mark.parametrize("moves", [QUEST_MOVES, PHASE_MOVES], ids=["quest", "phase"])
def test_nothing_leads_back_from_completed(moves: dict[str, tuple[str, ...]]) -> None:
    reached, open_ones = set[str](), ["completed"]
    while open_ones:
        for to in moves[open_ones.pop()]:
            assert to not in reached
            reached.add(to)
            open_ones.append(to)

    assert "completed" not in reached
    assert reached <= {"archived"}


# What is refused.


@pytest.mark.parametrize(("now", "to"), [*itertools.product(QuestStatus, QuestStatus)], ids=str)
def test_a_quest_moves_as_the_table_says_and_a_refusal_names_what_it_can(now: QuestStatus, to: QuestStatus) -> None:
    quest = quest_of(now)
    message = refusal(quest, to)

    if to in QUEST_MOVES[now]:
        assert message is None
        assert moved_quest(quest, to, 7).status is to
    else:
        assert moved_quest(quest, to, 7) is quest
        if to is now:
            assert message is None
        else:
            assert message is not None
            assert f"{now} quest cannot become {to};" in message
            told = message.partition("it can become ")[2]
            assert re.split(", | or ", told) == [*(QUEST_MOVES[now] or ["nothing else"])]


@pytest.mark.parametrize(("quest", "now", "to"), [*itertools.product(QuestStatus, PhaseStatus, PhaseStatus)], ids=str)
def test_a_phase_moves_as_the_table_and_its_quest_say(quest: QuestStatus, now: PhaseStatus, to: PhaseStatus) -> None:
    before = quest_of(quest, now, "pending")
    legal = () if quest in ENDED else PHASE_MOVES[now]
    legal = tuple(one for one in legal if quest != "paused" or one not in {"executing", "retrying"})
    message = phase_refusal(before, 1, to)

    if to in legal:
        assert message is None
        assert moved_phase(before, 1, to, 7).phases[0] == Phase(n=1, title="p1", status=to, changed_at=7)
    else:
        assert moved_phase(before, 1, to, 7) is before
        assert (message is None) == (to is now)
        if message is not None:
            assert re.split(", | or ", message.partition("it can become ")[2]) == [*(legal or ["nothing else"])]


def test_refusals_are_sentences() -> None:
    assert refusal(quest_of("archived"), QuestStatus.ACTIVE) == (
        "conflict: an archived quest cannot become active; it can become nothing else"
    )
    assert refusal(quest_of("active"), QuestStatus.PLANNED) == (
        "conflict: an active quest cannot become planned; it can become paused, completed or failed"
    )
    assert phase_refusal(quest_of("paused", "planned"), 1, PhaseStatus.EXECUTING) == (
        "conflict: a planned phase of a paused quest cannot become executing; it can become skipped"
    )


@pytest.mark.parametrize("status", [one for one in PhaseStatus if one not in {"completed", "skipped"}])
def test_an_active_quest_with_an_open_phase_is_not_completed(status: PhaseStatus) -> None:
    quest = quest_of("active", "completed", status, "skipped")

    assert refusal(quest, QuestStatus.COMPLETED) == (
        f"conflict: an active quest cannot become completed while phases are open: 2 ({status}); "
        "it can become paused or failed"
    )
    assert moved_quest(quest, QuestStatus.COMPLETED, 7) is quest


def test_a_refusal_stays_short_when_many_phases_are_open() -> None:
    message = refusal(quest_of("active", *["pending"] * 200), QuestStatus.COMPLETED)

    assert message is not None
    assert ", 10 (pending) and 190 more; it can" in message


# What a move brings about.


@pytest.mark.parametrize("quest", ["planned", "active"])
@pytest.mark.parametrize("phase", ["pending", "planned"])
def test_a_phase_that_is_begun_makes_its_quest_active(quest: str, phase: str) -> None:
    assert statuses(moved_phase(quest_of(quest, phase, "pending"), 1, PhaseStatus.EXECUTING, 7)) == (
        *("active", "executing", "pending"),
    )


@pytest.mark.parametrize("to", [PhaseStatus.PLANNED, PhaseStatus.SKIPPED])
def test_a_phase_that_is_not_begun_leaves_its_quest_planned(to: PhaseStatus) -> None:
    assert statuses(moved_phase(quest_of("planned", "pending"), 1, to, 7)) == ("planned", to)


@pytest.mark.parametrize(
    ("phases", "n", "to", "quest"),
    [
        (["executing"], 1, "completed", "completed"),
        (["skipped", "retrying"], 2, "completed", "completed"),
        (["completed", "pending"], 2, "skipped", "completed"),
        (["executing", "pending"], 1, "completed", "active"),
        (["executing", "failed"], 1, "completed", "active"),
        (["skipped", "pending"], 2, "skipped", "active"),
        (["completed", "executing"], 2, "failed", "active"),
    ],
    ids=repr,
)
def test_the_last_phase_completes_its_quest_if_one_was_completed(
    phases: list[str], n: int, to: str, quest: str
) -> None:
    after = moved_phase(quest_of("active", *phases), n, PhaseStatus(to), 7)

    assert after.status == quest
    assert after.completed_at == (7 if quest == "completed" else None)


def test_a_quest_that_follows_tasks_is_not_completed_by_itself() -> None:
    after = moved_phase(quest_of("active", "executing", follows_tasks=True), 1, PhaseStatus.COMPLETED, 7)

    assert (after.status, after.progress) == ("active", 100)
    assert moved_quest(after, QuestStatus.COMPLETED, 8).completed_at == 8


def test_a_paused_quest_is_not_completed_by_itself() -> None:
    assert statuses(moved_phase(quest_of("paused", "executing"), 1, PhaseStatus.COMPLETED, 7)) == (
        *("paused", "completed"),
    )


def test_what_is_under_way_fails_with_its_quest() -> None:
    before = quest_of("active", *PhaseStatus)
    after = moved_quest(before, QuestStatus.FAILED, 7)

    assert statuses(after)[1:] == tuple("failed" if one in STARTS else one for one in PhaseStatus)
    assert [phase.changed_at for phase in after.phases] == [7 if one in STARTS else 0 for one in PhaseStatus]


@pytest.mark.parametrize(
    ("phases", "progress"),
    [
        ([], 0),
        (["pending"], 0),
        (["completed", "pending", "executing"], 33),
        (["completed", "skipped", "failed"], 66),
        (["completed", "skipped"], 100),
    ],
    ids=repr,
)
def test_progress_counts_what_is_over(phases: list[str], progress: int) -> None:
    assert counted(quest_of("active", *phases)).progress == progress


def test_without_phases_a_quest_is_at_100_once_it_is_completed() -> None:
    done = moved_quest(quest_of("active"), QuestStatus.COMPLETED, 7)

    assert [one.progress for one in (done, moved_quest(done, QuestStatus.ARCHIVED, 8))] == [100, 100]


@pytest.mark.parametrize("n", [-1, 0, 2, 10**9])
def test_a_phase_that_is_not_there_does_not_move(n: int) -> None:
    quest = quest_of("active", "pending")

    assert moved_phase(quest, n, PhaseStatus.EXECUTING, 7) is quest


def test_the_document_explains_every_status() -> None:
    section = DOCUMENT.partition("## A quest's status")[2].partition("## A phase's status")[0]

    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [one.value for one in QuestStatus]
    assert {*QuestStatus} - ENDED == {"planned", "active", "paused"}
