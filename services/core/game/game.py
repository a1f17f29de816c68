"""The whole game: kept events go in; awards, journal entries and updates come out. Pure.

`Game` is told of every kept event once, in the log's order, so that a replay of the log gives it again. What belongs to
the database is answered as `Effects`; what was awarded before is asked with `is_first`.
"""

import heapq
from typing import Final

import msgspec
from msgspec import Struct, field, structs

from services.contract.events import NewEvent
from services.contract.game import Achievement, Challenge, Persona, Project, Quest, Repository
from services.contract.updates import AchievementUnlocked, Message, PersonaUpdate, ProjectUpdate, QuestUpdate
from services.core.facts import tmux_pid
from services.core.game import personas
from services.core.game.calendar import Calendar
from services.core.game.deeds import Deed, DeedKind, deeds_of
from services.core.game.earnings import Award, Credit, Earnings, EarningsState, IsFirst
from services.core.game.journal import JournalEntry, badges_entry, entries_of, quest_entry
from services.core.game.lineage import Lineage, LineageState, place_of
from services.core.game.personas import PersonaState, Tally
from services.core.game.projects import Placed, Projects, ProjectsState
from services.core.game.quest_rules import ENDED
from services.core.game.quests import Completed, QuestBook, Quests
from services.core.game.roster import name_for
from services.core.game.rulebook import Rulebook

UTC: Final = "UTC"
MAX_RECENT: Final = 500
"""Of each kind in a snapshot, which goes to every client as a whole."""
_ENDS: Final = frozenset({DeedKind.TURN, DeedKind.FAILED_TURN})
_TASKS: Final = frozenset({DeedKind.TASK_CREATED, DeedKind.TASK_COMPLETED})


class GameDump(Struct, kw_only=True):
    """What a checkpoint keeps of the game."""

    zone: str = UTC
    """The person's time zone, as the log has it."""
    earnings: EarningsState = field(default_factory=EarningsState)
    lineage: LineageState = field(default_factory=LineageState)
    personas: dict[str, PersonaState] = field(default_factory=dict[str, PersonaState])
    xp: dict[str, int] = field(default_factory=dict[str, int])
    """By persona."""
    projects: ProjectsState = field(default_factory=ProjectsState)
    quests: QuestBook = field(default_factory=QuestBook)


class Effects(Struct, frozen=True, kw_only=True):
    """What one event changes in the database."""

    awards: tuple[Award, ...] = ()
    journal: tuple[JournalEntry, ...] = ()
    placed: tuple[Placed, ...] = ()
    """Folders whose project became known."""
    credit: Credit | None = None
    """Who did it and where; None of an event that nobody's work is."""


NOTHING: Final = Effects()


class ZoneSet(Struct, frozen=True, kw_only=True):
    """The payload of the event that keeps the person's time zone."""

    zone: str


class Game:
    """Personas, projects and quests, and what changed in them since updates were last taken."""

    def __init__(self, dump: GameDump, rulebook: Rulebook) -> None:
        self._kept = dump
        self._rulebook = rulebook
        self._calendar = _calendar(dump.zone)
        self._earnings = Earnings(rulebook.rules, dump.earnings)
        self._lineage = Lineage(dump.lineage)
        self._names = {persona.name for persona in dump.personas.values()}
        self.projects = Projects(dump.projects)
        self.quests = Quests(dump.quests)
        self._changed: dict[str, None] = {}
        self._changed_projects: dict[str, None] = {}
        self._unlocked: list[Message] = []

    # In.

    def take_hook(self, seq: int, event: NewEvent, payload: dict[str, object], is_first: IsFirst) -> Effects:
        """What a hook's event did; `payload` is its payload, parsed."""
        deeds = deeds_of(event, payload)
        if not deeds:
            return NOTHING
        first = deeds[0]
        place = place_of(event.pane_id, tmux_pid(event.tmux))
        if first.kind is DeedKind.SESSION_START:
            self._lineage.start(first.session_id, first.detail, place, first.at)
            return NOTHING
        day = self._calendar.day_of(first.at)
        if first.kind is DeedKind.SESSION_END:
            self._end_session(first, place, day)
            return NOTHING
        deeds = self._earnings.settle(deeds, day)
        if not deeds:
            return NOTHING
        persona = self._persona_of(seq, event, first, place)
        credit = self._credit(persona, first, day)
        awards = self._earnings.awards(seq, deeds, credit, is_first)
        gained = self._count(persona, deeds, credit)
        is_end = gained.turns or gained.failed_turns
        news = (deed for deed in deeds if is_end or deed.kind not in _ENDS)  # Not an end that was told before.
        completed: tuple[Completed, ...] = ()
        if first.kind in _TASKS:
            completed = self.quests.take(first, credit.project_id)
            awards += self._earnings.quest_awards(
                seq, completed, credit, is_first, at=first.at, session_id=first.session_id
            )
        journal = entries_of(seq, news, credit)
        self._earn(awards)
        journal += self._complete(seq, first.at, completed, credit, first.session_id)
        journal += self._unlock(seq, first.at, persona, credit, first.session_id, gained=gained)
        return Effects(awards=tuple(awards), journal=tuple(journal), credit=credit)

    def take_command(self, seq: int, event: NewEvent, is_first: IsFirst) -> Effects:
        """A command of a person, about a quest. What it completes is the project's."""
        at = event.received_at
        completed = self.quests.apply(event, at)
        if not completed:
            return NOTHING
        quest = self.quests.view(completed[0].quest_id)
        project_id = None if quest is None else quest.project_id
        credit = Credit(persona_id="", project_id=project_id, day=self._calendar.day_of(at))
        awards = self._earnings.quest_awards(seq, completed, credit, is_first, at=at)
        self._earn(awards)
        journal = self._complete(seq, at, completed, credit)
        return Effects(awards=tuple(awards), journal=tuple(journal), credit=credit)

    def take_reading(self, seq: int, event: NewEvent) -> Effects:
        """What a folder is in."""
        reading = msgspec.json.decode(event.payload, type=Repository)
        outcome = self.projects.take_reading(reading, event.received_at, seq)
        self._changed_projects |= dict.fromkeys(outcome.changed)
        for placed in outcome.placed:
            for persona_id in placed.persona_ids:
                persona = self._kept.personas.get(persona_id)
                if persona is not None:
                    personas.note_project(persona, placed.project_id)
                    self._changed[persona_id] = None
        return Effects(placed=outcome.placed) if outcome.placed else NOTHING

    def take_zone(self, event: NewEvent) -> None:
        """The person's time zone is another one from now on; days that were counted stay as they were."""
        self._kept.zone = zone = msgspec.json.decode(event.payload, type=ZoneSet).zone
        self._calendar = _calendar(zone)

    def move(self, before: str, after: str) -> None:
        """The registry has another session than before for one process."""
        self._lineage.moved(before, after)

    # Within.

    def _persona_of(self, seq: int, event: NewEvent, deed: Deed, place: str) -> PersonaState:
        persona_id = self._lineage.persona_for(deed.session_id, place, deed.at, received_at=event.received_at, seq=seq)
        self._changed[persona_id] = None
        persona = self._kept.personas.get(persona_id)
        if persona is None:
            name = name_for(persona_id, self._names)
            self._names.add(name)
            persona = self._kept.personas[persona_id] = personas.new_persona(persona_id, name, deed.at)
        return persona

    def _end_session(self, end: Deed, place: str, day: int) -> None:
        self._lineage.end(end.session_id, end.detail, place, end.at)
        self._earnings.end(end.session_id)
        persona = self._kept.personas.get(self._kept.lineage.persona_of.get(end.session_id, ""))
        if persona is not None:
            self._changed[persona.id] = None
            self._count(persona, (end,), self._credit(persona, end, day))

    def _credit(self, persona: PersonaState, deed: Deed, day: int) -> Credit:
        return Credit(persona_id=persona.id, project_id=self.projects.project_of(deed.cwd), day=day)

    def _count(self, persona: PersonaState, deeds: tuple[Deed, ...], credit: Credit) -> Tally:
        """Put deeds into the statistics; what the persona's gained."""
        before = structs.replace(persona.total)
        since_midnight = deeds[0].at - self._calendar.bounds(credit.day)[0]
        for deed in deeds:
            personas.count(persona, deed, credit.day, since_midnight)
        gained = personas.difference(before, persona.total)
        self.projects.count(deeds, credit, gained)
        if credit.project_id is not None:
            personas.note_project(persona, credit.project_id)
            self._changed_projects[credit.project_id] = None
        return gained

    def _complete(
        self, seq: int, at: int, completed: tuple[Completed, ...], credit: Credit, session_id: str = ""
    ) -> list[JournalEntry]:
        """Count the quests that were completed, also for the personas whose tasks made a phase of one."""
        entries: list[JournalEntry] = []
        quests = [self.quests.view(one.quest_id) for one in completed if one.n is None]
        for quest in (one for one in quests if one is not None):
            entries.append(quest_entry(seq, at, quest, session_id, credit))
            self.projects.count_quest(credit)
            for persona in self._workers_on(quest):
                personas.count_quest(persona, credit.day)
                self._changed[persona.id] = None
                theirs = structs.replace(credit, persona_id=persona.id)
                entries += self._unlock(seq, at, persona, theirs, persona.session_id or "")
        return entries

    def _workers_on(self, quest: Quest) -> list[PersonaState]:
        persona_of, known = self._kept.lineage.persona_of, self._kept.personas
        ids = dict.fromkeys(persona_of.get(phase.session_id or "") for phase in quest.phases)
        return [known[persona_id] for persona_id in ids if persona_id is not None and persona_id in known]

    def _unlock(
        self,
        seq: int,
        at: int,
        persona: PersonaState,
        credit: Credit,
        session_id: str,
        *,
        gained: Tally | None = None,
    ) -> list[JournalEntry]:
        xp = self._kept.xp.get(persona.id, 0)
        badges = self._rulebook.achievements.unlock(persona, xp, at, gained)
        if not badges:
            return []
        self._unlocked += [AchievementUnlocked(persona_id=persona.id, badge=badge) for badge in badges]
        return [badges_entry(seq, at, badges, session_id, credit)]

    def _earn(self, awards: list[Award]) -> None:
        xp = self._kept.xp
        for award in awards:
            if award.persona_id:
                xp[award.persona_id] = xp.get(award.persona_id, 0) + award.amount
            self.projects.earn(award)
            if award.project_id is not None:
                self._changed_projects[award.project_id] = None

    # Out.

    @property
    def zone(self) -> str:
        """The person's time zone, as the log has it."""
        return self._kept.zone

    @property
    def calendar(self) -> Calendar:
        """The person's days."""
        return self._calendar

    def persona_of(self, session_id: str) -> str | None:
        """The persona of a session that has done something."""
        return self._kept.lineage.persona_of.get(session_id)

    def persona(self, persona_id: str) -> Persona | None:
        """One persona."""
        kept = self._kept.personas.get(persona_id)
        return None if kept is None else personas.view(kept, self._kept.xp.get(persona_id, 0))

    def persona_name(self, persona_id: str) -> str | None:
        """A persona's name."""
        kept = self._kept.personas.get(persona_id)
        return None if kept is None else kept.name

    def all_personas(self) -> tuple[Persona, ...]:
        """All personas, the first made first."""
        xp = self._kept.xp
        return tuple(personas.view(kept, xp.get(id_, 0)) for id_, kept in self._kept.personas.items())

    def personas_since(self, at: int) -> tuple[Persona, ...]:
        """The personas that have done something since a time, at most 500 of them, the newest first."""
        recent = (kept for kept in self._kept.personas.values() if kept.last_active_at >= at)
        newest = heapq.nlargest(MAX_RECENT, recent, key=lambda kept: (kept.last_active_at, kept.id))
        return tuple(personas.view(kept, self._kept.xp.get(kept.id, 0)) for kept in newest)

    def project(self, project_id: str) -> Project | None:
        """One project."""
        return self.projects.view(project_id)

    def all_projects(self) -> tuple[Project, ...]:
        """All projects, the first seen first."""
        return self.projects.all()

    def projects_since(self, at: int) -> tuple[Project, ...]:
        """The projects that were worked in, or found, since a time, at most 500 of them, the newest first."""
        recent = (project for project in self.projects.all() if _newest_of(project) >= at)
        return tuple(heapq.nlargest(MAX_RECENT, recent, key=lambda project: (_newest_of(project), project.id)))

    def quests_since(self, at: int) -> tuple[Quest, ...]:
        """The quests that are not over, and those that changed since a time; at most 500 of them, the newest first."""
        recent = (quest for quest in self.quests.all() if quest.status not in ENDED or quest.changed_at >= at)
        return tuple(heapq.nlargest(MAX_RECENT, recent, key=lambda quest: (quest.changed_at, quest.id)))

    def challenges(self, persona_id: str, now: int) -> tuple[Challenge, ...] | None:
        """What is asked of a persona on this day and in this week."""
        kept = self._kept.personas.get(persona_id)
        if kept is None:
            return None
        return self._rulebook.challenges.of(kept, self._calendar.day_of(now), self._calendar)

    @property
    def achievements(self) -> tuple[Achievement, ...]:
        """All that can be unlocked."""
        return self._rulebook.achievements.all

    def take_updates(self) -> list[Message]:
        """What a client is to be told at once: quests that changed, each once as it is now, then what was unlocked."""
        messages: list[Message] = []
        for quest_id in self.quests.take_changed():
            quest = self.quests.view(quest_id)
            if quest is not None:
                messages.append(QuestUpdate(quest=quest))
        messages += self._unlocked
        self._unlocked.clear()
        return messages

    def take_standings(self) -> list[Message]:
        """The personas and projects that changed since the last call, each once as it is now: to be told at leisure."""
        messages: list[Message] = []
        for persona_id in self._changed:
            persona = self.persona(persona_id)
            if persona is not None:
                messages.append(PersonaUpdate(persona=persona))
        for project_id in self._changed_projects:
            project = self.project(project_id)
            if project is not None:
                messages.append(ProjectUpdate(project=project))
        self._changed.clear()
        self._changed_projects.clear()
        return messages

    def forget_updates(self) -> None:
        """Drop what changed: nobody is to be told."""
        self._changed.clear()
        self._changed_projects.clear()
        self._unlocked.clear()
        self.quests.take_changed()


def _newest_of(project: Project) -> int:
    return max(project.last_active_at, project.created_at)


def _calendar(zone: str) -> Calendar:
    """The days of a zone; those of UTC when this machine does not know it, as after a move of the data."""
    try:
        return Calendar(zone)
    except ValueError:
        return Calendar(UTC)
