"""The things of the game: personas, projects, quests, awards, achievements. Pure.

Times are Unix milliseconds. A day is a local day of the person's time zone, as `YYYY-MM-DD`.
"""

from enum import StrEnum

from msgspec import Struct


class QuestStatus(StrEnum):
    """How far a quest is."""

    PLANNED = "planned"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    ARCHIVED = "archived"


class PhaseStatus(StrEnum):
    """How far a phase of a quest is."""

    PENDING = "pending"
    PLANNED = "planned"
    EXECUTING = "executing"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class ProjectKind(StrEnum):
    """What a project's folder is."""

    REPOSITORY = "repository"
    FOLDER = "folder"
    """Without git."""


class Statistics(Struct, frozen=True, kw_only=True):
    """What was done, counted once each."""

    prompts: int = 0
    """By persons."""
    turns: int = 0
    """Finished."""
    failed_turns: int = 0
    tools: int = 0
    """Calls that succeeded."""
    failed_tools: int = 0
    edits: int = 0
    tests: int = 0
    """Runs that passed."""
    commits: int = 0
    pushes: int = 0
    pull_requests: int = 0
    quests: int = 0
    """Completed."""
    worked_ms: int = 0
    """Time between a prompt and its turn's end."""


class Badge(Struct, frozen=True, kw_only=True):
    """An achievement that was unlocked."""

    id: str
    title: str
    rarity: str
    unlocked_at: int


class Achievement(Struct, frozen=True, kw_only=True):
    """One thing to be achieved."""

    id: str
    title: str
    description: str
    rarity: str
    """`common`, `uncommon`, `rare`, `epic` or `legendary`."""


class Challenge(Struct, frozen=True, kw_only=True):
    """Something to be done within a day or a week."""

    id: str
    title: str
    period: str
    """`daily` or `weekly`."""
    goal: int
    progress: int
    is_done: bool
    expires_at: int


class Persona(Struct, frozen=True, kw_only=True):
    """An agent's identity: the same over /clear, /resume, compaction and restarts."""

    id: str
    name: str
    avatar: str
    """The path of its picture: `/api/avatars/{seed}.svg`."""
    level: int
    xp: int
    next_level_xp: int
    """XP at which the next level begins."""
    tier: str
    title: str
    energy: int
    """0 to 100, as of `last_active_at`: work takes of it, rest gives it back."""
    morale: int
    """0 to 100, as of `last_active_at`: success lifts it, failure lowers it."""
    streak_days: int
    """Local days in a row with work, up to the last one with any."""
    created_at: int
    last_active_at: int
    session_id: str | None = None
    """Its newest session."""
    project_ids: tuple[str, ...] = ()
    """Where it worked, the newest last; at most 16."""
    badges: tuple[Badge, ...] = ()
    statistics: Statistics = Statistics()


class Contributor(Struct, frozen=True, kw_only=True):
    """A persona's part in a project."""

    persona_id: str
    xp: int
    statistics: Statistics = Statistics()


class Project(Struct, frozen=True, kw_only=True):
    """One repository with all its worktrees, or one folder without git."""

    id: str
    name: str
    path: str
    """The top level of the main worktree; the folder."""
    kind: ProjectKind
    languages: tuple[str, ...] = ()
    """By what is in it: `python`, `node`, `rust`, `go` ..."""
    remote: str | None = None
    """Of `origin`, without credentials."""
    branch: str | None = None
    """None when detached, or not known."""
    dirty: int | None = None
    """Changed and untracked paths, counted up to 10,000; None when not known."""
    ahead: int | None = None
    behind: int | None = None
    """Of the branch it follows; None without one."""
    worktree: str = ""
    """The top level of the working tree of which there was news last: branch, dirty, ahead and behind are of it."""
    problem: str | None = None
    """Why git's part is not known: `git did not answer`, `owned by another user`, `gone` or another sentence."""
    read_at: int | None = None
    """When git last told something new; it is read more often."""
    level: int = 1
    xp: int = 0
    next_level_xp: int = 0
    streak_days: int = 0
    created_at: int = 0
    last_active_at: int = 0
    contributors: tuple[Contributor, ...] = ()
    """The one with the most XP first."""
    statistics: Statistics = Statistics()


class Phase(Struct, frozen=True, kw_only=True):
    """One step of a quest."""

    n: int
    """From 1."""
    title: str
    status: PhaseStatus = PhaseStatus.PENDING
    changed_at: int = 0
    task_id: str | None = None
    """Of Claude Code's task that drives it."""
    session_id: str | None = None
    """Whose task that is: tasks are numbered within a session."""


class Quest(Struct, frozen=True, kw_only=True):
    """A goal with phases."""

    id: str
    title: str
    description: str
    status: QuestStatus
    created_at: int
    changed_at: int
    completed_at: int | None = None
    project_id: str | None = None
    follows_tasks: bool = False
    """Claude Code's tasks in the project make its phases and complete them."""
    phases: tuple[Phase, ...] = ()
    progress: int = 0
    """Percent of the phases that are completed or skipped."""


class Repository(Struct, frozen=True, kw_only=True):
    """What the poller read of the repository that a folder is in; the payload of a `RepositoryRead` event."""

    folder: str
    """The folder that was asked about, as the session's `cwd` names it."""
    path: str
    """The main worktree's top level; without git the folder."""
    kind: ProjectKind
    file_id: str = ""
    """`device:inode` of the common git folder, else of the folder: stays when it is renamed. With the inode's
    generation where the file system tells it: a number is soon used again. Empty when it is not known what the folder
    is in; `problem` says why."""
    name: str = ""
    languages: tuple[str, ...] = ()
    remote: str | None = None
    branch: str | None = None
    dirty: int | None = None
    ahead: int | None = None
    behind: int | None = None
    problem: str | None = None
    worktree: str = ""
    """The top level of the working tree that branch, dirty, ahead and behind are of; empty when there is none."""
