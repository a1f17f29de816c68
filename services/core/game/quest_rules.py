"""How quests and their phases may move, and what one move brings about; docs/quests.md draws it. Pure."""

from typing import Final

from msgspec import structs

from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.game import Phase, PhaseStatus, Quest, QuestStatus

QUEST_MOVES: Final[dict[QuestStatus, tuple[QuestStatus, ...]]] = {
    QuestStatus.PLANNED: (QuestStatus.ACTIVE, QuestStatus.ARCHIVED),
    QuestStatus.ACTIVE: (QuestStatus.PAUSED, QuestStatus.COMPLETED, QuestStatus.FAILED),
    QuestStatus.PAUSED: (QuestStatus.ACTIVE, QuestStatus.FAILED, QuestStatus.ARCHIVED),
    QuestStatus.COMPLETED: (QuestStatus.ARCHIVED,),
    QuestStatus.FAILED: (QuestStatus.ACTIVE, QuestStatus.ARCHIVED),
    QuestStatus.ARCHIVED: (),
}
"""An active quest is paused or ended before it is put away, so that nothing under way goes out of sight."""
PHASE_MOVES: Final[dict[PhaseStatus, tuple[PhaseStatus, ...]]] = {
    PhaseStatus.PENDING: (PhaseStatus.PLANNED, PhaseStatus.EXECUTING, PhaseStatus.SKIPPED),
    PhaseStatus.PLANNED: (PhaseStatus.EXECUTING, PhaseStatus.SKIPPED),
    PhaseStatus.EXECUTING: (PhaseStatus.COMPLETED, PhaseStatus.FAILED),
    PhaseStatus.FAILED: (PhaseStatus.RETRYING, PhaseStatus.SKIPPED),
    PhaseStatus.RETRYING: (PhaseStatus.COMPLETED, PhaseStatus.FAILED),
    PhaseStatus.COMPLETED: (),
    PhaseStatus.SKIPPED: (),
}
"""What was begun succeeds or fails; only what has not been begun, or failed, is skipped."""
STARTS: Final = frozenset({PhaseStatus.EXECUTING, PhaseStatus.RETRYING})
"""A phase that is under way; a paused quest begins none."""
OVER: Final = frozenset({PhaseStatus.COMPLETED, PhaseStatus.SKIPPED})
"""A failed phase is not over: it is tried again, or skipped."""
ENDED: Final = frozenset({QuestStatus.COMPLETED, QuestStatus.FAILED, QuestStatus.ARCHIVED})
"""The phases of such a quest do not move."""
NAMED_PHASES: Final = 10
"""A refusal names so many open phases."""


def legal_quest_moves(quest: Quest) -> tuple[QuestStatus, ...]:
    """What the quest can become now."""
    moves = QUEST_MOVES[quest.status]
    return tuple(to for to in moves if to is not QuestStatus.COMPLETED or not open_phases(quest))


def legal_phase_moves(quest: Quest, phase: Phase) -> tuple[PhaseStatus, ...]:
    """What a phase can become now."""
    if quest.status in ENDED:
        return ()
    moves = PHASE_MOVES[phase.status]
    return tuple(to for to in moves if quest.status is not QuestStatus.PAUSED or to not in STARTS)


def open_phases(quest: Quest) -> tuple[Phase, ...]:
    """Its phases that are neither completed nor skipped."""
    return tuple(phase for phase in quest.phases if phase.status not in OVER)


def check_quest_move(quest: Quest, to: QuestStatus) -> None:
    """Let a move pass, or what is no move.

    Raises:
        QuestmuxError: `conflict`; the message names the moves that there are.
    """
    legal = legal_quest_moves(quest)
    if to is quest.status or to in legal:
        return
    why = ""
    if to in QUEST_MOVES[quest.status]:
        still_open = open_phases(quest)
        named = ", ".join(f"{phase.n} ({phase.status})" for phase in still_open[:NAMED_PHASES])
        more = f" and {len(still_open) - NAMED_PHASES} more" if len(still_open) > NAMED_PHASES else ""
        why = f" while phases are open: {named}{more}"
    raise _conflict(f"{_a(quest.status)} quest cannot become {to}{why}; it can become {_words(legal)}")


def check_phase_move(quest: Quest, phase: Phase, to: PhaseStatus) -> None:
    """Let a move pass, or what is no move.

    Raises:
        QuestmuxError: `conflict`; the message names the moves that there are.
    """
    legal = legal_phase_moves(quest, phase)
    if to is not phase.status and to not in legal:
        what = f"{_a(phase.status)} phase of {_a(quest.status)} quest"
        raise _conflict(f"{what} cannot become {to}; it can become {_words(legal)}")


def moved_quest(quest: Quest, to: QuestStatus, at: int) -> Quest:
    """The quest after a move; as it was when it has no such move. Its phases under way fail with it."""
    if to not in legal_quest_moves(quest):
        return quest
    phases = quest.phases
    if to is QuestStatus.FAILED:
        phases = tuple(
            structs.replace(phase, status=PhaseStatus.FAILED, changed_at=at) if phase.status in STARTS else phase
            for phase in phases
        )
    completed_at = at if to is QuestStatus.COMPLETED else quest.completed_at
    return counted(structs.replace(quest, status=to, phases=phases, changed_at=at, completed_at=completed_at))


def moved_phase(quest: Quest, n: int, to: PhaseStatus, at: int) -> Quest:
    """The quest after a move of its phase `n`; as it was when there is no such move.

    The first phase that is begun makes a planned quest active. The last one that is over completes an active quest, if
    one was completed and not all skipped, unless tasks make its phases: then nobody knows that it was the last.
    """
    phase = phase_of(quest, n)
    if phase is None or to not in legal_phase_moves(quest, phase):
        return quest
    moved = structs.replace(phase, status=to, changed_at=at)
    after = counted(structs.replace(with_phase(quest, moved), changed_at=at))
    if to in STARTS and after.status is QuestStatus.PLANNED:
        return moved_quest(after, QuestStatus.ACTIVE, at)
    is_done = any(one.status is PhaseStatus.COMPLETED for one in after.phases) and not open_phases(after)
    return moved_quest(after, QuestStatus.COMPLETED, at) if is_done and not after.follows_tasks else after


def phase_of(quest: Quest, n: int) -> Phase | None:
    """Its phase `n`, from 1."""
    return quest.phases[n - 1] if 1 <= n <= len(quest.phases) else None


def with_phase(quest: Quest, phase: Phase) -> Quest:
    """The quest with another state of one of its phases."""
    return structs.replace(quest, phases=(*quest.phases[: phase.n - 1], phase, *quest.phases[phase.n :]))


def counted(quest: Quest) -> Quest:
    """The quest with its progress in whole percent, rounded down; without phases 0, or 100 once it is completed."""
    total, over = len(quest.phases), len(quest.phases) - len(open_phases(quest))
    progress = 100 * over // total if total else 100 * (quest.completed_at is not None)
    return structs.replace(quest, progress=progress)


def _conflict(message: str) -> QuestmuxError:
    return QuestmuxError(ErrorCode.CONFLICT, message)


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def _words(words: tuple[str, ...]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) or "nothing else"
