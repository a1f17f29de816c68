"""Tells core what says more of an agent than its hooks: the registry that it writes itself, and its screen."""

import asyncio
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Final, Protocol

from msgspec import Struct, structs

from services.contract.entities import Confidence, Reading, RegistryEntry, Screen, StatusName
from services.contract.requests import Look, ReportSigns
from services.poller.core_link import CoreLink
from services.poller.registry import Registry
from services.poller.sight import View

DOUBT_MS: Final = 250
"""A screen that no rule knows may be half drawn: core is told when it is still so after this. Nor is core told more
often what one screen means."""


class Files(Protocol):
    """Reads the registry; `services.poller.registry_files.RegistryFiles` does."""

    def scan(self) -> dict[int, RegistryEntry]:
        """The entries of processes that are there, by pid."""
        ...


class Rules(Protocol):
    """Reads screens; `services.poller.rule_book.RuleBook` does."""

    @property
    def version(self) -> int:
        """Another number after the rules have changed."""
        ...

    def read(self, agent: str, screen: Screen) -> Reading | None:
        """What the screen of an agent means; None when no rule knows it."""
        ...


class _Read(Struct, frozen=True):
    """A screen that was read, and by which rules."""

    agent: str
    lines: tuple[str, ...]
    version: int


class SignDesk:
    """Knows what core has been told."""

    def __init__(self, files: Files, rules: Rules, core: CoreLink, now_ms: Callable[[], int]) -> None:
        self._files = files
        self._rules = rules
        self._core = core
        self._now_ms = now_ms
        self._registry = Registry()
        self._is_whole = True
        self._life = 0
        self._version = rules.version
        self._agents: Mapping[str, str] = {}
        """What agent runs in each pane that has one."""
        self._read: dict[str, _Read] = {}
        self._told: dict[str, Reading] = {}
        self._doubted: dict[str, int] = {}
        self._looks: dict[str, int] = {}
        self._telling = asyncio.Lock()
        self.registered: frozenset[str] = frozenset()
        """Panes of agents that the registry has."""
        self.entries: tuple[RegistryEntry, ...] = ()
        """What the registry has."""
        self.reports = 0

    def forget(self) -> None:
        """Core may have nothing: the next report is whole."""
        self._registry.forget()
        self._is_whole = True
        self._life += 1
        self._read.clear()
        self._told.clear()
        self._looks.clear()

    async def look(self, view: View) -> tuple[str, ...]:
        """Read the registry, and tell core what changed; the panes to look at: those that it was about, or all."""
        async with self._telling:
            self._agents = {pane.id: pane.agent.name for pane in view.panes if pane.agent is not None}
            self._keep_only(self._agents.keys())
            entries = _placed(self._files.scan(), view)
            self.entries = tuple(entries.values())
            self.registered = frozenset(one.pane_id for one in entries.values() if one.pane_id is not None)
            changed, gone = self._registry.changes(entries)
            if changed or gone or self._is_whole:
                await self._tell(ReportSigns(at=self._now_ms(), registry=changed, gone=gone, is_whole=self._is_whole))
        if self._version != self._rules.version:
            self._version = self._rules.version
            return tuple(self._agents)
        return tuple(entry.pane_id for entry in changed if entry.pane_id is not None)

    async def saw(self, activity: Mapping[str, int]) -> None:
        """Tell core in which agents' panes a person pressed a key, in whole Unix seconds, since it was told last."""
        async with self._telling:
            looks = {
                pane: at for pane, at in activity.items() if pane in self._agents and self._looks.get(pane, 0) < at
            }
            if looks:
                self._looks |= looks
                told = tuple(Look(pane_id=pane_id, at=at * 1000 + 999) for pane_id, at in looks.items())
                await self._tell(ReportSigns(at=self._now_ms(), looks=told))

    async def read(self, screens: Sequence[Screen]) -> tuple[str, ...]:
        """Read screens, and tell core what means something else; the panes to look at once more."""
        async with self._telling:
            agents = self._agents
            readings = [
                reading
                for screen in screens
                if screen.pane_id in agents and (reading := self._news(agents[screen.pane_id], screen)) is not None
            ]
            if readings and not await self._tell(ReportSigns(at=self._now_ms(), readings=tuple(readings))):
                return tuple(screen.pane_id for screen in screens)
        return tuple(screen.pane_id for screen in screens if screen.pane_id in self._doubted)

    def _news(self, agent: str, screen: Screen) -> Reading | None:
        pane_id, is_doubted = screen.pane_id, screen.pane_id in self._doubted
        seen = _Read(agent, screen.lines, self._rules.version)
        if self._read.get(pane_id) == seen and not is_doubted:
            return None
        self._read[pane_id] = seen
        reading = self._rules.read(agent, screen) or _unknown(screen)
        told = self._told.get(pane_id) or _unknown(screen)
        if structs.replace(reading, captured_at=told.captured_at) == told:
            self._doubted.pop(pane_id, None)
            return None
        is_half_drawn = reading.says is StatusName.UNKNOWN
        since = self._doubted.setdefault(pane_id, screen.captured_at) if is_half_drawn else told.captured_at
        if pane_id in self._told and screen.captured_at - since < DOUBT_MS:
            self._doubted.setdefault(pane_id, screen.captured_at)
            return None
        self._doubted.pop(pane_id, None)
        self._told[pane_id] = reading
        return reading

    def _keep_only(self, pane_ids: Container[str]) -> None:
        for kept in (self._read, self._told, self._doubted, self._looks):
            for pane_id in [one for one in kept if one not in pane_ids]:
                del kept[pane_id]

    async def _tell(self, report: ReportSigns) -> bool:
        life = self._life
        if not await self._core.tell(report):
            self.forget()
            return False
        if life == self._life and report.is_whole:  # Core may have become another one meanwhile.
            self._is_whole = False
        self.reports += 1
        return True


def _placed(entries: Mapping[int, RegistryEntry], view: View) -> dict[int, RegistryEntry]:
    """The entries with the panes that hold their processes now; one elsewhere has none."""
    if view.server is None:
        return dict(entries)
    panes = {process.pid: pane.id for pane in view.panes for process in pane.processes}
    tmux_pid = view.server.pid
    return {
        pid: structs.replace(entry, pane_id=panes[pid], tmux_pid=tmux_pid) if pid in panes else entry
        for pid, entry in entries.items()
    }


def _unknown(screen: Screen) -> Reading:
    return Reading(
        pane_id=screen.pane_id,
        captured_at=screen.captured_at,
        rule="",
        says=StatusName.UNKNOWN,
        confidence=Confidence.WEAK,
    )
