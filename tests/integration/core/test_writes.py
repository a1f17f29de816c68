import asyncio
import json
import os
import signal

import pytest
from msgspec import structs

from services.bus import Bus, Client
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import NewEvent
from services.contract.requests import (
    Appended,
    AppendEvents,
    DrainSpool,
    GetWindows,
    Listing,
    ReportTmux,
    SpoolDrained,
    Taken,
)
from services.contract.spool import encode_line
from services.core.writes import SPOOL_CHUNK
from services.process.clock import now_ms
from services.process.spool import Spool
from tests.integration.core.running import ANSWER_S, RunningCore, on_disk, report_of, tool
from tests.unit.core.making import OTHER_SERVER, changes, pane, report
from tests.waiting import wait_until

# Appending.

TOOLS_A_DAY = 300
"""So many calls of a persona earn XP in a day."""


def test_an_answered_event_is_on_disk(core: RunningCore) -> None:
    core.start()

    assert core.append(tool("c1"), tool("c2")) == (1, 2)

    core.kill()
    assert on_disk(core) == ["e-c1", "e-c2"]


def test_a_repeated_event_is_one_also_after_a_kill(core: RunningCore) -> None:
    core.start()
    assert core.append(tool("c1"), tool("c1")) == (1, 1)
    core.kill()
    core.start()

    assert core.append(tool("c1"), tool("c2")) == (1, 2)

    (session,) = core.snapshot().sessions
    assert (session.events, session.xp) == (2, 2)
    assert core.health()["figures"]["repeats_total"] == 1
    assert on_disk(core, "SELECT key FROM xp_ledger ORDER BY seq") == ["tool:s1:c1", "tool:s1:c2"]


async def test_events_of_one_peer_keep_their_order(started: RunningCore) -> None:
    names = [f"c{number}" for number in range(300)]
    with Bus() as bus:
        client = Client(bus, started.requests_address)
        await client.request(GetWindows(), Listing, ANSWER_S)  # Until it is connected, each tries again by itself.
        answers = await asyncio.gather(
            *(client.request(AppendEvents(events=(tool(name),)), Appended, ANSWER_S) for name in names)
        )
        client.close()

    assert [answer.seqs for answer in answers] == [(seq,) for seq in range(1, 301)]
    assert on_disk(started) == [f"e-{name}" for name in names]


def test_events_come_back_as_they_were_sent(started: RunningCore) -> None:
    payload = '{"hook_event_name":"Stop", "text":"é 🜚 \\u0000"}'.encode()
    started.append(NewEvent(id="e", name="Stop", received_at=5, sent_at=4, payload=payload, pane_id="%1"))

    (event,) = started.events()

    assert event["payload"] == json.loads(payload)
    assert (event["seq"], event["received_at"], event["sent_at"], event["pane_id"]) == (1, 5, 4, "%1")


# Reports of tmux.


def test_a_report_of_tmux_is_an_event_only_when_the_layout_changes(started: RunningCore) -> None:
    for title in ("", "one", "two"):
        started.ask(report_of("%1", title=title), Taken)
    assert [event["name"] for event in started.events()] == ["TmuxReport"]
    assert [shown.title for shown in started.snapshot().panes] == ["two"]

    started.ask(report_of("%1", "%2"), Taken)

    assert len(started.events()) == 2
    windows = json.loads(started.ask(GetWindows(), Listing).data)["windows"]
    assert [shown["id"] for shown in windows[0]["panes"]] == ["%1", "%2"]


def test_changes_of_the_last_report_are_taken(started: RunningCore) -> None:
    first = structs.replace(report(pane("%1"), pane("%2", index=1), at=now_ms()), revision=7)
    second = structs.replace(report(pane("%1", title="new"), pane("%3", index=1), at=now_ms()), revision=8)
    third = structs.replace(second, panes=(pane("%1", title="newer"), second.panes[1]), revision=9)
    started.ask(first, Taken)

    started.ask(changes(first, second), Taken)
    started.ask(changes(second, third), Taken)

    shown = started.snapshot()
    assert [(one.id, one.title) for one in shown.panes] == [("%1", "newer"), ("%3", "")]
    assert shown.windows[0].pane_ids == ("%1", "%3")
    assert [event["name"] for event in started.events()] == ["TmuxReport", "TmuxReport"]


def test_changes_of_another_report_are_refused_and_touch_nothing(core: RunningCore) -> None:
    core.start()
    first = structs.replace(report(pane("%1"), at=now_ms()), revision=7)
    second = structs.replace(report(pane("%2"), at=now_ms()), revision=8)
    core.ask(first, Taken)
    for wrong in (
        structs.replace(changes(first, second), after=6),
        structs.replace(changes(first, second), server=OTHER_SERVER),
    ):
        refused(core, wrong)
    core.kill()
    core.start()
    refused(core, changes(first, second))

    assert [shown.id for shown in core.snapshot().panes] == ["%1"]
    core.ask(second, Taken)
    assert [shown.id for shown in core.snapshot().panes] == ["%2"]


def refused(core: RunningCore, changed: ReportTmux) -> None:
    with pytest.raises(QuestmuxError, match="send it all") as failure:
        core.ask(changed, Taken)
    assert failure.value.problem.code is ErrorCode.CONFLICT


async def test_a_refused_report_does_not_stop_the_rest_of_its_batch(started: RunningCore) -> None:
    wrong = structs.replace(report(pane("%1"), at=now_ms()), after=5)
    with Bus() as bus:
        client = Client(bus, started.requests_address)
        await client.request(GetWindows(), Listing, ANSWER_S)
        os.kill(started.processes[-1].pid, signal.SIGSTOP)  # So that all of it arrives at once.
        asked = [
            asyncio.create_task(client.request(AppendEvents(events=(tool("c1"),)), Appended, ANSWER_S)),
            asyncio.create_task(client.request(wrong, Taken, ANSWER_S)),
            asyncio.create_task(client.request(AppendEvents(events=(tool("c2"),)), Appended, ANSWER_S)),
        ]
        await asyncio.sleep(0)  # They are sent in their first step.
        os.kill(started.processes[-1].pid, signal.SIGCONT)
        first, problem, second = await asyncio.gather(*asked, return_exceptions=True)
        client.close()

    assert (first, second) == (Appended(seqs=(1,)), Appended(seqs=(2,)))
    assert isinstance(problem, QuestmuxError)
    assert problem.problem.code is ErrorCode.CONFLICT


# The spool.


def test_the_spool_is_read_before_anything_else(core: RunningCore) -> None:
    core.spool_dir.mkdir(parents=True)
    Spool(core.spool_dir).append([tool("c1"), tool("c2")])
    core.start()

    assert core.append(tool("c3"), tool("c1")) == (3, 1)

    assert on_disk(core) == ["e-c1", "e-c2", "e-c3"]
    assert list(core.spool_dir.glob("*.jsonl*")) == []
    assert core.health()["figures"]["spooled_total"] == 2


def test_the_spool_is_read_when_asked_for(started: RunningCore) -> None:
    assert started.ask(DrainSpool(), SpoolDrained).events == 0
    Spool(started.spool_dir).append([tool("c1"), tool("c2"), tool("c1")])

    assert started.ask(DrainSpool(), SpoolDrained).events == 3

    assert on_disk(started) == ["e-c1", "e-c2"]
    assert started.health()["spool_bytes"] == 0


def test_files_that_command_hooks_leave_are_found(started: RunningCore) -> None:
    started.health()
    part = started.spool_dir / ".part"
    part.write_bytes(encode_line(tool("c1")))
    part.rename(started.spool_dir / "hook-1.jsonl")

    wait_until(lambda: on_disk(started) == ["e-c1"], what="the hook's event in the log")


def test_a_torn_line_is_put_aside_and_the_rest_is_taken(core: RunningCore) -> None:
    core.spool_dir.mkdir(parents=True)
    torn = encode_line(tool("c2"))[:40]
    (core.spool_dir / "events.jsonl").write_bytes(encode_line(tool("c1")) + torn)
    core.start()

    assert core.append(tool("c3")) == (2,)

    assert (core.spool_dir / "rejected").read_bytes() == torn + b"\n"
    assert core.health()["figures"]["rejected_spool_lines_total"] == 1


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"x","received_at":' + b"9" * 30 + b',"payload":{"hook_event_name":"Stop"}}\n',
        b'{"id":"x","received_at":1,"payload":{"hook_event_name":"\xff"}}\n',
        b'{"id":"x","received_at":1,"payload":{"hook_event_name":"Stop","x":' + b"[" * 9_000 + b"]" * 9_000 + b"}}\n",
    ],
    ids=["number", "bytes", "depth"],
)
def test_no_line_can_keep_core_from_starting(core: RunningCore, line: bytes) -> None:
    core.spool_dir.mkdir(parents=True)
    (core.spool_dir / "hook-1.jsonl").write_bytes(line + encode_line(tool("c1")))
    core.start()

    assert core.append(tool("c2")) == (2,)
    assert core.stop() == 0


def test_a_stop_amid_a_large_spool_loses_and_repeats_nothing(core: RunningCore) -> None:
    core.spool_dir.mkdir(parents=True)
    count = 0
    while not list(core.spool_dir.glob("*.taken")):  # Core may be done before this process stops it.
        assert count < 30 * SPOOL_CHUNK, "it read on to the end"
        stop_amid(core, range(count, count + 10 * SPOOL_CHUNK))
        count += 10 * SPOOL_CHUNK
    core.start()

    assert core.append(tool("last")) == (count + 1,)
    (session,) = core.snapshot().sessions
    assert (session.events, session.xp) == (count + 1, TOOLS_A_DAY)


def stop_amid(core: RunningCore, numbers: range) -> None:
    """Let core begin with a spool of these calls, and stop it."""
    Spool(core.spool_dir).append([tool(f"c{number}") for number in numbers])
    core.start()

    def has_begun() -> bool:
        return core.database.exists() and "event_ids" in schema(core) and len(on_disk(core)) > numbers.start

    wait_until(has_begun, what="the first events")
    assert core.stop() == 0


def schema(core: RunningCore) -> list[object]:
    return on_disk(core, "SELECT name FROM sqlite_master")
