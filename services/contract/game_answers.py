"""The `data` of the game's HTTP answers. Pure."""

from enum import StrEnum

from msgspec import Struct

from services.contract.entities import StatusName, WaitingFor
from services.contract.game import Achievement, Challenge, Persona, Project


class EarnerType(StrEnum):
    """Who earns XP."""

    PERSONA = "persona"
    PROJECT = "project"


class PersonasData(Struct, frozen=True, kw_only=True):
    """`GET /api/personas`: the one with the most XP first."""

    personas: tuple[Persona, ...]


class PersonaData(Struct, frozen=True, kw_only=True):
    """`GET /api/personas/{id}`."""

    persona: Persona


class ChallengesData(Struct, frozen=True, kw_only=True):
    """`GET /api/personas/{id}/challenges`: of this day and this week."""

    challenges: tuple[Challenge, ...]


class AchievementsData(Struct, frozen=True, kw_only=True):
    """`GET /api/achievements`: all that there are."""

    achievements: tuple[Achievement, ...]


class ProjectsData(Struct, frozen=True, kw_only=True):
    """`GET /api/projects`: the one that was worked in last first."""

    projects: tuple[Project, ...]


class ProjectData(Struct, frozen=True, kw_only=True):
    """`GET /api/projects/{id}`."""

    project: Project


class RuleXp(Struct, frozen=True, kw_only=True):
    """What one rule gave."""

    rule: str
    xp: int
    awards: int


class XpSummary(Struct, frozen=True, kw_only=True):
    """The XP of one persona or project."""

    type: EarnerType
    id: str
    level: int
    total: int
    next_level_xp: int
    today: int
    week: int
    """Since Monday, in the person's time zone."""
    awards: int
    streak_days: int
    by_rule: tuple[RuleXp, ...]
    """The rule that gave most first."""


class XpSummaryData(Struct, frozen=True, kw_only=True):
    """`GET /api/xp/summary`."""

    summary: XpSummary


class XpDay(Struct, frozen=True, kw_only=True):
    """One local day."""

    day: str
    """`YYYY-MM-DD`."""
    xp: int
    awards: int


class XpTimelineData(Struct, frozen=True, kw_only=True):
    """`GET /api/xp/timeline`: every day up to today, the oldest first, those without XP too."""

    type: EarnerType
    id: str
    time_zone: str
    days: tuple[XpDay, ...]


class LeaderboardEntry(Struct, frozen=True, kw_only=True):
    """One place; who has the same XP has the same rank."""

    rank: int
    id: str
    name: str
    level: int
    xp: int


class LeaderboardData(Struct, frozen=True, kw_only=True):
    """`GET /api/xp/leaderboard`."""

    type: EarnerType
    entries: tuple[LeaderboardEntry, ...]


class DeedTold(Struct, frozen=True, kw_only=True):
    """One thing that happened, for a person to read. Its texts are what agents wrote: show them as text."""

    at: int
    kind: str
    """`finished`, `failed`, `commit`, `push`, `pull_request`, `test`, `quest` or `achievement`."""
    session_id: str | None = None
    persona: str | None = None
    """Its name."""
    project: str | None = None
    """Its name."""
    text: str = ""
    """The last sentence of a turn, the error, the branch, the command."""


class Waiting(Struct, frozen=True, kw_only=True):
    """A session that waits now, or has finished unseen."""

    session_id: str
    pane_id: str | None
    status: StatusName
    waiting_for: WaitingFor | None
    since: int
    persona: str | None = None
    project: str | None = None


class Part(Struct, frozen=True, kw_only=True):
    """What one persona did, or what was done in one project."""

    id: str
    name: str
    xp: int
    """0 of a persona in a narrative: XP are not summed by both."""
    finished: int = 0
    failed: int = 0
    commits: int = 0
    tests: int = 0


class WorkReport(Struct, frozen=True, kw_only=True):
    """What happened in some days."""

    since: int
    until: int
    time_zone: str
    xp: int = 0
    finished: int = 0
    failed: int = 0
    commits: int = 0
    tests: int = 0
    files: int = 0
    """Edited, each counted once."""
    waiting: tuple[Waiting, ...] = ()
    personas: tuple[Part, ...] = ()
    projects: tuple[Part, ...] = ()
    told: tuple[DeedTold, ...] = ()
    """The newest first, at most 200."""
    is_cut: bool = False
    """There was more to tell than `told` holds."""


class ReportData(Struct, frozen=True, kw_only=True):
    """`GET /api/report`."""

    report: WorkReport


class Narrative(Struct, frozen=True, kw_only=True):
    """The story of one project."""

    project: Project
    report: WorkReport


class NarrativeData(Struct, frozen=True, kw_only=True):
    """`GET /api/projects/{id}/narrative`."""

    narrative: Narrative
