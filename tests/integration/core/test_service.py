import asyncio
import json
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from services.bus import Bus, Client, Subscriber
from services.contract import codec
from services.contract.codec import Batch
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import NewEvent
from services.contract.requests import (
    Appended,
    AppendEvents,
    Beat,
    DrainSpool,
    GetPanes,
    GetSessions,
    GetSnapshot,
    GetUpdates,
    GetWindows,
    Listing,
    Replayed,
    ReportTmux,
    Snapshot,
    SpoolDrained,
    Taken,
)
from services.contract.spool import encode_line
from services.core.service import SPOOL_CHUNK, Timer
from services.process.clock import now_ms
from services.process.spool import Spool
from tests.integration.core.running import ANSWER_S, STOP_S, RunningCore
from tests.unit.core.making import hook, pane, report
from tests.waiting import wait_until, wait_until_async


def tool(call: str) -> NewEvent:
    return hook("PostToolUse", now_ms(), event_id=f"e-{call}", tool_name="Bash", tool_use_id=call)


def on_disk(core: RunningCore, query: str = "SELECT id FROM events ORDER BY seq") -> list[object]:
    """What another process reads from the file."""
    with closing(sqlite3.connect(f"file:{core.database}?mode=ro", uri=True)) as database:
        return [row[0] for row in database.execute(query)]


@pytest.fixture
def started(core: RunningCore) -> Iterator[RunningCore]:
    core.start()
    core.health()
    yield core
    assert core.stop() == 0, core.log


class Listener:
    """A subscriber that keeps every batch."""

    def __init__(self, bus: Bus, core: RunningCore) -> None:
        self.frames: list[tuple[bytes, ...]] = []
        self.batches: list[Batch] = []
        self.is_welcome = False
        self._subscriber = Subscriber(bus, core.updates_address, self._take)

    def _take(self, frames: list[bytes]) -> None:
        if frames == [codec.WELCOME]:
            self.is_welcome = True
            return
        batch = codec.decode_batch(frames)
        if batch.payloads:
            self.frames.append(tuple(frames))
            self.batches.append(batch)

    async def joined(self) -> None:
        await wait_until_async(lambda: self.is_welcome, what="the welcome")

    async def reaches(self, seq: int) -> None:
        await wait_until_async(lambda: self.batches and self.batches[-1].header.seq >= seq, what=f"update {seq}")

    def updates(self, after: int) -> list[dict[str, object]]:
        texts = [payload for batch in self.batches for payload in batch.payloads]
        return [update for text in texts if (update := json.loads(text))["seq"] > after]

    def close(self) -> None:
        self._subscriber.close()


# Appending.


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


def report_of(*panes: str, title: str = "") -> ReportTmux:
    return report(*(pane(pane_id, index=n, title=title) for n, pane_id in enumerate(panes)), at=now_ms())


def test_a_report_of_tmux_is_an_event_only_when_the_layout_changes(started: RunningCore) -> None:
    for title in ("", "one", "two"):
        started.ask(report_of("%1", title=title), Taken)
    assert [event["name"] for event in started.events()] == ["TmuxReport"]
    assert [shown.title for shown in started.snapshot().panes] == ["two"]

    started.ask(report_of("%1", "%2"), Taken)

    assert len(started.events()) == 2
    windows = json.loads(started.ask(GetWindows(), Listing).data)["windows"]
    assert [shown["id"] for shown in windows[0]["panes"]] == ["%1", "%2"]


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
    seqs = [update["seq"] for update in listener.updates(0)]
    assert seqs == list(range(1, end.seq + 1))
    sessions = {session.id: json.loads(codec.to_json(session)) for session in amid.sessions}
    for update in listener.updates(amid.seq):
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
        snapshot = await client.request(GetSnapshot(), Snapshot, ANSWER_S)
        await listener.reaches(snapshot.seq)

        async def replay(epoch: str, after: int) -> "tuple[tuple[bytes, ...], ...] | None":
            return (await client.request(GetUpdates(epoch=epoch, after=after), Replayed, ANSWER_S)).batches

        assert await replay(snapshot.epoch, 0) == tuple(listener.frames)
        after = listener.batches[4].header.seq
        assert await replay(snapshot.epoch, after) == tuple(listener.frames[5:])
        assert await replay(snapshot.epoch, snapshot.seq) == ()
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

    wait_until(lambda: on_disk(started) == ["e-c1"], deadline_s=3, what="the hook's event in the log")


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
    count = 20 * SPOOL_CHUNK
    Spool(core.spool_dir).append([tool(f"c{number}") for number in range(count)])
    core.start()
    wait_until(
        lambda: core.database.exists() and "event_ids" in schema(core) and on_disk(core), what="the first events"
    )

    assert core.stop() == 0
    assert list(core.spool_dir.glob("*.taken")), "it read on to the end"
    core.start()

    assert core.append(tool("last")) == (count + 1,)
    (session,) = core.snapshot().sessions
    assert (session.events, session.xp) == (count + 1, count + 1)


def schema(core: RunningCore) -> list[object]:
    return on_disk(core, "SELECT name FROM sqlite_master")


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
