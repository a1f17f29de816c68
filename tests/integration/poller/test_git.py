import asyncio
import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from services.poller import git as door
from services.poller import repository
from services.poller.git import Git
from services.poller.places import find_place
from services.poller.repository import MAX_DIRTY, Facts, Place
from tests.integration.poller.repositories import (
    ENVIRON,
    age,
    commit,
    git,
    make_program,
    make_repository,
    with_git,
)
from tests.waiting import wait_until_async


async def ask(folder: Path, environ: dict[str, str] = ENVIRON, deadline_s: float = 20) -> Facts:
    return await Git(environ, deadline_s).ask(find_place(str(folder)))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "game", "a", "b")


async def test_tells_branch_and_what_is_dirty(repo: Path) -> None:
    assert await ask(repo) == Facts(branch="main", dirty=0)
    (repo / "a").write_text("other")
    (repo / "new").write_text("")
    (repo / "folder").mkdir()
    for number in range(5):
        (repo / "folder" / str(number)).touch()
    git(repo, "rm", "-q", "b")

    assert await ask(repo) == Facts(branch="main", dirty=4)


async def test_tells_how_far_it_is_from_the_branch_it_follows(repo: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(repo), "clone")
    commit_of(repo, "there")
    commit_of(tmp_path / "clone", "here")
    commit_of(tmp_path / "clone", "here too")
    git(tmp_path / "clone", "fetch", "-q")
    git(tmp_path / "clone", "remote", "set-url", "origin", "https://me:secret@example.org/game.git?token=x")

    facts = await ask(tmp_path / "clone")

    assert (facts.ahead, facts.behind) == (2, 1)
    assert facts.remote == "https://example.org/game.git"


def commit_of(repo: Path, name: str) -> None:
    (repo / name).write_text(name)
    commit(repo)


async def test_detached_without_commits_and_bare(repo: Path, tmp_path: Path) -> None:
    git(repo, "checkout", "-q", "--detach")
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "-q", "-b", "first")
    git(tmp_path, "clone", "-q", "--bare", "empty", "bare.git")
    git(tmp_path / "bare.git", "symbolic-ref", "HEAD", "refs/heads/kept")

    assert await ask(repo) == Facts(dirty=0)
    assert await ask(tmp_path / "empty") == Facts(branch="first", dirty=0)
    assert await ask(tmp_path / "bare.git") == Facts(branch="kept", remote=str(tmp_path / "empty"))


async def test_a_worktree_and_a_submodule_have_facts_of_their_own(repo: Path, tmp_path: Path) -> None:
    git(repo, "worktree", "add", "-q", str(tmp_path / "other"), "-b", "feature")
    make_repository(tmp_path / "part")
    git(repo, "submodule", "add", "-q", str(tmp_path / "part"), "lib")
    commit(repo)
    (tmp_path / "other" / "new").touch()
    (repo / "lib" / "new").touch()

    assert await ask(tmp_path / "other") == Facts(branch="feature", dirty=1)
    assert await ask(repo / "lib") == Facts(branch="main", dirty=1, ahead=0, behind=0, remote=str(tmp_path / "part"))
    assert (await ask(repo)).dirty == 0, "what is in the submodule is the submodule's"


@pytest.mark.parametrize("name", [b"new\nline", b"odd \xff byte", b"a:b"], ids=repr)
async def test_any_name_will_do(tmp_path: Path, name: bytes) -> None:
    folder = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118
    os.mkdir(folder)  # noqa: PTH102
    git(folder, "init", "-q", "-b", "main")
    place = find_place(folder.decode("utf-8", "backslashreplace"))

    assert await Git(ENVIRON).ask(place) == Facts(branch="main", dirty=0)


async def test_nothing_is_written(repo: Path) -> None:
    age(repo / "a")
    before = (repo / ".git" / "index").read_bytes()

    assert await ask(repo) == Facts(branch="main", dirty=0)
    assert (repo / ".git" / "index").read_bytes() == before


async def test_variables_of_another_repository_are_not_git_s(repo: Path, tmp_path: Path) -> None:
    other = make_repository(tmp_path / "other")
    environ = ENVIRON | {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": "/x"}
    git(repo, "checkout", "-q", "-b", "mine")

    assert await ask(repo, environ) == Facts(branch="mine", dirty=0)


def give_away(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 12345, 12345)


async def test_what_belongs_to_another_user_is_told_and_not_read(repo: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    give_away(repo)

    assert await ask(repo) == Facts(problem="owned by another user")


async def test_a_broken_repository_is_told(repo: Path) -> None:
    (repo / ".git" / "index").write_bytes(b"rubbish")
    assert await ask(repo) == Facts(problem=repository.UNREADABLE)
    (repo / ".git" / "config").write_bytes(b"[rubbish")
    assert await ask(repo) == Facts(problem=repository.UNREADABLE)


async def test_one_that_vanishes_meanwhile_is_not_mistaken_for_the_one_around_it(repo: Path) -> None:
    inner = make_repository(repo / "inner")
    place = find_place(str(inner))
    (inner / ".git").rename(inner / "away")

    assert await Git(ENVIRON).ask(place) == Facts(problem=repository.UNREADABLE)


async def test_without_git_it_is_told(repo: Path, tmp_path: Path) -> None:
    for path in (str(tmp_path), ""):
        assert await ask(repo, ENVIRON | {"PATH": path}) == Facts(problem="git is not installed")


async def test_a_git_in_the_repository_itself_is_never_run(repo: Path, tmp_path: Path) -> None:
    make_program(repo / "git", f"touch {tmp_path}/ran")

    assert (await ask(repo, ENVIRON | {"PATH": "."})).problem == repository.MISSING
    assert not (tmp_path / "ran").exists()


async def test_a_git_that_hangs_is_ended_with_its_children(repo: Path, tmp_path: Path) -> None:
    environ = with_git(
        tmp_path / "bin", f"sleep 100 & echo $! > {tmp_path}/child", f"echo $$ > {tmp_path}/self", "wait"
    )
    began = time.monotonic()

    assert await ask(repo, environ, deadline_s=2.0) == Facts(problem="git did not answer")
    assert time.monotonic() - began < 50
    for name in ("self", "child"):
        pid = int((tmp_path / name).read_text())
        await wait_until_async(partial(has_ended, pid), what="the end of it")


def has_ended(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rpartition(") ")[2][0] in "ZX"


async def test_one_that_hands_its_output_to_a_process_it_cannot_end_is_not_waited_for(
    repo: Path, tmp_path: Path
) -> None:
    environ = with_git(tmp_path / "bin", f"setsid sleep 60 & echo $! > {tmp_path}/child; exit 0")
    began = time.monotonic()

    try:
        assert await ask(repo, environ, deadline_s=2.0) == Facts(problem="git did not answer")
        assert time.monotonic() - began < 30
    finally:
        os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


async def test_a_git_that_is_cancelled_is_ended(repo: Path, tmp_path: Path) -> None:
    environ = with_git(tmp_path / "bin", f"echo $$ > {tmp_path}/self", "exec sleep 100")
    task = asyncio.create_task(ask(repo, environ))
    await wait_until_async(lambda: (tmp_path / "self").exists() and (tmp_path / "self").read_text(), what="git")
    pid = int((tmp_path / "self").read_text())

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until_async(lambda: has_ended(pid), what="its end")


async def test_a_million_files_are_not_counted_to_the_end(repo: Path, tmp_path: Path) -> None:
    endless = f"yes {'x' * 300} | tr '\\n' '\\0'"
    environ = with_git(
        tmp_path / "bin",
        'case "$*" in *status*) printf "# branch.head main\\0"; '
        f'yes "? {"x" * 60}" | tr "\\n" "\\0";; *) exec $REAL "$@";; esac',
    )
    assert endless
    facts = await ask(repo, environ)

    assert facts == Facts(branch="main", dirty=MAX_DIRTY)


# What a hostile repository could have it run.


@pytest.fixture
def trap(tmp_path: Path) -> str:
    """A program that leaves a mark."""
    return str(make_program(tmp_path / "trap", f'echo "$@" >> {tmp_path}/mark', "cat"))


def springs(tmp_path: Path) -> bool:
    return (tmp_path / "mark").exists()


async def test_no_monitor_hook_pager_or_alias_is_run(repo: Path, tmp_path: Path, trap: str) -> None:
    for key in ("core.fsmonitor", "core.pager", "pager.status", "core.sshCommand", "core.askPass", "diff.external"):
        git(repo, "config", key, trap)
    git(repo, "config", "alias.status", f"!{trap}")
    for name in ("post-index-change", "pre-auto-gc", "reference-transaction", "fsmonitor-watchman"):
        make_program(repo / ".git" / "hooks" / name, f"exec {trap}")
    age(repo / "a")
    git(repo, "-c", "core.fsmonitor=", "update-index", "-q", "--really-refresh")
    (tmp_path / "mark").unlink(missing_ok=True)
    age(repo / "b")

    assert await ask(repo) == Facts(branch="main", dirty=0)
    assert not springs(tmp_path)


@pytest.mark.parametrize("kind", ["clean", "process"])
async def test_no_filter_is_run_and_what_only_it_could_tell_stays_unknown(
    repo: Path, tmp_path: Path, trap: str, kind: str
) -> None:
    git(repo, "config", f"filter.My.Own.{kind}", trap)
    git(repo, "config", "filter.My.Own.required", "true")
    (repo / ".git" / "info" / "attributes").write_text("a filter=My.Own\n")

    assert await ask(repo) == Facts(branch="main", dirty=0)
    (repo / "b").write_text("changed")
    assert await ask(repo) == Facts(branch="main", dirty=1)
    (repo / "a").write_text("FIRST\n")
    assert await ask(repo) == Facts(branch="main", dirty=None)
    assert not springs(tmp_path)


async def test_a_filter_that_cannot_be_named_stops_us(repo: Path, tmp_path: Path, trap: str) -> None:
    with (repo / ".git" / "config").open("a") as config:
        config.write(f'[filter "x=y"]\n\tclean = {trap}\n')
    (repo / ".git" / "info" / "attributes").write_text("* filter=x=y\n")
    (repo / "a").write_text("FIRST\n")

    assert await ask(repo) == Facts(problem="its settings would run a program")
    assert not springs(tmp_path)


async def test_a_filter_of_included_settings_is_found(repo: Path, tmp_path: Path, trap: str) -> None:
    (repo / ".git" / "more").write_text(f'[filter "x"]\n\tclean = {trap}\n')
    git(repo, "config", "includeIf.onbranch:main.path", "more")
    (repo / ".git" / "info" / "attributes").write_text("* filter=x\n")
    (repo / "a").write_text("FIRST\n")

    assert await ask(repo) == Facts(branch="main")
    assert not springs(tmp_path)


async def test_nothing_of_a_submodule_is_run(repo: Path, tmp_path: Path, trap: str) -> None:
    make_repository(tmp_path / "part", "c")
    git(repo, "submodule", "add", "-q", str(tmp_path / "part"), "lib")
    commit(repo)
    git(repo, "config", "submodule.lib.ignore", "none")
    git(repo / "lib", "config", "core.fsmonitor", trap)
    git(repo / "lib", "config", "filter.x.clean", trap)
    (repo / ".git" / "modules" / "lib" / "info" / "attributes").write_text("* filter=x\n")
    (repo / "lib" / "c").write_text("FIRST\n")

    assert (await ask(repo)).dirty == 0
    assert not springs(tmp_path)


async def test_nothing_is_fetched(repo: Path, tmp_path: Path, trap: str) -> None:
    git(repo, "config", "extensions.partialClone", "evil")
    git(repo, "config", "core.repositoryFormatVersion", "1")
    git(repo, "config", "remote.evil.promisor", "true")
    git(repo, "config", "remote.evil.url", f"ext::{trap}")
    git(repo, "config", "protocol.ext.allow", "always")
    tree = git(repo, "rev-parse", "HEAD^{tree}")
    (repo / ".git" / "objects" / tree[:2] / tree[2:]).unlink()

    assert (await ask(repo)).problem == repository.UNREADABLE
    assert not springs(tmp_path)


async def test_the_user_s_own_filters_are_not_run_either(repo: Path, tmp_path: Path, trap: str) -> None:
    (tmp_path / "global").write_text(f'[filter "lfs"]\n\tprocess = {trap}\n\tclean = {trap}\n\trequired = true\n')
    (repo / ".gitattributes").write_text("a filter=lfs\n")
    commit(repo)
    (repo / "a").write_text("FIRST\n")

    assert await ask(repo, ENVIRON | {"GIT_CONFIG_GLOBAL": str(tmp_path / "global")}) == Facts(branch="main")
    assert not springs(tmp_path)


async def test_with_too_many_that_the_kernel_holds_no_other_is_started(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "MAX_STUCK", 0)

    assert await ask(repo) == Facts(problem="git did not answer")


async def test_a_folder_without_git_is_no_question(tmp_path: Path) -> None:
    assert find_place(str(tmp_path)) == Place(
        folder=str(tmp_path), path=str(tmp_path), name=tmp_path.name, file_id=find_place(str(tmp_path)).file_id
    )
