"""All quests: what was commanded and what Claude Code's tasks did go in, quests and what was completed come out. Pure.

A command is decided before it is kept (`quest_desk`), so applying one never fails; what is not legal any more, as in an
event that comes twice, changes nothing.
"""

import re
from typing import Final, NamedTuple, assert_never

import msgspec
from msgspec import UNSET, Struct, UnsetType, field, structs

from services.contract.events import NewEvent, Source
from services.contract.game import Phase, PhaseStatus, Quest, QuestStatus
from services.contract.quest_commands import MAX_PHASES, MAX_TITLE_CHARS
from services.core.game.deeds import Deed, DeedKind
from services.core.game.quest_rules import counted, moved_phase, moved_quest, phase_of, with_phase

MAX_QUESTS: Final = 1_000
"""With one more, the one that was archived first is let go; what it earned stays in the ledger."""
_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class QuestEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The payload of an event that keeps a command: what was decided."""

    quest_id: str
    by: str = ""
    """The client's address and User-Agent."""
    asked: str = ""
    """Tells the command from another one under the same id."""


class QuestCreated(QuestEvent, frozen=True, kw_only=True, omit_defaults=True):
    """A quest was made."""

    title: str
    description: str = ""
    project_id: str | None = None
    follows_tasks: bool = False
    phases: tuple[str, ...] = ()


class QuestChanged(QuestEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Something of a quest was changed: what is given."""

    title: str | None = None
    description: str | None = None
    status: QuestStatus | None = None
    project_id: str | UnsetType | None = UNSET
    follows_tasks: bool | None = None
    phases: tuple[str, ...] = ()
    """Titles of phases that it got."""
    first_n: int = 0
    """The number of the first of them: they come only behind the one before."""


class PhaseChanged(QuestEvent, frozen=True, kw_only=True, omit_defaults=True):
    """Something of a quest's phase was changed: what is given."""

    n: int
    status: PhaseStatus | None = None
    title: str | None = None


AnyQuestEvent = QuestCreated | QuestChanged | PhaseChanged
QUEST_EVENTS: Final[dict[str, type[AnyQuestEvent]]] = {
    kind.__name__: kind for kind in (QuestCreated, QuestChanged, PhaseChanged)
}


class Completed(NamedTuple):
    """A phase of a quest, or with `n` None the quest, was completed for the first time."""

    quest_id: str
    n: int | None


class Page(NamedTuple):
    """Some quests, the newest first."""

    quests: tuple[Quest, ...]
    has_more: bool


class QuestBook(Struct, kw_only=True):
    """What a checkpoint keeps of them, in the order in which they were made."""

    quests: dict[str, Quest] = field(default_factory=dict[str, Quest])


class Quests:
    """The quests over what is kept of them."""

    def __init__(self, book: QuestBook | None = None) -> None:
        self.book = QuestBook() if book is None else book
        self._tasks: dict[tuple[str, str], tuple[str, int]] = {}
        self._following: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        for quest in self.book.quests.values():
            self._index(quest)

    # In.

    def apply(self, event: NewEvent, at: int) -> tuple[Completed, ...]:
        """Take a kept event; what it completed. One that is no command of the API changes nothing."""
        kind = QUEST_EVENTS.get(event.name)
        if event.source is not Source.API or kind is None:
            return ()
        try:
            change = msgspec.json.decode(event.payload, type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return ()
        before = self.book.quests.get(change.quest_id)
        match change:
            case QuestCreated():
                return () if before is not None else self._create(change, at)
            case QuestChanged():
                return () if before is None else self._put(_changed_quest(before, change, at))
            case PhaseChanged():
                return () if before is None else self._put(_changed_phase(before, change, at))
            case _:
                assert_never(change)

    def take(self, deed: Deed, project_id: str | None) -> tuple[Completed, ...]:
        """Take what a session did, in the project; what that completed. Only its tasks matter, each once."""
        if not deed.key:
            return ()
        match deed.kind:
            case DeedKind.TASK_CREATED:
                return self._begin_task(deed, project_id)
            case DeedKind.TASK_COMPLETED:
                return self._complete_task(deed, project_id)
            case _:
                return ()

    def _begin_task(self, deed: Deed, project_id: str | None) -> tuple[Completed, ...]:
        quest = self._follower(project_id)
        is_news = quest is not None and (deed.session_id, deed.key) not in self._tasks
        return self._put(_with_task(quest, deed)) if quest is not None and is_news else ()

    def _complete_task(self, deed: Deed, project_id: str | None) -> tuple[Completed, ...]:
        """Of a task that is not known, the phase is one of the same id and subject: sessions can share their tasks."""
        known = self._tasks.get((deed.session_id, deed.key))
        if known is not None:
            quest_id, n = known
            return self._put(moved_phase(self.book.quests[quest_id], n, PhaseStatus.COMPLETED, deed.at))
        quest = self._follower(project_id)
        if quest is None:
            return ()
        shared = _shared_phase(quest, deed)
        if shared is not None:
            return self._put(moved_phase(quest, shared.n, PhaseStatus.COMPLETED, deed.at))
        begun = _with_task(quest, deed)
        if begun is quest:
            return ()
        return self._put(moved_phase(begun, len(begun.phases), PhaseStatus.COMPLETED, deed.at))

    # Out.

    @property
    def is_full(self) -> bool:
        """Whether no quest can be made: so many are there, and none of them is archived."""
        return len(self.book.quests) >= MAX_QUESTS and self._first_archived() is None

    def view(self, quest_id: str) -> Quest | None:
        """One quest."""
        return self.book.quests.get(quest_id)

    def all(self) -> tuple[Quest, ...]:
        """All quests, in the order in which they were made."""
        return tuple(self.book.quests.values())

    def filter(self, status: QuestStatus | None, project_id: str | None, after: str | None, limit: int) -> Page:
        """The quests of a status and a project where these are given, the newest first; those older than `after`."""
        quests = self.book.quests
        found = [
            quest
            for quest_id in sorted(quests, reverse=True)
            if (after is None or quest_id < after)
            and status in {None, (quest := quests[quest_id]).status}
            and project_id in {None, quests[quest_id].project_id}
        ]
        return Page(tuple(found[:limit]), has_more=len(found) > limit)

    def take_changed(self) -> tuple[str, ...]:
        """The ids of the quests that have changed since the last call, each once, in the order of the changes."""
        changed = tuple(self._changed)
        self._changed.clear()
        return changed

    # Within.

    def _create(self, made: QuestCreated, at: int) -> tuple[Completed, ...]:
        gone = self._first_archived() if len(self.book.quests) >= MAX_QUESTS else None
        if gone is not None:
            self._forget(gone)
        return self._put(
            Quest(
                id=made.quest_id,
                title=made.title,
                description=made.description,
                status=QuestStatus.PLANNED,
                created_at=at,
                changed_at=at,
                project_id=made.project_id,
                follows_tasks=made.follows_tasks,
                phases=_new_phases(made.phases, 1, at),
            )
        )

    def _put(self, quest: Quest) -> tuple[Completed, ...]:
        before = self.book.quests.get(quest.id)
        if quest == before:
            return ()
        self.book.quests[quest.id] = quest
        self._index(quest)
        self._changed[quest.id] = None
        return _completed(before, quest)

    def _index(self, quest: Quest) -> None:
        if quest.follows_tasks and quest.status is QuestStatus.ACTIVE:
            self._following[quest.id] = None
        else:
            self._following.pop(quest.id, None)
        for phase in quest.phases:
            if phase.task_id is not None and phase.session_id is not None:
                self._tasks[phase.session_id, phase.task_id] = quest.id, phase.n

    def _forget(self, quest_id: str) -> None:
        del self.book.quests[quest_id]
        self._changed.pop(quest_id, None)
        self._tasks = {task: place for task, place in self._tasks.items() if place[0] != quest_id}

    def _first_archived(self) -> str | None:
        archived = [quest for quest in self.book.quests.values() if quest.status is QuestStatus.ARCHIVED]
        return min(archived, key=lambda quest: (quest.changed_at, quest.id)).id if archived else None

    def _follower(self, project_id: str | None) -> Quest | None:
        quests = (self.book.quests[quest_id] for quest_id in self._following)
        mine = [quest for quest in quests if project_id is not None and quest.project_id == project_id]
        return max(mine, key=lambda quest: quest.id, default=None)


def _new_phases(titles: tuple[str, ...], first_n: int, at: int) -> tuple[Phase, ...]:
    return tuple(Phase(n=n, title=title, changed_at=at) for n, title in enumerate(titles, first_n))


def _changed_quest(quest: Quest, change: QuestChanged, at: int) -> Quest:
    after = quest if change.status is None else moved_quest(quest, change.status, at)
    after = structs.replace(
        after,
        title=quest.title if change.title is None else change.title,
        description=quest.description if change.description is None else change.description,
        project_id=quest.project_id if change.project_id is UNSET else change.project_id,
        follows_tasks=quest.follows_tasks if change.follows_tasks is None else change.follows_tasks,
    )
    if change.first_n == len(quest.phases) + 1:
        after = structs.replace(after, phases=(*after.phases, *_new_phases(change.phases, change.first_n, at)))
    return quest if after == quest else counted(structs.replace(after, changed_at=at))


def _changed_phase(quest: Quest, change: PhaseChanged, at: int) -> Quest:
    phase = phase_of(quest, change.n)
    if phase is not None and change.title not in {None, phase.title}:
        renamed = structs.replace(phase, title=change.title or phase.title, changed_at=at)
        quest = structs.replace(with_phase(quest, renamed), changed_at=at)
    return quest if change.status is None else moved_phase(quest, change.n, change.status, at)


def _with_task(quest: Quest, deed: Deed) -> Quest:
    """The quest with a phase for a task, begun; as it was when it has all that it may have."""
    n = len(quest.phases) + 1
    if n > MAX_PHASES:
        return quest
    phase = Phase(
        n=n,
        title=_title_of(deed),
        status=PhaseStatus.EXECUTING,
        changed_at=deed.at,
        task_id=deed.key,
        session_id=deed.session_id,
    )
    return counted(structs.replace(quest, phases=(*quest.phases, phase), changed_at=deed.at))


def _shared_phase(quest: Quest, deed: Deed) -> Phase | None:
    title = _title_of(deed)
    return next((phase for phase in quest.phases if (phase.task_id, phase.title) == (deed.key, title)), None)


def _title_of(deed: Deed) -> str:
    title = _BLANKS.sub(" ", deed.detail).strip() or f"task {deed.key}"
    return title[:MAX_TITLE_CHARS]


def _completed(before: Quest | None, after: Quest) -> tuple[Completed, ...]:
    old = () if before is None else before.phases
    found: list[Completed] = []
    for phase in after.phases:
        was = old[phase.n - 1].status if phase.n <= len(old) else None
        if phase.status is PhaseStatus.COMPLETED and was is not PhaseStatus.COMPLETED:
            found.append(Completed(after.id, phase.n))
    is_first = after.completed_at is not None and (before is None or before.completed_at is None)
    return (*found, Completed(after.id, None)) if is_first else tuple(found)
