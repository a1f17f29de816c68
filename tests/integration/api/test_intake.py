import asyncio
from pathlib import Path

import pytest

from services.api import intake as intake_module
from services.api.intake import Intake
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.requests import DrainSpool
from services.process import spool as spool_module
from services.process.spool import Spool
from tests.integration.api.fake_core import FakeCore, new_event
from tests.waiting import wait_until_async


@pytest.fixture
async def patient(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> Intake:
    """Waits long for core, so that a slow machine does not send a test's events to the spool."""
    monkeypatch.setattr(intake_module, "CORE_S", 10.0)
    return intake


def spooled(spool: Spool) -> list[str]:
    return [event.id for path in spool.take() for event in spool.read(path)]


async def test_an_event_is_answered_with_its_seq(patient: Intake, core: FakeCore) -> None:
    assert await patient.keep(new_event("a")) == 1
    assert await patient.keep(new_event("b")) == 2
    assert core.ids == ["a", "b"]


async def test_events_that_arrive_together_go_together(patient: Intake, core: FakeCore) -> None:
    core.is_open.clear()
    first = asyncio.create_task(patient.keep(new_event("first")))
    await wait_until_async(lambda: core.asked == 1)
    others = [asyncio.create_task(patient.keep(new_event(f"{n:03}"))) for n in range(300)]
    await wait_until_async(lambda: len(patient._waiting) == 300)
    core.is_open.set()

    assert await asyncio.gather(first, *others) == list(range(1, 302))

    assert [len(batch) for batch in core.batches] == [1, 256, 44]
    assert core.ids == ["first", *(f"{n:03}" for n in range(300))]


async def test_a_batch_is_bounded_in_bytes(patient: Intake, core: FakeCore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake_module, "BATCH_BYTES", 1_000)
    large = b'{"hook_event_name":"Stop","session_id":"s","x":"' + b"x" * 600 + b'"}'

    await asyncio.gather(*(patient.keep(new_event(str(n), large)) for n in range(3)))

    assert [len(batch) for batch in core.batches] == [1, 1, 1]


async def test_core_away_sends_events_to_the_spool_in_order(intake: Intake, core: FakeCore, spool: Spool) -> None:
    core.is_away = True

    assert await intake.keep(new_event("a")) is None
    assert await intake.keep(new_event("b")) is None

    assert spool.is_waiting()
    assert spooled(spool) == ["a", "b"]
    assert intake.figures["queued_total"] == 2


async def test_a_core_that_does_not_answer_in_time_sends_events_to_the_spool(
    intake: Intake, core: FakeCore, spool: Spool
) -> None:
    core.is_open.clear()

    assert await intake.keep(new_event("a")) is None

    assert spooled(spool) == ["a"]


async def test_no_event_overtakes_the_spool(
    patient: Intake, core: FakeCore, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "DRAIN_EVERY_S", 0.5)
    core.is_away = True
    await patient.keep(new_event("a"))
    core.is_away = False  # It is back, and has not read the spool yet.

    assert await patient.keep(new_event("b")) is None

    await wait_until_async(lambda: not spool.is_waiting(), what="core has taken the spool")
    assert await patient.keep(new_event("c")) == 3
    assert core.ids == ["a", "b", "c"]


async def test_a_spool_of_another_worker_is_not_overtaken_either(patient: Intake, core: FakeCore, spool: Spool) -> None:
    spool.append([new_event("other")])

    assert await patient.keep(new_event("mine")) is None

    await wait_until_async(lambda: core.ids == ["other", "mine"])


async def test_core_is_asked_to_take_the_spool_until_it_did(intake: Intake, core: FakeCore, spool: Spool) -> None:
    core.is_away = True
    await intake.keep(new_event("a"))
    assert core.ids == []

    core.is_away = False

    await wait_until_async(lambda: core.ids == ["a"])
    await wait_until_async(lambda: not spool.is_waiting())
    asked = sum(isinstance(request, DrainSpool) for request in core.requests)
    assert await intake.keep(new_event("b")) == 2
    assert sum(isinstance(request, DrainSpool) for request in core.requests) == asked


async def test_a_repeat_after_a_lost_answer_is_one_event(intake: Intake, core: FakeCore) -> None:
    core.is_away = True
    await intake.keep(new_event("a"))
    core.is_away = False
    await wait_until_async(lambda: core.ids == ["a"])

    await wait_until_async(lambda: not intake._spool.is_waiting())
    assert await intake.keep(new_event("a")) == 1


async def test_a_full_spool_refuses_and_says_so(
    intake: Intake, core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "MAX_SPOOL_BYTES", 300)
    core.is_away = True
    await intake.keep(new_event("a"))

    with pytest.raises(QuestmuxError, match="not kept: the spool holds") as raised:
        await asyncio.gather(*(intake.keep(new_event(f"b{n}")) for n in range(3)))

    assert raised.value.problem.code is ErrorCode.CORE_UNAVAILABLE
    assert intake.figures["not_kept_total"] == 3


async def test_a_spool_that_cannot_be_written_refuses_and_the_intake_goes_on(
    intake: Intake, core: FakeCore, spool: Spool, tmp_path: Path
) -> None:
    core.is_away = True
    folder = spool._folder
    folder.rename(tmp_path / "gone")
    with pytest.raises(QuestmuxError, match="not kept: the spool cannot be written"):
        await intake.keep(new_event("a"))
    (tmp_path / "gone").rename(folder)

    core.is_away = False

    assert await intake.keep(new_event("b")) == 1


async def test_too_many_waiting_events_are_refused(
    patient: Intake, core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "WAITING_EVENTS", 2)
    core.is_open.clear()
    under_way = asyncio.create_task(patient.keep(new_event("a")))
    await wait_until_async(lambda: core.asked == 1)
    waiting = [asyncio.create_task(patient.keep(new_event(name))) for name in "bc"]
    await wait_until_async(lambda: len(patient._waiting) == 2)

    with pytest.raises(QuestmuxError, match="too many events are waiting"):
        await patient.keep(new_event("d"))

    core.is_open.set()
    assert await asyncio.gather(under_way, *waiting) == [1, 2, 3]


async def test_too_many_waiting_bytes_are_refused(
    patient: Intake, core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "WAITING_BYTES", 50)
    core.is_open.clear()
    tasks = [asyncio.create_task(patient.keep(new_event("a")))]
    await wait_until_async(lambda: core.asked == 1)
    tasks += [asyncio.create_task(patient.keep(new_event(name))) for name in "bc"]
    await wait_until_async(lambda: len(patient._waiting) == 2)

    with pytest.raises(QuestmuxError, match="too many events are waiting"):
        await patient.keep(new_event("d"))

    core.is_open.set()
    await asyncio.gather(*tasks)
    assert patient._waiting_bytes == 0


async def test_a_sender_that_gave_up_does_not_stop_the_others(patient: Intake, core: FakeCore) -> None:
    core.is_open.clear()
    tasks = [asyncio.create_task(patient.keep(new_event(name))) for name in "ab"]
    await wait_until_async(lambda: core.asked == 1)
    tasks[0].cancel()
    core.is_open.set()

    assert await tasks[1] == 2
    assert core.ids == ["a", "b"], "what arrived is kept, whoever still waits for the answer"


async def test_stop_keeps_what_is_under_way_and_what_waits(
    core: FakeCore, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake_module, "CORE_S", 1.0)
    intake = Intake(core, spool)
    core.is_open.clear()
    first = asyncio.create_task(intake.keep(new_event("a")))
    await wait_until_async(lambda: core.asked == 1)
    second = asyncio.create_task(intake.keep(new_event("b")))
    # Done already when this machine stood still for longer than core has time.
    await wait_until_async(lambda: len(intake._waiting) == 1 or second.done())

    await intake.stop()

    assert list(await asyncio.gather(first, second)) == [None, None]
    assert spooled(spool) == ["a", "b"]


async def test_after_a_stop_an_event_is_refused(core: FakeCore, spool: Spool) -> None:
    intake = Intake(core, spool)
    await intake.stop()

    with pytest.raises(QuestmuxError, match="stopping"):
        await intake.keep(new_event("a"))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_core_that_answers_nonsense_costs_only_its_batch(
    patient: Intake, core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(core, "_keep", lambda _: 1)
        patched.setattr(intake_module, "BATCH_EVENTS", 1)
        patched.setattr(intake_module, "Appended", dict)
        with pytest.raises(QuestmuxError, match="the server failed"):
            await patient.keep(new_event("a"))

    assert await patient.keep(new_event("b")) == 1
