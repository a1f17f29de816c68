"""Decides what deeds earn: once each, by the rules, within a day's limits. Pure.

What was awarded is remembered by the ledger, through `is_first`; what is remembered here is small and bounded. An event
is to be taken once: `Game` leaves out a `seq` that it has had.
"""

from collections.abc import Callable, Iterable
from typing import Final

from msgspec import Struct, field, structs

from services.core.game.calendar import Streak, streak_after
from services.core.game.deeds import Deed, DeedKind, digest_of
from services.core.game.rules import QUEST, QUEST_PHASE, STREAK, Rule, Rules

TURNS: Final = 8
"""Of a session, the newest: events of one may come after the prompt of the next."""
COMMITS: Final = 16
PUSHES: Final = 16
"""Of a session, the newest: an event of one may come again."""
CALLS: Final = 64
"""Of a session, the newest calls and tasks: hooks that are set twice tell each of them twice, under two ids."""
DAYS: Final = 3
"""Up to the newest day that there was, those with a limit of their own."""
LONG_AGO: Final = 0
"""The day that all earlier ones count as: a time that lies back gives no limits anew."""
KEPT_DAYS: Final = 7
"""A session or persona without deeds for longer is forgotten; what it earned stays in the ledger."""

_TOLD_ONCE: Final = frozenset({DeedKind.TOOL, DeedKind.FAILED_TOOL, DeedKind.TASK_CREATED, DeedKind.TASK_COMPLETED})

IsFirst = Callable[[str, int], bool]
"""Whether the award with this key belongs to the event with this seq: nobody had it before."""


class Award(Struct, frozen=True, kw_only=True):
    """One row of the XP ledger."""

    key: str
    """Natural key: the same work is awarded once."""
    seq: int
    """The kept event that earned it."""
    at: int
    day: int
    """The local day, as `calendar` has it."""
    session_id: str
    """Empty when no session did it, as of a quest that a person completed."""
    persona_id: str
    """Empty when nobody did it."""
    project_id: str | None
    """None while it is not known what repository the folder is in."""
    folder: str | None
    amount: int
    rule: str
    reason: str


class Credit(Struct, frozen=True, kw_only=True):
    """To whom and to what day awards go."""

    persona_id: str
    project_id: str | None
    day: int


class SessionMemory(Struct, kw_only=True):
    """What is remembered of a session."""

    day: int = 0
    """The newest with a deed."""
    turn: str = ""
    """That of the newest prompt."""
    turns: dict[str, bool] = field(default_factory=dict[str, bool])
    """Whether a person began it."""
    ended: dict[str, bool] = field(default_factory=dict[str, bool])
    """The turns that have ended, well or not; False of one that a machine has begun again."""
    commits: list[str] = field(default_factory=list[str])
    """Their shas, the newest last: an event of one may come again."""
    pushes: dict[str, str] = field(default_factory=dict[str, str])
    """By the id of the call, what was pushed."""
    calls: dict[str, bool] = field(default_factory=dict[str, bool])
    """Calls and tasks by what happened to them, the newest last."""


class PersonaMemory(Struct, kw_only=True):
    """What is remembered of a persona."""

    days: dict[int, dict[str, int]] = field(default_factory=dict[int, dict[str, int]])
    """How often each rule gave something, by the local day; `LONG_AGO` has those before the newest ones."""
    streak: Streak = Streak()


class EarningsState(Struct, kw_only=True):
    """What a checkpoint keeps."""

    sessions: dict[str, SessionMemory] = field(default_factory=dict[str, SessionMemory])
    personas: dict[str, PersonaMemory] = field(default_factory=dict[str, PersonaMemory])
    day: int = 0
    """The newest day that there was."""


class Earnings:
    """The rules at work, over what is remembered."""

    def __init__(self, rules: Rules, state: EarningsState | None = None) -> None:
        self.state = EarningsState() if state is None else state
        self._rules = rules.of_deed

    def settle(self, deeds: tuple[Deed, ...], day: int) -> tuple[Deed, ...]:
        """The deeds of one event, with what only the session's earlier ones tell.

        That is their turn, and whether it makes a streak; of a turn, who began it and whether it had ended before; and
        of a push, what was pushed, as its key. Nothing of a call or a task that another event told already. To be
        called once for each event, before `awards` and before statistics are kept.
        """
        if not deeds:
            return ()
        first = deeds[0]
        session = self._session(first.session_id, day)
        if first.kind in _TOLD_ONCE and first.key and not _is_news(session, f"{first.kind} {first.key}"):
            return ()
        if first.kind is DeedKind.PROMPT:
            _begin_turn(session, first)
        turn = first.turn or session.turn
        counted = self._counted(day)
        counts_for_streak = counted != LONG_AGO and session.turns.get(turn, True)
        if first.kind is DeedKind.TOOL and len(deeds) == 1 and first.turn and counts_for_streak:
            return deeds
        settled = (structs.replace(deed, turn=turn, counts_for_streak=counts_for_streak) for deed in deeds)
        return tuple(_settled(deed, session, counted) for deed in settled)

    def end(self, session_id: str) -> None:
        """A session has ended: let go of the calls that it may tell again. What it earned stays in the ledger."""
        session = self.state.sessions.get(session_id)
        if session is not None:
            session.calls.clear()
            session.pushes.clear()

    def awards(self, seq: int, deeds: tuple[Deed, ...], credit: Credit, is_first: IsFirst) -> list[Award]:
        """What the settled deeds of one event earn. Nothing when its call was awarded before, under another event."""
        given: list[Award] = []
        is_work = False
        for deed in deeds:
            rule = self._rules.get(deed.kind)
            key = _key_of(deed)
            if rule is None or key is None:
                continue
            is_work = is_work or deed.counts_for_streak
            if not self._has_room(rule, credit):
                continue
            if is_first(key, seq):
                given.append(self._award(rule, key, seq, deed, credit))
            elif deed.kind is DeedKind.TOOL:
                return []
        if is_work:
            given += self._streak(seq, deeds[0], credit, is_first)
        return given

    def quest_awards(
        self,
        seq: int,
        completed: Iterable[tuple[str, int | None]],
        credit: Credit,
        is_first: IsFirst,
        *,
        at: int,
        session_id: str = "",
    ) -> list[Award]:
        """What completed phases, and quests where there is no number, earn: once each, whoever completes them.

        Give a `persona_id` of "" and no session for what a person did: the XP are the project's then.
        """
        given: list[Award] = []
        self._see(credit.day)
        for quest_id, n in completed:
            rule = self._rules.get(QUEST if n is None else QUEST_PHASE)
            key = f"quest:{quest_id}" if n is None else f"phase:{quest_id}:{n}"
            if rule is None or not self._has_room(rule, credit) or not is_first(key, seq):
                continue
            self._count(rule, credit)
            given.append(_award(rule, key, seq, credit, at=at, session_id=session_id, reason=quest_id))
        return given

    def _streak(self, seq: int, deed: Deed, credit: Credit, is_first: IsFirst) -> list[Award]:
        persona = self._persona(credit.persona_id)
        before = persona.streak
        if credit.day == before.last_day:
            return []
        persona.streak = after = streak_after(before, credit.day)
        rule = self._rules.get(STREAK)
        is_news = after.last_day == credit.day and rule is not None and after.days >= rule.from_day
        key = f"streak:{credit.persona_id}:{credit.day}"
        if rule is None or not is_news or not self._has_room(rule, credit) or not is_first(key, seq):
            return []
        return [self._award(rule, key, seq, deed, credit)]

    def _award(self, rule: Rule, key: str, seq: int, deed: Deed, credit: Credit) -> Award:
        self._count(rule, credit)
        reason = deed.detail if rule.deed != STREAK else f"{self._persona(credit.persona_id).streak.days} days"
        return _award(rule, key, seq, credit, at=deed.at, session_id=deed.session_id, reason=reason, folder=deed.cwd)

    # Memory.

    def _has_room(self, rule: Rule, credit: Credit) -> bool:
        return rule.per_day is None or self._counts(credit).get(rule.name, 0) < rule.per_day

    def _count(self, rule: Rule, credit: Credit) -> None:
        counts = self._counts(credit)
        counts[rule.name] = counts.get(rule.name, 0) + 1

    def _counts(self, credit: Credit) -> dict[str, int]:
        """How often each rule gave something to the persona on the day."""
        days = self._persona(credit.persona_id).days
        day = self._counted(credit.day)
        counts = days.get(day)
        if counts is None:
            for one in [one for one in days if one != self._counted(one)]:
                del days[one]
            counts = days[day] = {}
        return counts

    def _counted(self, day: int) -> int:
        """The day whose limits are those of a day."""
        return day if day > self.state.day - DAYS else LONG_AGO

    def _persona(self, persona_id: str) -> PersonaMemory:
        personas = self.state.personas
        persona = personas.get(persona_id)
        if persona is None:
            persona = personas[persona_id] = PersonaMemory()
        return persona

    def _session(self, session_id: str, day: int) -> SessionMemory:
        self._see(day)
        sessions = self.state.sessions
        session = sessions.get(session_id)
        if session is None:
            session = sessions[session_id] = SessionMemory()
        session.day = max(session.day, day)
        return session

    def _see(self, day: int) -> None:
        state = self.state
        if day <= state.day:
            return
        state.day, first = day, day - KEPT_DAYS
        state.sessions = {id_: one for id_, one in state.sessions.items() if one.day >= first}
        state.personas = {id_: one for id_, one in state.personas.items() if max(one.days, default=day) >= first}


def _is_news(session: SessionMemory, call: str) -> bool:
    if call in session.calls:
        return False
    session.calls[call] = True
    if len(session.calls) > CALLS:
        del session.calls[next(iter(session.calls))]
    return True


def _begin_turn(session: SessionMemory, prompt: Deed) -> None:
    """A prompt that comes again begins its turn again, not another one."""
    session.turn = turn = prompt.turn or prompt.event_id
    by_person = session.turns.pop(turn, False) or not prompt.by_machine
    session.turns[turn] = by_person
    if len(session.turns) > TURNS:
        del session.turns[next(iter(session.turns))]
    if prompt.by_machine and turn in session.ended:
        session.ended[turn] = False


def _settled(deed: Deed, session: SessionMemory, day: int) -> Deed:
    match deed.kind:
        case DeedKind.TURN | DeedKind.FAILED_TURN:
            return _ended(deed, session)
        case DeedKind.PUSH:
            return structs.replace(deed, key=_pushed(session, deed, day))
        case DeedKind.COMMIT:
            if deed.key not in session.commits:
                session.commits = [*session.commits[1 - COMMITS :], deed.key]
        case _:
            pass
    return deed


def _ended(end: Deed, session: SessionMemory) -> Deed:
    """The end of a turn. One that goes on after its end does so by itself, for all that a person began it."""
    turn, ended = end.turn, session.ended
    by_machine = turn in ended or not session.turns.get(turn, False)
    ended_before = ended.pop(turn, False)
    if turn:
        ended[turn] = True
    if len(ended) > TURNS:
        del ended[next(iter(ended))]
    return structs.replace(end, key=_word(turn), by_machine=by_machine, ended_before=ended_before)


def _pushed(session: SessionMemory, push: Deed, day: int) -> str:
    """What a push brought to others: the newest commit, or what there was of the branch on the day."""
    call_id = push.key
    pushed = session.pushes.get(call_id)
    if pushed is None:
        pushed = session.commits[-1] if session.commits else f"{digest_of(push.detail)}:{day}"
        if call_id:
            session.pushes[call_id] = pushed
        if len(session.pushes) > PUSHES:
            del session.pushes[next(iter(session.pushes))]
    return pushed


def _key_of(deed: Deed) -> str | None:
    """The natural key of what a settled deed earns; None when it cannot be told from another one."""
    if not deed.key or deed.by_machine:
        return None
    if deed.kind in {DeedKind.EDIT, DeedKind.TEST}:
        return f"{deed.kind}:{deed.session_id}:{_word(deed.turn)}:{deed.key}"
    if deed.kind is DeedKind.PULL_REQUEST:
        return f"pr:{deed.key}"
    return f"{deed.kind}:{deed.session_id}:{deed.key}"


def _award(
    rule: Rule, key: str, seq: int, credit: Credit, *, at: int, session_id: str, reason: str, folder: str | None = None
) -> Award:
    return Award(
        key=key,
        seq=seq,
        at=at,
        day=credit.day,
        session_id=session_id,
        persona_id=credit.persona_id,
        project_id=credit.project_id,
        folder=folder,
        amount=rule.xp,
        rule=rule.name,
        reason=reason,
    )


def _word(turn: str) -> str:
    """A turn within a key."""
    return digest_of(turn) if turn else ""
