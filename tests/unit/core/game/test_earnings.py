from importlib.resources import files
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract.events import NewEvent
from services.core.facts import payload_of
from services.core.game.calendar import Calendar
from services.core.game.deeds import Deed, deeds_of
from services.core.game.earnings import (
    DAYS,
    KEPT_DAYS,
    LONG_AGO,
    PUSHES,
    TURNS,
    Award,
    Credit,
    Earnings,
    EarningsState,
)
from services.core.game.rules import Rules
from tests.unit.core.making import RUNS, hook, recorded

OURS = (files("services.core.game") / "xp.toml").read_text(encoding="utf-8")
DAY_MS = 86_400_000
FIRST_DAY = 20_000


class Work:
    """Sessions at work, with a ledger. Each session is of a persona of its own, unless said otherwise."""

    def __init__(self, rules: str = OURS, personas: dict[str, str] | None = None) -> None:
        self.earnings = Earnings(Rules.load(rules))
        self.ledger: dict[str, Award] = {}
        self.given: list[Award] = []
        self.calendar = Calendar("UTC")
        self.seqs = count(1)
        self.personas = personas or {}

    def is_first(self, key: str, seq: int) -> bool:
        return key not in self.ledger or self.ledger[key].seq == seq

    def add(self, *events: NewEvent) -> list[Award]:
        """What new events earn; a repeat comes under a number of its own."""
        before = len(self.given)
        for event in events:
            deeds = self.settle(event)
            if deeds:
                persona = self.personas.get(deeds[0].session_id, f"p-{deeds[0].session_id}")
                credit = Credit(persona_id=persona, project_id="r1", day=self.calendar.day_of(deeds[0].at))
                self.keep(self.earnings.awards(next(self.seqs), deeds, credit, self.is_first))
        return self.given[before:]

    def settle(self, event: NewEvent) -> tuple[Deed, ...]:
        deeds = deeds_of(event, payload_of(event))
        return self.earnings.settle(deeds, self.calendar.day_of(deeds[0].at) if deeds else 0)

    def keep(self, awards: list[Award]) -> None:
        for award in awards:
            assert award.key not in self.ledger, "awarded twice"
            self.ledger[award.key] = award
        self.given += awards

    def complete(self, *completed: tuple[str, int | None], day: int = 1, persona: str = "p1") -> list[Award]:
        credit = Credit(persona_id=persona, project_id="r1", day=day)
        awards = self.earnings.quest_awards(next(self.seqs), completed, credit, self.is_first, at=5, session_id="s1")
        self.keep(awards)
        return awards

    def xp(self, session: str) -> int:
        return sum(award.amount for award in self.given if award.session_id == session)


def rules_of(awards: list[Award]) -> list[str]:
    return [award.rule for award in awards]


def prompt(at: int = 0, text: str = "please", **fields: Any) -> NewEvent:
    return hook("UserPromptSubmit", at, prompt=text, **fields)


def call(use: str = "t1", at: int = 0, tool: str = "Bash", response: object = None, **fields: Any) -> NewEvent:
    tool_input = fields.pop("tool_input", {})
    return hook(
        "PostToolUse",
        at,
        tool_name=tool,
        tool_use_id=use,
        tool_input=tool_input,
        tool_response=response or {},
        **fields,
    )


def edit(use: str, path: str = "/a", at: int = 0, **fields: Any) -> NewEvent:
    return call(use, at, "Edit", tool_input={"file_path": path}, **fields)


def ran(use: str, command: str = "pytest", at: int = 0, **fields: Any) -> NewEvent:
    return call(use, at, tool_input={"command": command}, **fields)


def git(use: str, at: int = 0, **operation: Any) -> NewEvent:
    fields = {name: operation.pop(name) for name in ("session", "prompt_id") if name in operation}
    return call(use, at, response={"gitOperation": operation}, **fields)


def stop(at: int = 0, **fields: Any) -> NewEvent:
    return hook("Stop", at, **fields)


def failed(at: int = 0, **fields: Any) -> NewEvent:
    return hook("StopFailure", at, error="rate_limit", **fields)


# What a person would award.

RECORDED = {
    "agent": ["tool", "turn"],  # The turn of the notice was begun by no person.
    "bash_yes": ["tool", "turn"],
    "clear": ["turn", "tool", "tool", "turn"],
    "commit": ["tool", "commit", "turn"],
    "edit_yes": ["tool", "edit", "turn"],
    "fail": ["turn"],
    "interrupt": [],
    "plan_yes": ["tool", "turn"],
    "question_terminal": ["tool", "turn"],
    "remote_allow": ["tool", "turn"],
    "slow": ["turn"],
}


@pytest.mark.parametrize("run", RUNS)
def test_a_recording_earns_what_a_person_would_award(run: str) -> None:
    assert rules_of(Work().add(*recorded(run))) == RECORDED[run]


@pytest.mark.parametrize("run", RUNS)
def test_a_recording_that_comes_again_earns_nothing(run: str) -> None:
    work = Work()
    work.add(*recorded(run))

    assert work.add(*recorded(run)) == []


def test_an_award_says_what_earned_it() -> None:
    (award,) = Work().add(call("t1", 1_000, cwd="/w"))

    assert award == Award(
        key="tool:s1:t1",
        seq=1,
        at=1_000,
        day=719_163,
        session_id="s1",
        persona_id="p-s1",
        project_id="r1",
        folder="/w",
        amount=1,
        rule="tool",
        reason="Bash",
    )


def test_a_file_counts_once_a_turn() -> None:
    work = Work()

    assert rules_of(work.add(prompt(), edit("t1"), edit("t2"), edit("t3", "/b"))) == [
        *("tool", "edit", "tool", "tool", "edit")
    ]
    assert rules_of(work.add(prompt(), edit("t4"))) == ["tool", "edit"]


def test_a_test_command_counts_once_a_turn() -> None:
    work = Work()

    assert rules_of(work.add(prompt(), ran("t1"), ran("t2"), ran("t3", "make test"))) == [
        *("tool", "test", "tool", "tool", "test")
    ]
    assert rules_of(work.add(prompt(), ran("t4"))) == ["tool", "test"]


def test_a_late_event_belongs_to_the_turn_that_it_names() -> None:
    work = Work()
    work.add(prompt(prompt_id="p1"), edit("t1", prompt_id="p1"), prompt(prompt_id="p2"))

    assert rules_of(work.add(edit("t2", prompt_id="p1"))) == ["tool"]
    assert rules_of(work.add(stop(prompt_id="p1"), stop(prompt_id="p2"))) == ["turn", "turn"]


def test_a_turn_earns_once_and_only_when_a_person_began_it() -> None:
    work = Work()

    assert rules_of(work.add(prompt(), stop(), stop(stop_hook_active=True))) == ["turn"]
    assert rules_of(work.add(prompt(text="<task-notification>"), stop())) == []
    assert rules_of(work.add(stop(prompt_id="never told"))) == []


def test_a_notice_within_a_persons_turn_takes_nothing_from_it() -> None:
    work = Work()
    work.add(prompt(prompt_id="p1"), prompt(text="<task-notification>", prompt_id="p1"))

    assert rules_of(work.add(stop(prompt_id="p1"), stop(prompt_id="p1"))) == ["turn"]


def test_who_began_a_turn_is_told_to_the_statistics() -> None:
    work = Work()
    work.add(prompt(event_id="e1"))
    (by_person,) = work.settle(stop())
    work.add(prompt(text="<task-notification>"))
    (by_machine,) = work.settle(stop())

    assert (by_person.by_machine, by_person.turn) == (False, "e1")
    assert by_machine.by_machine


def test_a_turn_that_failed_earns_nothing_however_it_goes_on() -> None:
    work = Work()
    work.add(prompt(prompt_id="p1"), failed(prompt_id="p1"))

    assert work.add(stop(prompt_id="p1")) == []
    assert work.add(prompt(text="<task-notification>", prompt_id="p1"), stop(prompt_id="p1")) == []
    assert rules_of(work.add(prompt(prompt_id="p2"), stop(prompt_id="p2"))) == ["turn"]


def test_whether_a_turn_had_ended_is_told_to_the_statistics() -> None:
    work = Work()

    def ended_before(*events: NewEvent) -> list[bool]:
        return [deed.ended_before for event in events for deed in work.settle(event)]

    assert ended_before(stop(prompt_id="never told"), stop(prompt_id="never told")) == [False, True]
    work.add(prompt(prompt_id="p1"))
    assert ended_before(failed(prompt_id="p1"), stop(prompt_id="p1")) == [False, True]
    work.add(prompt(prompt_id="p1"))
    assert ended_before(stop(prompt_id="p1")) == [True]
    work.add(prompt(text="<task-notification>", prompt_id="p1"))
    assert ended_before(stop(prompt_id="p1"), stop(prompt_id="p1")) == [False, True]
    assert ended_before(stop(session="s2"), stop(session="s2")) == [False, False]


def test_a_push_without_a_known_commit_earns_once_for_a_branch_and_day() -> None:
    work = Work()

    def push(use: str, day: int, branch: str = "main") -> list[str]:
        return rules_of(work.add(prompt(on(day)), git(use, on(day), push={"branch": branch})))

    assert (push("t1", 1), push("t2", 1), push("t3", 1, "next")) == (["tool", "push"], ["tool"], ["tool", "push"])
    assert push("t4", 2) == ["tool", "push", "streak"]
    assert push("t5", 2) == ["tool"]


def test_a_push_earns_once_for_what_was_committed() -> None:
    work = Work()
    commit = {"kind": "committed"}

    assert rules_of(work.add(prompt(), git("t1", push={}), git("t2", push={}))) == ["tool", "push", "tool"]
    assert rules_of(work.add(git("t3", commit={"sha": "1", **commit}), git("t4", push={}), git("t5", push={}))) == [
        *("tool", "commit", "tool", "push", "tool")
    ]
    assert rules_of(work.add(prompt(), git("t6", push={}), git("t4", push={}))) == ["tool"]
    assert rules_of(work.add(git("t7", commit={"sha": "2", **commit}, push={}))) == ["tool", "commit", "push"]


def test_a_push_that_comes_again_after_a_commit_is_still_the_old_one() -> None:
    rules = OURS.replace('deed = "tool"\nxp = 1\nper_day = 300', 'deed = "tool"\nxp = 1\nper_day = 1')
    work = Work(rules)
    work.add(git("t1", commit={"sha": "1"}), git("t2", push={}), git("t3", commit={"sha": "2"}))

    assert work.add(git("t2", push={})) == []
    assert rules_of(work.add(git("t4", push={}))) == ["push"]


def test_an_amended_commit_earns_nothing_more() -> None:
    assert rules_of(Work().add(git("t1", commit={"sha": "1"}), git("t2", commit={"sha": "2", "kind": "amended"}))) == [
        *("tool", "commit", "tool")
    ]


def test_a_pull_request_earns_once_for_whoever_made_it() -> None:
    made = {"number": 7, "url": "https://x/7", "action": "created"}
    work = Work()

    assert rules_of(work.add(git("t1", pr=made))) == ["tool", "pull_request"]
    assert rules_of(work.add(git("t2", pr=made), git("t3", pr=made, session="s2"))) == ["tool", "tool"]
    assert rules_of(work.add(git("t4", pr={"number": 7, "action": "created"}))) == ["tool", "pull_request"]


def test_what_cannot_be_told_apart_earns_nothing() -> None:
    assert Work().add(hook("PostToolUse", tool_name="Bash")) == []
    assert rules_of(Work().add(git("t1", pr={"action": "created"}))) == ["tool"]


def test_a_call_that_comes_again_in_another_turn_earns_nothing() -> None:
    work = Work()
    work.add(prompt(), edit("t1"), prompt())

    assert work.add(edit("t1")) == []


# Limits and streaks.

FEW = """
[[rule]]
name = "call"
deed = "tool"
xp = 2
per_day = 3
why = "few"
[[rule]]
name = "streak"
deed = "streak"
xp = 7
from_day = 2
why = "back"
[[rule]]
name = "phase"
deed = "quest_phase"
xp = 5
per_day = 2
why = "few"
[[rule]]
name = "quest"
deed = "quest"
xp = 9
why = "all"
"""


def on(day: int, number: int = 0) -> int:
    """A time on a day, from 1."""
    return (FIRST_DAY + day) * DAY_MS + number


def calls(day: int, *uses: int, session: str = "s1") -> list[NewEvent]:
    return [call(f"d{day}-{use}", on(day, use), session=session) for use in uses]


def test_a_day_has_a_limit_for_each_persona() -> None:
    work = Work(FEW, personas={"s1": "p1", "s2": "p1", "s3": "p3"})

    assert len(work.add(*calls(1, 1, 2), *calls(1, 3, 4, session="s2"))) == 3
    assert len(work.add(*calls(1, 5, 6, session="s3"))) == 2
    assert rules_of(work.add(*calls(2, 1))) == ["call", "streak"]


def test_a_late_event_counts_for_its_own_day() -> None:
    work = Work(FEW)
    work.add(*calls(1, 1, 2), *calls(2, 1, 2, 3, 4))

    assert rules_of(work.add(*calls(1, 3, 4))) == ["call"]


@pytest.mark.parametrize("session", ["s1", "s2"])
def test_all_days_long_ago_have_one_limit_and_no_streak(session: str) -> None:
    work = Work(FEW)
    days = range(10, 10 + DAYS)
    work.add(*(event for day in days for event in calls(day, 1)))

    late = [event for day in range(1, 10) for event in calls(day, 1, 2, session=session)]
    assert rules_of(work.add(*late)) == ["call"] * 3
    assert list(work.earnings.state.personas[f"p-{session}"].days)[-1] == LONG_AGO


def test_a_day_is_long_ago_by_the_newest_of_all() -> None:
    work = Work(FEW)
    work.add(*calls(10, 1))

    assert rules_of(work.add(*calls(8, 1, session="s2"), *calls(9, 1, session="s2"))) == ["call", "call", "streak"]
    assert rules_of(work.add(*calls(6, 1, session="s3"), *calls(7, 1, session="s3"))) == ["call", "call"]


def test_of_a_persona_the_newest_days_are_remembered_and_those_long_ago_as_one() -> None:
    work = Work(FEW)
    work.add(*(event for day in range(10, 20) for event in calls(day, 1)), *calls(1, 1))
    work.complete(("q1", 1), day=719_163 + FIRST_DAY + 20, persona="p-s1")

    newest = [719_163 + FIRST_DAY + day for day in (18, 19, 20)]
    assert sorted(work.earnings.state.personas["p-s1"].days) == [LONG_AGO, *newest]


def test_a_repeat_takes_nothing_of_the_days_limit() -> None:
    work = Work(FEW)
    work.add(*calls(1, 1, 1, 1, 1))

    assert len(work.add(*calls(1, 2, 3))) == 2


def test_a_streak_earns_once_a_day_from_the_second_on() -> None:
    work = Work(FEW)

    assert rules_of(work.add(*calls(1, 1, 2))) == ["call", "call"]
    assert rules_of(work.add(*calls(2, 1, 2))) == ["call", "streak", "call"]
    assert work.add(*calls(3, 1))[1].reason == "3 days"
    assert rules_of(work.add(*calls(5, 1))) == ["call"]
    assert rules_of(work.add(*calls(4, 1), *calls(6, 1))) == ["call", "call", "streak"]


def test_a_streak_is_told_by_work_and_not_by_what_failed() -> None:
    work = Work(FEW)
    work.add(*calls(1, 1), prompt(on(2)), hook("PostToolUseFailure", on(2), tool_name="Bash", tool_use_id="f"))

    assert rules_of(work.add(*calls(3, 1))) == ["call"]


def test_a_streak_takes_a_person() -> None:
    work = Work(FEW)
    work.add(prompt(on(1)), *calls(1, 1), prompt(on(2), "<task-notification>"))

    assert rules_of(work.add(*calls(2, 1))) == ["call"]
    assert rules_of(work.add(prompt(on(2)), *calls(2, 2, 3))) == ["call", "streak", "call"]


def test_what_a_machine_begins_is_told_to_the_statistics_of_streaks() -> None:
    work = Work()
    work.add(prompt(on(9), prompt_id="p1"), prompt(on(9), "<task-notification>", prompt_id="p2"))

    def counts(event: NewEvent) -> list[bool]:
        return [deed.counts_for_streak for deed in work.settle(event)]

    assert counts(call("t1", on(9), prompt_id="p1")) == [True]
    assert counts(call("t2", on(9), prompt_id="p2")) == counts(call("t3", on(9))) == [False]
    assert counts(call("t4", on(9), prompt_id="never told")) == [True]
    assert counts(edit("t5", at=on(9), prompt_id="p2")) == [False, False]
    assert counts(call("t6", on(6), prompt_id="p1")) == [False]


def test_what_a_machine_begins_is_work_but_no_turn() -> None:
    work = Work()
    work.add(prompt(text="<task-notification>"))

    assert rules_of(work.add(edit("t1"), git("t2", commit={"sha": "1"}), stop())) == ["tool", "edit", "tool", "commit"]


def test_completed_quests_earn_once_within_the_days_limit() -> None:
    work = Work(FEW)

    assert rules_of(work.complete(("q1", 1), ("q1", 2), ("q1", 3), ("q1", None))) == ["phase", "phase", "quest"]
    assert work.complete(("q1", 1), ("q1", None)) == []
    assert rules_of(work.complete(("q1", 3), day=2)) == ["phase"]
    assert [award.key for award in work.complete(("q2", None))] == ["quest:q2"]


def test_without_a_rule_nothing_is_earned() -> None:
    work = Work("rule = []")

    assert work.add(prompt(), *calls(1, 1), *calls(2, 1), stop()) == []
    assert work.complete(("q1", 1), ("q1", None)) == []


# What is remembered.


def test_what_is_remembered_is_bounded() -> None:
    work = Work()
    for number in range(100):
        turn = f"p{number}"
        work.add(prompt(prompt_id=turn), git(f"t{number}", push={}, prompt_id=turn), stop(prompt_id=turn))
    (session,) = work.earnings.state.sessions.values()

    assert (len(session.turns), len(session.ended), len(session.pushes)) == (TURNS, TURNS, PUSHES)


def test_a_session_that_has_ended_lets_go_of_its_calls() -> None:
    work = Work()
    work.add(prompt(), git("t1", commit={"sha": "1"}), git("t2", push={}), stop())
    work.earnings.end("s1")
    work.earnings.end("never told")
    (session,) = work.earnings.state.sessions.values()

    assert (session.calls, session.pushes, session.commits) == ({}, {}, ["1"])
    assert work.add(git("t1", commit={"sha": "1"}), git("t2", push={}), stop()) == []


def test_who_does_nothing_for_long_is_forgotten() -> None:
    work = Work()
    work.add(*calls(1, 1, session="old"), *calls(KEPT_DAYS, 1, session="new"), *calls(KEPT_DAYS + 2, 1, session="now"))

    assert list(work.earnings.state.sessions) == ["new", "now"]
    assert list(work.earnings.state.personas) == ["p-new", "p-now"]


def test_it_goes_on_from_what_a_checkpoint_keeps() -> None:
    work = Work(FEW)
    work.add(prompt(on(1)), *calls(1, 1, 2))
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(work.earnings.state), type=EarningsState)
    work.earnings = Earnings(Rules.load(FEW), kept)

    assert rules_of(work.add(*calls(1, 3, 4), *calls(2, 1))) == ["call", "call", "streak"]


# Properties.


@st.composite
def sessions(draw: st.DrawFn, name: str, *, days: int = 1) -> list[NewEvent]:
    """The events of one session, as Claude Code sends them: each names its turn."""
    events: list[NewEvent] = []
    turn = "p0"
    for number in range(draw(st.integers(1, 12))):
        at = on(draw(st.integers(1, days)), number)
        fields: dict[str, Any] = {"session": name, "prompt_id": turn, "at": at}
        match draw(
            st.sampled_from(["prompt", "notice", "edit", "tests", "commit", "push", "pr", "stop", "failed", "fail"])
        ):
            case "prompt" | "notice" as who:
                turn = fields["prompt_id"] = f"p{number}"
                events.append(prompt(text="please" if who == "prompt" else "<task-notification>", **fields))
            case "edit":
                events.append(edit(f"t{number}", draw(st.sampled_from("ab")), **fields))
            case "tests":
                events.append(ran(f"t{number}", draw(st.sampled_from(["pytest", "make test"])), **fields))
            case "commit":
                events.append(git(f"t{number}", commit={"sha": str(number)}, **fields))
            case "push":
                events.append(git(f"t{number}", push={"branch": "main"}, **fields))
            case "pr":
                events.append(git(f"t{number}", pr={"url": f"{name}{number}", "action": "created"}, **fields))
            case "stop":
                events.append(stop(**fields))
            case "failed":
                events.append(failed(**fields))
            case _:
                events.append(hook("PostToolUseFailure", tool_name="Bash", tool_use_id=f"t{number}", **fields))
    return events


def after(*events: NewEvent) -> Work:
    work = Work()
    work.add(*events)
    return work


@given(sessions("s1"), st.data())
@settings(max_examples=200)
def test_applying_any_prefix_twice_awards_once(events: list[NewEvent], data: st.DataObject) -> None:
    end = data.draw(st.integers(0, len(events)))
    work = after(*events[:end])

    assert work.add(*events[:end]) == []
    assert sorted(after(*events).ledger) == sorted(after(*events[:end], *events).ledger)


@given(sessions("s1"), st.data())
@settings(max_examples=200)
def test_any_event_twice_awards_once(events: list[NewEvent], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(events) - 1))
    later = data.draw(st.integers(number, len(events)))

    assert after(*events[:later], events[number], *events[later:]).xp("s1") == after(*events).xp("s1")


@given(sessions("s1", days=3), sessions("s2", days=3), st.data())
def test_two_sessions_do_not_change_each_others_sum(
    one: list[NewEvent], other: list[NewEvent], data: st.DataObject
) -> None:
    rest = {"s1": list(one), "s2": list(other)}
    mixed: list[NewEvent] = []
    while any(rest.values()):
        names = [name for name, events in rest.items() if events]
        mixed.append(rest[data.draw(st.sampled_from(names))].pop(0))

    work = after(*mixed)
    assert (work.xp("s1"), work.xp("s2")) == (after(*one).xp("s1"), after(*other).xp("s2"))


@given(sessions("s1", days=3), sessions("s2", days=3), st.data())
def test_a_checkpoint_and_the_events_after_it_give_the_same_state(
    one: list[NewEvent], other: list[NewEvent], data: st.DataObject
) -> None:
    events = [*one, *other]
    end = data.draw(st.integers(0, len(events)))
    work = after(*events[:end])
    kept = msgspec.msgpack.encode(work.earnings.state)
    work.earnings = Earnings(Rules.load(OURS), msgspec.msgpack.decode(kept, type=EarningsState))
    work.add(*events[end:])

    assert msgspec.msgpack.encode(work.earnings.state) == msgspec.msgpack.encode(after(*events).earnings.state)
