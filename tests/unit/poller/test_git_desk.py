import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec import structs

from services.bus import UnavailableError
from services.contract.game import ProjectKind, Repository
from services.contract.requests import ReportRepositories, SeenPane
from services.poller import folders, git_desk, repository
from services.poller.core_link import CoreLink
from services.poller.git_desk import MAX_TOLD, GitDesk
from services.poller.repository import Facts, Place
from services.poller.sight import View
from tests.unit.core.making import entry
from tests.unit.poller.fake_core import FakeCore
from tests.unit.poller.test_sign_desk import SERVER, agent
from tests.waiting import wait_until_async


class Disk:
    """Folders, and what git says of the trees that they are in."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self.facts: dict[bytes, Facts] = {}
        self.finds: list[str] = []
        self.asks: list[bytes] = []
        self.running = 0
        self.release = asyncio.Event()
        self.release.set()

    def put(self, folder: str, top: str | None = None, file_id: str = "1:1") -> None:
        self.places[folder] = Place(
            folder=folder,
            path=top or folder,
            name="x",
            file_id=file_id,
            kind=ProjectKind.FOLDER if top is None else ProjectKind.REPOSITORY,
            worktree=None if top is None else top.encode(),
        )

    async def find(self, folders: Sequence[str]) -> tuple[Place, ...]:
        self.finds += folders
        gone = Place(folder="", problem=repository.GONE)
        return tuple(self.places.get(one) or structs.replace(gone, folder=one, path=one) for one in folders)

    async def ask(self, place: Place) -> Facts:
        assert place.at is not None
        assert self.running == 0, "one git at a time"
        self.running += 1
        self.asks.append(place.at)
        await asyncio.sleep(0)
        await self.release.wait()
        self.running -= 1
        return self.facts.get(place.at, Facts(branch="main", dirty=0))


class Parts:
    def __init__(self) -> None:
        self.core, self.disk = FakeCore(), Disk()
        self.desk = GitDesk(self.disk, self.disk, CoreLink(self.core), lambda: 123)

    def see(self, *panes: SeenPane) -> None:
        self.desk.see(View(server=SERVER, panes=panes), ())

    @property
    def told(self) -> list[Repository]:
        return [one for report in self.core.of(ReportRepositories) for one in report.repositories]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.desk.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()


def at(folder: str, pane_id: str = "%1") -> SeenPane:
    return agent(pane_id, cwd=folder)


async def test_the_folders_of_agents_and_of_the_registry_are_told() -> None:
    parts = Parts()
    parts.disk.put("/r/src", "/r")
    parts.disk.put("/notes")
    without = agent(
        "%2",
        cwd="/other",
    )
    parts.desk.see(
        View(server=SERVER, panes=(at("/r/src"), structs.replace(without, agent=None))),
        [structs.replace(entry("busy"), cwd="/notes"), structs.replace(entry("busy"), cwd=None)],
    )
    async with parts.running():
        await wait_until_async(lambda: len(parts.told) == 2, what="two readings")

    assert {one.folder: (one.path, one.kind, one.branch, one.worktree) for one in parts.told} == {
        "/r/src": ("/r", ProjectKind.REPOSITORY, "main", "/r"),
        "/notes": ("/notes", ProjectKind.FOLDER, None, ""),
    }
    assert parts.core.of(ReportRepositories)[0].at == 123
    assert parts.desk.figures["git_reads_total"] == 1
    assert parts.desk.figures["git_folders"] == 2


async def test_only_news_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SOON_S", 0.0)
    monkeypatch.setattr(folders, "PAUSES", 0)
    parts = Parts()
    parts.disk.put("/r", "/r")
    parts.see(at("/r"))
    async with parts.running():
        await wait_until_async(lambda: parts.told, what="the reading")
        parts.desk.look_soon(["%1"])
        await wait_until_async(lambda: len(parts.disk.asks) == 2, what="another look")
        parts.disk.facts[b"/r"] = Facts(branch="main", dirty=3)
        parts.desk.look_soon(["%2"])
        parts.desk.look_soon(["%1"])
        await wait_until_async(lambda: len(parts.told) == 2, what="the change")

    assert [one.dirty for one in parts.told] == [0, 3]


async def test_what_happens_in_a_pane_is_not_looked_at_again_at_once() -> None:
    parts = Parts()
    parts.disk.put("/r", "/r")
    parts.see(at("/r"))
    async with parts.running():
        await wait_until_async(lambda: parts.told, what="the reading")
        for _ in range(5):
            parts.desk.look_soon(["%1"])
            await asyncio.sleep(0.01)

    assert len(parts.disk.asks) == 1


async def test_while_git_rests_only_what_is_new_or_asked_for_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SOON_S", 0.0)
    monkeypatch.setattr(folders, "PAUSES", 0)
    monkeypatch.setattr(folders, "RESTS", 1e9)
    parts = Parts()
    parts.disk.put("/r", "/r")
    parts.disk.put("/new", "/new")
    parts.see(at("/r"))
    async with parts.running():
        await wait_until_async(lambda: len(parts.told) == 1, what="the reading")
        parts.desk.look_soon(["%1"])
        parts.see(at("/r"), at("/new", "%2"))
        await wait_until_async(lambda: len(parts.told) == 2, what="the new one")
        parts.desk.look_soon(["%1", "%2"])
        await asyncio.sleep(0.01)
        assert parts.disk.asks == [b"/r", b"/new"]
        parts.desk.read_folders(["/r"])
        await wait_until_async(lambda: len(parts.told) == 3, what="the answer")

    assert parts.disk.finds == ["/r", "/new", "/r"]


async def test_folders_of_one_tree_are_read_together() -> None:
    parts = Parts()
    for folder in ("/r", "/r/a", "/r/b"):
        parts.disk.put(folder, "/r")
    parts.see(at("/r"), at("/r/a", "%2"), at("/r/b", "%3"))
    async with parts.running():
        await wait_until_async(lambda: len(parts.told) == 3, what="all")
    assert len(parts.disk.asks) == 1, "the first look is good for all"

    parts.disk.facts[b"/r"] = Facts(branch="other")
    await parts.desk.read("/r/a")

    assert len(parts.disk.asks) == 2
    assert parts.disk.finds[-3:] == ["/r/a", "/r", "/r/b"]


async def test_a_new_core_is_told_everything_without_another_look() -> None:
    parts = Parts()
    parts.disk.put("/r", "/r")
    parts.disk.put("/notes")
    parts.see(at("/r"), at("/notes", "%2"))
    async with parts.running():
        await wait_until_async(lambda: len(parts.told) == 2, what="all")
        parts.desk.forget()
        await wait_until_async(lambda: len(parts.told) == 4, what="all again")

    assert parts.disk.finds == ["/notes", "/r"]
    assert len(parts.disk.asks) == 1


async def test_what_core_did_not_take_is_told_again_with_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_desk, "RETRY_S", (0.01, 0.02))
    parts = Parts()
    parts.desk = GitDesk(parts.disk, parts.disk, CoreLink(parts.core), lambda: 123)
    parts.core.refuses = UnavailableError("not yet")
    parts.disk.put("/r", "/r")
    parts.see(at("/r"))
    async with parts.running():
        await wait_until_async(lambda: len(parts.core.waits) > 3, what="some tries")
        parts.core.refuses = None
        await wait_until_async(lambda: parts.told, what="the reading")

    assert [one.folder for one in parts.told] == ["/r"]


async def test_a_core_that_refuses_is_not_asked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_desk, "RETRY_S", (1_000.0, 1_000.0))
    parts = Parts()
    parts.core.refuses = UnavailableError("never")
    for number in range(20):
        parts.disk.put(f"/{number}")
    parts.see(*(at(f"/{number}", f"%{number}") for number in range(20)))
    async with parts.running():
        await wait_until_async(lambda: len(parts.disk.finds) == 20, what="all to be read")
        for _ in range(5):
            parts.desk.look_soon(["%1"])
            await asyncio.sleep(0.01)

    assert len(parts.core.waits) == 1


async def test_many_readings_go_in_several_reports() -> None:
    parts = Parts()
    parts.core.is_there = False
    count = MAX_TOLD + 10
    for number in range(count):
        parts.disk.put(f"/{number}")
    parts.see(*(at(f"/{number}", f"%{number}") for number in range(count)))
    async with parts.running():
        await wait_until_async(lambda: len(parts.disk.finds) == count, what="all to be read")
        parts.core.is_there = True
        parts.desk.forget()
        await wait_until_async(lambda: len(parts.told) == count, what="all to be told")

    assert [len(report.repositories) for report in parts.core.of(ReportRepositories)] == [MAX_TOLD, 10]


async def test_a_core_that_becomes_another_while_it_is_told_is_told_again() -> None:
    parts = Parts()
    parts.disk.put("/r")
    parts.see(at("/r"))
    await parts.desk.read("/r")
    telling = asyncio.create_task(parts.desk._tell())
    await asyncio.sleep(0)
    parts.desk.forget()
    await telling
    async with parts.running():
        await wait_until_async(lambda: len(parts.told) == 2, what="the reading again")


async def test_what_core_asks_for_is_told_also_when_it_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SOON_S", 0.0)
    monkeypatch.setattr(folders, "PAUSES", 0)
    parts = Parts()
    parts.disk.put("/r", "/r")
    parts.see(at("/r"))
    async with parts.running():
        await wait_until_async(lambda: parts.told, what="the reading")
        parts.desk.read_folders(["/r", "/gone", "relative"])
        await wait_until_async(lambda: len(parts.told) == 3, what="the answers")

    assert [(one.folder, one.problem) for one in sorted(parts.told[1:], key=lambda one: one.folder)] == [
        ("/gone", repository.GONE),
        ("/r", None),
    ]
    assert "relative" not in parts.disk.finds


async def test_a_repository_that_has_gone_is_told_as_what_it_was() -> None:
    parts = Parts()
    parts.disk.put("/r/src", "/r", file_id="7:7")
    parts.see(at("/r/src"))
    await parts.desk.read("/r/src")
    parts.disk.places.clear()
    await parts.desk.read("/r/src")
    await parts.desk._tell()

    (told,) = parts.told
    assert told == Repository(
        folder="/r/src", path="/r", kind=ProjectKind.REPOSITORY, file_id="7:7", name="x", problem=repository.GONE
    )


async def test_a_folder_that_has_gone_from_a_repository_is_still_in_it() -> None:
    parts = Parts()
    parts.disk.put("/r", "/r")
    parts.disk.put("/r/src", "/r")
    parts.see(at("/r/src"))
    await parts.desk.read("/r/src")
    del parts.disk.places["/r/src"]
    await parts.desk.read("/r/src")
    await parts.desk._tell()

    (told,) = parts.told
    assert (told.folder, told.path, told.problem, told.branch) == ("/r/src", "/r", None, "main")


async def test_a_repository_that_does_not_answer_keeps_what_its_files_say() -> None:
    parts = Parts()
    parts.disk.put("/r", "/r", file_id="7:7")
    parts.disk.facts[b"/r"] = Facts(problem=repository.SILENT)
    parts.see(at("/r"))
    await parts.desk.read("/r")
    parts.disk.places["/r"] = Place(folder="/r", path="/r", problem=repository.HUNG)
    await parts.desk._tell()
    await parts.desk.read("/r")
    await parts.desk._tell()

    assert [(one.file_id, one.kind, one.problem) for one in parts.told] == [
        ("7:7", ProjectKind.REPOSITORY, repository.SILENT),
        ("7:7", ProjectKind.REPOSITORY, repository.HUNG),
    ]
    assert parts.desk.figures["git_problems_total"] == 2


async def test_what_nobody_is_in_any_more_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = Parts()
    parts.disk.put("/r", "/r")
    parts.see(at("/r"))
    await parts.desk.read("/r")
    await parts.desk._tell()
    with monkeypatch.context() as patch:
        patch.setattr(folders, "IDLE_S", 0.0)
        patch.setattr(folders, "PAUSES", 0)
        parts.desk.read_folders([])
        await parts.desk.read("/r")
        parts.see()
    parts.desk.forget()
    async with parts.running():
        parts.disk.put("/notes")
        parts.see(at("/notes"))
        await wait_until_async(lambda: len(parts.told) == 2, what="the other")

    assert [one.folder for one in parts.told] == ["/r", "/notes"]
