import asyncio
import json
import resource
import time

import pytest

from services.bus import Bus, Client, Subscriber
from services.contract import codec
from services.contract.codec import Batch
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.requests import (
    Appended,
    AppendEvents,
    Beat,
    GetPanes,
    GetSessions,
    GetSnapshot,
    GetUpdates,
    Listing,
    Replayed,
    Snapshot,
    Taken,
)
from services.core.service import Timer
from services.process.clock import now_ms
from tests.integration.core.listening import Listener
from tests.integration.core.running import ANSWER_S, STOP_S, RunningCore, on_disk, report_of, tool
from tests.unit.core.making import hook
from tests.waiting import wait_until, wait_until_async

# The state and its stream.


def test_the_state_is_the_same_after_a_restart(core: RunningCore) -> None:
    core.start()
    core.ask(report_of("%1", "%2"), Taken)
    core.append(hook("UserPromptSubmit", 5, pane="%1"), tool("c1"))
    before = core.snapshot()
    assert core.stop() == 0

    core.start()
    after = core.snapshot()
    assert (after.windows, after.panes, after.sessions) == (before.windows, before.panes, before.sessions)
    assert after.epoch != before.epoch
    assert on_disk(core, "SELECT kind FROM checkpoints") == ["latest"]

    core.append(tool("c2"))
    before = core.snapshot()
    core.kill()
    core.start()
    assert core.snapshot().sessions == before.sessions


async def test_a_snapshot_and_the_later_updates_are_the_state(started: RunningCore) -> None:
    with Bus() as bus:
        client, listener = Client(bus, started.requests_address), Listener(bus, started)
        await listener.joined()

        async def append_all() -> None:
            for number in range(100):
                request = AppendEvents(events=(hook("PostToolUse", now_ms(), session=f"s{number % 7}"),))
                await client.request(request, Appended, ANSWER_S)

        task = asyncio.create_task(append_all())
        await listener.reaches(20)
        amid = await client.request(GetSnapshot(), Snapshot, ANSWER_S)
        await task
        end = await client.request(GetSnapshot(), Snapshot, ANSWER_S)
        await listener.reaches(end.seq)
        listener.close()
        client.close()

    assert 0 < amid.seq < end.seq
    until = listener.updates(0, end.seq)
    assert [update["seq"] for update in until] == list(range(1, end.seq + 1))
    sessions = {session.id: json.loads(codec.to_json(session)) for session in amid.sessions}
    for update in listener.updates(amid.seq, end.seq):
        if update["type"] == "session_update":
            changed = update["data"]["session"]  # type: ignore[index]
            sessions[changed["id"]] = changed
    assert sessions == {session.id: json.loads(codec.to_json(session)) for session in end.sessions}
    assert {batch.header.epoch for batch in listener.batches} == {amid.epoch} == {end.epoch}


async def test_missed_updates_are_replayed_as_they_were_sent(started: RunningCore) -> None:
    with Bus() as bus:
        client, listener = Client(bus, started.requests_address), Listener(bus, started)
        await listener.joined()
        for number in range(10):
            await client.request(AppendEvents(events=(tool(f"c{number}"),)), Appended, ANSWER_S)

        async def replay(epoch: str, after: int) -> "tuple[tuple[bytes, ...], ...] | None":
            return (await client.request(GetUpdates(epoch=epoch, after=after), Replayed, ANSWER_S)).batches

        async def are_as_sent() -> bool:
            snapshot = await client.request(GetSnapshot(), Snapshot, ANSWER_S)
            await listener.reaches(snapshot.seq)
            places = (0, listener.batches[4].header.seq, snapshot.seq)
            replayed = [await replay(snapshot.epoch, after) for after in places]
            return replayed == [tuple(listener.frames), tuple(listener.frames[5:]), ()]

        # Once the stream rests: core tells of personas a little later.
        await wait_until_async(are_as_sent, what="each replay to be what was sent")
        assert await replay("another", 0) is None
        listener.close()
        client.close()


async def test_the_stream_says_how_far_it_is_while_nothing_happens(started: RunningCore) -> None:
    beats: list[Batch] = []
    with Bus() as bus:
        subscriber = Subscriber(
            bus,
            started.updates_address,
            lambda frames: None if frames == [codec.WELCOME] else beats.append(codec.decode_batch(frames)),
        )
        await wait_until_async(lambda: len(beats) >= 2, what="two heartbeats")
        subscriber.close()

    assert [(beat.header.seq, beat.payloads) for beat in beats] == [(0, ())] * len(beats)


# Reads.


def test_what_is_not_there_is_not_found(started: RunningCore) -> None:
    for request in (GetPanes(id="%9"), GetSessions(id="none")):
        with pytest.raises(QuestmuxError) as failure:
            started.ask(request, Listing)
        assert failure.value.problem.code is ErrorCode.NOT_FOUND


def test_health_tells_of_core_and_of_who_is_there(started: RunningCore) -> None:
    started.append(tool("c1"))
    started.ask(Beat(service="api", instance="a", pid=7, interval_s=5), Taken)

    health = started.health()

    assert (health["event_seq"], health["events_kept"], health["sessions"], health["panes"]) == (1, 1, 1, 0)
    assert health["event_age_ms"] < 60_000
    assert min(health["database_bytes"], health["wal_bytes"], health["free_disk_bytes"]) > 0
    assert health["figures"]["events_total"] == 1


# Starting and ending.


def test_a_term_signal_ends_it_in_time_with_everything_written_down(core: RunningCore) -> None:
    core.start()
    core.append(tool("c1"))

    began = time.monotonic()
    assert core.stop() == 0

    assert time.monotonic() - began < STOP_S
    assert [path.name for path in core.data_dir.glob("questmux.db*")] == ["questmux.db"]
    assert on_disk(core, "SELECT seq FROM checkpoints WHERE kind = 'latest'") == [1]
    assert "Traceback" not in core.log


def test_a_second_core_on_the_same_folder_is_refused(started: RunningCore) -> None:
    started.append(tool("c1"))

    second = started.start()
    code = second.wait(STOP_S)
    started.processes.remove(second)

    assert code == 2
    (sentence,) = [line for line in started.log.splitlines() if line.startswith("questmux core: ")]
    assert f"another core (pid {started.processes[0].pid}) works on" in sentence
    assert "Traceback" not in started.log
    assert started.append(tool("c2")) == (2,)


def test_one_folder_for_data_and_sockets_is_fine(core: RunningCore) -> None:
    core.data_dir = core.runtime_dir
    core.start()

    assert core.append(tool("c1")) == (1,)
    assert core.stop() == 0


@pytest.mark.parametrize("content", [b"no database, but long enough to be read as one" * 100])
def test_a_broken_database_is_told_in_one_sentence(core: RunningCore, content: bytes) -> None:
    core.data_dir.mkdir()
    core.database.write_bytes(content)

    assert core.start().wait(STOP_S) == 2

    assert f"questmux core: {core.database} cannot be used: file is not a database" in core.log
    assert "Traceback" not in core.log
    assert core.database.read_bytes() == content


def test_a_full_disk_fails_requests_and_ends_the_process(core: RunningCore) -> None:
    process = core.start()
    core.append(tool("c1"))
    limit = 2_000_000
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
    large = hook("Stop", 5, event_id="large", text="x" * limit)

    with pytest.raises(QuestmuxError) as failure:
        core.append(large)
    assert process.wait(STOP_S) not in {0, 2}

    assert failure.value.problem.code is ErrorCode.CORE_UNAVAILABLE
    assert "not kept" in failure.value.problem.message
    assert on_disk(core) == ["e-c1"]
    core.start()
    assert core.append(large) == (2,)


def test_old_events_are_folded_and_what_they_meant_stays(core: RunningCore) -> None:
    old = hook("PostToolUse", 1_000, event_id="old", tool_name="Bash", tool_use_id="c0")
    core.start()
    core.append(old, tool("c1"))
    core.kill()

    core.start(QUESTMUX_RETENTION_DAYS="1")

    wait_until(lambda: on_disk(core) == ["e-c1"], what="the old event is gone")
    assert core.append(old) == (1,)
    (session,) = core.snapshot().sessions
    assert session.xp == 2
    core.kill()
    core.start()
    assert core.snapshot().sessions == (session,)


def test_a_timer_acts_when_it_is_due_and_takes_another_pause() -> None:
    acts: list[int] = []

    def act() -> float | None:
        acts.append(1)
        return 100.0 if len(acts) == 1 else None

    timer = Timer(5.0, act, first_s=0)
    timer.run(timer.due)
    timer.run(timer.due - 1)
    assert len(acts) == 1
    assert timer.due - time.monotonic() > 90

    timer.run(timer.due)
    assert len(acts) == 2
    assert timer.due - time.monotonic() <= 5
