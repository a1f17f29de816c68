from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from services.contract.game import ProjectKind, Repository
from services.core.game.project_identity import (
    GONE,
    MAX_TREES,
    Known,
    Tree,
    first_known,
    gone,
    is_fresh,
    is_same_file,
    is_same_place,
    known_after,
)

SILENT: Final = "git did not answer"
HUNG: Final = "the folder did not answer"


def repository(path: str = "/r", file_id: str = "1:1:1", **fields: Any) -> Repository:
    """What is read of a repository's main working tree, from its top level unless said otherwise."""
    read = Repository(
        folder=path,
        path=path,
        kind=ProjectKind.REPOSITORY,
        file_id=file_id,
        name=path.rpartition("/")[2],
        branch="main",
        dirty=0,
        worktree=path,
    )
    return structs.replace(read, **fields)


def problem(text: str, path: str = "/r", file_id: str = "1:1:1", **fields: Any) -> Repository:
    """What is told of a repository that git says nothing of; fresh when a worktree is given."""
    return repository(path, file_id, **({"worktree": "", "branch": None, "dirty": None, "problem": text} | fields))


def unknown(text: str, folder: str = "/r") -> Repository:
    """What a poller tells that has never seen the folder."""
    return Repository(folder=folder, path=folder, kind=ProjectKind.FOLDER, problem=text)


def plain(path: str = "/notes", file_id: str = "1:7:1", **fields: Any) -> Repository:
    return repository(
        path, file_id, **({"kind": ProjectKind.FOLDER, "worktree": "", "branch": None, "dirty": None} | fields)
    )


READ: Final = first_known(repository(remote="example.org:r"), 100)


@pytest.mark.parametrize(
    ("known", "reading", "is_same"),
    [
        (repository(), repository("/moved"), True),
        (repository(file_id="1:1"), repository("/moved", "1:1"), True),
        (repository(file_id="1:1", remote="a:x"), repository("/moved", "1:1", remote="a:x"), True),
        (repository(file_id="1:1", remote="a:x"), repository("/moved", "1:1", remote="a:y"), False),
        (repository(file_id="1:1", remote="a:x"), repository("/moved", "1:1"), False),
        (repository(file_id="1:1", remote="a:x"), problem(SILENT, "/moved", "1:1", worktree="/moved"), True),
        (repository(file_id="1:1", remote="a:x"), repository("/r", "1:1", remote="a:y"), True),
        (repository(file_id="1:1:1", remote="a:x"), repository("/moved", "1:1:1", remote="a:y"), True),
        (repository(file_id="1:1"), plain("/moved", "1:1"), False),
        (plain(file_id="1:1"), plain("/moved", "1:1"), True),
    ],
    ids=repr,
)
def test_the_same_file_is_the_same_project_unless_its_number_was_used_again(
    known: Repository, reading: Repository, *, is_same: bool
) -> None:
    assert is_same_file(first_known(known, 0), reading) is is_same


@pytest.mark.parametrize(
    ("known", "reading", "is_same"),
    [
        (repository(remote="a:x"), repository(file_id="1:2:1", remote="a:x"), True),
        (repository(remote="a:x"), repository(file_id="1:2:1", remote="a:y"), False),
        (repository(remote="a:x"), repository(file_id="1:2:1"), False),
        (repository(), repository(file_id="1:2:1"), False),
        (repository(), repository(file_id="9:1:1"), True),
        (repository(), repository(file_id="1:1:2"), False),
        (repository(), problem(SILENT, file_id="1:2:1", worktree="/r"), True),
        (plain("/r"), repository(), True),
        (repository(), plain("/r"), True),
        (plain(), plain(file_id="1:8:1"), True),
    ],
    ids=repr,
)
def test_another_file_in_the_same_path_is_the_same_project_when_something_says_so(
    known: Repository, reading: Repository, *, is_same: bool
) -> None:
    assert is_same_place(first_known(known, 0), reading) is is_same


def test_a_first_reading_says_all() -> None:
    reading = repository(remote="a:x", languages=("go",), ahead=1, behind=2, dirty=3)

    known = first_known(reading, 100)

    tree = Tree(top="/r", languages=("go",), branch="main", dirty=3, ahead=1, behind=2, read_at=100)
    assert known == Known(
        path="/r", kind=ProjectKind.REPOSITORY, file_id="1:1:1", name="r", remote="a:x", trees=(tree,)
    )


def test_what_is_read_again_is_no_news() -> None:
    assert known_after(READ, repository(remote="example.org:r"), 200) is READ
    assert known_after(READ, repository(remote="example.org:r", folder="/r/src"), 200) is READ


def test_news_are_taken() -> None:
    after = known_after(READ, repository(dirty=2, branch=None), 200)

    assert after.remote is None
    assert after.tree == Tree(top="/r", dirty=2, read_at=200)


@pytest.mark.parametrize(
    "reading",
    [
        problem(SILENT, worktree="/r"),
        problem("owned by another user", worktree="/r"),
        problem(HUNG),
        problem(HUNG, folder="/link"),
        problem(GONE),
        problem(GONE, folder="/r/src"),
        unknown(HUNG),
        unknown(HUNG, "/r/src"),
        unknown(GONE),
    ],
    ids=repr,
)
def test_a_problem_is_said_and_leaves_what_was_read(reading: Repository) -> None:
    known = first_known(repository(remote="a:x", languages=("go",), dirty=3), 100)

    after = known_after(known, reading, 200)

    assert after.tree == structs.replace(known.tree, problem=reading.problem)
    assert structs.replace(after, trees=known.trees) == known
    assert known_after(after, reading, 300) == after
    again = known_after(after, repository(remote="a:x", languages=("go",), dirty=3), 400)
    assert again.tree == structs.replace(known.tree, read_at=400)


@pytest.mark.parametrize(
    "reading",
    [
        problem(GONE, "/before"),
        problem(HUNG, "/before"),
        unknown("its .git leads nowhere", "/other"),
        unknown(HUNG, "/rust"),
        unknown(GONE, "/r/src"),
    ],
    ids=repr,
)
def test_a_problem_of_another_place_says_nothing(reading: Repository) -> None:
    assert known_after(READ, reading, 200) == READ


def test_one_that_was_never_read_says_why() -> None:
    known = first_known(problem(SILENT, worktree="/r", languages=("go",)), 100)

    assert known.tree == Tree(top="/r", languages=("go",), problem=SILENT)
    assert known_after(known, repository(), 200).tree == Tree(top="/r", branch="main", dirty=0, read_at=200)


def test_a_move_takes_the_path_and_name_and_only_when_it_was_looked_at() -> None:
    moved = known_after(READ, repository("/moved", dirty=1), 200)

    assert (moved.path, moved.name, [tree.top for tree in moved.trees]) == ("/moved", "moved", ["/moved"])
    assert known_after(moved, problem(GONE, "/r"), 300) == moved
    assert known_after(moved, problem("its .git leads nowhere", "/r", folder="/other"), 300) == moved


def test_the_tree_with_the_newest_news_is_shown() -> None:
    other = repository(folder="/other", worktree="/other", branch="feature", dirty=5, remote="example.org:r")
    both = known_after(READ, other, 200)

    assert both.tree.branch == "feature"
    assert known_after(both, repository(remote="example.org:r"), 300) is both, "nothing changed in the main one"
    assert known_after(both, repository(remote="example.org:r", dirty=1), 400).tree.branch == "main"
    assert known_after(both, unknown(HUNG, "/r/src"), 500).trees[0].problem == HUNG


def test_a_working_tree_that_was_removed_is_forgotten() -> None:
    both = known_after(READ, repository(folder="/other", worktree="/other", remote="example.org:r"), 200)

    assert known_after(both, unknown(GONE, "/other"), 300) == READ
    assert known_after(both, repository(remote="example.org:r", folder="/other/src"), 300) == READ


def test_a_working_tree_within_another_leaves_that_one_there() -> None:
    inner = repository(folder="/r/wt/src", worktree="/r/wt", remote="example.org:r")

    assert [tree.top for tree in known_after(READ, inner, 200).trees] == ["/r", "/r/wt"]


def test_of_many_working_trees_the_last_are_remembered() -> None:
    known = READ
    for number in range(2 * MAX_TREES):
        known = known_after(known, repository(worktree=f"/w{number}"), number)

    assert [tree.top for tree in known.trees] == [f"/w{number}" for number in range(MAX_TREES, 2 * MAX_TREES)]


def test_another_id_in_the_path_is_taken_when_git_has_answered() -> None:
    silent = known_after(READ, problem(SILENT, file_id="1:2:1", worktree="/r"), 200)

    assert silent.file_id == READ.file_id
    assert known_after(silent, repository(file_id="1:2:1", remote="example.org:r"), 300).file_id == "1:2:1"


def test_a_folder_becomes_a_repository() -> None:
    notes = first_known(plain("/r"), 100)

    after = known_after(notes, problem(SILENT, worktree="/r"), 200)

    assert (after.kind, after.file_id, after.tree) == (
        ProjectKind.REPOSITORY,
        "1:1:1",
        Tree(top="/r", problem=SILENT),
    )


def test_what_has_gone_says_so() -> None:
    assert gone(READ).tree == structs.replace(READ.tree, problem=GONE)
    assert gone(structs.replace(READ, trees=())).tree.problem == GONE


READINGS = st.builds(
    Repository,
    folder=st.sampled_from(["/r", "/r/a", "/w", "/x"]),
    path=st.sampled_from(["/r", "/x"]),
    kind=st.sampled_from(ProjectKind),
    file_id=st.sampled_from(["", "1:1", "1:1:1", "2:1:1"]),
    remote=st.sampled_from([None, "a:x", "a:y"]),
    branch=st.sampled_from([None, "main"]),
    dirty=st.sampled_from([None, 0, 3]),
    problem=st.sampled_from([None, None, GONE, HUNG, SILENT]),
    worktree=st.sampled_from(["", "/r", "/w", "/x"]),
)


@given(READINGS.filter(lambda one: one.file_id != ""), st.lists(READINGS, max_size=6))
def test_any_readings_can_be_taken_and_kept(first: Repository, others: list[Repository]) -> None:
    known = first_known(first, 0)
    for at, reading in enumerate(others, 1):
        before, known = known, known_after(known, reading, at)
        if not is_fresh(reading):
            assert (known.path, known.kind, known.file_id) == (before.path, before.kind, before.file_id)
        assert known_after(known, reading, at + 50) == known, "what was taken is no news"
        assert reading.problem is not None or known.tree.problem is None or known.trees == before.trees

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(known), type=Known) == known
