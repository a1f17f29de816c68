import random
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec import structs

from services.contract.entities import StatusName, Subagent, WaitingFor
from services.contract.events import HOOK_NAMES
from services.core import lifecycle
from services.core.facts import Fact, fact_of
from services.core.lifecycle import HELD, LATE_MS, PARALLEL_MS, fold
from services.core.timeline import WINDOW, Timeline
from services.core.turn import Turn, asked, name_of, status_of
from tests.unit.core.making import RUNS, asking, bash, closed, dismissed, fact, folded, recorded, registry, status_after

WORKING, WAITING, IDLE = StatusName.WORKING, StatusName.WAITING, StatusName.IDLE
ERROR, ENDED, UNKNOWN = StatusName.ERROR, StatusName.ENDED, StatusName.UNKNOWN
LATER = 10_000


def prompt(at: int = 1) -> Fact:
    return fact("UserPromptSubmit", at, prompt="go")


def start(at: int, source: str = "startup") -> Fact:
    return fact("SessionStart", at, source=source)


def stop(at: int, running: int = 0) -> Fact:
    return fact("Stop", at, background_tasks=[{"status": "running"}] * running)


def notice(at: int, kind: str) -> Fact:
    return fact("Notification", at, notification_type=kind, message="m")


def question(name: str, at: int, tool: str = "AskUserQuestion") -> Fact:
    call = {} if name == "PermissionRequest" else {"tool_use_id": "q1"}
    return fact(name, at, tool_name=tool, tool_input={"q": "Which?"}, **call)


def denied(at: int) -> Fact:
    return bash("PermissionDenied", at, reason="classifier")


def in_agent(one: Fact, agent: str = "a1") -> Fact:
    return structs.replace(one, agent_id=agent)


OPEN_DIALOG = [prompt(1), bash("PreToolUse", 2), asking(3)]

RULES: list[tuple[str, list[Fact], StatusName]] = [
    # One event, from nothing known: the server was started amid the session.
    ("a start is idle", [start(1)], IDLE),
    ("a prompt works", [prompt(1)], WORKING),
    ("a call works", [bash("PreToolUse", 1)], WORKING),
    ("the end of a call works", [bash("PostToolUse", 1)], WORKING),
    ("a failed call works", [bash("PostToolUseFailure", 1)], WORKING),
    ("a call that the classifier denied works", [denied(1)], WORKING),
    ("a batch works", [fact("PostToolBatch", 1)], WORKING),
    ("an expansion works", [fact("UserPromptExpansion", 1)], WORKING),
    ("auto compaction works", [fact("PreCompact", 1, trigger="auto")], WORKING),
    ("a request waits", [asking(1)], WAITING),
    ("a form waits", [fact("Elicitation", 1, mcp_server_name="m")], WAITING),
    ("a permission notice waits", [notice(1, "permission_prompt")], WAITING),
    ("a stop is idle", [stop(1)], IDLE),
    ("a failed turn is an error", [fact("StopFailure", 1, error="rate_limit")], ERROR),
    ("an end is the end", [fact("SessionEnd", 1, reason="other")], ENDED),
    ("a closed pane is the end", [closed(1)], ENDED),
    ("an idle notice is idle", [notice(1, "idle_prompt")], IDLE),
    ("an unknown event says nothing", [fact("SomethingNew", 1)], UNKNOWN),
    ("a subagent alone says nothing", [in_agent(fact("SubagentStart", 1))], UNKNOWN),
    # The turn.
    ("a prompt opens the turn of an idle session", [start(1), prompt(2)], WORKING),
    ("a stop ends it", [prompt(1), bash("PreToolUse", 2), bash("PostToolUse", 3), stop(4)], IDLE),
    ("a forced continuation opens it again", [prompt(1), stop(2), bash("PreToolUse", 3)], WORKING),
    ("silence is not idleness", [prompt(1), bash("PreToolUse", 2)], WORKING),
    ("a stop that comes alone after an end is alive", [fact("SessionEnd", 1), stop(1 + LATE_MS + 1)], IDLE),
    # Dialogs.
    ("a dialog waits", OPEN_DIALOG, WAITING),
    ("answered in the terminal, its call ends", [*OPEN_DIALOG, bash("PostToolUse", LATER)], WORKING),
    ("answered, its call fails", [*OPEN_DIALOG, bash("PostToolUseFailure", LATER)], WORKING),
    ("denied by the classifier", [*OPEN_DIALOG, denied(LATER)], WORKING),
    ("denied with a word, the next call", [*OPEN_DIALOG, bash("PreToolUse", LATER, "c2")], WORKING),
    ("denied, the batch ends", [*OPEN_DIALOG, fact("PostToolBatch", LATER)], WORKING),
    ("denied, the turn ends", [*OPEN_DIALOG, stop(LATER)], IDLE),
    ("denied, a new prompt", [*OPEN_DIALOG, prompt(LATER)], WORKING),
    ("aborted, the input line is empty", [*OPEN_DIALOG, notice(LATER, "idle_prompt")], IDLE),
    ("the turn fails under it", [*OPEN_DIALOG, fact("StopFailure", LATER)], ERROR),
    ("asked twice, answered once", [*OPEN_DIALOG, asking(4), bash("PostToolUse", LATER)], WORKING),
    ("the call announced after its dialog", [prompt(1), asking(2), bash("PreToolUse", 3)], WAITING),
    # Parallel calls with one dialog open.
    ("a parallel call begins", [*OPEN_DIALOG, bash("PreToolUse", 3 + PARALLEL_MS, "c2")], WAITING),
    (
        "a parallel call ends",
        [*OPEN_DIALOG, bash("PreToolUse", 4, "c2"), bash("PostToolUse", 5, "c2")],
        WAITING,
    ),
    (
        "one of two dialogs is answered",
        [*OPEN_DIALOG, bash("PreToolUse", 4, "c2"), asking(5, "c2"), bash("PostToolUse", LATER)],
        WAITING,
    ),
    (
        "both are answered",
        [*OPEN_DIALOG, asking(5, "c2"), bash("PostToolUse", LATER), bash("PostToolUse", LATER + 1, "c2")],
        WORKING,
    ),
    # Late and repeated.
    ("a late PostToolUse after Stop", [prompt(1), bash("PreToolUse", 2), stop(3), bash("PostToolUse", 4)], IDLE),
    ("a late PostToolBatch after Stop", [prompt(1), stop(3), fact("PostToolBatch", 4)], IDLE),
    (
        "a late PreToolUse after its own PostToolUse and Stop",
        [prompt(1), bash("PostToolUse", 2), stop(3), bash("PreToolUse", 4)],
        IDLE,
    ),
    ("a start after its prompt", [prompt(1), start(5)], WORKING),
    ("a resuming start just after its prompt", [prompt(1), start(1 + LATE_MS, "resume")], WORKING),
    ("a doubled start", [start(1), start(2)], IDLE),
    ("a doubled start amid the turn", [start(1), prompt(2), start(LATER)], WORKING),
    ("a doubled stop", [prompt(1), stop(2), stop(3)], IDLE),
    ("a late start after the end", [fact("SessionEnd", 1), start(2)], ENDED),
    ("a late stop after the end", [prompt(1), fact("SessionEnd", 2), stop(3)], ENDED),
    ("a late failure after the end", [prompt(1), fact("SessionEnd", 2), fact("StopFailure", 3)], ENDED),
    ("a late call's end after the end", [prompt(1), fact("SessionEnd", 2), bash("PostToolUse", 3)], ENDED),
    # Resume.
    ("a resumed session is idle", [fact("SessionEnd", 1, reason="resume"), start(2, "resume")], IDLE),
    ("its next prompt works", [fact("SessionEnd", 1), start(2, "resume"), prompt(3)], WORKING),
    ("a prompt without its start works too", [fact("SessionEnd", 1), prompt(3)], WORKING),
    ("killed amid a turn and resumed", [prompt(1), start(LATER, "resume")], IDLE),
    ("killed amid a dialog and resumed", [*OPEN_DIALOG, start(LATER, "resume")], IDLE),
    (
        "a closed pane's session goes on elsewhere",
        [prompt(1), closed(2), start(LATER, "resume"), prompt(LATER)],
        WORKING,
    ),
    # Compaction.
    (
        "compaction's start amid the turn",
        [prompt(1), fact("PreCompact", 2, trigger="auto"), start(3, "compact")],
        WORKING,
    ),
    ("compaction's start while idle", [stop(1), start(2, "compact")], IDLE),
    ("compaction's start of an ended session", [fact("SessionEnd", 1), start(LATER, "compact")], ENDED),
    ("a person compacts", [stop(1), fact("PreCompact", 2, trigger="manual")], WORKING),
    (
        "a person's compaction ends",
        [stop(1), fact("PreCompact", 2, trigger="manual"), fact("PostCompact", 3, trigger="manual")],
        IDLE,
    ),
    ("auto compaction ends, the turn does not", [prompt(1), fact("PostCompact", 3, trigger="auto")], WORKING),
    # Errors.
    ("an error stays", [fact("StopFailure", 1), bash("PostToolUse", 2), notice(3, "idle_prompt")], ERROR),
    ("the next prompt clears it", [fact("StopFailure", 1), prompt(2)], WORKING),
    ("a call clears it", [fact("StopFailure", 1), bash("PreToolUse", 2)], WORKING),
    # Notifications.
    ("idle after an Esc that no event told of", [prompt(1), bash("PreToolUse", 2), notice(LATER, "idle_prompt")], IDLE),
    ("a permission notice for a lost request", [prompt(1), notice(2, "permission_prompt")], WAITING),
    ("the next call settles a notice", [prompt(1), notice(2, "permission_prompt"), bash("PreToolUse", 3)], WORKING),
    ("a late permission notice after the turn", [prompt(1), stop(2), notice(3, "permission_prompt")], IDLE),
    ("an agent needs input", [prompt(1), notice(2, "agent_needs_input")], WAITING),
    ("a notice that asks nothing", [prompt(1), notice(2, "auth_success")], WORKING),
    ("an unknown notice", [prompt(1), notice(2, "brand_new")], WORKING),
    # Forms of MCP servers.
    ("a form is answered", [prompt(1), fact("Elicitation", 2), fact("ElicitationResult", 3)], WORKING),
    ("a form is complete", [prompt(1), fact("Elicitation", 2), notice(3, "elicitation_complete")], WORKING),
    ("a form stays while a call ends", [prompt(1), fact("Elicitation", 2), bash("PostToolUse", 3)], WAITING),
    # Subagents.
    ("a subagent's stop is not the turn's", [prompt(1), in_agent(fact("SubagentStop", 2))], WORKING),
    ("a subagent's call opens no turn", [stop(1, 1), in_agent(bash("PreToolUse", 2))], IDLE),
    ("a subagent's dialog waits", [prompt(1), in_agent(asking(2))], WAITING),
    ("and is answered", [prompt(1), in_agent(asking(2)), in_agent(bash("PostToolUse", LATER))], WORKING),
    ("and is denied", [prompt(1), in_agent(asking(2)), in_agent(bash("PreToolUse", LATER, "c2"))], WORKING),
    ("and is denied by the classifier", [prompt(1), in_agent(asking(2)), in_agent(denied(3))], WORKING),
    ("and its batch ends", [prompt(1), in_agent(asking(2)), in_agent(fact("PostToolBatch", 3))], WORKING),
    ("and the subagent ends", [prompt(1), in_agent(asking(2)), in_agent(fact("SubagentStop", 3))], WORKING),
    ("another subagent goes on", [prompt(1), in_agent(asking(2)), in_agent(bash("PostToolUse", 3), "a2")], WAITING),
    ("the main thread goes on", [prompt(1), in_agent(asking(2)), bash("PreToolUse", LATER, "c2")], WAITING),
    ("a background subagent asks an idle session", [prompt(1), stop(2, 1), in_agent(asking(3))], WAITING),
    (
        "and is answered: idle as before",
        [prompt(1), stop(2, 1), in_agent(asking(3)), in_agent(bash("PostToolUse", LATER))],
        IDLE,
    ),
    ("a stop with tasks leaves their dialogs", [prompt(1), in_agent(asking(2)), stop(3, 1)], WAITING),
    ("a stop without tasks leaves none", [prompt(1), in_agent(asking(2)), stop(3)], IDLE),
    ("a subagent's dialog is nothing after the end", [fact("SessionEnd", 1), in_agent(asking(2)), prompt(3)], WORKING),
    ("a subagent's form waits", [prompt(1), in_agent(fact("Elicitation", 2))], WAITING),
    (
        "a subagent's form is answered",
        [prompt(1), in_agent(fact("Elicitation", 2)), in_agent(fact("ElicitationResult", 3))],
        WORKING,
    ),
    # Dismissals.
    ("a person dismisses an error", [prompt(1), fact("StopFailure", 2), dismissed(3)], IDLE),
    (
        "and a late event does not bring it back",
        [fact("StopFailure", 1), dismissed(2), bash("PostToolUse", 3)],
        IDLE,
    ),
    ("the next turn works", [fact("StopFailure", 1), dismissed(2), prompt(3)], WORKING),
    ("a dismissal ends no turn", [prompt(1), bash("PreToolUse", 2), dismissed(3)], WORKING),
    ("and answers no dialog", [*OPEN_DIALOG, dismissed(LATER)], WAITING),
    ("and wakes nobody", [prompt(1), fact("SessionEnd", 2), dismissed(3)], ENDED),
    ("of what is not known, it says nothing", [dismissed(1)], UNKNOWN),
    (
        "under a background subagent's dialog the error goes",
        [fact("StopFailure", 1), in_agent(asking(2)), dismissed(3), in_agent(bash("PostToolUse", LATER))],
        IDLE,
    ),
    # The pane.
    ("the pane closes amid the turn", [prompt(1), bash("PreToolUse", 2), closed(3)], ENDED),
]


@pytest.mark.parametrize(("facts", "name"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_status_after(facts: list[Fact], name: StatusName) -> None:
    assert status_after(*facts).name is name


@pytest.mark.parametrize("name", [*sorted(HOOK_NAMES - set(lifecycle._MAIN)), "Unheard", ""])
@pytest.mark.parametrize("before", [[], [prompt(1)], OPEN_DIALOG, [stop(1, 2)], [fact("StopFailure", 1)]])
def test_an_event_without_a_rule_changes_nothing(name: str, before: list[Fact]) -> None:
    turn = folded(before)

    assert fold(turn, fact(name, LATER)) == turn


@pytest.mark.parametrize(
    ("facts", "waiting_for"),
    [
        (OPEN_DIALOG, WaitingFor.PERMISSION),
        ([question("PreToolUse", 1)], WaitingFor.QUESTION),
        ([question("PreToolUse", 1), question("PermissionRequest", 2)], WaitingFor.QUESTION),
        ([question("PermissionRequest", 1, "ExitPlanMode")], WaitingFor.PLAN),
        ([fact("Elicitation", 1)], WaitingFor.ELICITATION),
        ([prompt(1), notice(2, "elicitation_dialog")], WaitingFor.ELICITATION),
        ([prompt(1), notice(2, "elicitation_url_dialog")], WaitingFor.ELICITATION),
        ([prompt(1), notice(2, "worker_permission_prompt")], WaitingFor.PERMISSION),
        ([prompt(1), notice(2, "agent_needs_input")], WaitingFor.INPUT),
        ([*OPEN_DIALOG, notice(6_003, "agent_needs_input")], WaitingFor.PERMISSION),
        ([prompt(1), notice(2, "agent_needs_input"), asking(3)], WaitingFor.PERMISSION),
    ],
)
def test_what_a_waiting_session_waits_for(facts: list[Fact], waiting_for: WaitingFor) -> None:
    assert status_after(*facts).waiting_for is waiting_for


def test_a_question_is_answered_by_the_end_of_its_call() -> None:
    asked_both = [prompt(1), question("PreToolUse", 2), question("PermissionRequest", 3)]

    assert status_after(*asked_both, question("PostToolUse", LATER)).name is WORKING


def test_a_stop_with_running_tasks_is_idle_with_a_badge() -> None:
    turn = folded([prompt(1), in_agent(fact("SubagentStart", 2, agent_type="Explore")), stop(3, 2)])

    status = status_of(turn)
    assert (status.name, status.background_tasks, status.unseen) == (IDLE, 2, True)
    assert turn.agents == (Subagent(id="a1", type="Explore", started_at=2),)
    assert status_of(fold(turn, prompt(4))).background_tasks == 0
    assert fold(turn, stop(4)).agents == ()


def test_a_resumed_process_has_no_tasks_of_the_old_one() -> None:
    status = status_after(prompt(1), stop(2, 2), start(LATER, "resume"))

    assert (status.name, status.background_tasks, status.unseen) == (IDLE, 0, True)


def test_the_error_is_named_until_the_next_prompt() -> None:
    failed = [prompt(1), fact("StopFailure", 2, error="rate_limit")]

    assert status_after(*failed).error == "rate_limit"
    assert status_after(prompt(1), fact("StopFailure", 2)).error == "unknown"
    assert status_after(*failed, prompt(3)).error is None


def test_who_answers_a_background_subagent_has_seen_the_turn() -> None:
    asking_in_background = [prompt(1), stop(2, 1), in_agent(asking(3))]

    assert status_after(*asking_in_background).unseen
    answered = status_after(*asking_in_background, in_agent(bash("PostToolUse", LATER)))
    assert (answered.unseen, answered.background_tasks) == (False, 1)


def test_a_dismissed_error_is_gone_and_the_dismissal_is_why() -> None:
    status = status_after(prompt(1), fact("StopFailure", 2, error="rate_limit"), dismissed(3))

    assert (status.error, status.unseen, status.since) == (None, False, 3)
    assert status.evidence is not None
    assert (status.evidence.rule, status.evidence.source) == ("Dismissed", "api")


def test_a_dismissed_turn_is_seen_and_nothing_else_changes() -> None:
    turn = folded([fact("UserPromptSubmit", 1, pane="%1", tmux="/t,7,0", cwd="/a"), stop(2, 2)])
    assert turn.unseen

    assert fold(turn, dismissed(3)) == structs.replace(turn, unseen=False)
    assert fold(fold(turn, dismissed(3)), stop(4)).unseen


@pytest.mark.parametrize("before", [[], [prompt(1)], OPEN_DIALOG, [start(1)], [fact("SessionEnd", 1)]])
def test_a_dismissal_of_nothing_changes_nothing(before: list[Fact]) -> None:
    turn = folded(before)

    assert fold(turn, dismissed(LATER)) == turn


@pytest.mark.parametrize("name", ["Dismissed", "PaneClosed"])
def test_a_hook_cannot_pass_for_what_core_makes_itself(name: str) -> None:
    turn = folded([prompt(1), fact("StopFailure", 2)])

    assert fold(turn, fact(name, 3)) == turn


def test_a_dismissal_comes_after_all_of_its_millisecond() -> None:
    timeline = Timeline()
    for one in (dismissed(5), fact("StopFailure", 5), prompt(1)):
        timeline.add(one)

    assert name_of(timeline.turn) is IDLE


def test_a_status_keeps_the_time_of_the_event_that_changed_it() -> None:
    facts = [prompt(1), bash("PreToolUse", 2), bash("PostToolUse", 3), bash("PreToolUse", 4, "c2")]

    status = status_after(*facts)

    assert status.since == 1
    assert status.evidence is not None
    assert (status.evidence.rule, status.evidence.at) == ("PreToolUse", 4)


def test_a_late_fact_is_not_why_a_turn_is_closed() -> None:
    evidence = status_after(prompt(1), stop(2), bash("PostToolUse", 3)).evidence

    assert evidence is not None
    assert (evidence.rule, evidence.at) == ("Stop", 2)


def test_a_parallel_call_is_not_why_a_session_waits() -> None:
    status = status_after(*OPEN_DIALOG, bash("PreToolUse", 4, "c2"), bash("PostToolUse", 5, "c2"))

    assert status.since == 3
    assert status.evidence is not None
    assert status.evidence.rule == "PermissionRequest"


def test_a_second_dialog_comes_to_the_front_when_the_first_is_answered() -> None:
    turn = folded([*OPEN_DIALOG, asking(4, "c2"), bash("PostToolUse", LATER)])

    asks = asked(turn)
    assert asks is not None
    assert "run c2" in (asks.tool_input or "")
    assert status_of(turn).since == LATER


def test_the_main_threads_running_calls_are_known() -> None:
    turn = folded(
        [prompt(1), bash("PreToolUse", 2), bash("PreToolUse", 2, "c2"), in_agent(bash("PreToolUse", 3, "c3"))]
    )

    assert [call.id for call in turn.calls] == ["c1", "c2"]
    assert [call.id for call in fold(turn, bash("PostToolUse", 4)).calls] == ["c2"]
    assert fold(turn, stop(4)).calls == ()


def test_a_doubled_call_is_one() -> None:
    assert len(folded([bash("PreToolUse", 1), bash("PreToolUse", 2)]).calls) == 1


def test_what_a_turn_holds_is_bounded() -> None:
    facts = [
        one
        for n in range(3 * HELD)
        for one in (
            bash("PreToolUse", n, f"c{n}"),
            asking(n, f"c{n}"),
            bash("PostToolUse", n, f"d{n}"),
            in_agent(fact("SubagentStart", n), f"a{n}"),
        )
    ]

    turn = folded(facts)

    assert {len(turn.pending), len(turn.calls), len(turn.done), len(turn.agents)} == {HELD}


def test_the_newest_facts_stand() -> None:
    turn = folded(
        [
            fact("SessionStart", 1, source="startup", model="opus", cwd="/a", pane="%1", tmux="/t,7,0"),
            fact("UserPromptSubmit", 2, prompt="first", permission_mode="plan", cwd="/b"),
            in_agent(fact("PreToolUse", 3, cwd="/elsewhere", permission_mode="default")),
            fact("Stop", 4, last_assistant_message="done"),
        ]
    )

    assert (turn.cwd, turn.model, turn.permission_mode) == ("/b", "opus", "plan")
    assert (turn.prompt, turn.last_message, turn.pane_id, turn.tmux_pid) == ("first", "done", "%1", 7)


def test_a_subagents_event_tells_the_pane_too() -> None:
    assert folded([in_agent(fact("PreToolUse", 1, pane="%4"))]).pane_id == "%4"


def test_a_closed_pane_is_the_sessions_again_once_an_event_names_it() -> None:
    gone = folded([fact("UserPromptSubmit", 1, pane="%1"), closed(2)])

    assert gone.is_pane_closed
    assert not fold(gone, fact("SessionStart", 3, source="resume", pane="%1")).is_pane_closed


# Recordings of a real Claude Code.

REGISTRY_NAMES = {"busy": WORKING, "waiting": WAITING, "idle": IDLE}
SETTLED_MS = 200
"""Hooks and the registry file are this close to each other."""


def sessions_of(run: str) -> dict[str, list[Fact]]:
    facts = defaultdict(list)
    for event in recorded(run):
        facts[event.session_id or ""].append(fact_of(event))
    return facts


@pytest.mark.parametrize("run", RUNS)
def test_a_recording_folds_to_what_the_registry_said(run: str) -> None:
    sessions, entries = sessions_of(run), registry(run)
    wrong = []
    for (at, record), (until, _) in pairwise(entries):
        expected = REGISTRY_NAMES.get((record or {}).get("status", ""))
        if record is None or expected is None or until - at < 2 * SETTLED_MS:
            continue
        facts = [one for one in sessions[record["sessionId"]] if one.at <= until - SETTLED_MS]
        name = name_of(folded(facts))
        if name is not expected:
            wrong.append((at, expected, name))

    # Esc fires no hook: without the registry the session seems to work on.
    assert [entry[1:] for entry in wrong] == ([(IDLE, WORKING)] if run == "interrupt" else [])


@pytest.mark.parametrize("run", RUNS)
def test_a_recording_ends_the_same_in_any_order(run: str) -> None:
    order = random.Random(run)  # noqa: S311 - shuffles, no secret
    for facts in sessions_of(run).values():
        in_order = folded(facts)
        assert name_of(in_order) is ENDED
        for _ in range(200):
            timeline, shuffled = Timeline(), order.sample(facts, len(facts))
            assert all(map(timeline.add, shuffled))
            assert timeline.turn == in_order


def test_every_event_with_a_rule_is_in_the_document() -> None:
    document = (Path(__file__).parents[3] / "docs" / "status.md").read_text(encoding="utf-8")

    names = [*lifecycle._MAIN, *lifecycle._AGENT, *(name for _, name in lifecycle._OTHERS)]
    assert not [name for name in names if f"`{name}`" not in document]


def test_the_document_has_the_windows_numbers() -> None:
    document = (Path(__file__).parents[3] / "docs" / "status.md").read_text(encoding="utf-8")

    for number in (PARALLEL_MS, LATE_MS, HELD, WINDOW):
        assert f"{number:,}" in document


def test_a_fresh_turn_is_unknown() -> None:
    assert name_of(Turn()) is UNKNOWN
