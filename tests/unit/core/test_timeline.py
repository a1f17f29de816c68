import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract.entities import StatusName
from services.core.facts import Fact
from services.core.timeline import WINDOW, Timeline
from services.core.turn import name_of
from tests.unit.core.making import asking, bash, closed, fact, folded

NAMES = [
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PermissionRequest",
    "PostToolUse",
    "PostToolBatch",
    "Stop",
    "StopFailure",
    "SessionEnd",
    "SubagentStart",
    "SubagentStop",
    "Unknown",
]


@st.composite
def any_fact(draw: st.DrawFn) -> Fact:
    call = draw(st.sampled_from(["c1", "c2", "c3"]))
    fields = {"agent_id": "a1"} if draw(st.booleans()) else {}
    pane = draw(st.sampled_from([None, "%1", "%2"]))
    return bash(draw(st.sampled_from(NAMES)), draw(st.integers(0, 5_000)), call, pane=pane, **fields)


def timeline_of(facts: list[Fact]) -> Timeline:
    timeline = Timeline()
    for one in facts:
        timeline.add(one)
    return timeline


@settings(max_examples=30)
@given(st.lists(any_fact(), max_size=WINDOW), st.randoms(use_true_random=False))
def test_any_order_of_arrival_within_the_window_gives_the_same_turn(facts: list[Fact], order: random.Random) -> None:
    arrived = order.sample(facts, len(facts))

    timeline = timeline_of(arrived)

    assert timeline.turn == folded(sorted(facts, key=lambda one: one.order))
    assert not timeline.is_cut


@given(st.randoms(use_true_random=False))
@settings(max_examples=8)
def test_in_order_nothing_is_ever_late(chance: random.Random) -> None:
    facts = [bash(chance.choice(NAMES), chance.randrange(5_000), f"c{chance.randrange(3)}") for _ in range(2 * WINDOW)]
    in_order = sorted(facts, key=lambda one: one.order)
    timeline = Timeline()

    assert all(map(timeline.add, in_order))
    assert timeline.turn == folded(in_order)
    assert len(timeline.facts) == WINDOW


def full(last: int = WINDOW) -> Timeline:
    """A timeline that has let its first fact go."""
    return timeline_of([bash("PreToolUse", 10 + n, f"c{n}") for n in range(last + 1)])


def test_a_fact_older_than_the_window_is_refused() -> None:
    timeline = full()
    before = timeline.turn

    assert not timeline.add(fact("SessionEnd", 10))
    assert timeline.turn == before
    assert len(timeline.facts) == WINDOW


def test_a_fact_just_within_the_window_is_applied() -> None:
    timeline = full()

    assert timeline.add(fact("UserPromptSubmit", 12, prompt="late"))
    assert timeline.turn.prompt == "late"
    assert len(timeline.facts) == WINDOW


def test_the_first_of_a_short_timeline_may_come_last() -> None:
    timeline = timeline_of([fact("Stop", 5)])

    assert timeline.add(fact("UserPromptSubmit", 1))
    assert name_of(timeline.turn) is StatusName.IDLE


def test_a_late_request_is_settled_by_what_came_before_it() -> None:
    timeline = timeline_of([bash("PreToolUse", 1), bash("PostToolUse", 9), asking(2)])

    assert name_of(timeline.turn) is StatusName.WORKING


def test_a_stop_of_the_millisecond_in_which_the_pane_closes_comes_before_it() -> None:
    timeline = timeline_of([closed(5), fact("Stop", 5)])

    assert name_of(timeline.turn) is StatusName.ENDED
