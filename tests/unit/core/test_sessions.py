"""What the sources say of a session over time, and what comes of it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack, to_builtins

from services.contract.entities import Agent, Reading, RegistryEntry, StatusName
from services.contract.events import NewEvent
from services.contract.requests import Look, ReportTmux
from services.contract.updates import Attention, PaneUpdate, SessionUpdate
from services.core.fusion import PATIENCE_MS, TRAIL_MS
from services.core.sessions import TRANSITIONS
from services.core.state import Dump, State
from tests.unit.core.making import SERVER, TMUX, Log, dismissal, entry, hook, pane, reading, report

WORKING, WAITING, IDLE = StatusName.WORKING, StatusName.WAITING, StatusName.IDLE
T = 100_000


def at_work() -> Log:
    """A session that works, by its hooks and the registry."""
    log = Log()
    log.see(report(pane("%1", agent=Agent(name="claude", pid=50)), at=T - 9_000))
    log.add(hook("UserPromptSubmit", T, pane="%1", tmux=TMUX))
    log.tell(entry("busy", T + 50, pane_id="%1", tmux_pid=SERVER.pid), at=T + 60)
    return log


def esc(at: int) -> RegistryEntry:
    return entry("idle", at, pane_id="%1", tmux_pid=SERVER.pid)


def test_an_esc_that_only_the_registry_tells_ends_the_turn_at_once() -> None:
    log = at_work()
    log.take()

    log.tell(esc(T + 5_000), at=T + 5_010)

    status = log.status()
    assert (status.name, status.since, status.unseen) == (IDLE, T + 5_000, False)
    assert status.evidence is not None
    assert (status.evidence.source, status.evidence.rule) == ("registry", "idle")
    assert [(claim.source, claim.says) for claim in status.disputed_by] == [("hook", WORKING)]
    messages = log.take()
    assert [m.session.status.name for m in messages if isinstance(m, SessionUpdate)] == [IDLE]
    assert [m for m in messages if isinstance(m, Attention)] == [], "who pressed Esc knows"
    assert log.state.due_for_review(T + 99_000, T + 99_000) == ()


def test_the_next_hook_is_believed_again() -> None:
    log = at_work()
    log.tell(esc(T + 5_000), at=T + 5_010)

    log.add(hook("UserPromptSubmit", T + 9_000, pane="%1", tmux=TMUX))

    assert log.status().name is WORKING
    assert log.state.due_for_review(T + 9_500, T + 9_500) == (), "the registry has a second to follow"
    log.tell(entry("busy", T + 9_050, pane_id="%1", tmux_pid=SERVER.pid), at=T + 9_060)
    assert log.status().disputed_by == ()
    assert log.state.next_review() is None


def test_a_registry_that_does_not_follow_overrules_once_the_poller_was_heard() -> None:
    log = at_work()
    log.tell(esc(T + 5_000), at=T + 5_010)
    log.add(hook("PreToolUse", T + 5_500, pane="%1", tmux=TMUX, tool_name="Bash", tool_use_id="c1"))
    due = T + 5_500 + PATIENCE_MS

    assert log.status().name is WORKING
    assert log.settle(due - 1) == 0
    assert log.settle(due + 9_000, heard_at=due - 1) == 0, "the poller may be dead"
    assert log.state.next_review() is None, "time alone does not make it due"
    assert log.settle(due) == 1

    assert log.status().name is IDLE
    assert log.settle(due + 1) == 0


def test_news_right_after_a_hook_is_due_by_time_alone() -> None:
    log = at_work()
    log.add(hook("PreToolUse", T + 5_000, pane="%1", tmux=TMUX, tool_name="Bash", tool_use_id="c1"))
    log.tell(esc(T + 5_100), at=T + 5_110)

    assert log.status().name is WORKING
    assert log.state.next_review() == T + 5_000 + TRAIL_MS
    assert log.settle(T + 5_000 + TRAIL_MS, heard_at=0) == 1
    assert log.status().name is IDLE


def test_a_call_that_an_esc_broke_off_does_not_bring_the_turn_back() -> None:
    log = at_work()
    log.add(hook("PreToolUse", T + 1_000, pane="%1", tmux=TMUX, tool_name="Bash", tool_use_id="c1"))
    log.tell(esc(T + 5_000), at=T + 5_010)
    log.take()

    log.add(hook("PostToolUseFailure", T + 5_030, pane="%1", tmux=TMUX, tool_name="Bash", tool_use_id="c1"))

    assert log.status().name is IDLE
    assert log.settle(T + 9_000) == 0


def test_the_end_of_a_parallel_call_does_not_bring_an_answered_dialog_back() -> None:
    log = at_work()
    for name, call in (("PreToolUse", "a"), ("PreToolUse", "b"), ("PermissionRequest", "a")):
        tool = {"tool_name": "Bash", "tool_input": {"command": call}}
        log.add(hook(name, T + 2_000, pane="%1", tmux=TMUX, tool_use_id=call, **tool))  # type: ignore[arg-type]
    log.tell(entry("busy", T + 5_000, pane_id="%1", tmux_pid=SERVER.pid), at=T + 5_010)
    assert log.status().name is WORKING
    log.take()

    log.add(
        hook(
            "PostToolUse",
            T + 20_000,
            pane="%1",
            tmux=TMUX,
            tool_name="Bash",
            tool_use_id="b",
            tool_input={"command": "b"},
        )
    )

    assert log.status().name is WORKING
    assert [m for m in log.take() if isinstance(m, Attention)] == []


def test_the_idle_notice_after_an_esc_is_no_end_that_nobody_saw() -> None:
    log = at_work()
    log.tell(esc(T + 5_000), at=T + 5_010)
    log.take()

    log.add(hook("Notification", T + 65_000, pane="%1", tmux=TMUX, notification_type="idle_prompt"))

    assert (log.status().name, log.status().unseen) == (IDLE, False)
    assert [m for m in log.take() if isinstance(m, Attention)] == []


def test_a_stop_behind_the_registry_is_told() -> None:
    log = at_work()
    log.tell(esc(T + 5_000), at=T + 5_010)
    log.take()

    log.add(hook("Stop", T + 5_400, pane="%1", tmux=TMUX))

    assert [m.reason for m in log.take() if isinstance(m, Attention)] == ["finished"]


def test_old_hooks_from_the_spool_do_not_turn_the_clock_back() -> None:
    log = at_work()
    log.tell(esc(T + 3_600_000), at=T + 3_600_010)
    late = hook("PermissionRequest", T + 2_000, pane="%1", tmux=TMUX, tool_name="Bash", tool_input={})

    log.add(late)

    assert log.status().name is IDLE


def test_a_clock_that_is_set_back_settles_once() -> None:
    log = at_work()
    log.tell(esc(T + 5_000), at=T + 5_010)
    log.add(hook("PreToolUse", T + 5_500, pane="%1", tmux=TMUX, tool_name="Bash", tool_use_id="c1"))

    assert log.settle(T - 3_600_000, heard_at=T + 99_000) == 0
    assert log.settle(T + 9_000, heard_at=T + 9_000) == 1
    assert log.settle(T + 9_000, heard_at=T + 9_000) == 0


def test_two_dialogs_that_only_the_registry_tells_of_are_both_told() -> None:
    log = Log()
    log.see(report(pane("%1", agent=Agent(name="claude", pid=50))))
    for at, word in ((T, "permission prompt"), (T + 9_000, "input needed")):
        log.tell(entry("waiting", at, waiting_for=word, pane_id="%1", tmux_pid=SERVER.pid), at=at)

    assert [m.reason for m in log.take() if isinstance(m, Attention)] == ["question"]
    assert log.status().since == T + 9_000


def test_who_watches_the_panes_hears_that_one_was_seen() -> None:
    log = finished()
    log.take()
    log.tell(Look(pane_id="%1", at=T + 9_000), at=T + 9_000)
    shown = [m.pane.status for m in log.take() if isinstance(m, PaneUpdate)]
    assert [status.unseen for status in shown if status is not None] == [False]


def test_a_screen_alone_shows_an_esc_when_there_is_no_registry() -> None:
    log = Log()
    log.see(report(pane("%1", agent=Agent(name="claude", pid=50))))
    log.add(hook("UserPromptSubmit", T, pane="%1", tmux=TMUX))
    log.tell(reading(WORKING, T + 100), at=T + 100)
    log.tell(reading(IDLE, T + 5_000), at=T + 5_010)

    assert log.status().name is IDLE
    evidence = log.status().evidence
    assert evidence is not None
    assert (evidence.source, evidence.rule) == ("screen", "claude/idle")


def test_transitions_are_remembered_with_who_told_and_what_they_corrected() -> None:
    log = at_work()
    log.tell(esc(T + 5_000), at=T + 5_010)

    kept = log.state.dump().sessions["s1"].transitions
    assert [(one.name, one.source, one.corrected) for one in kept] == [
        (WORKING, "hook", False),
        (IDLE, "registry", True),
    ]
    assert kept[-1].at == T + 5_010
    assert log.state.dump().corrections == 1
    for turn in range(TRANSITIONS):
        log.add(hook("UserPromptSubmit", T + 10_000 + 2 * turn, pane="%1"))
        log.add(hook("Stop", T + 10_001 + 2 * turn, pane="%1"))
    assert len(log.state.dump().sessions["s1"].transitions) == TRANSITIONS


def test_two_sources_that_tell_of_one_dialog_are_one_call_for_attention() -> None:
    log = at_work()
    log.take()
    log.tell(
        entry("waiting", T + 2_000, waiting_for="permission prompt", pane_id="%1", tmux_pid=SERVER.pid), at=T + 2_010
    )
    log.add(
        hook("PermissionRequest", T + 2_100, pane="%1", tmux=TMUX, tool_name="Bash", tool_input={"command": "make"})
    )

    assert [m.reason for m in log.take() if isinstance(m, Attention)] == ["permission"]
    session = log.state.session("s1")
    assert session is not None
    assert session.asks is not None
    assert session.asks.tool_name == "Bash"


def test_a_dismissal_holds_while_another_source_has_the_word() -> None:
    log = Log()
    log.see(report(pane("%1", agent=Agent(name="claude", pid=50))))
    log.tell(entry("busy", T, pane_id="%1", tmux_pid=SERVER.pid), at=T)
    log.tell(esc(T + 5_000), at=T + 5_010)
    assert log.status().unseen, "without hooks it may have finished"

    log.add(dismissal(at=T + 6_000))

    assert not log.status().unseen
    log.tell(entry("idle", T + 5_000, pane_id="%1", tmux_pid=SERVER.pid, cwd="/x"), at=T + 7_000)
    assert not log.status().unseen


def finished() -> Log:
    """A session whose turn has ended at T + 5,000, by its hooks."""
    log = at_work()
    log.add(hook("Stop", T + 5_000, pane="%1", tmux=TMUX))
    log.tell(esc(T + 5_050), at=T + 5_060)
    assert log.status().unseen
    return log


def test_a_person_who_presses_a_key_there_has_seen_the_end() -> None:
    log = finished()
    count = len(log.events)

    log.tell(Look(pane_id="%1", at=T + 4_999), Look(pane_id="%2", at=T + 9_000), at=T + 9_000)
    assert log.status().unseen, "before the end, and in another pane"
    assert len(log.events) == count

    log.tell(Look(pane_id="%1", at=T + 5_000), at=T + 9_000)
    assert not log.status().unseen
    log.tell(Look(pane_id="%1", at=T + 10_000), at=T + 10_000)
    assert len(log.events) == count + 1, "once is enough"
    assert log.status().name is IDLE
    assert log.replayed().sessions() == log.state.sessions()


def test_who_looks_at_an_error_has_not_done_with_it() -> None:
    log = at_work()
    log.add(hook("StopFailure", T + 5_000, pane="%1", tmux=TMUX, error="overloaded"))

    log.tell(Look(pane_id="%1", at=T + 6_000), at=T + 6_000)

    assert (log.status().name, log.status().error, log.status().unseen) == (StatusName.ERROR, "overloaded", False)


def test_the_next_end_is_unseen_again() -> None:
    log = finished()
    log.tell(Look(pane_id="%1", at=T + 6_000), at=T + 6_000)
    log.add(hook("UserPromptSubmit", T + 7_000, pane="%1", tmux=TMUX), hook("Stop", T + 8_000, pane="%1", tmux=TMUX))

    assert log.status().unseen


def test_a_whole_report_ends_what_it_does_not_have() -> None:
    log = at_work()

    log.tell(entry("idle", T, pid=51, session="other"), at=T + 9_000, is_whole=True)

    assert log.status().name is StatusName.ENDED
    assert log.status("other").name is IDLE


def test_what_is_known_already_is_no_event() -> None:
    log = at_work()
    log.tell(reading(WORKING, T + 100), at=T + 100)
    count = len(log.events)

    log.tell(entry("busy", T + 50, pane_id="%1", tmux_pid=SERVER.pid), reading(WORKING, T + 900), at=T + 900, gone=[99])

    assert len(log.events) == count


# The log gives the state again, whatever the sources say.

NAMES = ["SessionStart", "UserPromptSubmit", "PreToolUse", "PermissionRequest", "PostToolUse", "Stop", "SessionEnd"]
TIMES = st.integers(T, T + 20_000)
SESSIONS = st.sampled_from(["s1", "s2", "s3"])
PANES = st.sampled_from(["%1", "%2"])
PIDS = st.sampled_from([50, 60])
HOOKS = st.builds(
    lambda name, at, session, pane: hook(
        name, at, session=session, pane=pane, tmux=TMUX, tool_name="Bash", tool_use_id="c", tool_input={}
    ),
    st.sampled_from(NAMES),
    TIMES,
    SESSIONS,
    PANES,
)
ENTRIES = st.builds(
    lambda status, at, pid, session, pane: entry(
        status, at, pid=pid, session=session, pane_id=pane, tmux_pid=SERVER.pid
    ),
    st.sampled_from(["busy", "idle", "waiting", None]),
    TIMES,
    PIDS,
    SESSIONS,
    PANES,
)
READINGS = st.builds(
    lambda says, at, pane: reading(says, at, pane=pane),
    st.sampled_from([WORKING, WAITING, IDLE, StatusName.UNKNOWN]),
    TIMES,
    PANES,
)
AGENTS = st.builds(
    lambda pids, at: report(
        *(pane(f"%{i}", agent=pid and Agent(name="claude", pid=pid)) for i, pid in enumerate(pids, 1)), at=at
    ),
    st.tuples(st.none() | PIDS, st.none() | PIDS),
    TIMES,
)
STEPS = st.lists(HOOKS | ENTRIES | READINGS | AGENTS | st.tuples(TIMES, PIDS), max_size=30)


@settings(max_examples=300)
@given(STEPS, st.integers(0, 30))
def test_any_history_replays_from_any_checkpoint(steps: list[object], cut: int) -> None:
    log, dump, taken = Log(), None, 0
    for number, step in enumerate(steps):
        if number == cut:
            dump, taken = msgpack.encode(log.state.dump()), len(log.events)
        play(log, step)

    assert canonical(log.replayed()) == canonical(log.state)
    if dump is not None:
        later = State(msgpack.decode(dump, type=Dump))
        for seq, event in enumerate(log.events[taken:], taken + 1):
            later.apply(seq, event, log.is_first)
        assert canonical(later) == canonical(log.state)
        assert later.sessions() == log.state.sessions()
        assert later.panes() == log.state.panes()


def play(log: Log, step: object) -> None:
    match step:
        case NewEvent():
            log.add(step)
        case (int(at), int(pid)):
            log.settle(at)
            log.tell(at=at, gone=[pid])
        case ReportTmux():
            log.see(step)
        case RegistryEntry():
            log.tell(step, at=step.status_at)
        case Reading():
            log.tell(step, at=step.captured_at)
        case _:
            pytest.fail(f"no step: {step!r}")


def canonical(state: State) -> bytes:
    return msgpack.encode(to_builtins(state.dump(), str_keys=True), order="sorted")


@pytest.mark.parametrize("name", ["RegistryChanged", "ScreenRead", "Settled", "RegistryGone"], ids=repr)
def test_a_hook_that_borrows_the_name_of_our_own_event_is_any_other_hook(name: str) -> None:
    log = at_work()

    log.add(hook(name, T + 9_000, pid=50, pane_id="%1"))

    assert log.status().name is WORKING
