import json
from typing import Any

import pytest

from services.contract.entities import AskedOption, AskedQuestion
from services.contract.events import NewEvent
from services.core.facts import (
    DESCRIPTION_CHARS,
    MAX_QUESTIONS,
    MAX_TASKS,
    PLAN_CHARS,
    PROMPT_CHARS,
    TEXT_CHARS,
    WORD_CHARS,
    cut,
    fact_of,
    is_persons_prompt,
    payload_of,
    tmux_pid,
)
from tests.unit.core.making import asking, bash, fact, hook


def event_of(payload: bytes, name: str = "Stop") -> NewEvent:
    return NewEvent(id="e", name=name, received_at=1, payload=payload)


def test_reads_what_bears_on_the_session() -> None:
    given = fact(
        "PreToolUse",
        7,
        pane="%3",
        tmux="/run/x,55,0",
        tool_name="Bash",
        tool_input={"command": "ls"},
        tool_use_id="t1",
        cwd="/w",
        permission_mode="plan",
        agent_id="a1",
    )

    assert (given.at, given.name, given.tool_name, given.tool_use_id) == (7, "PreToolUse", "Bash", "t1")
    assert (given.cwd, given.permission_mode, given.agent_id) == ("/w", "plan", "a1")
    assert (given.pane_id, given.tmux_pid) == ("%3", 55)


@pytest.mark.parametrize(
    "payload", [b"", b"no json", b"[1]", b"null", b"{", b"\xff", b"[" * 3000 + b"]" * 3000], ids=range(7)
)
def test_a_payload_that_is_no_object_says_nothing(payload: bytes) -> None:
    assert payload_of(event_of(payload)) == {}
    assert fact_of(event_of(payload)).name == "Stop"


def test_fields_of_another_type_say_nothing() -> None:
    odd = fact("Stop", cwd=1, model=[], agent_id={}, tool_use_id=3, background_tasks="two", last_assistant_message=None)

    assert (odd.cwd, odd.model, odd.agent_id, odd.tool_use_id, odd.background_tasks) == (None, None, None, None, ())


def test_half_a_surrogate_pair_costs_no_field() -> None:
    payload = b'{"tool_name":"Bash","tool_use_id":"t1","tool_input":{"command":"echo \\ud83d"}}'

    assert fact_of(event_of(payload, "PostToolUse")).tool_use_id == "t1"


def test_a_deeply_nested_input_is_read_without_it() -> None:
    payload = b'{"tool_name":"mcp__x__y","tool_use_id":"t1","tool_input":' + b"[" * 600 + b"]" * 600 + b"}"

    assert fact_of(event_of(payload, "PreToolUse")).tool_use_id == "t1"


def test_a_permission_request_pairs_with_its_call_by_tool_and_input() -> None:
    call = bash("PreToolUse", 1, tool_input={"a": 1, "b": 2})

    assert asking(2, tool_input={"b": 2, "a": 1}).tool_key == call.tool_key
    assert asking(2, tool_input={"b": 2, "a": 2}).tool_key != call.tool_key
    assert asking(2, tool_name="Write", tool_input={"a": 1, "b": 2}).tool_key != call.tool_key
    assert fact("PostToolBatch", tool_name="Bash").tool_key is None


def test_an_empty_agent_id_is_the_main_thread() -> None:
    assert fact("SubagentStop", agent_id="").agent_id is None


def test_only_background_tasks_that_run_are_taken() -> None:
    shell = {"id": "b1", "type": "shell", "status": "running", "description": "d" * 999, "command": "make"}
    tasks = [shell, {"status": "completed"}, {"status": "running", "id": 3}, "x", None]

    first, second = fact("Stop", background_tasks=tasks).background_tasks

    assert (first.id, first.type, first.status, len(first.description)) == ("b1", "shell", "running", DESCRIPTION_CHARS)
    assert (second.id, second.type, second.description) == ("", "", "")
    assert len(fact("Stop", background_tasks=[{"status": "running"}] * 99).background_tasks) == MAX_TASKS


def test_a_questions_options_and_a_plan_are_taken_apart() -> None:
    option = {"label": "Red", "description": "like a rose"}
    question = {"question": "Which colour?", "header": "Colour", "options": [option, "x"], "multiSelect": True}
    asks = fact("PreToolUse", tool_name="AskUserQuestion", tool_input={"questions": [question, None] * 9}).asks
    assert asks is not None
    assert len(asks.questions) == MAX_QUESTIONS
    assert asks.questions[0] == AskedQuestion(
        question="Which colour?",
        header="Colour",
        options=(AskedOption(label="Red", description="like a rose"),),
        multi_select=True,
    )
    odd = fact("PermissionRequest", tool_name="AskUserQuestion", tool_input={"questions": {"question": 3}}).asks
    assert odd is not None
    assert odd.questions == ()

    plan = fact("PreToolUse", tool_name="ExitPlanMode", tool_input={"plan": "p" * 9_999}).asks
    assert plan is not None
    assert len(plan.plan or "") == PLAN_CHARS
    other = fact("PermissionRequest", tool_name="Bash", tool_input={"plan": "p", "questions": [question]}).asks
    assert other is not None
    assert (other.plan, other.questions) == (None, ())


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("SessionStart", "source"),
        ("SessionEnd", "reason"),
        ("PreCompact", "trigger"),
        ("Notification", "notification_type"),
        ("StopFailure", "error"),
    ],
)
def test_the_kind_is_the_field_of_that_event(name: str, field: str) -> None:
    fields: dict[str, Any] = {"source": "x", "reason": "x", "trigger": "x", "error": "x", field: "this"}

    assert fact(name, **fields).kind == "this"


def test_a_tools_error_text_is_no_kind() -> None:
    assert fact("PostToolUseFailure", error="Exit code 1\n" + "x" * 10_000).kind is None


def test_long_texts_are_cut() -> None:
    assert len(fact("UserPromptSubmit", prompt="p" * 9_999).prompt or "") == PROMPT_CHARS
    assert len(fact("Stop", last_assistant_message="m" * 9_999).last_message or "") == TEXT_CHARS
    assert len(fact("Stop", cwd="c" * 9_999).cwd or "") == WORD_CHARS
    asks = asking(1, tool_input={"command": "c" * 9_999}).asks
    assert asks is not None
    assert len(asks.tool_input or "") == TEXT_CHARS


def test_what_a_call_asks_is_kept_only_where_it_can_be_shown() -> None:
    assert bash("PreToolUse", 1).asks is None
    assert fact("PreToolUse", tool_name="AskUserQuestion", tool_input={}).asks is not None
    elicitation = fact("Elicitation", mcp_server_name="crm", message="Which account?").asks
    assert elicitation is not None
    assert (elicitation.tool_name, elicitation.tool_input) == ("crm", "Which account?")


def test_a_background_tasks_notice_is_not_a_persons_prompt() -> None:
    assert fact("UserPromptSubmit", prompt="<task-notification> done").prompt is None
    assert fact("UserPromptSubmit", prompt="go").prompt == "go"
    assert fact("PreToolUse", prompt="go").prompt is None


@pytest.mark.parametrize(
    ("tmux", "pid"),
    [
        ("/run/tmux-0/default,4321,0", 4321),
        ("/run/a,b/default,4321,0", 4321),
        ("/run/x", None),
        ("/run/x,pid,0", None),
        ("/run/x,-1,0", None),
        ("/run/x," + "9" * 30 + ",0", None),
        ("", None),
        (None, None),
    ],
)
def test_the_tmux_servers_pid_comes_from_its_variable(tmux: str | None, pid: int | None) -> None:
    assert tmux_pid(tmux) == pid


def test_a_clock_far_ahead_of_the_receivers_is_not_believed() -> None:
    payload = json.dumps({}).encode()
    ahead = NewEvent(id="e", name="Stop", received_at=1_000, sent_at=2**52, payload=payload)
    behind = NewEvent(id="e", name="Stop", received_at=1_000, sent_at=900, payload=payload)

    assert fact_of(ahead).at == 1_000
    assert fact_of(behind).at == 900
    some = NewEvent(id="e", name="Stop", received_at=1_000, sent_at=60_001, payload=payload)
    assert fact_of(some).at == 60_001


@pytest.mark.parametrize(
    ("sent_at", "received_at", "at"),
    [(5_000, 5_040, 5_040), (5_000, 6_300, 5_999), (5_000, 9_000, 5_000), (5_001, 5_040, 5_001)],
)
def test_a_clock_of_whole_seconds_leaves_the_order_within_one_to_the_receipt(
    sent_at: int, received_at: int, at: int
) -> None:
    event = NewEvent(id="e", name="Stop", received_at=received_at, sent_at=sent_at, payload=b"{}")

    assert fact_of(event).at == at


def test_ties_fall_as_claude_code_sends() -> None:
    names = ["SessionStart", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "PostToolUse", "Stop", "SessionEnd"]
    facts = [fact(name, 5) for name in reversed(names)]

    assert [one.name for one in sorted(facts, key=lambda one: one.order)] == names
    assert fact("PaneClosed", 5).order > fact("SessionEnd", 5).order
    assert fact("Dismissed", 5).order > fact("PaneClosed", 5).order


@pytest.mark.parametrize(
    ("event", "is_one"),
    [
        (hook("UserPromptSubmit", prompt="go"), True),
        (hook("UserPromptSubmit", prompt=""), True),
        (hook("UserPromptSubmit", prompt="<task-notification>done"), False),
        (hook("UserPromptSubmit", prompt='Background agent "Look around" was stopped by the user.'), False),
        (hook("UserPromptSubmit", prompt='Background agent "Look around" was stopped by the user. Why?'), True),
        (hook("UserPromptSubmit", prompt="check again", source="loop_wakeup"), False),
        (hook("UserPromptSubmit", prompt="check again", source="sdk"), True),
        (hook("UserPromptSubmit"), False),
        (event_of(b"no JSON", "UserPromptSubmit"), False),
        (hook("Stop", prompt="go"), False),
    ],
)
def test_a_persons_prompt_is_told_from_a_tasks_end(event: NewEvent, *, is_one: bool) -> None:
    assert is_persons_prompt(event) is is_one


def test_cut_keeps_what_fits() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "ab…"
    assert hook("Stop").session_id == "s1"
