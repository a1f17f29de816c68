"""What is known of one persona, and what a deed changes in it. Pure.

Energy and morale are whole numbers from 0 to 100, as of the newest deed:

| what happens | energy | morale |
|---|---|---|
| at first | 100 | 70 |
| a turn ends, well or not | -2, and -1 for each full 10 minutes that it took | |
| 10 full minutes without a deed, between turns | +5 for each | |
| tests pass | | +3 |
| a commit, a task completed | | +2 |
| a pull request | | +5 |
| a quest completed | | +10 |
| a call fails | | -1 |
| a turn fails | | -5 |
| an hour passes | | 1 towards 70 |

A deed that is told late, with a time before the newest, counts and costs what it does, but gives no rest, moves no
clock and belongs to its own day. A turn's time runs from its prompt to its end, at most 4 hours; one that was
interrupted, which no hook tells, counts to its last deed.
"""

from typing import Final

from msgspec import Struct, field, structs

from services.contract.game import Badge, Persona, Statistics
from services.core.game.calendar import Streak, streak_after, week_of
from services.core.game.deeds import Deed, DeedKind
from services.core.game.levels import begins_at, level_of, tier_of, title_of

FULL: Final = 100
EVEN: Final = 70
"""The morale that time leads to."""
REST_MS: Final = 600_000
REST: Final = 5
TURN_COST: Final = 2
DRIFT_MS: Final = 3_600_000
LONGEST_TURN_MS: Final = 4 * 3_600_000
NIGHT_MS: Final = 5 * 3_600_000
"""After midnight."""
SATURDAY: Final = 5
"""Days after a week's Monday."""
MAX_TURNS: Final = 8
"""Sessions whose turn is remembered; a persona with more of them at once has been resumed everywhere."""
MAX_PROJECTS: Final = 16
QUEST_MORALE: Final = 10
_MORALE: Final[dict[str, int]] = {
    DeedKind.TEST: 3,
    DeedKind.COMMIT: 2,
    DeedKind.TASK_COMPLETED: 2,
    DeedKind.PULL_REQUEST: 5,
    DeedKind.FAILED_TOOL: -1,
    DeedKind.FAILED_TURN: -5,
}
_COUNTER: Final[dict[str, str]] = {
    DeedKind.TOOL: "tools",
    DeedKind.FAILED_TOOL: "failed_tools",
    DeedKind.EDIT: "edits",
    DeedKind.TEST: "tests",
    DeedKind.COMMIT: "commits",
    DeedKind.PUSH: "pushes",
    DeedKind.PULL_REQUEST: "pull_requests",
    DeedKind.TASK_COMPLETED: "tasks",
}
_WORK: Final[frozenset[str]] = frozenset(
    {
        *(DeedKind.TOOL, DeedKind.EDIT, DeedKind.TEST, DeedKind.COMMIT, DeedKind.PUSH, DeedKind.PULL_REQUEST),
        DeedKind.TURN,
    }
)
"""What makes a day one of a streak: that which can earn."""
_SESSION_KINDS: Final[frozenset[str]] = frozenset({DeedKind.SESSION_START, DeedKind.SESSION_END})


class Tally(Struct, kw_only=True, omit_defaults=True):
    """How often what was done; the names are those of `Statistics`, and some more."""

    prompts: int = 0
    turns: int = 0
    failed_turns: int = 0
    tools: int = 0
    failed_tools: int = 0
    edits: int = 0
    tests: int = 0
    commits: int = 0
    pushes: int = 0
    pull_requests: int = 0
    quests: int = 0
    worked_ms: int = 0
    tasks: int = 0
    """Of Claude Code, completed."""
    night_turns: int = 0
    """A person's turns that ended within 5 hours after midnight."""
    weekend_turns: int = 0
    """A person's turns that ended on a Saturday or Sunday."""


class Turn(Struct, kw_only=True):
    """The newest turn of a session."""

    key: str
    """Of its prompt."""
    began_at: int
    """What of it is not counted yet begins here."""
    last_at: int
    is_over: bool = False
    """It has ended; it may go on when a hook says so."""
    tools: int = 0


class PersonaState(Struct, kw_only=True):
    """What a checkpoint keeps of a persona."""

    id: str
    name: str
    created_at: int
    last_active_at: int
    session_id: str | None = None
    energy: int = FULL
    morale: int = EVEN
    morale_at: int = 0
    """Up to when it has drifted."""
    streak: Streak = Streak()
    total: Tally = field(default_factory=Tally)
    day: int = 0
    today: Tally = field(default_factory=Tally)
    """Of `day`, the newest."""
    week: int = 0
    this_week: Tally = field(default_factory=Tally)
    """Of `week`, the newest."""
    turns: dict[str, Turn] = field(default_factory=dict[str, Turn])
    """By session."""
    busiest_turn: int = 0
    """The most calls within one turn."""
    project_ids: list[str] = field(default_factory=list[str])
    badges: dict[str, Badge] = field(default_factory=dict[str, Badge])
    """By achievement, the newest last."""


def new_persona(persona_id: str, name: str, at: int) -> PersonaState:
    """A persona at its first deed."""
    return PersonaState(id=persona_id, name=name, created_at=at, last_active_at=at, morale_at=at)


def count(state: PersonaState, deed: Deed, day: int, since_midnight_ms: int) -> None:
    """Take one settled deed of a persona; `day` is the local day of its time, and how far into it that is."""
    tallies = _tallies(state, day)
    turn = state.turns.get(deed.session_id)
    if deed.kind is DeedKind.SESSION_END and turn is not None:
        _add(tallies, "worked_ms", _interrupted(turn))
        del state.turns[deed.session_id]
    if deed.kind in _SESSION_KINDS:
        return
    _pass_time(state, deed)
    is_news = True
    match deed.kind:
        case DeedKind.PROMPT:
            _begin_turn(state, turn, deed, tallies)
        case DeedKind.TURN | DeedKind.FAILED_TURN:
            is_news = _end_turn(state, turn, deed, tallies, _occasions(day, since_midnight_ms))
        case _:
            _count_work(state, turn, deed, tallies)
    if is_news:
        state.morale = min(max(state.morale + _MORALE.get(deed.kind, 0), 0), FULL)
    if state.streak.last_day != day and deed.kind in _WORK and deed.counts_for_streak and not deed.by_machine:
        state.streak = streak_after(state.streak, day)


def count_quest(state: PersonaState, day: int) -> None:
    """A quest was completed by the persona."""
    _add(_tallies(state, day), "quests", 1)
    state.morale = min(state.morale + QUEST_MORALE, FULL)


def note_project(state: PersonaState, project_id: str) -> None:
    """The persona works in a project."""
    ids = state.project_ids
    if not ids or ids[-1] != project_id:
        if project_id in ids:
            ids.remove(project_id)
        ids.append(project_id)
        del ids[:-MAX_PROJECTS]


def view(state: PersonaState, xp: int) -> Persona:
    """The persona as clients see it, with its XP of the ledger."""
    level = level_of(xp)
    statistics = statistics_of(state.total)
    return Persona(
        id=state.id,
        name=state.name,
        avatar=f"/api/avatars/{state.id}.svg",
        level=level,
        xp=xp,
        next_level_xp=begins_at(level + 1),
        tier=tier_of(level),
        title=title_of(level, structs.asdict(statistics)),
        energy=state.energy,
        morale=state.morale,
        streak_days=state.streak.days,
        created_at=state.created_at,
        last_active_at=state.last_active_at,
        session_id=state.session_id,
        project_ids=tuple(state.project_ids),
        badges=tuple(state.badges.values()),
        statistics=statistics,
    )


def difference(before: Tally, after: Tally) -> Tally:
    """What came in between."""
    return Tally(**{name: getattr(after, name) - getattr(before, name) for name in Tally.__struct_fields__})


def statistics_of(tally: Tally) -> Statistics:
    """The part of a tally that clients see."""
    return Statistics(**{name: getattr(tally, name) for name in Statistics.__struct_fields__})


def _tallies(state: PersonaState, day: int) -> tuple[Tally, ...]:
    """The tallies that a deed of a day goes into: days and weeks that are over are not kept."""
    if day == state.day:
        return (state.total, state.today, state.this_week)
    week = week_of(day)
    if day > state.day:
        state.day, state.today = day, Tally()
        if week > state.week:
            state.week, state.this_week = week, Tally()
        return (state.total, state.today, state.this_week)
    return (state.total, state.this_week) if week == state.week else (state.total,)


def _add(tallies: tuple[Tally, ...], name: str, number: int) -> None:
    for tally in tallies:
        setattr(tally, name, getattr(tally, name) + number)


def _pass_time(state: PersonaState, deed: Deed) -> None:
    """Rest, and let the morale drift, up to a deed; a late one only shows that the persona is older."""
    at = deed.at
    idle = at - state.last_active_at
    if idle < 0:
        state.created_at = min(state.created_at, at)
        return
    if idle >= REST_MS and (deed.kind is DeedKind.PROMPT or all(turn.is_over for turn in state.turns.values())):
        state.energy = min(state.energy + REST * (idle // REST_MS), FULL)
    hours = (at - state.morale_at) // DRIFT_MS
    if hours > 0:
        state.morale_at += hours * DRIFT_MS
        away = state.morale - EVEN
        state.morale -= min(max(away, -hours), hours)
    state.last_active_at = at
    state.session_id = deed.session_id


def _count_work(state: PersonaState, turn: Turn | None, deed: Deed, tallies: tuple[Tally, ...]) -> None:
    name = _COUNTER.get(deed.kind)
    if name is not None:
        _add(tallies, name, 1)
    if turn is None:
        return
    turn.last_at = max(turn.last_at, deed.at)
    if deed.kind is DeedKind.TOOL:
        turn.tools += 1
        state.busiest_turn = max(state.busiest_turn, turn.tools)


def _begin_turn(state: PersonaState, turn: Turn | None, deed: Deed, tallies: tuple[Tally, ...]) -> None:
    if turn is not None and deed.turn and deed.turn == turn.key and not deed.by_machine:
        return  # Told twice.
    if not deed.by_machine:
        _add(tallies, "prompts", 1)
    if turn is not None:
        if deed.at < turn.began_at:
            return
        _add(tallies, "worked_ms", _interrupted(turn))
        del state.turns[deed.session_id]
    state.turns[deed.session_id] = Turn(key=deed.turn, began_at=deed.at, last_at=deed.at)
    if len(state.turns) > MAX_TURNS:
        del state.turns[next(iter(state.turns))]


def _occasions(day: int, since_midnight_ms: int) -> tuple[str, ...]:
    """The tallies of a person's turn that ends at such a time."""
    night = ("night_turns",) if since_midnight_ms < NIGHT_MS else ()
    return (*night, "weekend_turns") if day - week_of(day) >= SATURDAY else night


def _end_turn(
    state: PersonaState, turn: Turn | None, deed: Deed, tallies: tuple[Tally, ...], occasions: tuple[str, ...]
) -> bool:
    """Count the end of a turn and its time. One that goes on after its end adds the time only; it is no news."""
    took = 0
    is_news = not deed.ended_before
    if turn is not None and _is_end_of(turn, deed):
        is_news = is_news and not turn.is_over
        took = min(deed.at - turn.began_at, LONGEST_TURN_MS)
        turn.is_over = True
        turn.began_at = turn.last_at = deed.at
    _add(tallies, "worked_ms", took)
    state.energy = max(state.energy - TURN_COST * is_news - took // REST_MS, 0)
    if is_news and deed.kind is DeedKind.FAILED_TURN:
        _add(tallies, "failed_turns", 1)
    elif is_news:
        for name in ("turns", *(() if deed.by_machine else occasions)):
            _add(tallies, name, 1)
    return is_news


def _is_end_of(turn: Turn, end: Deed) -> bool:
    """Whether it ends the newest turn; not when it ends another one that is over, or comes after that one's end."""
    if end.at < turn.began_at:
        return False
    return turn.key == end.turn or not (turn.is_over or end.ended_before)


def _interrupted(turn: Turn) -> int:
    """What is to be counted of a turn that another one follows, or nothing."""
    return 0 if turn.is_over else min(turn.last_at - turn.began_at, LONGEST_TURN_MS)
