"""Real folders and a real git, from the poller's look to core's project: it never waits long, and never tells a lie."""

import os
import shutil
import time
from pathlib import Path

import pytest

from services.contract import codec
from services.contract.game import Project
from services.contract.requests import ReportRepositories
from services.core.game.projects import Projects
from services.poller import repository
from services.poller.core_link import CoreLink
from services.poller.git import Git
from services.poller.git_desk import GitDesk
from services.poller.places import Places
from tests.integration.poller.repositories import ENVIRON, git, make_repository, with_git
from tests.unit.poller.fake_core import FakeCore


class Way:
    """From a folder to what core says of it."""

    def __init__(self, environ: dict[str, str] = ENVIRON, git_s: float = 30) -> None:
        self.core, self.projects, self.taken = FakeCore(), Projects(), 0
        self.environ = environ
        self.git_s = git_s
        self.restart()

    def restart(self) -> None:
        """A poller that knows nothing of before."""
        self.desk = GitDesk(Places(find_s=30), Git(self.environ, self.git_s), CoreLink(self.core), lambda: 123)

    async def look(self, folder: Path | str) -> None:
        """Read a folder and have core take what is told of it."""
        await self.desk.read(str(folder))
        await self.desk._tell()
        for report in self.core.of(ReportRepositories)[self.taken :]:
            self.taken += 1
            wired = codec.decode_request(codec.encode(report))
            assert wired == report
            for reading in report.repositories:
                if self.projects.is_news(reading):
                    self.projects.take_reading(reading, 1_000 + self.taken, self.taken)

    def project(self, folder: Path | str) -> Project | None:
        return self.projects.view(self.projects.project_of(str(folder)) or "")

    def found(self, folder: Path | str) -> Project:
        project = self.project(folder)
        assert project is not None
        return project


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "game", "a", "b")


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_one_that_is_deleted_is_gone_and_not_clean(repo: Path, *, is_restarted: bool) -> None:
    way = Way()
    await way.look(repo)
    assert (way.found(repo).problem, way.found(repo).dirty) == (None, 0)
    if is_restarted:
        way.restart()
    shutil.rmtree(repo)
    await way.look(repo)

    project = way.found(repo)
    assert (project.problem, project.dirty, project.branch, project.path) == ("gone", None, "main", str(repo))


async def test_one_that_was_gone_before_anybody_looked_is_no_project(tmp_path: Path) -> None:
    way = Way()
    await way.look(tmp_path / "nothing")

    assert way.project(tmp_path / "nothing") is None
    assert way.projects.all() == ()


async def test_one_that_is_renamed_is_the_same_and_another_in_its_place_is_another(repo: Path, tmp_path: Path) -> None:
    way = Way()
    await way.look(repo)
    first = way.found(repo).id
    shutil.move(repo, tmp_path / "renamed")
    await way.look(repo)
    await way.look(tmp_path / "renamed")

    project = way.found(tmp_path / "renamed")
    assert (project.id, project.path, project.name, project.problem) == (
        first,
        str(tmp_path / "renamed"),
        "renamed",
        None,
    )
    make_repository(repo)
    await way.look(repo)
    assert way.found(repo).id != first
    assert len(way.projects.all()) == 2


async def test_one_that_is_cloned_again_is_the_same(repo: Path, tmp_path: Path) -> None:
    way = Way()
    git(tmp_path, "clone", "-q", str(repo), "clone")
    await way.look(tmp_path / "clone")
    first = way.found(tmp_path / "clone").id
    shutil.rmtree(tmp_path / "clone")
    await way.look(tmp_path / "clone")
    git(tmp_path, "clone", "-q", str(repo), "clone")
    await way.look(tmp_path / "clone")

    project = way.found(tmp_path / "clone")
    assert (project.id, project.problem, project.remote) == (first, None, str(repo))


async def test_another_user_s_is_told_and_what_was_read_before_stays(repo: Path, tmp_path: Path) -> None:
    mark = tmp_path / "given away"
    way = Way(
        with_git(tmp_path / "bin", f"[ -e '{mark}' ] && export GIT_TEST_ASSUME_DIFFERENT_OWNER=1; exec $REAL \"$@\"")
    )
    (repo / "new").touch()
    await way.look(repo)
    mark.touch()
    await way.look(repo)

    project = way.found(repo)
    assert (project.problem, project.dirty, project.branch) == (repository.FOREIGN, 1, "main")


async def test_a_git_that_hangs_says_so_and_holds_up_no_other(repo: Path, tmp_path: Path) -> None:
    hung = make_repository(tmp_path / "hung")
    way = Way(
        with_git(tmp_path / "bin", f'case "$*" in *{hung}*) exec sleep 100;; *) exec $REAL "$@";; esac'), git_s=2.0
    )
    began = time.monotonic()
    await way.look(hung)
    assert time.monotonic() - began < 30
    await way.look(repo)

    assert (way.found(hung).problem, way.found(hung).dirty) == (repository.SILENT, None)
    assert (way.found(repo).problem, way.found(repo).dirty) == (None, 0)


@pytest.mark.parametrize("name", [b"new\nline", b"odd \xff byte", b" blank "], ids=repr)
async def test_any_name_will_do(tmp_path: Path, name: bytes) -> None:
    folder = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
    os.mkdir(folder)  # noqa: PTH102
    git(folder, "init", "-q", "-b", "main")
    told = folder.decode("utf-8", "backslashreplace")
    way = Way()
    await way.look(told)

    project = way.found(told)
    assert (project.name, project.branch, project.dirty, project.problem) == (
        name.decode("utf-8", "replace"),
        "main",
        0,
        None,
    )


async def test_a_worktree_is_its_repository_s_and_a_submodule_is_not(repo: Path, tmp_path: Path) -> None:
    make_repository(tmp_path / "part")
    git(repo, "submodule", "add", "-q", str(tmp_path / "part"), "lib")
    git(repo, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "feature")
    way = Way()
    for folder in (repo, repo / "lib", tmp_path / "other"):
        await way.look(folder)

    assert way.found(tmp_path / "other").id == way.found(repo).id
    assert way.found(repo / "lib").id != way.found(repo).id
    shutil.rmtree(tmp_path / "other")
    await way.look(tmp_path / "other")
    assert (way.found(repo).problem, way.found(repo).branch) == (None, "main")


async def test_a_folder_becomes_a_repository_and_stays_the_project(tmp_path: Path) -> None:
    way = Way()
    await way.look(tmp_path)
    first = way.found(tmp_path)
    git(tmp_path, "init", "-q", "-b", "main")
    await way.look(tmp_path)

    assert (way.found(tmp_path).id, first.kind, way.found(tmp_path).kind) == (first.id, "folder", "repository")
