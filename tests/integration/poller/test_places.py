import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from services.contract.game import ProjectKind
from services.poller import repository
from services.poller.places import MAX_STUCK, Places, find_place
from services.poller.repository import Place
from tests.integration.poller.repositories import git, make_repository
from tests.waiting import wait_until_async


def test_a_folder_without_git_is_a_project_of_its_own_kind(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "package.json").touch()

    place = find_place(str(tmp_path / "notes"))

    assert (place.kind, place.path, place.name) == (ProjectKind.FOLDER, str(tmp_path / "notes"), "notes")
    assert (place.languages, place.problem, place.at) == (("node",), None, None)
    assert place.file_id


def test_all_below_its_top_level_is_in_a_repository(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "game", "pyproject.toml", "Dockerfile")
    (top / "src" / "deep").mkdir(parents=True)

    places = [find_place(str(folder)) for folder in (top, top / "src" / "deep", top / ".git", top / ".git" / "refs")]

    assert {(one.kind, one.path, one.name, one.file_id) for one in places} == {
        (ProjectKind.REPOSITORY, str(top), "game", places[0].file_id)
    }
    assert places[1].worktree == os.fsencode(top)
    assert places[1].languages == ("docker", "python")


def test_a_link_is_followed(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "game")
    (tmp_path / "link").symlink_to(top)

    place = find_place(str(tmp_path / "link"))

    assert (place.folder, place.path) == (str(tmp_path / "link"), str(top))


def test_worktrees_belong_to_their_repository(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "game")
    git(top, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "feature")

    place, main = find_place(str(tmp_path / "other")), find_place(str(top))

    assert (place.path, place.name, place.file_id) == (str(top), "game", main.file_id)
    assert place.worktree == os.fsencode(tmp_path / "other")


def test_a_submodule_is_a_project_of_its_own(tmp_path: Path) -> None:
    make_repository(tmp_path / "part")
    top = make_repository(tmp_path / "whole")
    git(top, "submodule", "add", "-q", str(tmp_path / "part"), "lib")
    git(top / "lib", "worktree", "add", "-q", str(tmp_path / "beside"), "-b", "feature")

    outer, inner, beside = (find_place(str(one)) for one in (top, top / "lib", tmp_path / "beside"))

    assert (inner.path, inner.name, inner.worktree) == (str(top / "lib"), "lib", os.fsencode(top / "lib"))
    assert inner.file_id != outer.file_id
    assert (beside.path, beside.file_id) == (inner.path, inner.file_id)


def test_a_git_folder_kept_elsewhere_belongs_to_its_tree(tmp_path: Path) -> None:
    tmp_path.joinpath("game").mkdir()
    git(tmp_path / "game", "init", "-q", "--separate-git-dir", str(tmp_path / "kept"))

    assert find_place(str(tmp_path / "game")).path == str(tmp_path / "game")


def test_a_bare_repository_and_its_worktrees_are_one_project(tmp_path: Path) -> None:
    make_repository(tmp_path / "first")
    git(tmp_path, "clone", "-q", "--bare", "first", "game.git")
    git(tmp_path / "game.git", "worktree", "add", "-q", str(tmp_path / "tree"))

    bare, tree = find_place(str(tmp_path / "game.git")), find_place(str(tmp_path / "tree"))

    assert (bare.path, bare.name, bare.worktree) == (str(tmp_path / "game.git"), "game", None)
    assert (tree.path, tree.file_id) == (bare.path, bare.file_id)


def test_a_repository_that_is_renamed_keeps_its_id_and_another_in_its_place_has_another(tmp_path: Path) -> None:
    before = find_place(str(make_repository(tmp_path / "game")))
    (tmp_path / "game").rename(tmp_path / "renamed")

    assert find_place(str(tmp_path / "game")).problem == repository.GONE
    assert find_place(str(tmp_path / "renamed")).file_id == before.file_id
    shutil.rmtree(tmp_path / "renamed")
    assert find_place(str(make_repository(tmp_path / "renamed"))).file_id != before.file_id, "its number is used again"


@pytest.mark.parametrize(
    "name", [b"new\nline", b"odd \xff byte", b" blank ", "Überall".encode(), b"a:b", b"-c"], ids=repr
)
def test_any_name_will_do(tmp_path: Path, name: bytes) -> None:
    folder = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
    os.mkdir(folder)  # noqa: PTH102
    git(folder, "init", "-q")

    place = find_place(folder.decode("utf-8", "backslashreplace"))

    assert (place.kind, place.worktree, place.problem) == (ProjectKind.REPOSITORY, folder, None)
    assert place.name == name.decode("utf-8", "replace")


@pytest.mark.parametrize("name", ["nothing", "file", "file/below", "nul\0", "x" * 300])
def test_what_is_no_folder_is_gone_or_closed(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()

    place = find_place(f"{tmp_path}/{name}")

    assert place.problem in {repository.GONE, repository.CLOSED}
    assert not place.file_id


def test_a_git_file_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "game")
    git(top, "worktree", "add", "-q", str(tmp_path / "other"))
    top.rename(tmp_path / "moved")

    place = find_place(str(tmp_path / "other"))

    assert (place.problem, place.file_id) == (repository.BROKEN, "")


def test_an_empty_git_folder_is_passed_over_as_git_does(tmp_path: Path) -> None:
    top = make_repository(tmp_path / "game")
    (top / "sub" / ".git").mkdir(parents=True)

    assert find_place(str(top / "sub")).path == str(top)


async def test_a_folder_that_hangs_is_not_waited_for_and_not_asked_again_meanwhile() -> None:
    release, asked = threading.Event(), []

    def find(folder: str) -> Place:
        asked.append(folder)
        if folder.startswith("/hung"):
            release.wait(20)
        return Place(folder=folder, path=folder, file_id="1:1")

    places = Places(find, find_s=1.0)
    try:
        began = time.monotonic()
        first = await places.find(["/a", "/hung", "/b"])
        assert time.monotonic() - began < 15
        assert [one.problem for one in first] == [None, repository.HUNG, repository.HUNG]
        (again,) = await places.find(["/hung"])
        assert again.problem == repository.HUNG
        assert asked == ["/a", "/hung"]
        (other,) = await places.find(["/b"])
        assert other.problem is None
    finally:
        release.set()


async def test_with_too_many_that_hang_no_other_is_tried() -> None:
    release, asked = threading.Event(), []

    def find(folder: str) -> Place:
        asked.append(folder)
        release.wait(20)
        return Place(folder=folder)

    places = Places(find, find_s=0.01)
    try:
        for number in range(MAX_STUCK + 3):
            (place,) = await places.find([f"/{number}"])
            assert place.problem == repository.HUNG
        await wait_until_async(lambda: len(asked) == MAX_STUCK, what="the last thread to begin")
        assert len([one for one in threading.enumerate() if one.name == "places"]) == MAX_STUCK
    finally:
        release.set()
