import json
from itertools import pairwise

import pytest

from services.cli.demo.cast import RUNS
from services.cli.demo.recordings import Recording, find_recordings, read_recording
from services.cli.demo.score import (
    FAILURE,
    SPIN_S,
    Holds,
    Kind,
    Turn,
    make_clearing,
    make_opening,
    make_turn,
    stretched,
)

HOLDS = Holds(think_s=3, ask_s=10, work_s=5)


def recording(run: str) -> Recording:
    return read_recording(find_recordings(), run)


def turn(run: str) -> Turn:
    return make_turn(recording(run))


def names(of: Turn) -> list[str]:
    return [step.name for step in of.steps if step.kind is Kind.HOOK]


@pytest.mark.parametrize("run", RUNS)
def test_a_turn_has_its_prompt_and_its_end_but_not_the_program_s(run: str) -> None:
    steps = turn(run).steps
    statuses = [json.loads(step.text).get("status") for step in steps if step.kind is Kind.REGISTRY]

    assert steps[0].kind is Kind.BEGIN
    assert (steps[1].kind, steps[1].t) == (Kind.SCREEN, 0)
    assert names(turn(run))[0] == "UserPromptSubmit"
    assert statuses[0] == "busy"
    assert statuses[-1] == "idle"
    assert "Ctrl-C again" not in steps[-1].text
    assert [step.t for step in steps] == sorted(step.t for step in steps)
    assert not any("lab:" in step.text for step in steps if step.kind is not Kind.REGISTRY)


def test_a_turn_names_the_sessions_that_it_begins_and_ends_in() -> None:
    before, after = turn("clear").steps[0].text.split()

    assert before != after
    assert len(turn("commit").steps[0].text.split()) == 1


@pytest.mark.parametrize("run", RUNS)
def test_holds_make_a_turn_longer_and_change_nothing_else(run: str) -> None:
    plain = turn(run)
    held = list(stretched(plain, HOLDS))
    asks = run in {"bash_yes", "edit_yes", "plan_yes", "question_terminal", "remote_allow"}

    assert (plain.ask_at is not None) is asks
    assert [(step.kind, step.text) for step in held if step.kind is not Kind.SPIN] == [
        (step.kind, step.text) for step in plain.steps
    ]
    assert held[-1].t == pytest.approx(plain.length_s + 8 + (10 if asks else 0))
    assert [step.t for step in held] == sorted(step.t for step in held)


def test_while_it_is_held_at_work_the_spinner_turns() -> None:
    spins = [step for step in stretched(turn("commit"), HOLDS) if step.kind is Kind.SPIN]

    assert len(spins) == pytest.approx(8 / SPIN_S, abs=3)
    assert spins[-1].held_s == 7


def test_while_it_asks_nothing_moves() -> None:
    steps = list(stretched(turn("bash_yes"), Holds(ask_s=10)))
    gaps = [after.t - before.t for before, after in pairwise(steps)]
    held = gaps.index(max(gaps)) + 1
    before, after = ([step.text for step in part if step.kind is Kind.SCREEN] for part in (steps[:held], steps[held:]))

    assert max(gaps) > 10
    assert "Do you want to proceed?" in before[-1]
    assert "Do you want to proceed?" not in after[0]


def test_a_failing_turn_ends_by_an_error_of_the_api() -> None:
    failing = make_turn(recording("fail"), fails=True)
    body = json.loads(next(step.text for step in failing.steps if step.name == "StopFailure"))
    last = [step.text for step in failing.steps if step.kind is Kind.SCREEN][-1]

    assert "Stop" not in names(failing)
    assert body["error"] == "overloaded"
    assert f"● {FAILURE}" in last
    assert "· done " not in last


def test_a_session_opens_idle() -> None:
    begin, screen, registry, hook = make_opening(recording("clear"))

    assert hook.name == "SessionStart"
    assert json.loads(hook.text)["session_id"] == begin.text
    assert json.loads(registry.text)["status"] == "idle"
    assert "\n❯" in screen.text  # noqa: RUF001 - as it is drawn


def test_clear_ends_one_session_and_starts_another() -> None:
    steps = make_clearing(recording("clear"))
    hooks = [json.loads(step.text) for step in steps if step.kind is Kind.HOOK]

    assert [(hook["hook_event_name"], hook.get("reason") or hook.get("source")) for hook in hooks] == [
        ("SessionEnd", "clear"),
        ("SessionStart", "clear"),
    ]
    assert steps[0].text.split() == [hook["session_id"] for hook in hooks]
    assert (
        json.loads(next(step.text for step in steps if step.kind is Kind.REGISTRY))["sessionId"]
        == hooks[1]["session_id"]
    )
