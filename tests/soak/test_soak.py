"""What one gateway owes to a thousand clients; the scenarios and goals of `docs/testing.md`.

The gateway, core's side of the bus and each herd of clients are processes of their own. Losses, order and memory are
asserted in both forms; times are only printed.
"""

import statistics
import time
from collections.abc import Sequence
from typing import Final

import pytest

from services.contract.updates import Message
from tests.soak.conftest import Note
from tests.soak.herd import Herd, Order, Report
from tests.soak.latency import Summary
from tests.soak.size import Size
from tests.soak.stage import HAS_PROC, Peak, Stage, lag_p99_ms
from tests.soak.stream import Stream, attention, mixed, session, sessions
from tests.waiting import wait_until

KIB: Final = 1024
MIB: Final = 1024 * 1024
SMALL_BUFFER: Final = 16 * KIB
"""Of the kernel, for clients that do not read: so that what is unsent piles up in the gateway."""
PAUSE_BYTES: Final = 64 * KIB
NOTSENT_BYTES: Final = 16 * KIB
BATCH_BYTES: Final = 16 * KIB
ROOM_BYTES: Final = 5 * MIB
RECENT_BYTES: Final = 10 * MIB
"""More than the gateway remembers for those who come back: once full, it grows no more."""
SIP_S: Final = 5.0
SIP_BYTES: Final = 64 * KIB
AGAIN_S: Final = 20.0
"""A client that takes nothing is cut off after 15 s."""

STORM_WITHIN_S: Final = 60.0

needs_proc = pytest.mark.skipif(not HAS_PROC, reason="memory and time of another process are read from /proc")


def check_all_came(herds: Sequence[Herd], stage: Stage, stream: Stream, base_seq: int) -> list[Report]:
    """End the load; everybody has every update of high priority, and the newest of all others, in order."""
    top, newest = stage.finish(stream, base_seq)
    reports = [herd.wait_for(top, newest) for herd in herds]
    for report in reports:
        assert report.faults == ()
        assert report.ended == ()
        assert report.highs == (stream.highs + 1, stream.highs + 1)
    return reports


def p99(late: Summary) -> str:
    return f"p99 {late.p99_ms:.1f} ms"


def test_who_does_not_read_costs_others_nothing(size: Size, stage: Stage, note: Note) -> None:
    stage.start()
    readers, one, many = herds = stage.herd(), stage.herd(), stage.herd()
    readers.join(size.clients - size.sleepers - 1)
    one.join(1, receive_bytes=SMALL_BUFFER)
    many.join(size.sleepers, receive_bytes=SMALL_BUFFER)
    base_seq, stream = stage.core.seq, Stream(size.mixed_per_s, size.mixed_per_s // 50, mixed(100))
    stage.core.load(stream)

    def phase(paused: int) -> Summary:
        """How late the readers are, once so many others are paused."""
        readers.report()
        time.sleep(size.phase_s)
        wait_until(lambda: stage.figures["paused_clients"] >= paused, 12, f"{paused} paused clients")
        return readers.report().late

    phase(0)
    alone = phase(0)
    one.sleep(1)
    beside_one = phase(1)
    one.wake(1)
    many.sleep(size.sleepers)
    beside_many = phase(size.sleepers)
    many.wake(size.sleepers)
    reports = check_all_came(herds, stage, stream, base_seq)

    most = max(1.2 * alone.p99_ms, alone.p99_ms + 5)
    for count, late in ((1, beside_one), (size.sleepers, beside_many)):
        note(
            f"T1 isolation, {count} of {size.clients:,} stop reading",
            f"others' p99 <= {most:.1f} ms",
            f"{p99(late)}; all read: {p99(alone)}",
            late.p99_ms <= most,
            is_time=True,
        )
    slowed = sum(report.lagged for report in reports)
    whole = reports[0].whole
    measured = f"0 of {stream.highs + 1:,} lost, 0 out of order; {slowed} catch-ups"
    note("T1 losses", "none of high priority, order kept", measured, True)
    awake = size.clients - size.sleepers - 1
    note("T1 who reads misses nothing at all", "all of them", f"{whole:,} of {awake:,}", whole == awake, is_time=True)
    assert slowed >= size.sleepers + 1


def slope_per_min(samples: Sequence[tuple[float, int]]) -> float:
    """Bytes in a minute, of the straight line through all samples."""
    return statistics.linear_regression(*zip(*samples, strict=True)).slope * 60


@needs_proc
def test_stalled_clients_cost_bounded_memory(size: Size, stage: Stage, note: Note) -> None:
    stage.start()
    make = sessions(500, 500)
    stage.fill([make(number) for number in range(RECENT_BYTES // 500)])
    readers, sippers, deaf = herds = stage.herd(), stage.herd(), stage.herd()
    half = size.stalled // 2
    readers.join(size.clients - size.stalled)
    for herd in (sippers, deaf):
        herd.join(half, receive_bytes=SMALL_BUFFER)
    base_seq, stream = stage.core.seq, Stream(1_000, 20, make)
    stage.core.load(stream)
    time.sleep(size.settle_s)
    before = stage.resident_bytes()
    sippers.sleep(half)
    deaf.sleep(half)
    began = sipped = came = time.monotonic()
    samples: list[tuple[float, int]] = []
    while (now := time.monotonic()) < began + size.memory_s:
        samples.append((now - began, stage.resident_bytes()))
        if now - sipped >= SIP_S:
            sippers.order(Order(do="sip", count=half, sip_bytes=SIP_BYTES))
            sipped = now
        if now - came >= AGAIN_S:
            deaf.order(Order(do="again", count=half))
            came = now
        time.sleep(0.2)
    figures = stage.next_figures()
    assert figures["paused_clients"] >= size.stalled - half
    sippers.wake(half)
    deaf.order(Order(do="again", count=half))
    deaf.wake(half)
    top, newest = stage.finish(stream, base_seq)
    reports = [herd.wait_for(top, newest) for herd in herds]
    assert [report.faults for report in reports] == [(), (), ()]

    growth = max(held for _, held in samples) - before
    each = PAUSE_BYTES + NOTSENT_BYTES + BATCH_BYTES
    note(
        f"T2 memory, {size.stalled} of {size.clients:,} stalled, {size.memory_s:g} s",
        "growth < 20 MB",
        f"{growth / MIB:.1f} MB on {before / MIB:.0f} MB",
        growth < 20e6,
    )
    if size.is_long:
        slope = slope_per_min([sample for sample in samples if sample[0] >= size.settle_s]) / KIB
        note("T2 flat", f"< 100 KB/min after {size.settle_s:g} s", f"{slope:+.0f} KB/min", slope < 100)
    measured = f"{stream.updates:,} updates, {figures['pauses_total']:.0f} pauses, {reports[0].whole:,} readers whole"
    note("T2 load", "1,000 updates/s of 500 bytes", measured, True)
    assert growth < size.clients * each + ROOM_BYTES


@needs_proc
@pytest.mark.parametrize("is_live", [False, True], ids=["quiet", "live"])
def test_many_who_join_at_once_share_one_snapshot(size: Size, stage: Stage, note: Note, is_live: bool) -> None:
    state: list[Message] = [session(f"s{number}", 2_000) for number in range(size.snapshot_bytes // 2_000)]
    stage.fill(state)
    stage.start()
    residents, joiners = stage.herd(), stage.herd()
    residents.join(10)
    residents.report()
    base_seq, stream = stage.core.seq, Stream(20, 1, lambda number: session(f"s{number % 100}", 2_000))
    if is_live:
        stage.core.load(stream)
    with Peak(stage) as peak:
        report = joiners.storm(size.joiners, STORM_WITHIN_S)
    late = residents.report().late
    assert report.faults == ()
    assert report.ended == ()
    updates = stream.updates
    check_all_came((residents,), stage, stream, base_seq)

    scenario = f"T13 {size.joiners:,} join at once, {size.snapshot_bytes / MIB:g} MB, {'live' if is_live else 'quiet'}"
    encoded = len(report.encoded_at)
    most = 3 * size.snapshot_bytes + size.joiners * PAUSE_BYTES
    goal = "encoded once for each update" if is_live else "encoded once"
    note(scenario, goal, f"{encoded} times, {updates} updates meanwhile", encoded <= updates + 1)
    grown = f"{peak.growth_bytes / MIB:.0f} MB"
    note(scenario, f"RSS peak < {most / MIB:.0f} MB more", grown, peak.growth_bytes < most)
    if is_live:
        note(scenario, "live p99 < 100 ms", f"{p99(late)}, max {late.max_ms:.0f} ms", late.p99_ms < 100, is_time=True)
    joining = report.joining
    times = f"p50 {joining.p50_ms / 1000:.1f}, max {joining.max_ms / 1000:.1f} s"
    measured = f"{report.synced:,}; {times}; {report.retries} retries"
    note(scenario, f"all synced within {STORM_WITHIN_S:g} s", measured, report.synced == size.joiners)
    assert report.synced == size.joiners
    assert encoded <= updates + 1
    assert peak.growth_bytes < most + ROOM_BYTES


def test_joined_batches_reach_a_thousand_clients(size: Size, stage: Stage, note: Note) -> None:
    stage.start("tests.soak.lagging")
    readers = stage.herd()
    readers.join(size.clients)
    base_seq, stream = stage.core.seq, Stream(500, 10, lambda number: attention(f"k{number}", 200))
    stage.core.load(stream)
    time.sleep(size.throughput_s / 3)
    before, began, spent = readers.report().updates, time.monotonic(), stage.cpu_s() if HAS_PROC else 0.0
    time.sleep(size.throughput_s)
    took = time.monotonic() - began
    spent = stage.cpu_s() - spent if HAS_PROC else took
    report = readers.report()
    (end,) = check_all_came((readers,), stage, stream, base_seq)
    assert end.updates == size.clients * (stream.updates + 1)

    delivered = report.updates - before
    rate = delivered / spent
    note(
        f"T15 throughput, {size.clients:,} clients, 200 bytes, bursts of 10",
        ">= 500,000 deliveries/s/core",
        f"{rate:,.0f}, at {delivered / took:,.0f}/s; {p99(report.late)}",
        rate >= 500_000,
        is_time=True,
    )
    wait_until(stage.lag_file.exists, what="the gateway's lag")
    lag = lag_p99_ms(stage.lag_file, began)
    note("T15 loop lag", "p99 < 10 ms", f"p99 {lag:.1f} ms", lag < 10, is_time=True)
