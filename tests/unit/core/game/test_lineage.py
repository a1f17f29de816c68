"""Each case is a story: what is seen, and whose persona each session that did something has."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.events import NewEvent
from services.core.facts import fact_of
from services.core.game.lineage import (
    DISORDER_MS,
    MATCH_MS,
    MAX_HEARD,
    MAX_PENDING,
    MAX_PLACES,
    Lineage,
    LineageState,
    persona_id_of,
    place_of,
)
from tests.unit.core.making import TMUX, Log, hook, recorded

HERE: Final = place_of("%1", 10)
THERE: Final = place_of("%2", 10)
LATER_SERVER: Final = place_of("%1", 99)
OUTSIDE: Final = place_of(None, None)

Step = Callable[["Story"], None]


class Story:
    """A lineage, and the personas of those that did something, by their first session."""

    def __init__(self) -> None:
        self.lineage = Lineage(LineageState())
        self.first: dict[str, str] = {}
        self.personas: dict[str, str] = {}
        self.at = 1_000_000

    def tell(self, *steps: Step) -> dict[str, str]:
        """Whose persona each session has, as the first session with it."""
        for step in steps:
            self.at += 20
            step(self)
        return self.personas


def start(session: str, source: str = "startup", place: str = HERE, *, early_ms: int = 0) -> Step:
    return lambda story: story.lineage.start(session, source, place, story.at - early_ms)


def end(session: str, reason: str = "prompt_input_exit", place: str = HERE, *, late_ms: int = 0) -> Step:
    return lambda story: story.lineage.end(session, reason, place, story.at + late_ms)


def moved(before: str, after: str) -> Step:
    return lambda story: story.lineage.moved(before, after)


def works(session: str, place: str = HERE) -> Step:
    def step(story: Story) -> None:
        at = story.at
        persona_id = story.lineage.persona_for(session, place, at, received_at=at, seq=len(story.first) + 1)
        story.personas[session] = story.first.setdefault(persona_id, session)

    return step


def wait(ms: int) -> Step:
    def step(story: Story) -> None:
        story.at += ms

    return step


STORIES: Final[dict[str, tuple[tuple[Step, ...], dict[str, str]]]] = {
    "/clear": ((works("a"), end("a", "clear"), start("b", "clear"), works("b")), {"a": "a", "b": "a"}),
    "/clear, the hooks in the other order": (
        (works("a"), start("b", "clear"), end("a", "clear"), works("b")),
        {"a": "a", "b": "a"},
    ),
    "/clear, the end's clock a bit ahead": (
        (works("a"), end("a", "clear", late_ms=1_500), start("b", "clear"), works("b")),
        {"a": "a", "b": "a"},
    ),
    "/clear, its end lost": ((works("a"), start("b", "clear"), works("b")), {"a": "a", "b": "a"}),
    "/clear, its start lost": ((works("a"), end("a", "clear"), works("b")), {"a": "a", "b": "a"}),
    "/clear, its start after the first prompt": (
        (works("a"), end("a", "clear"), works("b"), start("b", "clear"), works("b")),
        {"a": "a", "b": "a"},
    ),
    "/clear, a long rest, then work": (
        (works("a"), end("a", "clear"), start("b", "clear"), wait(10 * MATCH_MS), works("b")),
        {"a": "a", "b": "a"},
    ),
    "/clear twice without work between": (
        (works("a"), end("a", "clear"), start("b", "clear"), end("b", "clear"), start("c", "clear"), works("c")),
        {"a": "a", "c": "a"},
    ),
    "/clear twice, the ends lost": (
        (works("a"), start("b", "clear"), start("c", "clear"), works("c")),
        {"a": "a", "c": "a"},
    ),
    "/clear twice, the hooks of the second in the other order": (
        (
            *(works("a"), end("a", "clear"), start("b", "clear"), works("b")),
            *(start("c", "clear"), end("b", "clear"), works("c")),
        ),
        {"a": "a", "b": "a", "c": "a"},
    ),
    "/clear outside tmux, by the registry": (
        (
            *(works("a", OUTSIDE), end("a", "clear", OUTSIDE), start("b", "clear", OUTSIDE)),
            *(moved("a", "b"), works("b", OUTSIDE)),
        ),
        {"a": "a", "b": "a"},
    ),
    "/clear by the registry, no hook of it": ((works("a"), moved("a", "b"), works("b")), {"a": "a", "b": "a"}),
    "/clear outside tmux, no registry: unknown": (
        (works("a", OUTSIDE), end("a", "clear", OUTSIDE), start("b", "clear", OUTSIDE), works("b", OUTSIDE)),
        {"a": "a", "b": "b"},
    ),
    "/clear in another pane": (
        (works("a"), works("x", THERE), end("a", "clear"), start("b", "clear"), works("b")),
        {"a": "a", "x": "x", "b": "a"},
    ),
    "the end of one agent, the start of another in the other pane": (
        (works("a"), end("a", "clear"), start("b", "clear", THERE), works("b", THERE)),
        {"a": "a", "b": "b"},
    ),
    "a /clear that nobody followed in time": (
        (works("a"), end("a", "clear"), wait(MATCH_MS), works("b")),
        {"a": "a", "b": "b"},
    ),
    "before the /clear, told late": (
        (works("a"), end("a", "clear", late_ms=60_000), works("b")),
        {"a": "a", "b": "b"},
    ),
    "two sessions after each other": (
        (start("a"), works("a"), end("a"), start("b"), works("b")),
        {"a": "a", "b": "b"},
    ),
    "a new start soon after a /clear that was left": (
        (works("a"), end("a", "clear"), start("b"), works("b")),
        {"a": "a", "b": "b"},
    ),
    "two sessions after each other, the end lost": ((works("a"), start("b"), works("b")), {"a": "a", "b": "b"}),
    "a session after one whose end was lost, and its /clear": (
        (works("a"), start("b"), works("b"), start("c", "clear"), works("c")),
        {"a": "a", "b": "b", "c": "b"},
    ),
    "a nested claude -p": (
        (works("a"), start("n"), works("n"), end("n", "other"), works("a")),
        {"a": "a", "n": "n"},
    ),
    "a nested claude -p, then /clear with its end lost": (
        (works("a"), start("n"), works("n"), end("n", "other"), start("b", "clear"), works("b")),
        {"a": "a", "n": "n", "b": "a"},
    ),
    "a nested claude -p that was killed, then /clear with its end lost": (
        (works("a"), start("n"), works("n"), works("a"), start("b", "clear"), works("b")),
        {"a": "a", "n": "n", "b": "a"},
    ),
    "a nested claude -p still runs at a /clear": (
        (works("a"), start("n"), works("n"), end("a", "clear"), start("b", "clear"), works("b"), works("n")),
        {"a": "a", "n": "n", "b": "a"},
    ),
    "a guess that the end puts right": (
        (works("a"), start("n"), works("n"), start("b", "clear"), end("a", "clear"), works("b")),
        {"a": "a", "n": "n", "b": "a"},
    ),
    "a guess that the registry puts right": (
        (works("a"), start("n"), works("n"), start("b", "clear"), moved("a", "b"), works("b")),
        {"a": "a", "n": "n", "b": "a"},
    ),
    "a guess does not undo what the registry says": (
        (works("a"), works("n"), moved("a", "b"), start("b", "clear"), works("b")),
        {"a": "a", "n": "n", "b": "a"},
    ),
    "a resume in another pane": (
        (works("a"), end("a"), start("a", "resume", THERE), works("a", THERE)),
        {"a": "a"},
    ),
    "/resume of another known session": (
        (
            *(works("a"), end("a"), start("b"), works("b"), end("b", "resume"), start("a", "resume")),
            *(moved("b", "a"), works("a")),
        ),
        {"a": "a", "b": "b"},
    ),
    "/resume of a session that nobody knows": (
        (works("a"), end("a", "resume"), start("b", "resume"), works("b")),
        {"a": "a", "b": "a"},
    ),
    "/resume of a session that nobody knows, in the other order": (
        (works("a"), start("b", "resume"), end("a", "resume"), works("b")),
        {"a": "a", "b": "a"},
    ),
    "--resume of a session that nobody knows": (
        (works("a"), end("a"), start("b", "resume"), works("b")),
        {"a": "a", "b": "b"},
    ),
    "an end by resume does not make a /clear": (
        (works("a"), end("a", "resume"), start("b", "clear", HERE), works("b")),
        {"a": "a", "b": "b"},
    ),
    "a fork": ((works("a"), end("a", "other"), start("f", "fork"), works("f")), {"a": "a", "f": "f"}),
    "a fork within the process": (
        (works("a"), moved("a", "f"), start("f", "fork"), works("f"), works("a")),
        {"a": "a", "f": "f"},
    ),
    "a fork, the registry after it": (
        (works("a"), start("f", "fork"), moved("a", "f"), works("f")),
        {"a": "a", "f": "f"},
    ),
    "compaction": ((works("a"), start("a", "compact"), works("a")), {"a": "a"}),
    "a restart of the tmux server": (
        (works("a"), start("a", "resume", LATER_SERVER), works("a", LATER_SERVER)),
        {"a": "a"},
    ),
    "the same pane of a later tmux server": (
        (works("a"), end("a", "clear"), start("b", "clear", LATER_SERVER), works("b", LATER_SERVER)),
        {"a": "a", "b": "b"},
    ),
    "the first thing seen is work": ((works("a"), works("b")), {"a": "a", "b": "b"}),
    "a session without work before": (
        (start("a"), end("a", "clear"), start("b", "clear"), works("b")),
        {"b": "b"},
    ),
    "hooks that come twice": (
        (
            *(works("a"), end("a", "clear"), end("a", "clear"), start("b", "clear"), start("b", "clear")),
            *(works("b"), start("b", "clear"), end("a", "clear"), works("b"), works("a")),
        ),
        {"a": "a", "b": "a"},
    ),
    "phantoms": (
        (works("a"), start("x"), start("y"), end("a", "clear"), start("b", "clear"), works("b")),
        {"a": "a", "b": "a"},
    ),
    "the registry on what has a persona": ((works("a"), works("b"), moved("a", "b"), works("b")), {"a": "a", "b": "b"}),
    "another session's first deed overtakes its start after a /clear": (
        (works("a"), end("a", "clear"), works("x"), start("x"), start("b", "clear"), works("b"), works("x")),
        {"a": "a", "x": "x", "b": "a"},
    ),
    "a fork's first deed overtakes its start after a /clear": (
        (works("a"), end("a", "clear"), works("f"), start("f", "fork"), works("f")),
        {"a": "a", "f": "f"},
    ),
    "another session's first deed overtakes its start, and so does the follower's": (
        (works("a"), end("a", "clear"), works("x"), start("x", early_ms=40), works("b"), works("x")),
        {"a": "a", "x": "x", "b": "a"},
    ),
    "another session's first deed overtakes its start, which comes last": (
        (works("a"), end("a", "clear"), works("x"), start("b", "clear"), works("b"), start("x"), works("x")),
        {"a": "a", "x": "x", "b": "a"},
    ),
    "another session's first deed overtakes its start after the /clear's start": (
        (
            *(works("a"), end("a", "clear"), wait(DISORDER_MS), works("x"), start("b", "clear"), works("b")),
            *(start("x"), works("x"), works("c")),
        ),
        {"a": "a", "x": "x", "b": "a", "c": "c"},
    ),
    "another session's first deed after a /clear, its start lost": (
        (works("a"), end("a", "clear"), works("x"), start("b", "clear"), works("b"), works("x")),
        {"a": "a", "x": "x", "b": "a"},
    ),
    "another session's first deed after a /clear, its start lost, then the registry": (
        (works("a"), end("a", "clear"), works("x"), moved("a", "b"), works("b"), works("x")),
        {"a": "a", "x": "x", "b": "a"},
    ),
    "another session's first deed after a /clear of one that did nothing": (
        (start("a"), end("a", "clear"), works("x"), start("b", "clear"), works("b"), start("x"), works("x")),
        {"x": "x", "b": "b"},
    ),
    "a new start long after what it did first": (
        (works("a"), end("a", "clear"), works("b"), wait(DISORDER_MS), start("b"), works("b")),
        {"a": "a", "b": "a"},
    ),
    "a follower by the registry, whose end no stranger takes": (
        (works("a"), end("a", "clear"), moved("a", "b"), works("x"), works("b")),
        {"a": "a", "x": "x", "b": "a"},
    ),
    "/clear twice, the start of the first lost": (
        (
            *(works("a"), end("a", "clear"), works("b"), end("b", "clear", late_ms=100)),
            *(start("c", "clear"), works("c"), works("b")),
        ),
        {"a": "a", "b": "a", "c": "a"},
    ),
    "/resume of a known session, its start lost, then a stranger whose start was lost": (
        (works("a"), works("c", THERE), end("a", "resume"), works("c"), wait(MATCH_MS // 2), works("d")),
        {"a": "a", "c": "c", "d": "d"},
    ),
    "/resume and back, the starts lost, then a stranger whose start was lost": (
        (works("a"), end("a", "resume"), wait(DISORDER_MS), works("a"), works("d")),
        {"a": "a", "d": "d"},
    ),
    "/resume of an unknown session, its start lost, a deed of the one before comes late": (
        (works("a"), end("a", "resume"), works("a"), works("b")),
        {"a": "a", "b": "a"},
    ),
    "/resume of an unknown session, its start lost": (
        (works("a"), works("c", THERE), end("a", "resume"), works("c", THERE), works("b")),
        {"a": "a", "c": "c", "b": "a"},
    ),
    "a /clear beside a nested claude -p that goes on, its start lost": (
        (works("a"), start("n"), works("n"), end("a", "clear"), works("n"), works("b")),
        {"a": "a", "n": "n", "b": "a"},
    ),
    "another session's first deed overtakes its start after a /resume": (
        (works("a"), end("a", "resume"), works("x"), works("x"), start("x"), works("x")),
        {"a": "a", "x": "x"},
    ),
    "an end that comes twice, then a stranger whose start was lost": (
        (
            *(works("a"), end("a", "clear"), start("b", "clear"), end("a", "clear"), works("b")),
            *(end("a", "clear"), works("x")),
        ),
        {"a": "a", "b": "a", "x": "x"},
    ),
    "an end that comes twice after the start, then a stranger whose start was lost": (
        (works("a"), start("b", "clear"), end("a", "clear"), end("a", "clear"), works("b"), works("x")),
        {"a": "a", "b": "a", "x": "x"},
    ),
    "an end that comes twice, the start lost, then a stranger whose start was lost": (
        (works("a"), end("a", "clear"), works("b"), end("a", "clear"), works("x")),
        {"a": "a", "b": "a", "x": "x"},
    ),
    "a start that comes twice does not wait for another's end": (
        (
            *(works("a"), works("n"), end("a", "clear"), start("b", "clear"), start("b", "clear")),
            *(end("n", "clear"), works("b"), works("c")),
        ),
        {"a": "a", "n": "n", "b": "a", "c": "n"},
    ),
    "/clear, /resume of the one before, /clear again": (
        (
            *(works("a"), end("a", "clear"), start("b", "clear"), works("b"), end("b", "resume"), start("a", "resume")),
            *(wait(DISORDER_MS), works("a"), end("a", "clear"), works("c")),
        ),
        {"a": "a", "b": "a", "c": "a"},
    ),
    "another session's guess is undone, and it does not guess again": (
        (
            *(works("a"), works("n"), end("a", "clear"), works("x"), start("b", "clear"), end("n", "clear")),
            *(works("x"), works("b")),
        ),
        {"a": "a", "n": "n", "x": "x", "b": "a"},
    ),
    "another session's guess is undone after a late deed of the one before": (
        (works("a"), end("a", "clear"), works("x"), works("a"), start("x"), works("b"), works("x")),
        {"a": "a", "x": "x", "b": "a"},
    ),
    "no guess to undo by the follower's start, for the one before did nothing until later": (
        (
            *(start("a"), end("a", "clear"), works("x"), works("a"), start("b", "clear")),
            *(moved("x", "y"), works("y")),
        ),
        {"a": "a", "x": "x", "y": "x"},
    ),
    "no guess to undo by its own start, for the one before did nothing until later": (
        (start("a"), end("a", "clear"), works("x"), works("a"), start("x"), moved("x", "y"), works("y")),
        {"a": "a", "x": "x", "y": "x"},
    ),
    "what hooks have told is no guess": (
        (works("a"), end("a", "clear"), start("b", "clear"), works("b"), moved("a", "c"), works("b")),
        {"a": "a", "b": "a"},
    ),
    "/clear twice, the start of the first and the end of the second lost": (
        (works("a"), end("a", "clear"), works("b"), wait(DISORDER_MS), start("c", "clear"), works("c"), works("b")),
        {"a": "a", "b": "a", "c": "a"},
    ),
    "/clear twice, the hooks of the second in the other order, then a stranger whose start was lost": (
        (
            *(works("a"), end("a", "clear"), start("b", "clear"), works("b")),
            *(start("c", "clear"), end("b", "clear"), works("c"), works("x")),
        ),
        {"a": "a", "b": "a", "c": "a", "x": "x"},
    ),
    "words of a newer version": (
        (works("a"), end("a", "moved_on"), start("b", "dreamt"), start("", ""), works("b")),
        {"a": "a", "b": "b"},
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_whose_persona_a_session_has(name: str) -> None:
    steps, personas = STORIES[name]

    assert Story().tell(*steps) == personas


@pytest.mark.parametrize("name", STORIES)
def test_a_checkpoint_at_any_moment_changes_nothing(name: str) -> None:
    steps, personas = STORIES[name]
    story = Story()
    for step in steps:
        packed = msgspec.msgpack.encode(story.lineage.kept)
        story.lineage = Lineage(msgspec.msgpack.decode(packed, type=LineageState))
        story.tell(step)

    assert story.personas == personas


def test_a_real_clear_keeps_the_persona() -> None:
    lineage = Lineage(LineageState())
    found = [_took(lineage, seq, event) for seq, event in enumerate(recorded("clear"), 1)]

    sessions = [event.session_id for event in recorded("clear")]
    assert len(set(sessions)) == 2
    assert len({one for one in found if one is not None}) == 1


def _took(lineage: Lineage, seq: int, event: NewEvent) -> str | None:
    fact, session_id = fact_of(event), event.session_id or ""
    place = place_of(fact.pane_id, fact.tmux_pid)
    if event.name == "SessionStart":
        lineage.start(session_id, fact.kind or "", place, fact.at)
    elif event.name == "SessionEnd":
        lineage.end(session_id, fact.kind or "", place, fact.at)
    else:
        return lineage.persona_for(session_id, place, fact.at, received_at=event.received_at, seq=seq)
    return None


def test_what_waits_is_bounded() -> None:
    story = Story()
    for number in range(2 * MAX_PENDING):
        story.tell(
            works(f"a{number}", place_of(f"%{number}", 1)),
            end(f"a{number}", "clear", place_of(f"%{number}", 1)),
            start(f"b{number}", "clear", place_of(f"%{number}", 2)),
            start(f"c{number}"),
        )
    kept = story.lineage.kept

    assert len(kept.ends) == len(kept.starts) == len(kept.holds) == MAX_PENDING
    story.tell(works("y", place_of(f"%{MAX_PENDING - 1}", 1)), works("z", place_of(f"%{MAX_PENDING}", 1)))
    assert story.personas["y"] == "y"
    assert story.personas["z"] == f"a{MAX_PENDING}"


def test_places_and_what_they_remember_are_bounded() -> None:
    story = Story()
    for number in range(MAX_PLACES + 5):
        story.tell(*(works(f"{number}.{nested}", place_of(f"%{number}", 1)) for nested in range(MAX_HEARD + 2)))
    heard = story.lineage.kept.heard

    assert len(heard) == MAX_PLACES
    assert heard[place_of("%9", 1)] == [f"9.{nested}" for nested in range(2, MAX_HEARD + 2)]


TIMES = st.integers(0, 4_300_000_000_000)


@given(TIMES, TIMES, st.integers(1, 10**12))
def test_ids_sort_by_time(one: int, other: int, seq: int) -> None:
    ids = [persona_id_of(one, seq), persona_id_of(other, seq)]

    assert (ids[0] < ids[1]) == (one < other)
    assert all(len(id_) == 12 and id_[0] == "p" and id_.isalnum() for id_ in ids)


def test_ids_are_unique_even_when_time_and_number_give_the_same() -> None:
    lineage = Lineage(LineageState())
    ids = [lineage.persona_for(f"s{n}", "", 5, received_at=5, seq=n % 2) for n in range(100)]

    assert len(set(ids)) == 100
    again = Lineage(lineage.kept)
    assert again.persona_for("one more", "", 5, received_at=5, seq=0) not in ids


def test_a_place_is_a_pane_of_one_tmux_server() -> None:
    assert len({HERE, THERE, LATER_SERVER, OUTSIDE, place_of("%1", None)}) == 5


def test_what_was_counted_before_a_guess_was_undone_stays_where_it_was_counted() -> None:
    log = Log()
    here: dict[str, Any] = {"pane": "%1", "tmux": TMUX, "cwd": "/w"}
    log.add(
        hook("PostToolUse", 1_000, session="a", tool_name="Read", tool_use_id="t1", **here),
        hook("SessionEnd", 1_010, session="a", reason="clear", **here),
        hook("PostToolUse", 1_030, session="x", tool_name="Read", tool_use_id="t2", **here),
    )
    (cleared,) = log.state.game.all_personas()
    assert (cleared.xp, cleared.statistics.tools, cleared.session_id) == (2, 2, "x")

    log.add(hook("SessionStart", 1_020, session="x", source="startup", **here))
    assert log.state.game.persona_of("x") is None

    log.add(
        hook("PostToolUse", 1_040, session="x", tool_name="Read", tool_use_id="t3", **here),
        hook("SessionStart", 1_015, session="b", source="clear", **here),
        hook("PostToolUse", 1_050, session="b", tool_name="Read", tool_use_id="t4", **here),
    )
    before, other = log.state.game.all_personas()
    assert (before.id, before.xp, before.statistics.tools, before.session_id) == (cleared.id, 3, 3, "b")
    assert (other.xp, other.statistics.tools, other.session_id) == (1, 1, "x")
    assert {one.id: one.persona_id for one in log.state.sessions()} == {"a": before.id, "x": other.id, "b": before.id}
