"""Which tmux session a control client may attach to, so that a person notices nothing. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

SESSION_FORMAT: Final = "#{session_id} #{session_attached} #{session_activity} #{destroy-unattached} #{exit-unattached}"
CLIENT_FORMAT: Final = "#{session_id} #{client_control_mode}"
LIST_SESSIONS: Final = ("list-sessions", "-F", SESSION_FORMAT, ";", "list-clients", "-F", CLIENT_FORMAT)
SESSION_FIELDS: Final = 5
CLIENT_FIELDS: Final = 2
OFF: Final = frozenset({"0", "off"})


class TmuxSession(Struct, frozen=True, kw_only=True):
    """What decides about one session."""

    id: str
    persons: int
    """Clients that are attached to it, but for those in control mode, as ours."""
    programs: int
    """Clients in control mode."""
    activity: int
    """When it was used last; attaching, ours too, counts as use."""
    is_safe: bool
    """Whether nothing happens when the last client leaves it: tmux can be told to end it, or itself, then."""


def read_sessions(output: str) -> tuple[TmuxSession, ...]:
    """What tmux printed for `LIST_SESSIONS`; lines that are something else are left out."""
    rows = [line.split(" ") for line in output.splitlines()]
    programs = Counter(row[0] for row in rows if len(row) == CLIENT_FIELDS and row[1] == "1")
    return tuple(
        TmuxSession(
            id=row[0],
            persons=max(0, int(row[1]) - programs[row[0]]),
            programs=programs[row[0]],
            activity=int(row[2]),
            is_safe=row[3] in OFF and row[4] in OFF,
        )
        for row in rows
        if len(row) == SESSION_FIELDS and row[0][1:].isdecimal() and row[1].isdecimal() and row[2].isdecimal()
    )


def choose_session(sessions: Iterable[TmuxSession]) -> str | None:
    """The session to attach to, if any may be.

    Best one where a person is attached, for there nothing changes. Else the one left longest: `tmux attach` takes the
    newest that nobody is attached to, and is to take the same one as without us.
    """
    safe = [session for session in sessions if session.is_safe]
    attached = [session for session in safe if session.persons]
    if attached:
        return max(attached, key=_activity).id
    return min(safe, key=_activity).id if safe else None


def default_session(sessions: Iterable[TmuxSession]) -> str | None:
    """The session that a person used last, whether or not ours have been attached to others since."""
    known = list(sessions)
    attached = [session for session in known if session.persons]
    untouched = [session for session in known if not session.programs]
    return max(attached or untouched or known, key=_activity).id if known else None


def safe_sessions(sessions: Iterable[TmuxSession]) -> frozenset[str]:
    """Those that may be attached to."""
    return frozenset(session.id for session in sessions if session.is_safe)


def _activity(session: TmuxSession) -> tuple[int, int]:
    """Within one second, as tmux tells it here, the younger one counts as used later."""
    return (session.activity, int(session.id[1:]))
