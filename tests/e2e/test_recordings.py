"""Every hook call that a real Claude Code made, posted to the running stack."""

import random
import time
from typing import Any

import pytest

from tests.e2e.recordings import RUNS, Call, calls, truth_between
from tests.e2e.stack import Stack
from tests.e2e.watcher import Watcher

# Claude Code's registry trails its hook calls by up to this, measured over all recordings.
LAG_S = 0.25

# Where the hooks alone do not agree with the registry, and why. Other sources mend these (docs/status.md).
HOOKS_MISS = {
    # The next prompt, a background agent's notice, follows the Stop after 85 ms; whoever recorded the registry, every
    # 100 ms, saw no idle between, but `busy` with a newer time.
    ("agent", "Stop", 7.304): "idle",
}
# The registry turns idle at 13.1 s, when Esc interrupts the command; no hook tells, so `working` lasts too long.
ESC_UNSEEN = ("interrupt", "PreToolUse")


def headers(call: Call, origin_ms: int) -> dict[str, str]:
    return {"X-Tmux-Pane": call.pane, "X-Sent-At": str(origin_ms + round(call.t * 1000))}


def final_states(stack: Stack, posted: list[Call]) -> dict[str, Any]:
    """What lasts of each session: all but what tells one delivery from another."""
    states = {}
    for session_id in sorted({call.body["session_id"] for call in posted}):
        session = stack.session(session_id)
        session["status"]["evidence"].pop("event_id")
        for name in (
            "persona_id",
            "project_id",
            "xp",
        ):  # A late prompt's turn is nobody's.
            session.pop(name)
        states[session_id] = session
    return states


def test_every_call_is_kept_and_the_status_is_the_registrys(stack: Stack) -> None:
    disagreements: list[str] = []
    for run in RUNS:
        recorded = calls(run)
        for i, call in enumerate(recorded):
            answer = stack.keep(call.body, headers(call, 1_000_000))

            assert isinstance(answer.data["seq"], int)
            status = stack.session(call.body["session_id"])["status"]["name"]
            until = recorded[i + 1].t if i + 1 < len(recorded) else call.t + 1
            truths = truth_between(run, call.body["session_id"], call.t, max(until, call.t + LAG_S))
            name = call.body["hook_event_name"]
            if status not in truths and HOOKS_MISS.get((run, name, call.t)) != status:
                disagreements.append(f"{run} {call.t} {name}: {status}, registry {truths}")

    assert disagreements == []


def test_an_esc_is_the_one_thing_that_hooks_do_not_tell(stack: Stack) -> None:
    run, name = ESC_UNSEEN
    recorded = calls(run)
    last = next(i for i, call in enumerate(recorded) if call.body["hook_event_name"] == name)
    for call in recorded[: last + 1]:
        stack.keep(call.body, headers(call, 1_000_000))

    session_id = recorded[last].body["session_id"]
    assert stack.session(session_id)["status"]["name"] == "working"
    assert truth_between(run, session_id, recorded[last].t, recorded[last + 1].t)[-1] == "idle"


@pytest.mark.parametrize("seed", range(3))
def test_any_order_with_the_senders_clock_ends_in_the_same_states(stack: Stack, seed: int) -> None:
    # The clock is years behind, behind by the length of the run, or ahead by it.
    origin_ms = (1_000_000, int(time.time() * 1000) - 30_000, int(time.time() * 1000))[seed]
    for run in RUNS:
        in_order = calls(run)
        shuffled = random.Random(seed).sample(in_order, len(in_order))  # noqa: S311 - a shuffle, not a secret
        states = []
        for prefix, posted in (("a", in_order), ("b", shuffled)):
            for call in posted:
                body = {**call.body, "session_id": f"{prefix}{call.body['session_id'][1:]}"}
                stack.keep(body, headers(call, origin_ms))
            renamed = [
                Call(c.t, c.pane, {**c.body, "session_id": f"{prefix}{c.body['session_id'][1:]}"}) for c in posted
            ]
            states.append({name[1:]: {**state, "id": name[1:]} for name, state in final_states(stack, renamed).items()})

        assert states[0] == states[1], run


def hooks_kept(stack: Stack) -> list[Any]:
    return [event for event in stack.get("/api/events")["events"] if event["source"] == "hook"]


def hooks_told(watcher: Watcher) -> list[Any]:
    return [data["event"] for data in watcher.of("event") if data["event"]["source"] == "hook"]


def test_the_same_call_twice_is_one_event(stack: Stack) -> None:
    recorded = calls("commit")
    once, twice = (
        [
            stack.keep(call.body, {**headers(call, 1_000_000), "X-Event-Id": f"commit-{i}"}).data["seq"]
            for i, call in enumerate(recorded)
        ]
        for _ in range(2)
    )
    assert once == twice == sorted(set(once))

    assert len(hooks_kept(stack)) == len(recorded)
    session = stack.session(recorded[0].body["session_id"])
    assert session["events"] == len(recorded)
    assert session["xp"] == 1 + 15 + 5
    assert stack.rows("SELECT rule FROM xp_ledger ORDER BY seq, rule") == [("commit",), ("tool",), ("turn",)]


def test_two_equal_stops_with_different_ids_are_two_events(stack: Stack) -> None:
    stop = calls("slow")[2]
    seqs = [stack.keep(stop.body, {"X-Event-Id": name}).data["seq"] for name in ("first", "second")]

    assert seqs[0] < seqs[1]
    assert stack.session(stop.body["session_id"])["events"] == 2


def test_a_plain_client_sees_each_change_once_and_in_order(stack: Stack) -> None:
    with Watcher(stack.ws_port, stack.token) as watcher:
        assert watcher.types()[:7] == [
            "connected",
            "windows",
            "sessions",
            "personas",
            "projects",
            "quests",
            "synced",
        ]
        recorded = calls("bash_yes")
        seqs = [stack.keep(call.body, headers(call, 1_000_000)).data["seq"] for call in recorded]
        watcher.wait(lambda: len(hooks_told(watcher)) == len(recorded), "an `event` for every call")

    assert [event["seq"] for event in hooks_told(watcher)] == seqs
    assert [event["payload"] for event in hooks_told(watcher)] == [call.body for call in recorded]
    statuses = [update["session"]["status"]["name"] for update in watcher.of("session_update")]
    assert statuses == ["idle", "working", "working", "waiting", "working", "working", "idle", "ended"]
    assert [notice["reason"] for notice in watcher.of("attention")] == ["permission", "finished"]
    assert [(gain["amount"], gain["total"]) for gain in watcher.of("xp_gain")] == [(1, 1), (5, 6)]
    assert watcher.broken == []
    waiting = watcher.of("session_update")[3]["session"]
    assert waiting["status"]["waiting_for"] == "permission"
    assert waiting["asks"]["tool_name"] == "Bash"
    assert "touch made" in waiting["asks"]["tool_input"]
