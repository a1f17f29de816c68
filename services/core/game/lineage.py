"""Which persona a session belongs to: an agent keeps its own over /clear, /resume, compaction and restarts. Pure.

| what is seen | the session's persona |
|---|---|
| a session that has one: compaction, `--resume`, another pane or tmux server | its own |
| /clear: an end by `clear` and a start by `clear` in one place, in either order | its predecessor's |
| /clear whose end was lost | that of the place's session that was heard of last and has not ended |
| /clear whose start was lost: the first deed in the place where a session has ended by `clear` | its predecessor's |
| a first deed that overtook its start, which is a new start or a fork after all | a new one from its next deed on |
| /clear in the registry: a process that ran a session runs another one | its predecessor's |
| /resume of a session without a persona | as with /clear, but a lost end is not guessed |
| the same with its start lost, after a known session did something in the place | a new one |
| a new start or a fork, which a nested `claude -p` is too | a new one |
| nothing of these | a new one |

Between two claims on a session the stronger wins, until its first deed settles it. One session follows an end: a
first deed takes it on a guess, which the pair of hooks, the registry, or the session's own start soon after undoes.
What was counted until then stays with the persona that it was counted for; the session has none until its next deed.
A place is a pane in one life of a tmux server. Hooks and their reasons: Claude Code 2.1.330,
`tests/fixtures/claude/clear`.
"""

from enum import IntEnum
from itertools import count
from typing import Final, TypeVar

from msgspec import Struct, field, structs

MATCH_MS: Final = 600_000
"""An end and what follows it are one /clear when they are no further apart."""
DISORDER_MS: Final = 2_000
"""Hooks are processes of their own: an end may carry a later time than the start that follows it."""
MAX_PENDING: Final = 100
"""Ends and starts that wait for each other, and sessions without a deed; the oldest are forgotten."""
MAX_PLACES: Final = 256
MAX_HEARD: Final = 4
"""Sessions that a place remembers: the one in front, nested ones, and those whose end was lost."""
CLEAR: Final = "clear"
RESUME: Final = "resume"
_FOLLOWING: Final = (CLEAR, RESUME)
"""Reasons of an end, and sources of a start, by which one session follows another."""
_NEW: Final = frozenset({"startup", "fork"})
_ID_DIGITS: Final = "0123456789abcdefghijklmnopqrstuv"
_ID_LENGTH: Final = 11
_DIGIT_BITS: Final = 5
_SEQ_BITS: Final = 13

_Value = TypeVar("_Value")


class Hold(IntEnum):
    """How surely a session without a deed belongs to its predecessor's persona."""

    GUESSED = 1
    """Its predecessor's end was lost."""
    TOLD = 2
    """By a pair of hooks."""
    SEEN = 3
    """In the registry."""
    NEW = 4
    """It has none: it is a new start, or a fork."""


class Pending(Struct, kw_only=True):
    """An end or a start of a session that waits for its counterpart."""

    place: str
    why: str
    """`clear` or `resume`."""
    at: int
    taken_by: str = ""
    """Of an end, the session that follows it. It stays, so that an end that is told twice is not used twice."""
    taken_at: int = 0
    """When a first deed took it on a guess; 0 when a start or the registry did."""


class LineageState(Struct, kw_only=True):
    """What a checkpoint keeps."""

    persona_of: dict[str, str] = field(default_factory=dict[str, str])
    """By session, for ever: an old one may be resumed."""
    holds: dict[str, int] = field(default_factory=dict[str, int])
    """Of sessions without a deed, a `Hold`."""
    ends: dict[str, Pending] = field(default_factory=dict[str, Pending])
    starts: dict[str, Pending] = field(default_factory=dict[str, Pending])
    heard: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """By place, its sessions that have not ended, the one heard of last at the end."""


class Lineage:
    """The sessions' personas. A session without a deed has none yet, but may have been promised one."""

    def __init__(self, kept: LineageState) -> None:
        self.kept = kept
        self._personas = set(kept.persona_of.values())

    def start(self, session_id: str, source: str, place: str, at: int) -> None:
        """A session has started; `source` as Claude Code names it, `place` by `place_of`, `at` in its sender's time."""
        if source in _NEW:
            self._give_back(session_id, at)
            self._set_apart(session_id)
        elif source in _FOLLOWING and place:
            before = self._match(self.kept.ends, session_id, place, at, (source,))
            if before is not None:
                self._take(before, session_id)
                self._follow(before, session_id, Hold.TOLD, place)
                return
            if source == CLEAR:
                self._follow(self._front(place, session_id), session_id, Hold.GUESSED, place)
            _keep(self.kept.starts, session_id, Pending(place=place, why=source, at=at), MAX_PENDING)

    def end(self, session_id: str, reason: str, place: str, at: int) -> None:
        """A session has ended; `reason` as Claude Code names it."""
        self._leave(session_id, place)
        if reason not in _FOLLOWING or not place:
            return
        known = self.kept.ends.get(session_id)
        if known is not None and known.taken_by and abs(at - known.at) <= DISORDER_MS:
            return
        after = self._match(self.kept.starts, session_id, place, at, (reason,))
        end = Pending(place=place, why=reason, at=at, taken_by=after or "")
        _keep(self.kept.ends, session_id, end, MAX_PENDING)
        if after is not None:
            del self.kept.starts[after]
            self._follow(session_id, after, Hold.TOLD, place)

    def moved(self, before: str, after: str) -> None:
        """The registry has another session than before for one process (the same pid and start)."""
        place = next((place for place, sessions in self.kept.heard.items() if before in sessions), "")
        self._take(before, after)
        self._follow(before, after, Hold.SEEN, place)

    def persona_for(self, session_id: str, place: str, at: int, *, received_at: int, seq: int) -> str:
        """The persona of a session that did something, for good; the event's receipt and number name a new one.

        A session's start and end are no deeds in this sense.
        """
        persona_id = self.kept.persona_of.get(session_id)
        if persona_id is None or session_id in self.kept.holds:
            hold = self.kept.holds.pop(session_id, None)
            start = self.kept.starts.pop(session_id, None)
            if persona_id is None and hold is None and start is None:
                persona_id = self._left_behind(session_id, place, at)
            if persona_id is None:
                names = (persona_id_of(received_at, seq, later) for later in count())
                persona_id = next(name for name in names if name not in self._personas)
            self.kept.persona_of[session_id] = persona_id
            self._personas.add(persona_id)
        elif place:
            self._close(session_id, place, at)
        if place:
            self._hear(session_id, place)
        return persona_id

    def _left_behind(self, session_id: str, place: str, at: int) -> str | None:
        """The persona of the session that ended in this place for one whose start was not heard of yet."""
        before = self._match(self.kept.ends, session_id, place, at, _FOLLOWING) if place else None
        if before is None:
            return None
        self._take(before, session_id, at)
        return self.kept.persona_of.get(before)

    def _take(self, before: str, after: str, taken_at: int = 0) -> None:
        """The end of one session is another's, and no longer that of the one that was guessed to follow it."""
        end = self.kept.ends.get(before)
        if end is None:
            return
        self.kept.ends[before] = structs.replace(end, taken_by=after, taken_at=taken_at)
        guessed, persona_id = end.taken_by, self.kept.persona_of.get(before)
        was_guess = end.taken_at and guessed != after and persona_id is not None
        if was_guess and self.kept.persona_of.get(guessed) == persona_id:
            del self.kept.persona_of[guessed]
            self._set_apart(guessed)

    def _give_back(self, session_id: str, at: int) -> None:
        """A new session whose first deed overtook its start took an end that is another's, or nobody's."""
        ends = self.kept.ends.items()
        took = (one for one, end in ends if end.taken_by == session_id and abs(at - end.taken_at) <= DISORDER_MS)
        before = next(took, "")
        persona_id = self.kept.persona_of.get(before)
        if persona_id is None or persona_id != self.kept.persona_of.get(session_id):
            return
        end = self.kept.ends[before]
        del self.kept.persona_of[session_id]
        others = (one for one in self.kept.heard.get(end.place, ()) if one != before)
        if any(self.kept.persona_of.get(one) == persona_id for one in others):
            del self.kept.ends[before]
        else:
            self.kept.ends[before] = structs.replace(end, taken_by="", taken_at=0)

    def _close(self, session_id: str, place: str, at: int) -> None:
        """A known session did something: it is what was resumed here, so that no stranger follows the end."""
        open_ends = [
            (before, end.at)
            for before, end in self.kept.ends.items()
            if end.why == RESUME and end.place == place and not end.taken_by
        ]
        for before, ended_at in open_ends:
            if before != session_id or at > ended_at + DISORDER_MS:
                del self.kept.ends[before]

    def _set_apart(self, session_id: str) -> None:
        """It follows nobody, unless it is known already."""
        if session_id in self.kept.persona_of and session_id not in self.kept.holds:
            return
        self.kept.persona_of.pop(session_id, None)
        _keep(self.kept.holds, session_id, int(Hold.NEW), MAX_PENDING)

    def _follow(self, before: str | None, after: str, hold: Hold, place: str) -> None:
        """Promise a session its predecessor's persona, unless it has one or a stronger claim stands."""
        persona_id = None if before is None or before == after else self.kept.persona_of.get(before)
        if before is None or persona_id is None:
            return
        is_settled = after in self.kept.persona_of and after not in self.kept.holds
        if is_settled or self.kept.holds.get(after, 0) >= hold:
            return
        self.kept.persona_of[after] = persona_id
        _keep(self.kept.holds, after, int(hold), MAX_PENDING)
        if place:
            self._leave(before, place)
            self._hear(after, place)

    def _match(
        self, pending: dict[str, Pending], session_id: str, place: str, at: int, reasons: tuple[str, ...]
    ) -> str | None:
        """Of the counterparts in a place the nearest in time, but those in disorder last, and then those taken."""
        is_start, is_guess = pending is self.kept.starts, len(reasons) > 1
        found: tuple[bool, bool, int, str] | None = None
        for other, one in pending.items():
            distance = one.at - at if is_start else at - one.at
            is_near = -DISORDER_MS <= distance <= MATCH_MS
            if not is_near or one.place != place or one.why not in reasons or other == session_id:
                continue
            is_taken = one.taken_by not in {"", session_id}
            if is_taken and (is_guess or not one.taken_at or abs(distance) > DISORDER_MS):
                continue
            rank = (is_taken, distance < 0, abs(distance), other)
            found = rank if found is None else min(found, rank)
        return None if found is None else found[-1]

    def _front(self, place: str, session_id: str) -> str | None:
        others = [one for one in self.kept.heard.get(place, ()) if one != session_id]
        return others[-1] if others else None

    def _hear(self, session_id: str, place: str) -> None:
        sessions = self.kept.heard.get(place)
        if sessions is None:
            _keep(self.kept.heard, place, [session_id], MAX_PLACES)
        elif sessions[-1] != session_id:
            if session_id in sessions:
                sessions.remove(session_id)
            sessions.append(session_id)
            del sessions[:-MAX_HEARD]
            self.kept.heard[place] = self.kept.heard.pop(place)

    def _leave(self, session_id: str, place: str) -> None:
        sessions = self.kept.heard.get(place, [])
        if session_id in sessions:
            sessions.remove(session_id)
            if not sessions:
                del self.kept.heard[place]


def place_of(pane_id: str | None, tmux_pid: int | None) -> str:
    """A pane of one tmux server as one word; empty outside tmux."""
    return "" if pane_id is None else f"{pane_id} {tmux_pid or 0}"


def persona_id_of(received_at: int, seq: int, later: int = 0) -> str:
    """`p` and 11 digits: the time in ms, which is enough until 2109, then the number, so that ids sort by time.

    `later` counts on, for the case that an id is in use: of one ms there are 8,192.
    """
    number = ((received_at << _SEQ_BITS) | (seq % (1 << _SEQ_BITS))) + later
    digits = (_ID_DIGITS[(number >> _DIGIT_BITS * place) % len(_ID_DIGITS)] for place in reversed(range(_ID_LENGTH)))
    return "p" + "".join(digits)


def _keep(kept: dict[str, _Value], key: str, value: _Value, limit: int) -> None:
    """Put it last, and let go of the first ones beyond the limit."""
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > limit:
        del kept[next(iter(kept))]
