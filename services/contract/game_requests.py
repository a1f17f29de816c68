"""Requests about the game: personas, projects, quests and XP. Pure."""

from services.contract.game import QuestStatus
from services.contract.game_answers import EarnerType
from services.contract.requests import Request


class GetPersonas(Request, frozen=True, kw_only=True, tag="get_personas"):
    """Answered with `Listing`."""

    id: str | None = None


class GetChallenges(Request, frozen=True, kw_only=True, tag="get_challenges"):
    """A persona's challenges of this day and week. Answered with `Listing`."""

    persona_id: str


class GetAchievements(Request, frozen=True, kw_only=True, tag="get_achievements"):
    """Answered with `Listing`."""


class GetProjects(Request, frozen=True, kw_only=True, tag="get_projects"):
    """Answered with `Listing`."""

    id: str | None = None


class GetXp(Request, frozen=True, kw_only=True, tag="get_xp"):
    """The XP of a persona or project: its summary, or with `days` its timeline. Answered with `Listing`."""

    earner: EarnerType
    id: str
    days: int | None = None


class GetLeaderboard(Request, frozen=True, kw_only=True, tag="get_leaderboard"):
    """Answered with `Listing`."""

    earner: EarnerType
    limit: int


class GetReport(Request, frozen=True, kw_only=True, tag="get_report"):
    """What happened in the last days; of one project its narrative. Answered with `Listing`."""

    days: int
    project_id: str | None = None


class CommandQuest(Request, frozen=True, kw_only=True, tag="command_quest"):
    """Have a quest made or changed. Answered with `Listing`, once it is kept.

    The same id again is the same command: it is not done twice, and is answered with the quest as it is now.
    """

    id: str
    who: str
    command: str
    """Its name in `contract.quest_commands.QUEST_COMMANDS`."""
    fields: bytes
    """Its fields, as MessagePack."""
    quest_id: str | None = None
    n: int | None = None
    """The phase."""


class GetQuests(Request, frozen=True, kw_only=True, tag="get_quests"):
    """The quests of a status and a project where these are given, the newest first. Answered with `Listing`."""

    status: QuestStatus | None = None
    project_id: str | None = None
    limit: int
    after: str | None = None
    """The last quest of the page before."""


class GetQuest(Request, frozen=True, kw_only=True, tag="get_quest"):
    """Answered with `Listing`."""

    id: str
