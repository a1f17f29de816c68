"""Which tmux session a control client may attach to, so that a person notices nothing. Pure."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

SESSION_FORMAT: Final = "#{session_id} #{session_attached} #{session_activity} #{destroy-unattached} #{exit-unattached}"
FIELDS: Final = 5
OFF: Final = frozenset({"0", "off"})


class TmuxSession(Struct, frozen=True, kw_only=True):
    """What decides about one session."""

    id: str
    attached: int
    """Clients that are attached to it."""
    activity: int
    is_safe: bool
    """Whether nothing happens when the last client leaves it: tmux can be told to end it, or itself, then."""


def read_sessions(output: str) -> tuple[TmuxSession, ...]:
    """What tmux printed for `SESSION_FORMAT`; lines that are something else are left out."""
    rows = (line.split(" ") for line in output.splitlines())
    return tuple(
        TmuxSession(
            id=row[0],
            attached=int(row[1]),
            activity=int(row[2]),
            is_safe=row[3] in OFF and row[4] in OFF,
        )
        for row in rows
        if len(row) == FIELDS and row[1].isdecimal() and row[2].isdecimal()
    )


def choose_session(sessions: Iterable[TmuxSession]) -> str | None:
    """The session to attach to, if any may be.

    Best one where a person is attached, for there nothing changes. Else the one left longest: `tmux attach` takes the
    newest that nobody is attached to, and is to take the same one as without us.
    """
    safe = [session for session in sessions if session.is_safe]
    attached = [session for session in safe if session.attached]
    if attached:
        return max(attached, key=lambda session: session.activity).id
    return min(safe, key=lambda session: session.activity).id if safe else None


def safe_sessions(sessions: Iterable[TmuxSession]) -> frozenset[str]:
    """Those that may be attached to."""
    return frozenset(session.id for session in sessions if session.is_safe)
