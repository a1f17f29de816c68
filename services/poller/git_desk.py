"""Tells core what repositories the agents' folders are in, and what git says of them: each time that it is news."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct, structs

from services.contract.entities import RegistryEntry
from services.contract.game import Repository
from services.contract.requests import ReportRepositories
from services.poller import repository
from services.poller.alarm import wait_for
from services.poller.core_link import CoreLink
from services.poller.folders import PAUSES, SOON_S, Folders
from services.poller.repository import Facts, Place
from services.poller.sight import View

MAX_TOLD: Final = 64
"""Readings in one report."""
RETRY_S: Final = (1.0, 60.0)
"""Core is told again after the first, then after twice as long each time, up to the second."""


class Finder(Protocol):
    """Finds what folders are in; `services.poller.places.Places` does."""

    async def find(self, folders: Sequence[str]) -> tuple[Place, ...]:
        """Each folder's place, in their order."""
        ...


class Asker(Protocol):
    """Asks git; `services.poller.git.Git` does."""

    async def ask(self, place: Place) -> Facts:
        """What git says of a working tree."""
        ...


class _Read(Struct, frozen=True):
    """What git said, and until when it is good for a folder that is new."""

    facts: Facts
    until: float


class GitDesk:
    """Knows what core has been told. Reads one folder after the other, so that at most one git runs."""

    def __init__(self, places: Finder, git: Asker, core: CoreLink, now_ms: Callable[[], int]) -> None:
        self._finder = places
        self._git = git
        self._core = core
        self._now_ms = now_ms
        self._folders = Folders()
        self._wake = asyncio.Event()
        self._agents: Mapping[str, set[str]] = {}
        self._places: dict[str, Place] = {}
        """Of each folder, the last that was known."""
        self._facts: dict[bytes, _Read] = {}
        self._last: dict[str, Repository] = {}
        self._untold: dict[str, Repository] = {}
        self._life = 0
        self._retry_s = RETRY_S[0]
        self._retry_at = 0.0
        self.figures: dict[str, float] = dict.fromkeys(
            ("git_folders", "git_reads_total", "git_problems_total", "git_seconds"), 0.0
        )

    # What others know.

    def see(self, view: View, entries: Iterable[RegistryEntry]) -> None:
        """These panes and processes are there now."""
        agents: dict[str, set[str]] = {}
        for pane in view.panes:
            if pane.agent is not None and not pane.dead and pane.cwd.startswith("/"):
                agents.setdefault(pane.cwd, set()).add(pane.id)
        for entry in entries:
            if entry.cwd is not None and entry.cwd.startswith("/"):
                agents.setdefault(entry.cwd, set()).update(() if entry.pane_id is None else (entry.pane_id,))
        self._folders.see(agents, asyncio.get_running_loop().time())
        self._keep_only_known()
        if agents != self._agents:
            self._agents = agents
            self._wake.set()

    def look_soon(self, panes: Iterable[str]) -> None:
        """Something happened in these panes."""
        self._folders.happened(panes)
        self._wake.set()

    def read_folders(self, folders: Sequence[str]) -> None:
        """Core asks what these are in, and is answered whether or not that is news."""
        asked = [folder for folder in folders if folder.startswith("/")]
        self._folders.ask(asked)
        for folder in asked:
            self._last.pop(folder, None)
        self._wake.set()

    def forget(self) -> None:
        """Core may have nothing: it is told everything again."""
        self._life += 1
        self._untold = dict(self._last) | self._untold
        self._retry_s, self._retry_at = RETRY_S[0], 0.0
        self._wake.set()

    # The loop.

    async def run(self) -> None:
        """Read what is due, and tell core, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            folder = self._folders.due(loop.time())
            if folder is not None:
                await self.read(folder)
            if self._untold and self._retry_at <= loop.time():
                await self._tell()
            due_at = min(self._folders.next_due(), self._retry_at if self._untold else float("inf"))
            await wait_for(self._wake, due_at - loop.time())

    async def read(self, folder: str) -> None:
        """Read a folder's repository, and with it what is told of other folders in the same working tree."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        folders = self._in_same_tree(folder)
        self._folders.begin(folders)
        asked: dict[bytes, Facts] = {}
        for place in await self._finder.find(folders):
            self._note(await self._read(await self._known(place), asked, began))
        ended = loop.time()
        self._folders.end(folders, began, ended)
        for at, facts in asked.items():
            self._facts[at] = _Read(facts, ended + max(SOON_S, PAUSES * (ended - began)))
        self.figures["git_reads_total"] += len(asked)
        self.figures["git_seconds"] = ended - began

    def _in_same_tree(self, folder: str) -> list[str]:
        at = self._places[folder].at if folder in self._places else None
        if at is None:
            return [folder]
        others = (name for name, place in self._places.items() if place.at == at and name in self._agents)
        return list(dict.fromkeys((folder, *others)))

    async def _known(self, place: Place) -> Place:
        """The place with what was known of it before, when it does not tell now."""
        before = self._places.get(place.folder)
        if place.problem is None or before is None:
            return place
        if place.problem == repository.GONE and before.path != place.folder:
            (above,) = await self._finder.find([before.path])
            if above.file_id == before.file_id:  # The folder has gone, what it was in has not.
                return structs.replace(above, folder=place.folder)
        return structs.replace(before, worktree=None, common=None, problem=place.problem)

    async def _read(self, place: Place, asked: dict[bytes, Facts], now: float) -> Repository:
        at = place.at
        if place.file_id:
            self._places[place.folder] = place
        if at is None:
            return repository.make_reading(place, None)
        known = self._facts.get(at)
        is_new = place.folder not in self._last
        if at not in asked and is_new and known is not None and now < known.until:
            return repository.make_reading(place, known.facts)
        if at not in asked:
            asked[at] = await self._git.ask(place)
        return repository.make_reading(place, asked[at])

    def _note(self, reading: Repository) -> None:
        self.figures["git_problems_total"] += reading.problem is not None
        if self._last.get(reading.folder) != reading:
            self._last[reading.folder] = self._untold[reading.folder] = reading

    def _keep_only_known(self) -> None:
        self.figures["git_folders"] = float(len(self._folders))
        for kept in (self._last, self._places):
            for folder in [one for one in kept if one not in self._folders]:
                del kept[folder]
        trees = {place.at for place in self._places.values()}
        self._facts = {at: read for at, read in self._facts.items() if at in trees}

    async def _tell(self) -> None:
        told = dict(list(self._untold.items())[:MAX_TOLD])
        life = self._life
        report = ReportRepositories(at=self._now_ms(), repositories=tuple(told.values()))
        if not await self._core.tell(report):
            self._retry_at = asyncio.get_running_loop().time() + self._retry_s
            self._retry_s = min(2 * self._retry_s, RETRY_S[1])
            return
        self._retry_s, self._retry_at = RETRY_S[0], 0.0
        if life == self._life:  # Core may have become another one meanwhile.
            self._untold = {name: one for name, one in self._untold.items() if told.get(name) != one}
