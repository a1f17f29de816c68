"""What core answers to reads of the game: the `data` of an HTTP answer, encoded once."""

from collections.abc import Callable
from datetime import date
from typing import Final

import msgspec
from msgspec import Struct

from services.contract.entities import Session, StatusName
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.game import Persona, Project
from services.contract.game_answers import (
    AchievementsData,
    ChallengesData,
    DeedTold,
    EarnerType,
    LeaderboardData,
    LeaderboardEntry,
    Narrative,
    NarrativeData,
    Part,
    PersonaData,
    PersonasData,
    ProjectData,
    ProjectsData,
    ReportData,
    Waiting,
    WorkReport,
    XpSummary,
    XpSummaryData,
    XpTimelineData,
)
from services.contract.game_requests import (
    GetAchievements,
    GetChallenges,
    GetLeaderboard,
    GetPersonas,
    GetProjects,
    GetReport,
    GetXp,
)
from services.contract.requests import Listing
from services.core.game.game import Game
from services.core.game.journal import COMMIT, FAILED, FINISHED, TEST
from services.core.ledger import Count, Ledger
from services.core.state import State

MAX_TOLD: Final = 200
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
"""Of a timeline: nothing was earned before."""

_NameOf = Callable[[str], str | None]

GameRead = GetPersonas | GetChallenges | GetAchievements | GetProjects | GetXp | GetLeaderboard | GetReport


class GameAnswers:
    """Reads over the state and the ledger."""

    def __init__(self, state: State, ledger: Ledger) -> None:
        self._state = state
        self._ledger = ledger

    @property
    def _game(self) -> Game:
        return self._state.game

    def answer(self, request: GameRead, now: int) -> Listing:
        """The answer to a read at a time.

        Raises:
            QuestmuxError: there is no such persona or project.
        """
        return Listing(data=msgspec.json.encode(self._data(request, now)))

    def _data(self, request: GameRead, now: int) -> Struct:  # noqa: C901, PLR0911 - one line for each request
        match request:
            case GetPersonas(id=None):
                return PersonasData(personas=_most_first(self._game.all_personas()))
            case GetPersonas(id=persona_id):
                return PersonaData(persona=self._persona(persona_id or ""))
            case GetChallenges(persona_id=persona_id):
                return ChallengesData(challenges=self._game.challenges(self._persona(persona_id).id, now) or ())
            case GetAchievements():
                return AchievementsData(achievements=self._game.achievements)
            case GetProjects(id=None):
                return ProjectsData(projects=_last_first(self._game.all_projects()))
            case GetProjects(id=project_id):
                return ProjectData(project=self._project(project_id or ""))
            case GetXp(days=None):
                return XpSummaryData(summary=self._summary(request.earner, request.id, now))
            case GetXp():
                return self._timeline(request, now)
            case GetLeaderboard(earner=earner, limit=limit):
                return LeaderboardData(type=earner, entries=_ranked(self._earners(earner), limit))
            case GetReport(project_id=None, days=days):
                return ReportData(report=self._report(days, now, None))
            case GetReport(project_id=project_id, days=days):
                project = self._project(project_id or "")
                return NarrativeData(narrative=Narrative(project=project, report=self._report(days, now, project.id)))

    def _persona(self, persona_id: str) -> Persona:
        persona = self._game.persona(persona_id)
        if persona is None:
            raise QuestmuxError(ErrorCode.NOT_FOUND, f"there is no persona {persona_id}")
        return persona

    def _project(self, project_id: str) -> Project:
        project = self._game.project(project_id)
        if project is None:
            raise QuestmuxError(ErrorCode.NOT_FOUND, f"there is no project {project_id}")
        return project

    def _earner(self, kind: EarnerType, earner_id: str) -> Persona | Project:
        return self._persona(earner_id) if kind is EarnerType.PERSONA else self._project(earner_id)

    def _earners(self, kind: EarnerType) -> tuple[Persona | Project, ...]:
        return self._game.all_personas() if kind is EarnerType.PERSONA else self._game.all_projects()

    # XP.

    def _summary(self, kind: EarnerType, earner_id: str, now: int) -> XpSummary:
        earner = self._earner(kind, earner_id)
        sums = self._ledger.summary(kind, earner_id, self._game.calendar.day_of(now))
        return XpSummary(
            type=kind,
            id=earner_id,
            level=earner.level,
            total=sums.total,
            next_level_xp=earner.next_level_xp,
            today=sums.today,
            week=sums.week,
            awards=sums.awards,
            streak_days=earner.streak_days,
            by_rule=sums.by_rule,
        )

    def _timeline(self, request: GetXp, now: int) -> XpTimelineData:
        self._earner(request.earner, request.id)
        today = self._game.calendar.day_of(now)
        first = max(today - (request.days or 1) + 1, _FIRST_DAY)
        return XpTimelineData(
            type=request.earner,
            id=request.id,
            time_zone=self._game.calendar.zone,
            days=self._ledger.timeline(request.earner, request.id, first, today),
        )

    # The report.

    def _report(self, days: int, now: int, project_id: str | None) -> WorkReport:
        """What happened since the first local day's midnight: of the last `days`, today one of them."""
        calendar = self._game.calendar
        today = calendar.day_of(now)
        first_day = max(today - days + 1, _FIRST_DAY)
        since, until = calendar.bounds(first_day)[0], now + 1
        counts = self._ledger.journal_counts(since, until, project_id)
        told = self._ledger.journal_between(since, until, MAX_TOLD + 1, project_id)
        names = _Names(self._game)
        xp = self._ledger.earned(EarnerType.PERSONA, first_day, today)
        project_xp = self._ledger.earned(EarnerType.PROJECT, first_day, today)
        return WorkReport(
            since=since,
            until=now,
            time_zone=calendar.zone,
            xp=sum(xp.values()) if project_id is None else project_xp.get(project_id, 0),
            finished=_total(counts, FINISHED),
            failed=_total(counts, FAILED),
            commits=_total(counts, COMMIT),
            tests=_total(counts, TEST),
            files=self._ledger.journal_files(since, until, project_id),
            waiting=self._waiting(names, project_id),
            personas=_parts(counts, "persona_id", xp if project_id is None else {}, names.persona),
            projects=_parts(counts, "project_id", project_xp, names.project) if project_id is None else (),
            told=tuple(
                DeedTold(
                    at=entry.at,
                    kind=entry.kind,
                    session_id=entry.session_id or None,
                    persona=names.persona(entry.persona_id),
                    project=names.project(entry.project_id),
                    text=entry.text,
                )
                for entry in told[:MAX_TOLD]
            ),
            is_cut=len(told) > MAX_TOLD,
        )

    def _waiting(self, names: "_Names", project_id: str | None) -> tuple[Waiting, ...]:
        """Who waits for a person now, the one that has waited longest first."""
        sessions = [
            session
            for session in self._state.sessions()
            if _wants_a_person(session) and project_id in {None, session.project_id}
        ]
        return tuple(
            Waiting(
                session_id=session.id,
                pane_id=session.pane_id,
                status=session.status.name,
                waiting_for=session.status.waiting_for,
                since=session.status.since,
                persona=names.persona(session.persona_id),
                project=names.project(session.project_id),
            )
            for session in sorted(sessions, key=lambda one: (one.status.since, one.id))
        )


class _Names:
    """Names for ids, looked up once each."""

    def __init__(self, game: Game) -> None:
        self._game = game
        self._known: dict[str, str | None] = {}

    def persona(self, persona_id: str | None) -> str | None:
        """A persona's name."""
        return self._game.persona_name(persona_id or "")

    def project(self, project_id: str | None) -> str | None:
        """A project's name."""
        if project_id is None:
            return None
        if project_id not in self._known:
            project = self._game.project(project_id)
            self._known[project_id] = None if project is None else project.name
        return self._known[project_id]


def _wants_a_person(session: Session) -> bool:
    status = session.status
    return status.name is StatusName.WAITING or (status.unseen and status.name is not StatusName.ENDED)


def _total(counts: tuple[Count, ...], kind: str) -> int:
    return sum(count.number for count in counts if count.kind == kind)


def _parts(counts: tuple[Count, ...], who: str, xp: dict[str, int], name_of: _NameOf) -> tuple[Part, ...]:
    """What each did, the one that did most first."""
    numbers: dict[str, dict[str, int]] = {earner_id: {} for earner_id in xp if earner_id}
    for count in counts:
        earner_id = getattr(count, who)
        if earner_id:
            kinds = numbers.setdefault(earner_id, {})
            kinds[count.kind] = kinds.get(count.kind, 0) + count.number
    parts = [
        Part(
            id=earner_id,
            name=name_of(earner_id) or earner_id,
            xp=xp.get(earner_id, 0),
            finished=kinds.get(FINISHED, 0),
            failed=kinds.get(FAILED, 0),
            commits=kinds.get(COMMIT, 0),
            tests=kinds.get(TEST, 0),
        )
        for earner_id, kinds in numbers.items()
    ]
    return tuple(sorted(parts, key=lambda part: (-part.xp, -part.commits, -part.finished, part.id)))


def _most_first(personas: tuple[Persona, ...]) -> tuple[Persona, ...]:
    return tuple(sorted(personas, key=lambda persona: (-persona.xp, persona.id)))


def _last_first(projects: tuple[Project, ...]) -> tuple[Project, ...]:
    return tuple(sorted(projects, key=lambda project: (-project.last_active_at, project.id)))


def _ranked(earners: tuple[Persona | Project, ...], limit: int) -> tuple[LeaderboardEntry, ...]:
    """Who has the same XP has the same rank."""
    entries: list[LeaderboardEntry] = []
    best = sorted((one for one in earners if one.xp), key=lambda one: (-one.xp, one.id))
    for place, one in enumerate(best[:limit], 1):
        rank = entries[-1].rank if entries and entries[-1].xp == one.xp else place
        entries.append(LeaderboardEntry(rank=rank, id=one.id, name=one.name, level=one.level, xp=one.xp))
    return tuple(entries)
