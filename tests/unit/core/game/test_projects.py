from collections import Counter
from datetime import UTC, datetime
from itertools import count, permutations
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.contract.game import Project, ProjectKind, Repository, Statistics
from services.core.game import projects as module
from services.core.game.calendar import Calendar
from services.core.game.deeds import Deed, DeedKind
from services.core.game.earnings import Award, Credit
from services.core.game.personas import Tally
from services.core.game.project_work import Share
from services.core.game.projects import (
    GONE_MS,
    MAX_FOLDERS,
    MAX_SHOWN,
    MAX_WAITING,
    Outcome,
    Placed,
    Projects,
    ProjectsState,
    Waiting,
)
from tests.unit.core.game.test_project_identity import HUNG, SILENT, plain, problem, repository, unknown

GONE: Final = "gone"
DAY_MS: Final = 86_400_000


class Desk:
    """Projects, with a clock and numbers for the events."""

    def __init__(self) -> None:
        self.projects = Projects()
        self.seqs = count(1)
        self.now = 1_000_000

    def read(self, reading: Repository) -> Outcome:
        """Take a reading; what is no news must change nothing."""
        self.now += 1_000
        is_news = self.projects.is_news(reading)
        before = msgspec.msgpack.encode(self.projects.kept)
        outcome = self.projects.take_reading(reading, self.now, next(self.seqs))
        if not is_news:
            assert outcome == Outcome()
            assert self.state_but_order() == self.state_but_order(before)
        assert not self.projects.is_news(reading), "what was taken is no news"
        return outcome

    def state_but_order(self, packed: bytes | None = None) -> object:
        return msgspec.msgpack.decode(msgspec.msgpack.encode(self.projects.kept) if packed is None else packed)

    def do(self, folder: str | None, *kinds: DeedKind, persona: str = "p1", at: int | None = None, day: int = 1) -> str:
        """Do it in a folder, and earn 5 XP by it; the project, or nothing."""
        self.now += 1_000
        at = self.now if at is None else at
        deeds = tuple(
            Deed(kind=kind, at=at, session_id=f"s-{persona}", event_id="e", cwd=folder)
            for kind in kinds or (DeedKind.TOOL,)
        )
        gained = Tally(**Counter("pushes" if deed.kind is DeedKind.PUSH else f"{deed.kind}s" for deed in deeds))
        credit = credited(persona, self.projects.project_of(folder), day)
        self.projects.count(deeds, credit, gained)
        self.projects.earn(award(folder, credit))
        return credit.project_id or ""

    def restart(self) -> None:
        packed = msgspec.msgpack.encode(self.projects.kept)
        kept = msgspec.msgpack.decode(packed, type=ProjectsState)
        assert msgspec.msgpack.encode(kept) == packed
        self.projects = Projects(kept)

    def view(self, folder: str) -> Project:
        project = self.projects.view(self.projects.project_of(folder) or "")
        assert project is not None
        return project

    def waiting(self, folder: str) -> Waiting:
        return self.projects.kept.waiting[folder]


def credited(persona_id: str, project_id: str | None, day: int) -> Credit:
    return Credit(persona_id=persona_id, project_id=project_id, day=day)


def award(folder: str | None, credit: Credit, amount: int = 5) -> Award:
    return Award(
        key="k",
        seq=1,
        at=1,
        day=credit.day,
        session_id="s",
        persona_id=credit.persona_id,
        project_id=credit.project_id,
        folder=folder,
        amount=amount,
        rule="tool",
        reason="",
    )


# Placing.


def test_work_waits_with_its_folder_and_is_placed_once() -> None:
    desk = Desk()
    desk.do("/r/src", DeedKind.TOOL, DeedKind.EDIT)
    desk.do("/r/src", DeedKind.COMMIT, persona="p2")
    assert list(desk.projects.unplaced) == ["/r/src"]
    assert desk.projects.all() == ()

    outcome = desk.read(repository(folder="/r/src"))

    (project,) = desk.projects.all()
    assert outcome == Outcome(
        changed=(project.id,), placed=(Placed(folder="/r/src", project_id=project.id, persona_ids=("p1", "p2")),)
    )
    assert project.statistics == Statistics(tools=1, edits=1, commits=1)
    assert (project.xp, project.level, project.next_level_xp) == (10, 1, 100)
    assert {one.persona_id: (one.xp, one.statistics) for one in project.contributors} == {
        "p1": (5, Statistics(tools=1, edits=1)),
        "p2": (5, Statistics(commits=1)),
    }
    assert not list(desk.projects.unplaced)
    assert desk.read(repository(folder="/r/src", dirty=1)).placed == ()
    assert desk.view("/r/src").statistics == project.statistics
    assert desk.do("/r/src") == project.id
    assert desk.view("/r/src").statistics.tools == 2


def test_a_folder_is_placed_by_its_own_reading_only() -> None:
    desk = Desk()
    desk.read(repository())
    desk.do("/r/lib")
    assert desk.projects.unplaced == ("/r/lib",), "a submodule, for all that is known"

    desk.read(repository("/r/lib", "1:2:1"))

    assert desk.view("/r/lib").path == "/r/lib"
    assert desk.view("/r").statistics == Statistics()


def test_worktrees_and_folders_below_are_of_one_project() -> None:
    desk = Desk()
    readings = (
        repository(),
        repository(folder="/r/src"),
        repository(folder="/other/src", worktree="/other", branch="feature"),
    )
    for reading in readings:
        desk.read(reading)

    assert len(desk.projects.all()) == 1
    assert desk.view("/other/src").branch == "feature"


def test_folders_without_git_are_projects_of_their_own_also_one_below_another() -> None:
    desk = Desk()
    desk.read(plain("/home", "1:1:1"))
    desk.read(plain("/home/notes", "1:2:1"))

    assert [(one.path, one.kind) for one in desk.projects.all()] == [
        ("/home", ProjectKind.FOLDER),
        ("/home/notes", ProjectKind.FOLDER),
    ]


def test_a_folder_that_is_in_another_project_now_leaves_there_what_was_done() -> None:
    desk = Desk()
    desk.read(plain("/home/notes"))
    first = desk.do("/home/notes")
    outcome = desk.read(repository("/home", folder="/home/notes"))
    second = desk.do("/home/notes")

    assert outcome.placed == ()
    assert first != second
    assert [one.statistics.tools for one in desk.projects.all()] == [1, 1]


@pytest.mark.parametrize("folder", [None, "", "relative", "C:\\game"])
def test_what_is_done_nowhere_is_counted_nowhere(folder: str | None) -> None:
    desk = Desk()
    desk.do(folder)

    assert desk.projects.unplaced == ()
    assert desk.projects.kept.nowhere == Share(xp=5, last_at=desk.now, total=Tally(tools=1))


def test_what_adds_nothing_is_no_activity() -> None:
    desk = Desk()
    end = Deed(kind=DeedKind.SESSION_END, at=5, session_id="s", event_id="e", cwd="/r")
    desk.projects.count((), credited("p1", None, 1), Tally())
    desk.projects.count((end,), credited("p1", None, 1), Tally())
    assert desk.projects.kept == ProjectsState()

    desk.read(repository())
    credit = credited("p1", desk.projects.project_of("/r"), 1)
    desk.projects.count((end,), credit, Tally())
    assert desk.view("/r").last_active_at == 0
    desk.projects.count((end,), credit, Tally(worked_ms=7))
    assert (desk.view("/r").last_active_at, desk.view("/r").streak_days) == (5, 0)


# Names of folders.


@pytest.mark.parametrize("folder", ["/a\nb", "/a b ", "/-c", "/\N{REPLACEMENT CHARACTER}", "/" + "x" * 4_000], ids=len)
def test_any_name_will_do(folder: str) -> None:
    desk = Desk()
    desk.do(folder)
    desk.read(repository(folder, folder=folder))
    desk.restart()

    assert desk.view(folder).path == folder
    assert desk.do(folder) == desk.view(folder).id


# Identity.


@pytest.mark.parametrize("file_id", ["1:1:1", "1:1"])
@pytest.mark.parametrize("is_gone_first", [True, False])
def test_a_repository_that_is_renamed_is_the_same(file_id: str, *, is_gone_first: bool) -> None:
    desk = Desk()
    desk.read(repository("/before", file_id))
    project_id = desk.do("/before")
    steps = [problem(GONE, "/before", file_id), repository("/after", file_id)]
    for reading in steps if is_gone_first else reversed(steps):
        desk.read(reading)

    project = desk.view("/after")
    assert (project.id, project.path, project.name, project.problem) == (project_id, "/after", "after", None)
    assert project.statistics.tools == 1
    assert desk.do("/before") == project_id, "a session's words for its folder stay"


def test_what_is_put_in_the_place_of_one_that_was_moved_is_another() -> None:
    desk = Desk()
    desk.read(repository())
    project_id = desk.do("/r")
    desk.read(repository("/away"))
    desk.read(repository(file_id="1:2:1"))

    assert desk.view("/away").id == project_id
    assert desk.view("/r").id != project_id
    assert desk.view("/r").statistics == Statistics()


def test_what_is_put_in_the_place_of_one_that_was_not_seen_to_move_is_another() -> None:
    desk = Desk()
    desk.read(repository(remote="a:x"))
    project_id = desk.do("/r")

    outcome = desk.read(repository(file_id="1:2:1", remote="a:y"))

    old = desk.projects.view(project_id)
    assert old is not None
    assert (old.problem, old.statistics.tools) == (GONE, 1)
    assert set(outcome.changed) == {project_id, desk.view("/r").id}
    desk.restart()
    desk.read(repository("/away", remote="a:x"))
    assert (desk.view("/away").id, desk.view("/away").problem) == (project_id, None)
    assert desk.view("/r").problem is None


def test_one_that_is_moved_onto_another_takes_its_place() -> None:
    desk = Desk()
    desk.read(repository("/a", "1:1:1"))
    desk.read(repository("/b", "1:2:1"))
    first, second = desk.view("/a").id, desk.view("/b").id

    outcome = desk.read(repository("/b", "1:1:1"))

    assert desk.view("/b").id == first
    assert set(outcome.changed) == {first, second}
    gone = desk.projects.view(second)
    assert gone is not None
    assert gone.problem == GONE


def test_one_that_is_cloned_again_is_the_same() -> None:
    desk = Desk()
    desk.read(repository(remote="a:x"))
    project_id = desk.do("/r")
    desk.read(problem(GONE, remote="a:x"))
    assert (desk.view("/r").problem, desk.view("/r").statistics.tools) == (GONE, 1)

    desk.read(repository(file_id="1:2:1", remote="a:x"))

    assert (desk.view("/r").id, desk.view("/r").problem) == (project_id, None)
    desk.read(repository("/moved", "1:2:1", remote="a:x"))
    assert desk.view("/moved").id == project_id


def test_git_init_makes_no_other_project() -> None:
    desk = Desk()
    desk.read(plain("/r"))
    project_id = desk.do("/r")
    desk.read(repository())

    assert (desk.view("/r").id, desk.view("/r").kind) == (project_id, ProjectKind.REPOSITORY)


def test_a_number_that_is_used_again_makes_no_project_move() -> None:
    desk = Desk()
    desk.read(repository("/a", "1:1", remote="a:x"))
    desk.read(problem(GONE, "/a", "1:1"))
    first = desk.view("/a").id
    desk.read(repository("/b", "1:1", remote="a:y"))

    assert desk.view("/b").id != first
    desk.read(repository("/c", "1:1", remote="a:y"))
    assert desk.view("/c").id == desk.view("/b").id
    gone = desk.projects.view(first)
    assert gone is not None
    assert gone.problem == GONE


def test_ids_are_as_those_of_personas_and_never_given_twice() -> None:
    projects = Projects()
    for number in range(50):
        projects.take_reading(repository(f"/{number}", f"1:{number}:1"), 5, number % 2)

    ids = [project.id for project in projects.all()]
    assert len(set(ids)) == 50
    assert all(len(id_) == 12 and id_[0] == "r" and id_.isalnum() for id_ in ids)


# What cannot be read.


@pytest.mark.parametrize(
    "reading",
    [
        problem(SILENT, worktree="/r"),
        problem("owned by another user", worktree="/r"),
        problem(HUNG),
        unknown(HUNG),
        problem(GONE),
        unknown(GONE),
    ],
    ids=repr,
)
@pytest.mark.parametrize(("dirty", "shown"), [(0, None), (3, 3)])
def test_what_cannot_be_read_says_so_and_is_never_clean(reading: Repository, dirty: int, shown: int | None) -> None:
    desk = Desk()
    desk.read(repository(dirty=dirty, remote="a:x", languages=("go",)))
    desk.do("/r")
    before = desk.view("/r")

    outcome = desk.read(reading)

    assert outcome == Outcome(changed=(before.id,))
    assert desk.view("/r") == structs.replace(before, dirty=shown, problem=reading.problem)
    assert before.read_at is not None
    assert before.read_at < desk.now
    desk.read(repository(dirty=0, remote="a:x", languages=("go",)))
    assert (desk.view("/r").dirty, desk.view("/r").problem) == (0, None)


def test_one_that_could_never_be_read_is_a_project_that_says_why() -> None:
    desk = Desk()
    desk.do("/r")
    desk.read(problem("owned by another user", worktree="/r"))

    project = desk.view("/r")
    assert (project.problem, project.dirty, project.branch, project.read_at) == (
        "owned by another user",
        None,
        None,
        None,
    )
    assert project.statistics.tools == 1


def test_a_folder_of_which_nothing_is_known_keeps_waiting() -> None:
    desk = Desk()
    desk.do("/r")
    assert desk.read(unknown(HUNG)) == Outcome()

    assert desk.projects.unplaced == ("/r",)
    assert desk.projects.all() == ()


def test_a_folder_that_is_gone_is_not_asked_for_until_there_is_work_in_it_much_later() -> None:
    desk = Desk()
    desk.do("/r")
    desk.read(unknown(GONE))
    desk.do("/r")
    assert not list(desk.projects.unplaced)
    desk.read(unknown(GONE))

    desk.do("/r", at=desk.now + GONE_MS - 2_000)
    assert list(desk.projects.unplaced) == ["/r"]
    desk.read(repository())
    assert desk.view("/r").statistics.tools == 3


def test_what_is_gone_without_work_in_it_is_no_project() -> None:
    desk = Desk()
    assert desk.read(problem(GONE)) == Outcome()
    assert desk.read(unknown(GONE)) == Outcome()
    assert desk.projects.kept == ProjectsState()

    desk.do("/r")
    desk.read(problem(GONE))
    assert desk.view("/r").statistics.tools == 1


def test_a_folder_whose_project_has_moved_is_told_to_be_gone() -> None:
    desk = Desk()
    desk.read(repository())
    desk.read(repository("/away"))
    desk.read(problem(GONE, folder="/r/new"))

    assert desk.view("/r/new").path == "/away"
    assert desk.view("/r/new").problem is None


def test_a_folder_that_is_in_a_known_project_now_is_news() -> None:
    desk = Desk()
    desk.read(plain("/home/notes"))
    desk.read(repository("/home"))
    moved = repository("/home", folder="/home/notes")

    assert desk.projects.is_news(moved)
    desk.read(moved)
    assert desk.view("/home/notes").path == "/home"


def test_what_is_told_of_before_moves_neither_a_project_nor_a_folder() -> None:
    desk = Desk()
    desk.read(repository(remote="a:x"))
    desk.read(repository(file_id="1:2:1", remote="a:y"))
    second = desk.view("/r")
    desk.read(problem(HUNG, remote="a:x"))

    assert desk.view("/r") == second


# Limits.


def test_of_many_folders_that_wait_the_first_is_forgotten_and_counted_nowhere() -> None:
    desk = Desk()
    for number in range(MAX_WAITING + 2):
        desk.do(f"/{number}")
        if number == 1:
            desk.read(unknown(GONE, "/1"))

    assert len(desk.projects.kept.waiting) == MAX_WAITING
    assert not {"/0", "/1"} & desk.projects.kept.waiting.keys()
    assert desk.projects.kept.nowhere.total == Tally(tools=2)
    assert desk.projects.kept.nowhere.xp == 10
    desk.do("/2")
    desk.do("/new")
    assert "/2" not in desk.projects.kept.waiting, "the one that waits longest"


def test_those_that_are_gone_are_forgotten_first() -> None:
    desk = Desk()
    for number in range(MAX_WAITING):
        desk.do(f"/{number}")
    desk.read(unknown(GONE, "/7"))
    desk.do("/new")

    assert "/0" in desk.projects.kept.waiting
    assert "/7" not in desk.projects.kept.waiting


def test_a_folder_that_was_forgotten_waits_again_and_its_project_is_the_same() -> None:
    desk = Desk()
    desk.read(repository())
    project_id = desk.do("/r")
    for number in range(MAX_FOLDERS):
        desk.read(repository(folder=f"/r/{number}"))
    assert desk.do("/r") == ""
    assert desk.projects.unplaced == ("/r",)

    desk.read(repository())
    assert (desk.view("/r").id, desk.view("/r").statistics.tools) == (project_id, 2)


def test_a_folder_that_is_read_again_is_remembered_longer() -> None:
    desk = Desk()
    desk.read(repository())
    for number in range(MAX_FOLDERS - 1):
        desk.read(repository(folder=f"/r/{number}"))
    desk.read(repository(dirty=1))
    desk.read(repository(folder="/r/new", dirty=1))

    assert desk.projects.project_of("/r") is not None
    assert desk.projects.project_of("/r/0") is None


def test_of_many_projects_the_one_that_rests_longest_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PROJECTS", 3)
    desk = Desk()
    for number in range(3):
        desk.read(repository(f"/{number}", f"1:{number}:1"))
        desk.do(f"/{number}")
    desk.do("/0")
    desk.read(problem(GONE, "/2", "1:2:1"))
    desk.read(repository("/3", "1:3:1"))
    assert [project.path for project in desk.projects.all()] == ["/0", "/1", "/3"]
    desk.read(repository("/4", "1:4:1"))

    assert [project.path for project in desk.projects.all()] == ["/0", "/3", "/4"]
    kept = desk.projects.kept
    assert set(kept.folders.values()) == set(kept.paths.values()) == set(kept.files.values()) == set(kept.projects)
    assert kept.nowhere.total == Tally(tools=2)
    desk.read(repository("/1", "1:1:1"))
    assert desk.view("/1").statistics == Statistics()


def test_the_contributors_with_the_most_xp_are_shown() -> None:
    desk = Desk()
    desk.read(repository())
    for number in range(2 * MAX_SHOWN):
        for _ in range(number):
            desk.do("/r", persona=f"p{number:02}")
    desk.do("/r", persona="p00")

    shown = [one.persona_id for one in desk.view("/r").contributors]
    assert shown == [f"p{number:02}" for number in reversed(range(MAX_SHOWN, 2 * MAX_SHOWN))]


# What is counted.


def test_what_the_persona_got_is_what_the_project_gets() -> None:
    desk = Desk()
    desk.read(repository())
    credit = credited("p1", desk.projects.project_of("/r"), 1)
    end = Deed(kind=DeedKind.TURN, at=5, session_id="s", event_id="e", cwd="/r")
    desk.projects.count((end,), credit, Tally(turns=1, worked_ms=700))
    desk.projects.count((end,), credit, Tally(worked_ms=300))
    desk.projects.count((end,), credit, Tally())

    assert desk.view("/r").statistics == Statistics(turns=1, worked_ms=1_000)


def test_quests_and_what_a_person_earns_count_for_the_project_and_nobody() -> None:
    desk = Desk()
    desk.read(repository())
    project_id = desk.projects.project_of("/r")
    desk.projects.count_quest(credited("", project_id, 1))
    desk.projects.count_quest(credited("p1", project_id, 1))
    desk.projects.earn(award(None, credited("", project_id, 1), 50))
    desk.projects.count_quest(credited("p1", None, 1))
    desk.projects.earn(award(None, credited("p1", None, 1), 20))
    desk.projects.earn(award("/x", credited("p1", "r-unknown", 1), 30))

    project = desk.view("/r")
    assert (project.statistics.quests, project.xp, project.last_active_at) == (2, 50, 0)
    assert [(one.persona_id, one.xp, one.statistics.quests) for one in project.contributors] == [("p1", 0, 1)]
    assert desk.projects.kept.nowhere == Share(xp=50, total=Tally(quests=1))


def test_times_are_those_of_the_first_and_the_last_deed() -> None:
    desk = Desk()
    desk.do("/r", at=500)
    desk.do("/r", at=300)
    desk.read(repository())
    assert (desk.view("/r").created_at, desk.view("/r").last_active_at) == (300, 500)

    desk.do("/r", at=400)
    assert desk.view("/r").last_active_at == 500


# Streaks.


def days_of(zone: str, first: datetime, hours: list[int]) -> list[tuple[int, int]]:
    """Times so many hours after a first one, with their local days."""
    calendar = Calendar(zone)
    start = int(first.astimezone(UTC).timestamp() * 1000)
    times = [start + hour * 3_600_000 for hour in hours]
    return [(at, calendar.day_of(at)) for at in times]


@pytest.mark.parametrize("is_waiting", [False, True])
@pytest.mark.parametrize(
    ("first", "hours", "streak"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=ZoneInfo("Europe/Berlin")), [0, 1, 23, 24], 3),
        (datetime(2026, 3, 28, 23, tzinfo=ZoneInfo("Europe/Berlin")), [0, 24], 1),
        (datetime(2026, 10, 25, 0, 30, tzinfo=ZoneInfo("Europe/Berlin")), [0, 24], 1),
        (datetime(2026, 10, 25, 0, 30, tzinfo=ZoneInfo("Europe/Berlin")), [0, 25], 2),
        (datetime(2026, 12, 31, 23, 59, tzinfo=ZoneInfo("Europe/Berlin")), [-24, 0, 1], 3),
        (datetime(2026, 12, 31, 23, 59, tzinfo=ZoneInfo("Europe/Berlin")), [0, 25], 1),
    ],
    ids=repr,
)
def test_streaks_over_the_changes_of_the_clock_and_the_year(
    first: datetime, hours: list[int], streak: int, *, is_waiting: bool
) -> None:
    desk = Desk()
    if not is_waiting:
        desk.read(repository())
    for at, day in days_of("Europe/Berlin", first, hours):
        desk.do("/r", at=at, day=day)
    desk.read(repository(dirty=1))

    assert desk.view("/r").streak_days == streak


@pytest.mark.parametrize("order", list(permutations("abc")), ids=repr)
def test_a_streak_is_the_same_in_whatever_order_folders_are_placed(order: tuple[str, ...]) -> None:
    desk = Desk()
    for day, folder in enumerate("abacbc", 10):
        desk.do(f"/r/{folder}", day=day)
    desk.do("/r/a", DeedKind.PROMPT, day=99)
    for folder in order:
        desk.read(repository(folder=f"/r/{folder}"))
        desk.restart()

    assert desk.view("/r/a").streak_days == 6


# Any history.

FOLDERS: Final = ("/r", "/r/src", "/r/lib", "/notes", "/w", None)
KINDS: Final = (DeedKind.TOOL, DeedKind.EDIT, DeedKind.COMMIT, DeedKind.PUSH, DeedKind.TURN, DeedKind.FAILED_TOOL)
PLACES: Final[dict[str, dict[str, Any]]] = {
    "/r": {"path": "/r", "file_id": "1:1:1"},
    "/r/src": {"path": "/r", "file_id": "1:1:1", "folder": "/r/src"},
    "/r/lib": {"path": "/r/lib", "file_id": "1:2:1"},
    "/w": {"path": "/r", "file_id": "1:1:1", "folder": "/w", "worktree": "/w"},
}
DEEDS = st.tuples(
    st.sampled_from(FOLDERS), st.lists(st.sampled_from(KINDS), min_size=1, max_size=3), st.sampled_from(["p1", "p2"])
)
READINGS = st.one_of(
    *(
        st.builds(repository, **{name: st.just(value) for name, value in place.items()}, dirty=st.integers(0, 2))
        for place in PLACES.values()
    ),
    st.builds(plain),
    st.builds(repository, path=st.sampled_from(["/r", "/x"]), file_id=st.sampled_from(["1:1:1", "1:3:1", "1:3"])),
    st.builds(
        problem, st.sampled_from([GONE, HUNG]), st.just("/r"), st.just("1:1:1"), folder=st.sampled_from(["/r", "/w"])
    ),
    st.builds(unknown, st.sampled_from([GONE, HUNG]), st.sampled_from(["/r", "/r/src", "/notes"])),
)
STEPS = st.lists(st.one_of(DEEDS, READINGS, st.none()), max_size=40)


def sums(statistics: Statistics | Tally) -> int:
    return sum(getattr(statistics, name) for name in Statistics.__struct_fields__)


@settings(max_examples=300)
@given(STEPS)
@example([("/r", [DeedKind.TOOL], "p1"), problem(GONE), repository(), repository(file_id="1:3:1"), None])
def test_each_deed_is_counted_in_just_one_place(steps: list[Any]) -> None:
    """By a model that only follows what is told to be placed."""
    desk, home, deeds, xp = Desk(), dict[str, list[int]](), 0, 0
    for step in steps:
        if step is None:
            desk.restart()
        elif isinstance(step, Repository):
            for placed in desk.read(step).placed:
                there, waited = home.setdefault(placed.project_id, [0, 0]), home.pop(placed.folder, [0, 0])
                home[placed.project_id] = [there[0] + waited[0], there[1] + waited[1]]
        else:
            folder, kinds, persona = step
            place = home.setdefault(desk.do(folder, *kinds, persona=persona) or folder or "nowhere", [0, 0])
            place[0] += len(kinds)
            place[1] += 5
            deeds, xp = deeds + len(kinds), xp + 5
        kept = desk.projects.kept
        works = {id_: project.work for id_, project in kept.projects.items()} | {
            folder: waiting.work for folder, waiting in kept.waiting.items()
        }
        found = {name: [sums(work.whole.total), work.whole.xp] for name, work in works.items()}
        found["nowhere"] = [sums(kept.nowhere.total), kept.nowhere.xp]
        assert {name: one for name, one in found.items() if any(one)} == {
            name: one for name, one in home.items() if any(one)
        }
        for work in works.values():
            assert sum(share.xp for share in work.shares.values()) == work.whole.xp
            assert sum(sums(share.total) for share in work.shares.values()) == sums(work.whole.total)
        assert sum(one[0] for one in found.values()) == deeds
        assert sum(one[1] for one in found.values()) == xp
        assert not kept.waiting.keys() & kept.folders.keys()


@settings(max_examples=100)
@given(STEPS, st.lists(st.booleans(), min_size=40, max_size=40))
def test_a_checkpoint_at_any_moment_changes_nothing(steps: list[Any], is_restart: list[bool]) -> None:
    desks = Desk(), Desk()
    for step, is_now in zip(steps, is_restart, strict=False):
        if is_now:
            desks[1].restart()
        outcomes = [
            desk.read(step) if isinstance(step, Repository) else desk.do(step[0], *step[1], persona=step[2])
            for desk in desks
            if step is not None
        ]
        assert len(set(map(repr, outcomes))) <= 1

    assert msgspec.msgpack.encode(desks[0].projects.kept) == msgspec.msgpack.encode(desks[1].projects.kept)
    assert desks[0].projects.all() == desks[1].projects.all()


def _sums_of(project: Project) -> object:
    by_persona = {one.persona_id: (one.xp, one.statistics) for one in project.contributors}
    return project.statistics, project.xp, project.last_active_at, by_persona


@settings(max_examples=100)
@given(st.lists(DEEDS.filter(lambda one: one[0] in PLACES), max_size=20), st.data())
def test_when_folders_are_placed_does_not_matter(deeds: list[Any], data: st.DataObject) -> None:
    results: list[object] = []
    for _ in range(2):
        desk, left = Desk(), iter(deeds)
        for place in data.draw(st.permutations([None] * len(deeds) + [*PLACES])):
            if place is not None:
                desk.read(repository(**PLACES[place]))
            else:
                folder, kinds, persona = next(left)
                desk.do(folder, *kinds, persona=persona, at=7)
        results.append({one.path: _sums_of(one) for one in desk.projects.all()})

    assert results[0] == results[1]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.booleans()), max_size=30))
def test_whatever_is_renamed_keeps_its_project(moves: list[tuple[int, int, bool]]) -> None:
    """Three repositories are moved to any of six paths, also onto each other, and readings tell of it."""
    desk, paths, ids = Desk(), dict[int, str](), dict[int, str]()
    for number, target, is_seen_to_go in moves:
        before, path = paths.get(number), f"/{target}"
        if before is not None and is_seen_to_go:
            desk.read(problem(GONE, before, f"1:{number}:1"))
        paths[number] = path
        desk.read(repository(path, f"1:{number}:1"))
        project = desk.view(path)
        assert ids.setdefault(number, project.id) == project.id
        assert (project.path, project.problem) == (path, None)
        desk.do(path)

    assert len(desk.projects.all()) == len(ids)
    assert sum(one.statistics.tools for one in desk.projects.all()) == len(moves)
