"""What is written down of each event for who reads a report: turns, commits, tests, badges. Pure."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from services.contract.game import Badge, Quest
from services.core.facts import cut
from services.core.game.deeds import Deed, DeedKind
from services.core.game.earnings import Credit

FINISHED: Final = "finished"
FAILED: Final = "failed"
EDIT: Final = "edit"
TEST: Final = "test"
COMMIT: Final = "commit"
QUEST: Final = "quest"
ACHIEVEMENT: Final = "achievement"
TEXT_CHARS: Final = 500
_KIND: Final[dict[str, str]] = {
    DeedKind.TURN: FINISHED,
    DeedKind.FAILED_TURN: FAILED,
    DeedKind.EDIT: EDIT,
    DeedKind.TEST: TEST,
    DeedKind.COMMIT: COMMIT,
    DeedKind.PUSH: "push",
    DeedKind.PULL_REQUEST: "pull_request",
}


class JournalEntry(Struct, frozen=True, kw_only=True):
    """One thing that happened. An event has one of each kind and persona."""

    seq: int
    kind: str
    """`finished`, `failed`, `edit`, `test`, `commit`, `push`, `pull_request`, `quest` or `achievement`."""
    at: int
    day: int
    session_id: str = ""
    persona_id: str = ""
    project_id: str | None = None
    folder: str | None = None
    text: str = ""
    """Of a turn its last words, of a failed one the error, else the path, command, branch, URL, title."""


def entries_of(seq: int, deeds: Iterable[Deed], credit: Credit) -> list[JournalEntry]:
    """The entries of one event's deeds, the first of each kind."""
    entries: dict[str, JournalEntry] = {}
    for deed in deeds:
        kind = _KIND.get(deed.kind)
        if kind is None or kind in entries:
            continue
        entries[kind] = JournalEntry(
            seq=seq,
            kind=kind,
            at=deed.at,
            day=credit.day,
            session_id=deed.session_id,
            persona_id=credit.persona_id,
            project_id=credit.project_id,
            folder=deed.cwd,
            text=deed.detail,
        )
    return list(entries.values())


def badges_entry(seq: int, at: int, badges: Iterable[Badge], session_id: str, credit: Credit) -> JournalEntry:
    """The entry of what one event unlocked."""
    titles = ", ".join(badge.title for badge in badges)
    return JournalEntry(
        seq=seq,
        kind=ACHIEVEMENT,
        at=at,
        day=credit.day,
        session_id=session_id,
        persona_id=credit.persona_id,
        project_id=credit.project_id,
        text=cut(titles, TEXT_CHARS),
    )


def quest_entry(seq: int, at: int, quest: Quest, session_id: str, credit: Credit) -> JournalEntry:
    """The entry of a quest that was completed."""
    return JournalEntry(
        seq=seq,
        kind=QUEST,
        at=at,
        day=credit.day,
        session_id=session_id,
        persona_id=credit.persona_id,
        project_id=credit.project_id,
        text=quest.title,
    )
