from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.entities import Status, StatusName, WaitingFor
from services.core.fusion import DRAWN_MS, ENDING_MS, PATIENCE_MS, TRAIL_MS, UNKNOWN, WEAK_MS, Signs, Verdict, fuse
from services.core.sign import PROCESS, REGISTRY, SCREEN, Sign, gone_sign
from services.core.turn import Turn
from tests.unit.core.making import asking, bash, fact, folded

T = 100_000
"""When the last hook spoke."""
IDLE, WORKING, WAITING = StatusName.IDLE, StatusName.WORKING, StatusName.WAITING
ERROR, ENDED, UNKNOWN_NAME = StatusName.ERROR, StatusName.ENDED, StatusName.UNKNOWN

TURNS = {
    None: Turn(),
    WORKING: folded([fact("UserPromptSubmit", T)]),
    WAITING: folded([fact("UserPromptSubmit", T - 100), bash("PreToolUse", T - 50), asking(T)]),
    IDLE: folded([fact("UserPromptSubmit", T - 100), fact("Stop", T)]),
    ERROR: folded([fact("UserPromptSubmit", T - 100), fact("StopFailure", T, error="rate_limit")]),
    ENDED: folded([fact("UserPromptSubmit", T - 100), fact("SessionEnd", T)]),
}
BACKGROUND = folded(
    [fact("UserPromptSubmit", T - 100), fact("Stop", T, background_tasks=[{"id": "b1", "status": "running"}])]
)


def sign(source: str, says: StatusName, at: int, **fields: Any) -> Sign:
    waiting_for = WaitingFor.PERMISSION if says is WAITING else None
    plain: dict[str, Any] = {"rule": f"{says}", "event_id": "e", "waiting_for": waiting_for}
    return Sign(source=source, says=says, at=at, **(plain | fields))


def registry(says: StatusName, at: int) -> Sign:
    return sign(REGISTRY, says, at)


def screen(says: StatusName, at: int, *, weak: bool = False, **fields: Any) -> Sign:
    return sign(SCREEN, says, at, is_strong=not weak, **fields)


def judged(hooks: StatusName | None, *signs: Sign, now: int, settled_at: int = 0, **fields: Any) -> Verdict:
    turn = fields.pop("turn", TURNS[hooks])
    by_source = {one.source: one for one in signs}
    return fuse(
        turn,
        Signs(registry=by_source.get(REGISTRY), screen=by_source.get(SCREEN), gone=by_source.get(PROCESS)),
        now=now,
        settled_at=settled_at,
        **fields,
    )


BEFORE, AFTER = T - 5_000, T + 500
LONG_AFTER = T + 10_000

# What hooks, registry and screen say and when, when it is judged: what holds, and by whom.
TABLE = [
    # Hooks alone.
    (WORKING, (), T, WORKING, "hook"),
    (None, (), T, UNKNOWN_NAME, None),
    # The registry says something else, and spoke later: an Esc, a dialog that no hook told, a lost Stop.
    (WORKING, (registry(IDLE, AFTER),), AFTER, IDLE, REGISTRY),
    (WAITING, (registry(IDLE, AFTER),), AFTER, IDLE, REGISTRY),
    (WAITING, (registry(WORKING, AFTER),), AFTER, WORKING, REGISTRY),
    (WORKING, (registry(WAITING, AFTER),), AFTER, WAITING, REGISTRY),
    (IDLE, (registry(WORKING, AFTER),), AFTER, WORKING, REGISTRY),
    (ENDED, (registry(IDLE, T + ENDING_MS),), T + ENDING_MS, IDLE, REGISTRY),
    # It spoke earlier: it has not followed yet.
    (WORKING, (registry(IDLE, BEFORE),), AFTER, WORKING, "hook"),
    (IDLE, (registry(WORKING, BEFORE),), AFTER, IDLE, "hook"),
    (ENDED, (registry(IDLE, BEFORE),), AFTER, ENDED, "hook"),
    # An error is an idle session to all others.
    (ERROR, (registry(IDLE, AFTER),), LONG_AFTER, ERROR, "hook"),
    (ERROR, (screen(IDLE, AFTER),), LONG_AFTER, ERROR, "hook"),
    # A screen against hooks: a strong one at once when it is later, a weak one when they have been silent.
    (WORKING, (screen(IDLE, AFTER),), AFTER, IDLE, SCREEN),
    (WORKING, (screen(IDLE, BEFORE),), AFTER, WORKING, "hook"),
    (WORKING, (screen(IDLE, AFTER, weak=True),), AFTER, WORKING, "hook"),
    (WORKING, (screen(IDLE, AFTER, weak=True),), T + WEAK_MS, IDLE, SCREEN),
    # A dialog is drawn after its hook: the screen from before it says nothing against it.
    (WAITING, (screen(WORKING, AFTER),), AFTER, WAITING, "hook"),
    (WAITING, (screen(WORKING, AFTER, weak=True),), T + DRAWN_MS - 1, WAITING, "hook"),
    (WAITING, (screen(WORKING, AFTER, weak=True),), T + DRAWN_MS, WORKING, SCREEN),
    (WAITING, (screen(IDLE, AFTER),), AFTER, IDLE, SCREEN),
    (WAITING, (registry(WORKING, AFTER), screen(WORKING, AFTER)), AFTER, WORKING, REGISTRY),
    # Three: two against one.
    (WORKING, (registry(WORKING, AFTER), screen(IDLE, LONG_AFTER)), LONG_AFTER, WORKING, "hook"),
    (WORKING, (registry(IDLE, AFTER), screen(WORKING, LONG_AFTER)), LONG_AFTER, WORKING, "hook"),
    (WORKING, (registry(IDLE, AFTER), screen(WORKING, LONG_AFTER, weak=True)), LONG_AFTER, IDLE, REGISTRY),
    (WORKING, (registry(IDLE, AFTER), screen(IDLE, AFTER)), AFTER, IDLE, REGISTRY),
    # A dialog that is plainly open is more than two others know.
    (WORKING, (registry(WORKING, AFTER), screen(WAITING, LONG_AFTER)), LONG_AFTER, WAITING, SCREEN),
    (WORKING, (registry(WORKING, AFTER), screen(WAITING, LONG_AFTER, weak=True)), LONG_AFTER, WORKING, "hook"),
    # Without hooks.
    (None, (registry(WAITING, T),), T, WAITING, REGISTRY),
    (None, (screen(WAITING, T, weak=True),), T, WAITING, SCREEN),
    (None, (registry(WORKING, T), screen(IDLE, AFTER)), AFTER, WORKING, REGISTRY),
    (None, (registry(WORKING, T), screen(WAITING, AFTER)), AFTER, WAITING, SCREEN),
    # The process has gone.
    (WORKING, (gone_sign(PROCESS, "gone", AFTER, "e"),), AFTER, ENDED, PROCESS),
    (WORKING, (gone_sign(PROCESS, "gone", BEFORE, "e"),), AFTER, WORKING, "hook"),
    (ENDED, (gone_sign(PROCESS, "gone", AFTER, "e"),), AFTER, ENDED, PROCESS),
    (None, (gone_sign(PROCESS, "gone", AFTER, "e"),), AFTER, ENDED, PROCESS),
    (WORKING, (gone_sign(PROCESS, "gone", AFTER, "e"), screen(IDLE, BEFORE)), AFTER, ENDED, PROCESS),
]


@pytest.mark.parametrize(("hooks", "signs", "now", "name", "source"), TABLE, ids=repr)
def test_what_holds(
    hooks: StatusName | None, signs: tuple[Sign, ...], now: int, name: StatusName, source: str | None
) -> None:
    status = judged(hooks, *signs, now=now).status

    assert status.name is name
    assert (None if status.evidence is None else status.evidence.source) == source


def test_a_source_that_has_not_followed_is_believed_after_its_time_when_it_was_heard_of() -> None:
    early = judged(WORKING, registry(IDLE, BEFORE), now=AFTER)
    assert (early.review_at, early.awaits_word) == (T + PATIENCE_MS, True)

    unheard = judged(WORKING, registry(IDLE, BEFORE), now=LONG_AFTER, settled_at=T + PATIENCE_MS - 1)
    assert unheard.status.name is WORKING

    heard = judged(WORKING, registry(IDLE, BEFORE), now=LONG_AFTER, settled_at=T + PATIENCE_MS)
    assert heard.status.name is IDLE
    assert heard.review_at is None


def test_news_right_after_a_hook_waits_for_the_next_hook_only() -> None:
    early = judged(WORKING, registry(IDLE, T + 10), now=T + 10)

    assert (early.status.name, early.review_at, early.awaits_word) == (WORKING, T + TRAIL_MS, False)
    assert judged(WORKING, registry(IDLE, T + 10), now=T + TRAIL_MS).status.name is IDLE


def test_a_turn_that_ended_with_work_in_the_background_stays_idle() -> None:
    verdict = judged(None, registry(WORKING, BEFORE), now=LONG_AFTER, settled_at=LONG_AFTER, turn=BACKGROUND)

    assert verdict.status.name is IDLE
    assert verdict.status.background_tasks == 1
    assert verdict.review_at is None
    again = judged(None, registry(WORKING, AFTER), now=LONG_AFTER, turn=BACKGROUND)
    assert again.status.name is WORKING, "it works again: the notice of a task's end is a turn"


def test_who_disagrees_is_named_with_what_it_says() -> None:
    status = judged(WORKING, registry(WORKING, AFTER), screen(IDLE, AFTER), now=LONG_AFTER).status

    assert [(claim.source, claim.says, claim.at) for claim in status.disputed_by] == [(SCREEN, IDLE, AFTER)]


def test_an_end_that_only_another_source_tells_was_seen_by_who_pressed_esc() -> None:
    working = Status(name=WORKING, since=T)

    assert not judged(WORKING, registry(IDLE, AFTER), now=AFTER, before=working).status.unseen
    assert judged(None, registry(IDLE, AFTER), now=AFTER, before=working).status.unseen, "without hooks nobody knows"
    unseen = Status(name=IDLE, since=T, unseen=True)
    assert judged(None, registry(IDLE, AFTER), now=LONG_AFTER, before=unseen).status.unseen, "it stays so"


def test_a_dialog_of_two_sources_is_described_by_the_hook() -> None:
    verdict = judged(WAITING, registry(WAITING, AFTER), now=LONG_AFTER)
    assert verdict.asks is not None
    assert verdict.asks.tool_name == "Bash"


def test_a_dialog_that_no_hook_told_is_described_by_the_screen() -> None:
    shown = screen(
        WAITING, AFTER, waiting_for=WaitingFor.PLAN, question="Would you like to proceed?", options=("Yes", "No")
    )
    verdict = judged(WORKING, registry(WAITING, AFTER), shown, now=AFTER)

    assert verdict.status.waiting_for is WaitingFor.PLAN, "the registry calls a plan a permission prompt"
    assert verdict.asks is not None
    [question] = verdict.asks.questions
    assert question.question == "Would you like to proceed?"
    assert [option.label for option in question.options] == ["Yes", "No"]


def test_the_time_of_a_status_stays_while_its_source_changes() -> None:
    before = Status(name=IDLE, since=T + 7)

    assert judged(WORKING, registry(IDLE, AFTER), now=AFTER, before=before).status.since == T + 7


# Properties.

SAYS = st.sampled_from([WORKING, WAITING, IDLE])
TIMES = st.integers(T - 5_000, T + 5_000)
SIGNS = st.builds(
    lambda registry, screen, gone: tuple(one for one in (registry, screen, gone) if one is not None),
    st.none() | st.builds(registry, SAYS, TIMES),
    st.none() | st.builds(lambda says, at, weak: screen(says, at, weak=weak), SAYS, TIMES, st.booleans()),
    st.none() | st.builds(lambda at: gone_sign(PROCESS, "gone", at, "e"), TIMES),
)
HOOKS = st.sampled_from(list(TURNS))


def kind(name: StatusName) -> StatusName:
    return IDLE if name is ERROR else name


@given(HOOKS, SIGNS, TIMES, TIMES)
def test_a_status_is_what_some_source_says_and_the_others_are_named(
    hooks: StatusName | None, signs: tuple[Sign, ...], now: int, settled_at: int
) -> None:
    status = judged(hooks, *signs, now=now, settled_at=settled_at).status

    says = {one.source: one.says for one in signs} | ({} if hooks is None else {"hook": hooks})
    assert status.name in {*says.values(), UNKNOWN_NAME}
    assert (status.evidence is None) == (not says)
    if status.name is not ENDED:
        others = {source for source, name in says.items() if kind(name) is not kind(status.name)} - {PROCESS}
        assert {claim.source for claim in status.disputed_by} == others


@given(HOOKS, SIGNS, TIMES)
def test_sources_that_agree_are_right_at_once(hooks: StatusName | None, signs: tuple[Sign, ...], now: int) -> None:
    living = [one for one in signs if one.source != PROCESS]
    verdict = judged(hooks, *living, now=now)

    if len({kind(one.says) for one in living} | ({kind(hooks)} if hooks else set())) == 1:
        assert kind(verdict.status.name) is kind(living[0].says if living else hooks or UNKNOWN_NAME)
        assert verdict.status.disputed_by == ()
        assert verdict.review_at is None


@given(HOOKS, SIGNS, TIMES, TIMES)
def test_a_look_at_the_time_it_asked_for_decides(
    hooks: StatusName | None, signs: tuple[Sign, ...], now: int, settled_at: int
) -> None:
    verdict = judged(hooks, *signs, now=now, settled_at=settled_at)

    if verdict.review_at is not None:
        later = judged(hooks, *signs, now=verdict.review_at, settled_at=verdict.review_at)
        assert later.review_at is None
        assert later.status.name is not verdict.status.name


@given(HOOKS.filter(lambda name: name not in {None, WAITING, ENDED}), SAYS, TIMES, st.integers(T, T + WEAK_MS - 1))
def test_a_weak_screen_never_overrules_a_fresh_hook(hooks: StatusName, says: StatusName, at: int, now: int) -> None:
    assert judged(hooks, screen(says, at, weak=True), now=now, settled_at=now).status.name is hooks


def test_nothing_known_is_unknown() -> None:
    assert judged(None, now=T) == UNKNOWN
