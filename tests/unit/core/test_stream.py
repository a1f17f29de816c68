from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract import codec
from services.contract.updates import Message, PaneRemoved
from services.core import stream as module
from services.core.stream import Stream


class Sent:
    """What went out."""

    def __init__(self) -> None:
        self.frames: list[tuple[bytes, ...]] = []

    def __call__(self, frames: Sequence[bytes]) -> None:
        self.frames.append(tuple(frames))


def messages(count: int, size: int = 1) -> list[Message]:
    return [PaneRemoved(pane_id="%" + "1" * size) for _ in range(count)]


def filled(batches: list[int]) -> Stream:
    stream = Stream("epoch", Sent())
    for count in batches:
        stream.publish(messages(count), 1)
    return stream


def seqs(batches: tuple[tuple[bytes, ...], ...]) -> list[int]:
    read = [codec.decode_batch(frames) for frames in batches]
    return [batch.first_seq + n for batch in read for n in range(len(batch.payloads))]


def test_updates_are_numbered_without_a_gap() -> None:
    sent = Sent()
    stream = Stream("epoch", sent)

    stream.publish(messages(2), 1)
    stream.publish([], 1)
    stream.publish(messages(3), 1)

    assert seqs(tuple(sent.frames)) == [1, 2, 3, 4, 5]
    assert stream.seq == 5


def test_a_heartbeat_says_how_far_the_stream_is() -> None:
    sent = Sent()
    stream = Stream("epoch", sent)
    stream.publish(messages(2), 1)

    stream.beat()

    assert codec.decode_batch(sent.frames[-1]).header == codec.Header("epoch", 2)

    stream.beat(7)

    assert codec.decode_batch(sent.frames[-1]).header == codec.Header("epoch", 2, (), 7)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 4), max_size=20), st.integers(-3, 60))
def test_a_replay_holds_the_whole_rest_in_whole_batches(batches: list[int], after: int) -> None:
    stream = filled(batches)

    replayed = stream.replay("epoch", after)

    if not 0 <= after <= stream.seq:
        assert replayed is None
        return
    assert replayed is not None
    got = seqs(replayed)
    assert got == list(range(got[0], stream.seq + 1)) if got else after == stream.seq
    assert not got or got[0] <= after + 1
    assert len(replayed) <= len([n for n in range(len(batches)) if sum(batches[: n + 1]) > after])


def test_another_epoch_has_no_replay() -> None:
    assert filled([1]).replay("other", 0) is None


def test_what_the_ring_let_go_has_no_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RING_BATCHES", 3)
    stream = filled([2, 2, 2, 2, 2])

    assert stream.replay("epoch", 3) is None
    replayed = stream.replay("epoch", 4)
    assert replayed is not None
    assert seqs(replayed) == [5, 6, 7, 8, 9, 10]


def test_the_ring_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RING_BYTES", 1_000)
    stream = Stream("epoch", Sent())
    for _ in range(100):
        stream.publish(messages(1, 100), 1)
        assert sum(len(frame) for _, frames in stream._ring for frame in frames) <= 1_000

    assert stream.replay("epoch", 99) is not None
    stream.publish(messages(1, 2_000), 1)
    assert stream.replay("epoch", 100) is None
    assert stream.replay("epoch", 101) == ()


def test_a_replay_that_is_too_large_is_a_snapshots_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPLAY_BYTES", 1_000)
    stream = filled([1] * 50)

    assert stream.replay("epoch", 0) is None
    assert stream.replay("epoch", 48) is not None
