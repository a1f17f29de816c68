from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from services.contract.events import HOOK_NAMES, NewEvent, Source
from services.core.facts import CLOCK_AHEAD_MS, payload_of
from services.core.game.deeds import DETAIL_CHARS, KEY_CHARS, Deed, DeedKind, deeds_of, digest_of
from tests.unit.core.making import RUNS, hook, recorded


def deeds(event: NewEvent) -> tuple[Deed, ...]:
    return deeds_of(event, payload_of(event))


def called(tool: str = "Bash", response: object = None, *, at: int = 7, **given: Any) -> tuple[Deed, ...]:
    """What a call that succeeded did."""
    return deeds(
        hook("PostToolUse", at, tool_name=tool, tool_input=given, tool_response=response or {}, tool_use_id="t1")
    )


def kinds(of: tuple[Deed, ...]) -> list[str]:
    return [deed.kind.value for deed in of]


@dataclass
class Git:
    """What Claude Code says that git did, and what that was."""

    operation: Any
    done: list[tuple[str, str, str]]


RECORDED = {
    "agent": ["session_start", "prompt", "tool Agent", "turn", "prompt by_machine", "turn", "session_end"],
    "bash_yes": ["session_start", "prompt", "tool Bash", "turn", "session_end"],
    "clear": [
        *("session_start", "prompt", "turn", "session_end"),
        *("session_start", "prompt", "tool Read", "tool Bash", "turn", "session_end"),
    ],
    "commit": ["session_start", "prompt", "tool Bash", "commit master", "turn", "session_end"],
    "edit_yes": ["session_start", "prompt", "tool Write", "edit /home/lab/shop/notes.txt", "turn", "session_end"],
    "fail": ["session_start", "prompt", "failed_tool Bash", "turn", "session_end"],
    "interrupt": ["session_start", "prompt", "session_end"],
    "plan_yes": ["session_start", "prompt", "tool ExitPlanMode", "turn", "session_end"],
    "question_terminal": ["session_start", "prompt", "tool AskUserQuestion", "turn", "session_end"],
    "remote_allow": ["session_start", "prompt", "tool Bash", "turn", "session_end"],
    "slow": ["session_start", "prompt", "turn", "session_end"],
}
SHOWN = {DeedKind.TOOL, DeedKind.FAILED_TOOL, DeedKind.EDIT, DeedKind.COMMIT}


@pytest.mark.parametrize("run", RUNS)
def test_of_a_recording_what_a_person_would_say_was_done(run: str) -> None:
    done = [deed for event in recorded(run) for deed in deeds(event)]

    assert [
        f"{deed.kind}{f' {deed.detail}' if deed.kind in SHOWN else ''}{' by_machine' * deed.by_machine}"
        for deed in done
    ] == RECORDED[run]


def test_a_deed_says_who_did_it_where_and_when() -> None:
    event = hook(
        "PostToolUse",
        9,
        event_id="e1",
        tool_name="Read",
        tool_use_id="t1",
        agent_id="a1",
        cwd="/w",
        prompt_id="p1",
    )

    assert deeds(event) == (
        Deed(
            kind=DeedKind.TOOL,
            at=9,
            session_id="s1",
            event_id="e1",
            key="t1",
            detail="Read",
            agent_id="a1",
            cwd="/w",
            turn="p1",
        ),
    )


def test_the_time_is_the_senders_unless_that_is_far_ahead() -> None:
    event = hook("PostToolUse", 5_000)

    assert deeds(structs.replace(event, sent_at=4_321))[0].at == 4_321
    assert deeds(structs.replace(event, sent_at=5_001 + CLOCK_AHEAD_MS))[0].at == 5_000


@pytest.mark.parametrize(
    ("tool", "given", "response", "path"),
    [
        ("Edit", {"file_path": "/a"}, {"filePath": "/a"}, "/a"),
        ("Edit", {"file_path": "/a"}, {}, "/a"),
        ("MultiEdit", {"file_path": "/a"}, {}, "/a"),
        ("Write", {"file_path": "/a", "content": "x"}, {"originalFile": None}, "/a"),
        ("Write", {"file_path": "/a", "content": "x"}, {"originalFile": "y"}, "/a"),
        ("Write", {"file_path": "/a", "content": "x"}, {"originalFile": "x"}, None),
        ("NotebookEdit", {"notebook_path": "/a.ipynb"}, {"error": ""}, "/a.ipynb"),
        ("NotebookEdit", {"notebook_path": "/a.ipynb"}, {"error": "no such cell"}, None),
        ("Edit", {"file_path": 7}, {}, None),
        ("Read", {"file_path": "/a"}, {"filePath": "/a"}, None),
    ],
)
def test_an_edit_is_of_a_file_that_changed(
    tool: str, given: dict[str, Any], response: dict[str, Any], path: str | None
) -> None:
    edits = [(deed.key, deed.detail) for deed in called(tool, response, **given) if deed.kind is DeedKind.EDIT]

    assert edits == ([] if path is None else [(digest_of(path), path)])


@pytest.mark.parametrize(
    "git",
    [
        Git({"commit": {"sha": "1e9", "kind": "committed", "branch": "main"}}, [("commit", "1e9", "main")]),
        Git({"commit": {"sha": "1e9", "kind": "cherry-picked"}}, [("commit", "1e9", "")]),
        Git({"commit": {"sha": "1e9"}}, [("commit", "1e9", "")]),
        Git({"commit": {"sha": "1e9", "kind": "amended"}}, []),
        Git({"commit": {"kind": "committed"}}, []),
        Git({"commit": True}, []),
        Git({"push": {"branch": "main"}}, [("push", "t1", "main")]),
        Git({"push": {}}, [("push", "t1", "")]),
        Git({"branch": {"ref": "main", "action": "merged"}}, []),
        Git({"pr": {"number": 7, "url": "https://x/7", "action": "created"}}, [("pull_request", "https://x/7", "")]),
        Git({"pr": {"number": 7, "action": "created"}}, [("pull_request", "s1#7", "#7")]),
        Git({"pr": {"action": "created"}}, [("pull_request", "", "")]),
        Git({"pr": {"number": 7, "url": "https://x/7", "action": "merged"}}, []),
        Git({"pr": {"number": 7, "url": "https://x/7"}}, []),
        Git(
            {"commit": {"sha": "1e9", "kind": "committed"}, "push": {"branch": "b"}},
            [("commit", "1e9", ""), ("push", "t1", "b")],
        ),
        Git(None, []),
        Git([], []),
    ],
    ids=lambda git: repr(git.operation),
)
def test_what_git_did_is_what_claude_code_says(git: Git) -> None:
    done = called(response={"stdout": "[main 999] a commit", "gitOperation": git.operation}, command="git x")

    assert kinds(done[:1]) == ["tool"]
    assert [
        (deed.kind.value, deed.key, "" if deed.detail == deed.key else deed.detail) for deed in done[1:]
    ] == git.done


def test_words_of_the_output_are_no_commit() -> None:
    assert kinds(called(response={"stdout": "[main (root-commit) 1e9cdcd] a commit"}, command="cat log")) == ["tool"]


def test_tests_that_passed_are_told_by_their_command() -> None:
    done = called(response={"stdout": "1 failed"}, command="cd shop && pytest -q")

    assert kinds(done) == ["tool", "test"]
    assert (done[1].key, done[1].detail) == (digest_of("cd shop && pytest -q"), "cd shop && pytest -q")


@pytest.mark.parametrize(
    ("given", "response"),
    [
        ({"command": "pytest || true"}, {}),
        ({"command": "pytest"}, {"interrupted": True}),
        ({"command": "pytest"}, {"backgroundTaskId": "b1"}),
        ({"command": "pytest", "run_in_background": True}, {}),
        ({"command": "pytest"}, {"timedOutAfterMs": 120_000}),
        ({"command": "pytest"}, {"returnCodeInterpretation": "No matches found"}),
        ({"command": ["pytest"]}, {}),
    ],
)
def test_tests_without_an_exit_code_of_0_do_not_count(given: dict[str, Any], response: dict[str, Any]) -> None:
    assert kinds(called("Bash", response, **given)) == ["tool"]


def test_tests_that_fail_are_a_failed_call() -> None:
    event = hook(
        "PostToolUseFailure", tool_name="Bash", tool_input={"command": "pytest"}, tool_use_id="t1", error="Exit code 1"
    )

    assert [(deed.kind, deed.key, deed.detail) for deed in deeds(event)] == [(DeedKind.FAILED_TOOL, "t1", "Bash")]


@pytest.mark.parametrize(
    ("payload", "by_machine"),
    [
        ({"prompt": "hello"}, False),
        ({"prompt": "<task-notification>\n..."}, True),
        ({"prompt": "go on", "source": "loop_wakeup"}, True),
        ({}, True),
    ],
)
def test_a_prompt_says_whether_a_person_wrote_it(payload: dict[str, Any], *, by_machine: bool) -> None:
    (prompt,) = deeds(hook("UserPromptSubmit", event_id="e1", **payload))

    assert (prompt.kind, prompt.by_machine, prompt.key) == (DeedKind.PROMPT, by_machine, "e1")


def test_the_turn_of_a_subagent_is_none() -> None:
    assert kinds(deeds(hook("Stop", agent_id="a1"))) == []
    assert kinds(deeds(hook("StopFailure", agent_id="a1"))) == []
    assert kinds(deeds(hook("SubagentStop", agent_id="a1"))) == []
    assert kinds(deeds(hook("Stop", agent_id=""))) == ["turn"]


@pytest.mark.parametrize(
    ("name", "payload", "kind", "key", "detail"),
    [
        ("Stop", {"prompt_id": "p1", "last_assistant_message": "I did.\n\nIt works. \n"}, "turn", "p1", "It works."),
        ("Stop", {"last_assistant_message": " \n"}, "turn", "", ""),
        ("StopFailure", {"error": "rate_limit"}, "failed_turn", "", "rate_limit"),
        ("TaskCreated", {"task_id": "3", "task_subject": "Write it"}, "task_created", "3", "Write it"),
        ("TaskCompleted", {"task_id": "3", "task_subject": "Write it"}, "task_completed", "3", "Write it"),
        ("TaskCompleted", {"task_id": 3}, "task_completed", "", ""),
        ("SessionStart", {"source": "resume"}, "session_start", "", "resume"),
        ("SessionEnd", {"reason": "clear"}, "session_end", "", "clear"),
    ],
)
def test_other_deeds(name: str, payload: dict[str, Any], kind: str, key: str, detail: str) -> None:
    assert [(deed.kind.value, deed.key, deed.detail) for deed in deeds(hook(name, **payload))] == [(kind, key, detail)]


@pytest.mark.parametrize("name", ["PreToolUse", "PostToolBatch", "Notification", "SubagentStart", "NotKnown"])
def test_other_events_do_nothing(name: str) -> None:
    assert deeds(hook(name, tool_name="Bash", tool_use_id="t1")) == ()


def test_only_a_sessions_hooks_tell_of_deeds() -> None:
    event = hook("PostToolUse", tool_name="Bash", tool_use_id="t1")

    assert deeds(event)
    assert deeds(structs.replace(event, source=Source.API)) == ()
    assert deeds(structs.replace(event, session_id=None)) == ()


def test_long_words_are_cut() -> None:
    (_, edit) = called("Edit", file_path="/" + "x" * 5_000)
    (tool,) = deeds(hook("PostToolUse", tool_name="x" * 5_000, tool_use_id="t" * 5_000))

    assert len(edit.detail) == len(tool.detail) == DETAIL_CHARS
    assert len(tool.key) == KEY_CHARS


FIELDS = (
    *("tool_name", "tool_use_id", "tool_input", "tool_response", "prompt", "prompt_id", "agent_id", "cwd", "error"),
    *("task_id", "task_subject", "source", "reason", "last_assistant_message", "command", "file_path", "gitOperation"),
    *("commit", "push", "pr", "sha", "kind", "url", "number", "action", "originalFile", "content", "filePath"),
)
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["Bash", "Write", "created"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=20,
)


@given(st.sampled_from(sorted(HOOK_NAMES)), st.dictionaries(st.sampled_from(FIELDS), odd, max_size=8))
def test_no_payload_is_too_odd(name: str, payload: dict[str, Any]) -> None:
    event = NewEvent(id="e", name=name, received_at=1, payload=b"{}", session_id="s1")

    assert all(len(deed.detail) <= DETAIL_CHARS for deed in deeds_of(event, payload))
