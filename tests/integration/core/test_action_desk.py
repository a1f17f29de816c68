import asyncio
import json
import re
import resource
import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest
from msgspec import structs

from services.bus import Bus
from services.contract.actions import (
    AnyAction,
    ClosePane,
    CloseWindow,
    CreateWindow,
    Dismiss,
    NewPaneData,
    PaneClosedData,
    Prompt,
    PromptedData,
    ReadScreen,
    Refresh,
    ScreenData,
    Signal,
    SignalName,
)
from services.contract.entities import Cursor, Screen, StatusName
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.orders import DoAction
from services.contract.requests import Beat, GetActions, GetPanes, RunAction, Taken
from services.core.dispatcher import MAX_ASKERS
from services.process.clock import now_ms
from tests.integration.core.fake_poller import WHO, Asker, FakePoller, peers_of, run
from tests.integration.core.listening import Listener
from tests.integration.core.running import STOP_S, RunningCore, on_disk
from tests.unit.core.making import SERVER, TMUX, hook
from tests.waiting import wait_until, wait_until_async

CLOSED = PaneClosedData(pane_id="%1")
TYPED = PromptedData(pane_id="%1", submitted=True)
DIALOG = Problem(code=ErrorCode.CONFLICT, message="a dialog is open in pane %1")


def audit(core: RunningCore) -> list[dict[str, Any]]:
    """The rows as another process reads them, the oldest first."""
    with closing(sqlite3.connect(f"file:{core.database}?mode=ro", uri=True)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute("SELECT * FROM actions ORDER BY rowid")]


def results(core: RunningCore) -> list[str | None]:
    return [row["result"] for row in audit(core)]


async def problem_of(asker: Asker, request: RunAction) -> Problem:
    with pytest.raises(QuestmuxError) as failure:
        await asker.data(request)
    return failure.value.problem


# Done by the poller.


async def test_an_action_is_written_down_then_ordered_then_answered(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        request = run(Prompt(text="go"))
        answer = asyncio.create_task(asker.data(request))

        order = await poller.ordered()
        (row,) = audit(started)
        pending = (await asker.figures())["pending_actions"]
        await poller.tells(order.id, TYPED)
        assert await answer == {"pane_id": "%1", "submitted": True, "taken": None, "taken_by": None, "reason": None}
        after = await asker.figures()

    assert order == DoAction(
        id="a1",
        action="prompt",
        fields=request.fields,
        target="%1",
        deadline_at=request.deadline_at,
        server=SERVER,
    )
    assert (row["id"], row["who"], row["action"], row["target"]) == ("a1", WHO, "prompt", "%1")
    assert json.loads(row["body"]) == {"text": "go", "submit": True, "force": False}
    assert (row["finished_at"], row["result"]) == (None, None)
    assert abs(row["at"] - now_ms()) < 60_000
    assert pending == 1
    (row,) = audit(started)
    assert (row["result"], row["message"], json.loads(row["data"])["submitted"]) == ("ok", None, True)
    assert row["at"] <= row["finished_at"] <= now_ms()
    assert (after["pending_actions"], after["actions_total"], after["actions_failed_total"]) == (0, 1, 0)


async def test_what_acts_on_nothing_needs_no_target(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees()
        answer = asyncio.create_task(asker.data(run(CreateWindow(window_name="build"), None)))
        await poller.tells((await poller.ordered()).id, NewPaneData(window_id="@5", pane_id="%7"))

        assert await answer == {"window_id": "@5", "pane_id": "%7"}


@pytest.mark.parametrize(
    ("action", "target", "message"),
    [
        (ClosePane(), "%9", "there is no pane %9"),
        (Dismiss(), "%9", "there is no pane %9"),
        (ReadScreen(), "@0", "there is no pane @0"),
        (CloseWindow(), "@9", "there is no window @9"),
        (CloseWindow(), None, "there is no window None"),
    ],
)
async def test_what_is_not_there_is_not_found(
    started: RunningCore, action: AnyAction, target: str | None, message: str
) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")

        problem = await problem_of(asker, run(action, target))

    assert (problem.code, problem.message) == (ErrorCode.NOT_FOUND, message)
    assert not poller.told(DoAction)
    rows = [(row["action"], row["target"], row["result"], row["message"]) for row in audit(started)]
    assert rows == ([(action.name, target, "not_found", message)] if action.is_audited else [])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": "reboot"}, "action is wrong: there is no 'reboot'"),
        ({"fields": b"\xc1"}, "fields is wrong: "),
        ({"fields": b"\x80"}, "text is "),
        ({"fields": b"\x90"}, "the body is wrong: "),
    ],
    ids=["unknown", "noise", "nothing", "no object"],
)
async def test_what_cannot_be_read_is_refused(started: RunningCore, change: dict[str, Any], message: str) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")

        problem = await problem_of(asker, structs.replace(run(Prompt(text="go")), **change))

    assert problem.code is ErrorCode.INVALID_FIELD
    assert problem.message.startswith(message)
    assert audit(started) == []


async def test_two_clients_at_once_get_each_its_own_answer(started: RunningCore) -> None:
    with Bus() as bus, peers_of(started) as (asker, poller):
        other = Asker(bus, started)
        await poller.sees("%1", "%2")
        answers = [
            asyncio.create_task(asker.data(run(ClosePane(), "%1", action_id="a1"))),
            asyncio.create_task(other.data(run(ClosePane(), "%2", action_id="a2"))),
        ]
        await poller.ordered(2)
        for order in reversed(poller.told(DoAction)):
            await poller.tells(order.id, PaneClosedData(pane_id=order.target or ""))

        assert await asyncio.gather(*answers) == [{"pane_id": "%1"}, {"pane_id": "%2"}]
        other.close()


async def test_a_bounded_number_may_wait(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        waiting = [asyncio.create_task(asker.data(run(ReadScreen(), action_id=f"a{n}"))) for n in range(MAX_ASKERS)]
        await poller.ordered(MAX_ASKERS)

        problems = [
            await problem_of(asker, run(ClosePane(), action_id="one more")),
            await problem_of(asker, run(ReadScreen(), action_id="a1")),
        ]
        for order in poller.told(DoAction):
            await poller.tells(order.id, CLOSED)
        await asyncio.gather(*waiting)

    assert {problem.code for problem in problems} == {ErrorCode.TOO_MANY_REQUESTS}
    assert audit(started) == []


# Done once.


async def test_the_same_action_is_done_once_and_answered_to_all(started: RunningCore) -> None:
    with Bus() as bus, peers_of(started) as (asker, poller):
        other = Asker(bus, started)
        await poller.sees("%1")
        first = asyncio.create_task(asker.data(run(ClosePane())))
        await poller.ordered()
        second = asyncio.create_task(other.data(run(ClosePane())))
        await other.data(GetPanes())  # What was asked before it has arrived.

        await poller.tells("a1", CLOSED)
        await poller.sees()
        answers = [await first, await second, await other.data(run(ClosePane()))]
        other.close()

        assert answers == [{"pane_id": "%1"}] * 3
        assert len(poller.told(DoAction)) == 1
        assert (await asker.figures())["actions_total"] == 1

    assert results(started) == ["ok"]


async def test_an_id_belongs_to_one_action(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1", "%2")
        answer = asyncio.create_task(asker.data(run(ClosePane())))
        await poller.ordered()
        problems = [await problem_of(asker, run(ClosePane(), "%2"))]
        await poller.tells("a1", CLOSED)
        await answer
        problems += [await problem_of(asker, run(Refresh())), await problem_of(asker, run(Dismiss()))]

    assert {problem.code for problem in problems} == {ErrorCode.CONFLICT}
    assert len(problems) == 3
    assert problems[0].message == "the id a1 is that of another command: close_pane %1"
    assert len(poller.told(DoAction)) == 1


async def test_long_texts_that_differ_at_their_end_are_two_actions(started: RunningCore) -> None:
    long = "x" * 300
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        answer = asyncio.create_task(asker.data(run(Prompt(text=f"{long}1"))))
        await poller.ordered()
        problems = [await problem_of(asker, run(Prompt(text=f"{long}2")))]
        await poller.tells("a1", PromptedData(pane_id="%1", submitted=True))
        first = await answer
        problems.append(await problem_of(asker, run(Prompt(text=f"{long}2"))))
        assert await asker.data(run(Prompt(text=f"{long}1"))) == first

    assert [problem.code for problem in problems] == [ErrorCode.CONFLICT] * 2


async def test_a_failed_action_fails_the_same_again_also_after_a_restart(core: RunningCore) -> None:
    core.start()
    with peers_of(core) as (asker, poller):
        await poller.sees("%1")
        first = asyncio.create_task(problem_of(asker, run(Prompt(text="go"))))
        await poller.ordered()
        await poller.tells("a1", problem=DIALOG)
        problems = [await first]
        assert core.stop() == 0

        core.start()
        problems.append(await problem_of(asker, run(Prompt(text="go"))))

        assert problems == [DIALOG, DIALOG]
        assert len(poller.told(DoAction)) == 1
        assert results(core) == ["conflict"]


def large_screen() -> ScreenData:
    cursor = Cursor(x=0, y=0, visible=True)
    return ScreenData(
        screen=Screen(pane_id="%1", captured_at=5, width=80, height=60, cursor=cursor, lines=("x" * 80,) * 60)
    )


@pytest.mark.parametrize(("action", "rows"), [(Refresh(), ["ok"]), (ReadScreen(), [])], ids=["refresh", "read_screen"])
async def test_what_only_looks_is_done_again(started: RunningCore, action: AnyAction, rows: list[str]) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        for count in (1, 2):
            answer = asyncio.create_task(asker.data(run(action)))
            order = await poller.ordered(count)
            await poller.tells(order.id, large_screen())
            assert len((await answer)["screen"]["lines"]) == 60

    assert results(started) == rows
    assert [row["data"] for row in audit(started)] == [None] * len(rows)


async def test_an_answer_too_long_to_be_kept_is_not_made_up(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        answer = asyncio.create_task(asker.data(run(Signal(signal=SignalName.SIGKILL))))
        await poller.ordered()
        await poller.tells("a1", large_screen())
        await answer

        problem = await problem_of(asker, run(Signal(signal=SignalName.SIGKILL)))

    assert problem.code is ErrorCode.CONFLICT
    assert len(poller.told(DoAction)) == 1


# Not done in time.


async def test_without_an_answer_in_time_it_says_so_and_the_late_result_is_written_down(
    started: RunningCore,
) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        problem = await problem_of(asker, run(ClosePane(), within_s=0.2))
        before = audit(started)
        await poller.tells("a1", CLOSED)
        (after,) = audit(started)
        again = await asker.data(run(ClosePane()))
        figures = await asker.figures()

    assert problem.code is ErrorCode.TMUX_TIMEOUT
    assert re.fullmatch(
        r"tmux did not answer within \d\.\d s; what was asked may still have been done", problem.message
    )
    assert [(row["result"], row["message"]) for row in before] == [("tmux_timeout", problem.message)]
    assert (after["result"], after["message"]) == ("ok", None)
    assert after["finished_at"] > before[0]["finished_at"]
    assert again == {"pane_id": "%1"}
    assert len(poller.told(DoAction)) == 1
    assert (figures["actions_timeout_total"], figures["actions_failed_total"]) == (1, 0)


async def test_an_expiry_waits_for_no_timer(started: RunningCore) -> None:
    """The nearest comes once in a second: one of five would come soon after it by chance, and not each."""
    late: list[float] = []
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        for number in range(5):
            began, within_s = time.monotonic(), 0.1 + 0.2 * number
            await problem_of(asker, run(ClosePane(), action_id=f"a{number}", within_s=within_s))
            late.append(time.monotonic() - began - within_s)

    assert sum(sorted(late)[:3]) < 0.5
    assert min(late) > -0.05


async def test_a_result_that_comes_twice_changes_nothing(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        answer = asyncio.create_task(asker.data(run(ClosePane())))
        await poller.ordered()
        await poller.tells("a1", CLOSED)
        await answer
        before = audit(started)

        await poller.tells("a1", problem=DIALOG)
        await poller.tells("unheard of", CLOSED)

    assert audit(started) == before


async def test_a_poller_that_says_nothing_of_a_result_has_failed(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        answer = asyncio.create_task(problem_of(asker, run(ClosePane())))
        await poller.ordered()
        await poller.tells("a1")

        assert (await answer).code is ErrorCode.INTERNAL
        assert (await asker.figures())["actions_failed_total"] == 1

    assert results(started) == ["internal"]


@pytest.mark.parametrize(("action", "rows"), [(ClosePane(), ["tmux_timeout"]), (ReadScreen(), [])])
async def test_without_a_poller_nothing_is_done_and_nobody_waits(
    core: RunningCore, action: AnyAction, rows: list[str]
) -> None:
    core.start()
    with peers_of(core) as (_, poller):
        await poller.sees("%1")
    assert core.stop() == 0
    core.start()

    with peers_of(core) as (asker, _):
        problem = await problem_of(asker, run(action))
        assert (await asker.figures())["actions_timeout_total"] == 1

    assert problem == Problem(code=ErrorCode.TMUX_TIMEOUT, message="no poller is there: nothing was done")
    assert results(core) == rows


async def test_a_poller_that_went_is_found_out_and_one_that_came_is_known_by_its_beat(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        poller.close()
        numbers = iter(range(1_000))

        async def is_found_out() -> bool:
            request = run(ReadScreen(), action_id=f"r{next(numbers)}", within_s=0.05)
            return (await problem_of(asker, request)).message == "no poller is there: nothing was done"

        await wait_until_async(is_found_out, what="core to know that the poller is gone")
        with Bus() as bus:
            back = FakePoller(bus, started)
            await back.ask(Beat(service="poller", instance="p", pid=7, interval_s=2), Taken)
            answer = asyncio.create_task(asker.data(run(ClosePane())))
            await back.ordered()
            await back.tells("a1", CLOSED)
            assert await answer == {"pane_id": "%1"}
            back.close()


# Core's own end.


async def test_a_kill_leaves_the_row_without_a_result_and_the_poller_can_still_tell_it(core: RunningCore) -> None:
    core.start()
    with peers_of(core) as (asker, poller):
        await poller.sees("%1")
        lost = asyncio.create_task(asker.data(run(ClosePane())))
        await poller.ordered()
        core.kill()
        assert results(core) == [None]

        core.start()
        await poller.tells("a1", CLOSED)
        assert await asker.data(run(ClosePane())) == {"pane_id": "%1"}
        lost.cancel()

    assert results(core) == ["ok"]
    assert len(poller.told(DoAction)) == 1


async def test_the_same_action_after_a_kill_waits_for_the_first_ones_result(core: RunningCore) -> None:
    core.start()
    with peers_of(core) as (asker, poller):
        await poller.sees("%1")
        lost = asyncio.create_task(asker.data(run(ClosePane())))
        await poller.ordered()
        core.kill()
        core.start()
        await poller.sees()

        again = asyncio.create_task(asker.data(run(ClosePane())))
        await asker.data(GetPanes())
        await poller.tells("a1", CLOSED)

        assert await again == {"pane_id": "%1"}
        lost.cancel()
        assert len(poller.told(DoAction)) == 1


async def test_a_stop_tells_those_who_wait_and_leaves_the_row_without_a_result(core: RunningCore) -> None:
    process = core.start()
    with peers_of(core) as (asker, poller):
        await poller.sees("%1")
        answer = asyncio.create_task(problem_of(asker, run(ClosePane())))
        await poller.ordered()

        process.terminate()
        problem = await answer

    assert problem.code is ErrorCode.CORE_UNAVAILABLE
    assert problem.message == "core ends; what was asked may still be done"
    assert process.wait(STOP_S) == 0
    assert results(core) == [None]
    assert "Traceback" not in core.log


# A full disk.


def fill_disk(core: RunningCore) -> None:
    """The database cannot grow any more."""
    size = (core.data_dir / "questmux.db-wal").stat().st_size
    resource.prlimit(core.processes[-1].pid, resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("action", [ClosePane(), Dismiss()], ids=["ordered", "done in core"])
async def test_what_cannot_be_written_down_is_not_begun(core: RunningCore, action: AnyAction) -> None:
    process = core.start()
    with peers_of(core) as (asker, poller):
        await fail_turn(asker, poller)
        fill_disk(core)

        problem = await problem_of(asker, run(action))
        assert process.wait(STOP_S) not in {0, 2}
        core.start()

        assert problem.code is ErrorCode.CORE_UNAVAILABLE
        assert audit(core) == []
        assert not poller.told(DoAction)
        assert "Dismissed" not in [event["name"] for event in await asker.events()]


async def test_a_result_that_cannot_be_written_down_can_be_told_again(core: RunningCore) -> None:
    process = core.start()
    with peers_of(core) as (asker, poller):
        await poller.sees("%1")
        answer = asyncio.create_task(problem_of(asker, run(ClosePane())))
        await poller.ordered()
        fill_disk(core)

        with pytest.raises(QuestmuxError, match="not kept") as refused:
            await poller.tells("a1", CLOSED)
        problem = await answer
        assert process.wait(STOP_S) not in {0, 2}
        core.start()
        await poller.tells("a1", CLOSED)

    assert {problem.code, refused.value.problem.code} == {ErrorCode.CORE_UNAVAILABLE}
    assert results(core) == ["ok"]


# The audit.


async def test_the_audit_is_read_the_newest_first(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        for number in range(3):
            answer = asyncio.create_task(asker.data(run(Prompt(text="x" * 300), action_id=f"a{number}")))
            await poller.ordered(number + 1)
            await poller.tells(f"a{number}", TYPED)
            await answer

        newest, second = (await asker.data(GetActions(limit=2)))["commands"]

    assert (newest["id"], second["id"]) == ("a2", "a1")
    assert (newest["action"], newest["target"], newest["who"], newest["result"]) == ("prompt", "%1", WHO, "ok")
    assert json.loads(newest["body"])["text"].startswith("x" * 200 + "… (300 characters, sha256 ")
    assert "data" not in newest


async def test_old_rows_go_with_the_old_events(core: RunningCore) -> None:
    core.start()
    with peers_of(core) as (asker, poller):
        await poller.sees("%1")
        for number in range(2):
            answer = asyncio.create_task(asker.data(run(ClosePane(), action_id=f"a{number}")))
            await poller.ordered(number + 1)
            await poller.tells(f"a{number}", CLOSED)
            await answer
    assert core.stop() == 0
    with closing(sqlite3.connect(core.database)) as database, database:
        database.execute("UPDATE actions SET at = 5 WHERE id = 'a0'")

    core.start()

    wait_until(lambda: [row["id"] for row in audit(core)] == ["a1"], what="the old row is gone")


# Prompts.


async def prompted(asker: Asker, poller: FakePoller, *events: dict[str, Any], problem: Problem | None = None) -> None:
    await poller.ordered()
    await asker.append(*(hook("UserPromptSubmit", now_ms(), tmux=TMUX, **event) for event in events))
    await poller.tells("a1", None if problem else TYPED, problem)


async def test_a_hook_says_that_a_prompt_was_taken(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        answer = asyncio.create_task(asker.data(run(Prompt(text="go"))))
        await prompted(asker, poller, {"pane": "%1", "prompt": "go"})

        assert await answer == {"pane_id": "%1", "submitted": True, "taken": True, "taken_by": "hook", "reason": None}


async def test_another_panes_hook_or_a_tasks_end_does_not_say_so(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1", "%2")
        answer = asyncio.create_task(asker.data(run(Prompt(text="go"))))
        events = ({"pane": "%2", "prompt": "go"}, {"pane": "%1", "prompt": "<task-notification>"})
        await prompted(asker, poller, *events)

        assert (await answer)["taken"] is None


async def test_a_conflict_says_what_the_dialog_asks(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        asking = hook(
            "PermissionRequest",
            now_ms(),
            pane="%1",
            tmux=TMUX,
            tool_name="Bash",
            tool_input={"command": "rm -r build"},
        )
        await asker.append(asking)
        answer = asyncio.create_task(problem_of(asker, run(Prompt(text="go"))))
        await poller.ordered()
        await poller.tells("a1", problem=DIALOG)

        assert (await answer).message == 'a dialog is open in pane %1 (Bash: {"command":"rm -r build"})'

    assert [row["message"] for row in audit(started)] == [
        'a dialog is open in pane %1 (Bash: {"command":"rm -r build"})'
    ]


# Dismissals.


async def fail_turn(asker: Asker, poller: FakePoller) -> None:
    await poller.sees("%1", "%2")
    await asker.append(
        hook("UserPromptSubmit", now_ms(), pane="%1", tmux=TMUX),
        hook("StopFailure", now_ms(), pane="%1", tmux=TMUX, error="rate_limit"),
    )


async def test_a_dismissal_clears_an_error_and_is_in_the_log_and_the_audit(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await fail_turn(asker, poller)
        answers = [await asker.data(run(Dismiss(), action_id=name)) for name in ("d1", "d1", "d2")]
        pane = (await asker.data(GetPanes(id="%1")))["pane"]
        kept = [event for event in await asker.events() if event["name"] == "Dismissed"]

    assert [answer["changed"] for answer in answers] == [True, True, False]
    assert (answers[0]["pane_id"], answers[0]["session_id"]) == ("%1", "s1")
    assert (pane["status"]["name"], pane["status"]["unseen"], pane["status"]["error"]) == ("idle", False, None)
    assert pane["status"]["evidence"]["source"] == "api"
    assert [(event["id"], event["source"], event["pane_id"]) for event in kept] == [
        ("dismiss-d1", "api", "%1"),
        ("dismiss-d2", "api", "%1"),
    ]
    assert kept[0]["payload"] == {"hook_event_name": "Dismissed", "session_id": "s1", "by": WHO}
    assert [(row["id"], row["result"]) for row in audit(started)] == [("d1", "ok"), ("d2", "ok")]
    assert not poller.told(DoAction)


async def test_a_dismissal_is_told_at_once(started: RunningCore) -> None:
    with Bus() as bus, peers_of(started) as (asker, poller):
        listener = Listener(bus, started)
        await fail_turn(asker, poller)
        await listener.joined()
        seq = (await asker.snapshot()).seq

        await asker.data(run(Dismiss()))

        def told() -> list[object]:
            """Without what core tells of once in a second, whatever happens."""
            standings = {"persona_update", "project_update"}
            return [update["type"] for update in listener.updates(seq) if update["type"] not in standings]

        await wait_until_async(lambda: len(told()) >= 3, what="the updates")
        listener.close()
    assert told() == ["pane_update", "session_update", "event"]


async def test_a_dismissal_needs_a_session(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await fail_turn(asker, poller)

        problem = await problem_of(asker, run(Dismiss(), "%2"))
        assert "Dismissed" not in [event["name"] for event in await asker.events()]

    assert problem == Problem(code=ErrorCode.CONFLICT, message="no session in pane %2")
    assert results(started) == ["conflict"]


async def test_a_rebuild_knows_what_was_dismissed(core: RunningCore) -> None:
    core.start()
    with peers_of(core) as (asker, poller):
        await fail_turn(asker, poller)
        await asker.data(run(Dismiss()))
        before = await asker.snapshot()
        core.kill()
        with closing(sqlite3.connect(core.database)) as database, database:
            database.execute("DELETE FROM checkpoints")

        core.start()
        after = await asker.snapshot()

    assert after.sessions == before.sessions
    (session,) = after.sessions
    assert (session.status.name, session.events, session.xp) == (StatusName.IDLE, 2, 0)


async def test_a_dismissal_with_its_row_is_kept_at_once_or_not_at_all(core: RunningCore) -> None:
    core.start()
    with peers_of(core) as (asker, poller):
        await fail_turn(asker, poller)
        await asker.data(run(Dismiss()))
        core.kill()

    assert on_disk(core, "SELECT id FROM events WHERE name = 'Dismissed'") == ["dismiss-a1"]
    assert results(core) == ["ok"]
