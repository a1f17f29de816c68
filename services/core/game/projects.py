"""All projects: readings of folders and what was done in them go in, statistics and entities come out. Pure.

What a folder is in is known by a reading of this very folder only: a repository of its own, as a submodule is, may lie
between it and a top level that is known. So what is done in a folder that was not read yet waits with the folder, and
goes to its project once, when a reading places it. A folder without git is a project of its own, also below another
one.

What was done in no folder at all, or in one that was forgotten before anybody could read it, is counted as `nowhere`:
nothing is counted twice and nothing gets lost.
"""

import heapq
from itertools import count
from typing import Final

from msgspec import Struct, field

from services.contract.game import Contributor, Project, Repository
from services.core.game.deeds import Deed
from services.core.game.earnings import Award, Credit
from services.core.game.levels import begins_at, level_of
from services.core.game.lineage import persona_id_of
from services.core.game.personas import Tally, statistics_of
from services.core.game.project_identity import (
    GONE,
    Known,
    first_known,
    gone,
    is_fresh,
    is_same_file,
    is_same_place,
    known_after,
)
from services.core.game.project_work import Share, Work, counts_in, makes_a_day

MAX_PROJECTS: Final = 2_000
"""With one more, the one is let go that was active the longest ago, those that are gone first."""
MAX_FOLDERS: Final = 4_096
"""Whose project is remembered, those that were read last; another one is read again when something is done in it."""
MAX_WAITING: Final = 256
"""Folders that wait for a reading; with one more, the first of them is forgotten, those that are gone first."""
MAX_SHOWN: Final = 16
"""Contributors that clients see."""
GONE_MS: Final = 600_000
"""A folder that was gone is asked for again when something is done in it this much later."""
_PREFIX: Final = "r"


class Waiting(Struct, kw_only=True):
    """What was done in a folder that was not read yet."""

    work: Work = field(default_factory=Work)
    gone_at: int = 0
    """When the poller found no such folder; 0 when it did not."""


class ProjectState(Struct, kw_only=True):
    """What a checkpoint keeps of a project."""

    id: str
    created_at: int
    known: Known
    work: Work = field(default_factory=Work)


class ProjectsState(Struct, kw_only=True):
    """What a checkpoint keeps of all of them."""

    projects: dict[str, ProjectState] = field(default_factory=dict[str, ProjectState])
    folders: dict[str, str] = field(default_factory=dict[str, str])
    """The project of each folder that was read."""
    paths: dict[str, str] = field(default_factory=dict[str, str])
    """The project in each path now."""
    files: dict[str, str] = field(default_factory=dict[str, str])
    """By file id."""
    waiting: dict[str, Waiting] = field(default_factory=dict[str, Waiting])
    nowhere: Share = field(default_factory=Share)


class Placed(Struct, frozen=True, kw_only=True):
    """A folder whose project became known."""

    folder: str
    project_id: str
    persona_ids: tuple[str, ...] = ()
    """Who had worked in it, and has in the project now."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What a reading changed."""

    changed: tuple[str, ...] = ()
    """Projects."""
    placed: tuple[Placed, ...] = ()


class Projects:
    """The projects over what is kept of them."""

    def __init__(self, kept: ProjectsState | None = None) -> None:
        self.kept = ProjectsState() if kept is None else kept

    # In: readings.

    def is_news(self, reading: Repository) -> bool:
        """Whether a reading says anything that is not known: others need not be kept."""
        folder = reading.folder
        before = self.project_of(folder)
        if not reading.file_id and before is None:
            waiting = self.kept.waiting.get(folder)
            return reading.problem == GONE and waiting is not None and not waiting.gone_at
        project_id = self._find(reading) if reading.file_id else before
        if project_id is None:
            return not self._is_in_vain(reading)
        known = self.kept.projects[project_id].known
        is_elsewhere = before != project_id or self.kept.paths.get(known.path) != project_id
        return before is None or (is_elsewhere and is_fresh(reading)) or known_after(known, reading, 0) != known

    def take_reading(self, reading: Repository, at: int, seq: int) -> Outcome:
        """Take what the poller read of a folder; `at` and the event's number name a new project."""
        before = self.project_of(reading.folder)
        if not reading.file_id:
            return self._take_problem(reading, before, at)
        project_id = self._find(reading)
        if project_id is None and self._is_in_vain(reading):
            return Outcome()
        changed: dict[str, None] = {}
        if project_id is None:
            project = self._make(reading, at, seq)
            changed[project.id] = None
        else:
            project = self.kept.projects[project_id]
            after = known_after(project.known, reading, at)
            if after != project.known:
                changed[project.id] = None
            self._know(project, after)
        if is_fresh(reading):
            self._take_path(project, changed)
        placed: tuple[Placed, ...] = ()
        if before is None:
            placed = (self._place(reading.folder, project),)
            changed[project.id] = None
        if before is None or is_fresh(reading):
            _put_last(self.kept.folders, reading.folder, project.id)
        self._keep_limits(project.id)
        return Outcome(changed=tuple(changed), placed=placed)

    def _take_problem(self, reading: Repository, before: str | None, at: int) -> Outcome:
        """It is not known what the folder is in."""
        if before is None:
            waiting = self.kept.waiting.get(reading.folder)
            if waiting is not None and not waiting.gone_at and reading.problem == GONE:
                waiting.gone_at = at
            return Outcome()
        project = self.kept.projects[before]
        after = known_after(project.known, reading, at)
        if after == project.known:
            return Outcome()
        project.known = after
        return Outcome(changed=(before,))

    def _find(self, reading: Repository) -> str | None:
        kept = self.kept
        same_file = kept.files.get(reading.file_id)
        if same_file is not None and is_same_file(kept.projects[same_file].known, reading):
            return same_file
        here = kept.paths.get(reading.path)
        return here if here is not None and is_same_place(kept.projects[here].known, reading) else None

    def _is_in_vain(self, reading: Repository) -> bool:
        """Whether a reading is of a project that nobody knows and that is gone, without any work in it."""
        return reading.problem == GONE and reading.folder not in self.kept.waiting

    def _make(self, reading: Repository, at: int, seq: int) -> ProjectState:
        names = (_PREFIX + persona_id_of(at, seq, later)[1:] for later in count())
        project_id = next(name for name in names if name not in self.kept.projects)
        project = ProjectState(id=project_id, created_at=at, known=first_known(reading, at))
        self.kept.projects[project_id] = project
        self.kept.files[reading.file_id] = project_id
        self.kept.paths.setdefault(reading.path, project_id)
        return project

    def _know(self, project: ProjectState, known: Known) -> None:
        before, project.known = project.known, known
        if known.path != before.path and self.kept.paths.get(before.path) == project.id:
            del self.kept.paths[before.path]
        if known.file_id != before.file_id and self.kept.files.get(before.file_id) == project.id:
            del self.kept.files[before.file_id]
        if known.file_id != before.file_id:
            self.kept.files[known.file_id] = project.id

    def _take_path(self, project: ProjectState, changed: dict[str, None]) -> None:
        """The project is in its path, and what was there before is not."""
        other = self.kept.paths.get(project.known.path)
        self.kept.paths[project.known.path] = project.id
        if other is not None and other != project.id:
            displaced = self.kept.projects[other]
            displaced.known = gone(displaced.known)
            changed[other] = None

    def _place(self, folder: str, project: ProjectState) -> Placed:
        waiting = self.kept.waiting.pop(folder, None)
        if waiting is None:
            return Placed(folder=folder, project_id=project.id)
        project.work.add(waiting.work)
        return Placed(folder=folder, project_id=project.id, persona_ids=tuple(waiting.work.shares))

    def _keep_limits(self, newest: str) -> None:
        kept = self.kept
        while len(kept.folders) > MAX_FOLDERS:
            del kept.folders[next(iter(kept.folders))]
        while len(kept.projects) > MAX_PROJECTS:
            others = (project for project in kept.projects.values() if project.id != newest)
            self._let_go(min(others, key=_rank_to_stay))

    def _let_go(self, project: ProjectState) -> None:
        kept = self.kept
        del kept.projects[project.id]
        kept.folders = {folder: id_ for folder, id_ in kept.folders.items() if id_ != project.id}
        kept.paths = {path: id_ for path, id_ in kept.paths.items() if id_ != project.id}
        kept.files = {file_id: id_ for file_id, id_ in kept.files.items() if id_ != project.id}
        kept.nowhere.add(project.work.whole)

    # In: work.

    def count(self, deeds: tuple[Deed, ...], credit: Credit, gained: Tally) -> None:
        """Take the settled deeds of one event, done in one folder; a `credit` without a project lets them wait.

        `gained` is what the persona's own statistics got by them, which know what was told twice and how long a turn
        took. What adds nothing, as a session's end, is no sign of activity either.
        """
        counts, is_work = counts_in(gained), makes_a_day(deeds)
        if not counts and not is_work:
            return
        first = deeds[0]
        project = self._credited(credit.project_id)
        if project is None and not _can_be_read(first.cwd):
            self.kept.nowhere.count(counts, first.at)
            return
        work = self._wait(first.cwd or "", first.at) if project is None else project.work
        work.count(credit.persona_id, counts, first.at)
        if is_work:
            work.mark_day(credit.day)

    def count_quest(self, credit: Credit) -> None:
        """A quest was completed, in the credit's project."""
        counts = [("quests", 1)]
        project = self._credited(credit.project_id)
        if project is None:
            self.kept.nowhere.count(counts, 0)
        else:
            project.work.count(credit.persona_id, counts, project.work.whole.last_at)

    def earn(self, award: Award) -> None:
        """Add an award: to its project, or to what waits in its folder."""
        project = self._credited(award.project_id)
        if project is not None:
            project.work.earn(award.persona_id, award.amount)
        elif award.project_id is None and _can_be_read(award.folder):
            self._wait(award.folder or "", award.at).earn(award.persona_id, award.amount)
        else:
            self.kept.nowhere.xp += award.amount

    def _credited(self, project_id: str | None) -> ProjectState | None:
        return None if project_id is None else self.kept.projects.get(project_id)

    def _wait(self, folder: str, at: int) -> Work:
        """What waits in a folder, as something was done there at a time."""
        kept = self.kept
        waiting = kept.waiting.get(folder)
        if waiting is None:
            if len(kept.waiting) >= MAX_WAITING:
                gone_ones = (name for name, one in kept.waiting.items() if one.gone_at)
                first = next(gone_ones, next(iter(kept.waiting)))
                kept.nowhere.add(kept.waiting.pop(first).work.whole)
            waiting = kept.waiting[folder] = Waiting()
        if waiting.gone_at and at >= waiting.gone_at + GONE_MS:
            waiting.gone_at = 0
        return waiting.work

    # Out.

    def project_of(self, folder: str | None) -> str | None:
        """The project that a folder is in; None when it was not read yet."""
        return None if folder is None else self.kept.folders.get(folder)

    @property
    def unplaced(self) -> tuple[str, ...]:
        """The folders with work in them that are to be read, the longest waiting first."""
        return tuple(folder for folder, waiting in self.kept.waiting.items() if not waiting.gone_at)

    def view(self, project_id: str) -> Project | None:
        """One project as clients see it."""
        state = self.kept.projects.get(project_id)
        return None if state is None else _view(state)

    def all(self) -> tuple[Project, ...]:
        """All projects, the first seen first."""
        return tuple(map(_view, self.kept.projects.values()))


def _view(state: ProjectState) -> Project:
    known, tree, work = state.known, state.known.tree, state.work
    level = level_of(work.whole.xp)
    leading = heapq.nsmallest(MAX_SHOWN, work.shares.items(), key=lambda one: (-one[1].xp, -one[1].last_at, one[0]))
    return Project(
        id=state.id,
        name=known.name or known.path,
        path=known.path,
        kind=known.kind,
        languages=tree.languages,
        remote=known.remote,
        branch=tree.branch,
        dirty=tree.dirty if tree.problem is None else tree.dirty or None,  # It was clean; whether it is, nobody knows.
        ahead=tree.ahead,
        behind=tree.behind,
        worktree=tree.top,
        problem=tree.problem,
        read_at=tree.read_at,
        level=level,
        xp=work.whole.xp,
        next_level_xp=begins_at(level + 1),
        streak_days=work.streak.days,
        created_at=min(state.created_at, work.first_at or state.created_at),
        last_active_at=work.whole.last_at,
        contributors=tuple(
            Contributor(persona_id=persona_id, xp=share.xp, statistics=statistics_of(share.total))
            for persona_id, share in leading
        ),
        statistics=statistics_of(work.whole.total),
    )


def _rank_to_stay(project: ProjectState) -> tuple[bool, int, str]:
    return project.known.tree.problem != GONE, project.work.whole.last_at or project.created_at, project.id


def _can_be_read(folder: str | None) -> bool:
    return folder is not None and folder.startswith("/")


def _put_last(kept: dict[str, str], key: str, value: str) -> None:
    kept.pop(key, None)
    kept[key] = value
