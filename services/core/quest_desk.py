"""Quest commands: each is decided on the quests as they are, becomes one event, and is done once."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol, assert_never

import msgspec
from msgspec import UNSET, Struct, structs

from services.contract.actions import read_action
from services.contract.codec import UNREADABLE
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import NewEvent, Source
from services.contract.game import Quest
from services.contract.game_requests import CommandQuest, GetQuest, GetQuests
from services.contract.quest_commands import (
    MAX_PHASES,
    QUEST_COMMANDS,
    ChangePhase,
    ChangeQuest,
    CreateQuest,
    QuestCommand,
    QuestData,
    QuestsData,
)
from services.contract.requests import Listing
from services.core.facts import cut
from services.core.game.quest_rules import ENDED, check_phase_move, check_quest_move, phase_of
from services.core.game.quests import (
    MAX_QUESTS,
    AnyQuestEvent,
    PhaseChanged,
    QuestChanged,
    QuestCreated,
    QuestEvent,
    Quests,
)
from services.process.clock import new_id

MAX_PAGE: Final = 500
WHO_CHARS: Final = 200
DIGEST_BYTES: Final = 8


class Log(Protocol):
    """Where kept events are looked up; `Store` is one."""

    def seqs_of(self, ids: Sequence[str]) -> dict[str, int]:
        """Which of these ids are known, with their seq."""
        ...

    def events_after(self, seq: int, limit: int) -> list[tuple[int, NewEvent]]:
        """A page, oldest first."""
        ...


class Decision(NamedTuple):
    """What is to be kept, and then answered from the quests that follow from it."""

    events: tuple[NewEvent, ...]
    answer: Callable[[Quests], Listing]


class QuestDesk:
    """Decides commands. It keeps nothing: the caller does, and applies, before it answers."""

    def __init__(self, has_project: Callable[[str], bool], new_id: Callable[[int], str] = new_id) -> None:
        self._has_project = has_project
        self._new_id = new_id

    def run(self, request: CommandQuest, quests: Quests, now_ms: int, earlier: NewEvent | None = None) -> Decision:
        """Decide a command. `earlier` is what `find_earlier` has of the same id.

        Raises:
            QuestmuxError: it cannot be done, or its id is that of another command.
        """
        command = _read(request)
        asked = _digest(request, command)
        if earlier is not None:
            return _again(request, quests, earlier, asked)
        change = self._decide(request, command, quests, now_ms)
        change = structs.replace(change, by=cut(request.who, WHO_CHARS), asked=asked)
        event = NewEvent(
            id=event_id(request),
            name=type(change).__name__,
            received_at=now_ms,
            payload=msgspec.json.encode(change),
            source=Source.API,
        )
        return Decision((event,), _answer_with(change.quest_id))

    def _decide(self, request: CommandQuest, command: QuestCommand, quests: Quests, now_ms: int) -> AnyQuestEvent:
        match command:
            case CreateQuest():
                return self._create(command, quests, now_ms)
            case ChangeQuest():
                return self._change(command, _quest(quests, request.quest_id))
            case ChangePhase():
                return _change_phase(request, command, _quest(quests, request.quest_id))
            case _:
                assert_never(command)

    def _create(self, command: CreateQuest, quests: Quests, now_ms: int) -> QuestCreated:
        self._check_project(command.project_id)
        if quests.is_full:
            raise QuestmuxError(ErrorCode.CONFLICT, f"there are {MAX_QUESTS:,} quests, and none of them is archived")
        return QuestCreated(
            quest_id=f"q{self._new_id(now_ms)}",
            title=command.title,
            description=command.description,
            project_id=command.project_id,
            follows_tasks=command.follows_tasks,
            phases=command.phases,
        )

    def _change(self, command: ChangeQuest, quest: Quest) -> QuestChanged:
        if command.project_id is not UNSET:
            self._check_project(command.project_id)
        follows = quest.follows_tasks if command.follows_tasks is None else command.follows_tasks
        project_id = quest.project_id if command.project_id is UNSET else command.project_id
        if follows and project_id is None:
            raise _wrong("project_id", "a quest that follows tasks needs the project whose tasks they are")
        if command.status is not None:
            check_quest_move(quest, command.status)
        _check_added(command, quest)
        return QuestChanged(
            quest_id=quest.id,
            title=command.title,
            description=command.description,
            status=command.status,
            project_id=command.project_id,
            follows_tasks=command.follows_tasks,
            phases=command.add_phases,
            first_n=len(quest.phases) + 1 if command.add_phases else 0,
        )

    def _check_project(self, project_id: str | None) -> None:
        if project_id is not None and not self._has_project(project_id):
            raise _wrong("project_id", f"there is no project {project_id}")


def event_id(request: CommandQuest) -> str:
    """The id of the event that keeps a command: one command is one event."""
    return f"quest-{request.id}"


def find_earlier(log: Log, request: CommandQuest) -> NewEvent | None:
    """The event that keeps the same command, when it was done before.

    Raises:
        QuestmuxError: it was, but the log goes back so far no longer.
    """
    seq = log.seqs_of([event_id(request)]).get(event_id(request))
    if seq is None:
        return None
    page = log.events_after(seq - 1, 1)
    if not page or page[0][0] != seq:
        raise QuestmuxError(ErrorCode.CONFLICT, f"the command {request.id} was done already, long ago")
    return page[0][1]


def page(quests: Quests, request: GetQuests) -> Listing:
    """A page of quests."""
    found = quests.filter(request.status, request.project_id, request.after, min(max(request.limit, 1), MAX_PAGE))
    next_after = found.quests[-1].id if found.quests else None
    return _encoded(QuestsData(quests=found.quests, next_after=next_after, has_more=found.has_more))


def one(quests: Quests, request: GetQuest) -> Listing:
    """One quest.

    Raises:
        QuestmuxError: there is no such quest.
    """
    return _listing(_quest(quests, request.id))


def _read(request: CommandQuest) -> QuestCommand:
    kind = QUEST_COMMANDS.get(request.command)
    if kind is None:
        raise _wrong("command", f"there is no {request.command!r}")
    try:
        fields = msgspec.msgpack.decode(request.fields)
    except UNREADABLE as exc:
        raise _wrong("fields", str(exc)) from exc
    return read_action(kind, fields)


def _digest(request: CommandQuest, command: QuestCommand) -> str:
    """Tells one command from another, however its fields were written."""
    whole = msgspec.json.encode([request.command, request.quest_id, request.n, command])
    return hashlib.blake2b(whole, digest_size=DIGEST_BYTES).hexdigest()


def _again(request: CommandQuest, quests: Quests, earlier: NewEvent, asked: str) -> Decision:
    """The answer to a command that was done already: the quest as it is now."""
    try:
        done = msgspec.json.decode(earlier.payload, type=QuestEvent)
    except UNREADABLE:
        done = QuestEvent(quest_id="")
    if earlier.source is not Source.API or done.asked != asked:
        raise QuestmuxError(ErrorCode.CONFLICT, f"the id {request.id} is that of another command")
    _quest(quests, done.quest_id)
    return Decision((), _answer_with(done.quest_id))


def _answer_with(quest_id: str) -> Callable[[Quests], Listing]:
    def answer(quests: Quests) -> Listing:
        return _listing(_quest(quests, quest_id))

    return answer


def _change_phase(request: CommandQuest, command: ChangePhase, quest: Quest) -> PhaseChanged:
    phase = None if request.n is None else phase_of(quest, request.n)
    if phase is None:
        raise QuestmuxError(ErrorCode.NOT_FOUND, f"the quest {quest.id} has no phase {request.n}")
    if command.status is not None:
        check_phase_move(quest, phase, command.status)
    return PhaseChanged(quest_id=quest.id, n=phase.n, status=command.status, title=command.title)


def _check_added(command: ChangeQuest, quest: Quest) -> None:
    if not command.add_phases:
        return
    status = command.status or quest.status
    if status in ENDED:
        raise QuestmuxError(
            ErrorCode.CONFLICT, f"a quest that is {status} gets no phases; one that is planned, active or paused does"
        )
    total = len(quest.phases) + len(command.add_phases)
    if total > MAX_PHASES:
        raise QuestmuxError(ErrorCode.CONFLICT, f"the quest would have {total} phases; it may have {MAX_PHASES}")


def _quest(quests: Quests, quest_id: str | None) -> Quest:
    quest = None if quest_id is None else quests.view(quest_id)
    if quest is None:
        raise QuestmuxError(ErrorCode.NOT_FOUND, f"there is no quest {quest_id}")
    return quest


def _listing(quest: Quest) -> Listing:
    return _encoded(QuestData(quest=quest))


def _encoded(data: Struct) -> Listing:
    return Listing(data=msgspec.json.encode(data))


def _wrong(field: str, why: str) -> QuestmuxError:
    return QuestmuxError(ErrorCode.INVALID_FIELD, f"{field} is wrong: {why}")
