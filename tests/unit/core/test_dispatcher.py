import json
from typing import Any

import pytest
from msgspec import structs

from services.contract.actions import AnyAction, ClosePane, Prompt, PromptedData, ReadScreen
from services.contract.codec import to_json
from services.contract.entities import Ask
from services.contract.errors import ErrorCode, Problem
from services.contract.events import NewEvent
from services.contract.requests import RunAction
from services.core.audit import Outcome
from services.core.dispatcher import (
    ASKED_CHARS,
    MAX_ASKERS,
    MAX_WAIT_MS,
    Dispatcher,
    PendingAction,
    new_pending,
    refined,
    timed_out,
)
from tests.unit.core.making import OTHER_SERVER, SERVER, TMUX, hook

TYPED = PromptedData(pane_id="%1", submitted=True, taken=None, taken_by=None)
CONFLICT = Problem(code=ErrorCode.CONFLICT, message="a dialog is open in pane %1")
BASH = Ask(tool_name="Bash", tool_input='{"command":"rm -r build"}')


def pending(
    action_id: str = "a1", action: AnyAction | None = None, *, at: int = 100, deadline_at: int = 5_100
) -> PendingAction[str]:
    request = RunAction(id=action_id, who="me", action="", fields=b"", target="%1", deadline_at=deadline_at)
    return new_pending(request, action or Prompt(text="go"), SERVER.pid, at, f"asker of {action_id}")


def dispatcher(*some: PendingAction[str]) -> Dispatcher[str]:
    made = Dispatcher[str]()
    for one in some:
        made.add(one)
    return made


def prompted(at: int = 200, pane: str | None = "%1", **fields: Any) -> NewEvent:
    return hook("UserPromptSubmit", at, pane=pane, **{"prompt": "go", "tmux": TMUX, **fields})


# Who waits, and until when.


def test_all_who_ask_for_the_same_get_its_result() -> None:
    made = dispatcher(pending("a1"), pending("a2"))
    known = made.get("a1")
    assert known is not None
    assert made.get("a3") is None

    known.askers.append("another")

    taken = made.take("a1")
    assert taken is not None
    assert taken.askers == ["asker of a1", "another"]
    assert made.take("a1") is None
    assert len(made) == 1


def test_only_those_expire_whose_time_is_over() -> None:
    deadlines = {"late": 300, "soon": 200, "now": 199}
    made = dispatcher(*(pending(name, deadline_at=deadline) for name, deadline in deadlines.items()))
    assert made.due_at() == 199

    assert [one.id for one in made.take_expired(200)] == ["soon", "now"]

    assert made.due_at() == 300
    assert made.take_expired(299) == []
    assert [one.id for one in made.take_all()] == ["late"]
    assert made.due_at() is None


def test_nobody_waits_for_ever() -> None:
    assert pending(at=100, deadline_at=10**15).deadline_at == 100 + MAX_WAIT_MS


def test_a_bounded_number_may_wait() -> None:
    first = pending("first")
    made = dispatcher(first, *(pending(f"a{number}") for number in range(MAX_ASKERS - 2)))
    assert not made.is_full

    first.askers.append("another")

    assert made.is_full
    made.take("a1")
    assert not made.is_full


def test_a_timeout_says_that_it_may_have_been_done() -> None:
    problem = timed_out(pending(at=100, deadline_at=5_099)).problem

    assert problem is not None
    assert problem.code is ErrorCode.TMUX_TIMEOUT
    assert problem.message == "tmux did not answer within 5.0 s; what was asked may still have been done"


def test_what_only_looks_is_not_audited() -> None:
    assert pending(action=ClosePane()).is_audited
    assert not pending(action=ReadScreen()).is_audited


# Whether a session took a prompt.


def answer(one: PendingAction[str], data: PromptedData = TYPED) -> dict[str, Any]:
    outcome = refined(one, Outcome(data=to_json(data)), None)
    said: dict[str, Any] = json.loads(outcome.data)
    return said


def test_a_hook_says_that_a_prompt_was_taken_whatever_the_screen_said() -> None:
    for screen in (TYPED, structs.replace(TYPED, taken=False, taken_by="screen")):
        one = pending()
        dispatcher(one).hear([hook("Stop", 150, pane="%1"), prompted()])

        said = answer(one, screen)
        assert (said["submitted"], said["taken"], said["taken_by"]) == (True, True, "hook")


def test_a_hook_is_no_word_for_a_prompt_that_was_not_submitted() -> None:
    one = pending()
    dispatcher(one).hear([prompted()])
    kept_back = PromptedData(pane_id="%1", submitted=False, taken=False, reason="a dialog opened meanwhile: Go on?")

    assert answer(one, kept_back)["taken"] is False


def test_without_a_hook_the_screens_word_stands() -> None:
    screen = structs.replace(TYPED, taken=True, taken_by="screen")

    assert answer(pending(), screen)["taken_by"] == "screen"


@pytest.mark.parametrize(
    "event",
    [
        prompted(pane="%2"),
        prompted(pane=None),
        prompted(99),
        prompted(prompt="<task-notification>a task ended"),
        prompted(tmux=f"{OTHER_SERVER.socket},{OTHER_SERVER.pid},0"),
        hook("PreToolUse", 200, pane="%1"),
    ],
    ids=["another pane", "no pane", "before", "a task", "another server", "another event"],
)
def test_another_event_does_not_say_so(event: NewEvent) -> None:
    one = pending()
    dispatcher(one).hear([event])

    assert answer(one)["taken"] is None


def test_a_session_that_does_not_name_its_server_is_heard_too() -> None:
    one = pending()
    dispatcher(one).hear([prompted(tmux=None)])

    assert answer(one)["taken"] is True


def test_one_hook_speaks_for_one_prompt() -> None:
    first, second = pending("a1"), pending("a2")
    made = dispatcher(first, second)

    made.hear([prompted()])
    assert (answer(first)["taken"], answer(second)["taken"]) == (True, None)

    made.hear([prompted()])
    assert answer(second)["taken"] is True


@pytest.mark.parametrize("action", [Prompt(text="go", submit=False), ClosePane()], ids=["not submitted", "no prompt"])
def test_only_a_submitted_prompt_waits_for_a_hook(action: AnyAction) -> None:
    one = pending(action=action)
    dispatcher(one).hear([prompted()])

    assert answer(one)["taken"] is None


def test_an_answer_that_is_no_prompts_stays_as_it_is() -> None:
    one = pending()
    dispatcher(one).hear([prompted()])

    assert refined(one, Outcome(data=b'{"odd":1}'), None) == Outcome(data=b'{"odd":1}')
    assert refined(one, Outcome(data=b"\xff"), None) == Outcome(data=b"\xff")


# What a dialog asks.


def test_a_conflict_says_what_is_asked() -> None:
    outcome = refined(pending(), Outcome(problem=CONFLICT), BASH)

    assert outcome.message == 'a dialog is open in pane %1 (Bash: {"command":"rm -r build"})'
    assert outcome.result == "conflict"


def test_what_is_asked_is_cut() -> None:
    outcome = refined(pending(), Outcome(problem=CONFLICT), structs.replace(BASH, tool_input="x" * 2_000))

    assert outcome.message is not None
    assert len(outcome.message) == len(CONFLICT.message) + len(" ()") + ASKED_CHARS


@pytest.mark.parametrize(
    ("action", "problem", "asks"),
    [
        (Prompt(text="go"), CONFLICT, None),
        (Prompt(text="go"), Problem(code=ErrorCode.NOT_FOUND, message="gone"), BASH),
        (ClosePane(), CONFLICT, BASH),
    ],
)
def test_another_problem_stays_as_it_is(action: AnyAction, problem: Problem, asks: Ask | None) -> None:
    assert refined(pending(action=action), Outcome(problem=problem), asks) == Outcome(problem=problem)
