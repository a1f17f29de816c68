"""A herd that sees no fault says nothing unless it would see one."""

from collections.abc import Sequence

import pytest

from services.contract import codec
from services.contract.updates import Lagged, Message, Synced
from services.ws.link import text_frame
from tests.soak.latency import Latencies, Summary
from tests.soak.member import Member, Notes
from tests.soak.stream import attention, session

OPENED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
NOW_NS = 10**18


def frame(message: Message, seq: int | None = None) -> bytes:
    return text_frame(codec.wire_message(message, 1, seq))


def opening(seq: int = 10) -> bytes:
    return OPENED + frame(Synced(epoch="e", seq=seq, cursor="c"))


def hear(*pieces: bytes) -> Member:
    member = Member(Notes(), Latencies())
    for piece in pieces:
        member.take(piece, NOW_NS)
    return member


def row(*numbers: int) -> bytes:
    """Updates of these numbers: the odd ones of high priority, the others of one session."""
    return b"".join(frame(attention("a") if number % 2 else session("k"), number) for number in numbers)


def test_a_row_is_whole_however_it_is_cut() -> None:
    data = opening() + row(11, 12, 13)
    for size in (1, 2, 7, 100, len(data)):
        member = hear(*(data[start : start + size] for start in range(0, len(data), size)))
        assert (member.is_whole, member.seq, member.updates, member.highs, member.faults) == (True, 13, 3, 2, [])
        assert member.lacks(13, {"k": 12}) == []
        assert member.lacks(15, {}) == ["update 15"]


def test_what_many_hear_is_read_once_and_counts_for_each() -> None:
    notes, latencies = Notes(), Latencies()
    two = row(11, 12)
    for _ in range(3):
        member = Member(notes, latencies)
        for piece in (opening(), two, row(13)):
            member.take(piece, NOW_NS)
        assert (member.seq, member.updates, member.highs, member.last_high) == (13, 3, 2, 13)
    assert notes.run(two) is not None
    assert latencies.summary().count == 6


@pytest.mark.parametrize(
    ("numbers", "faults"),
    [
        ((11, 15, 13), ["attention 13 of high priority after 15"]),
        ((11, 11), ["attention 11 of high priority after 11"]),
        ((11, 14, 12), ["12 of k after 14"]),
        ((12, 12), ["12 of k after 12"]),
        ((13, 11, 14, 16), ["attention 11 of high priority after 13"]),
        ((11, 13, 15, 14), []),
    ],
    ids=repr,
)
def test_what_is_out_of_order_is_a_fault(numbers: Sequence[int], faults: list[str]) -> None:
    assert hear(opening(), row(*numbers)).faults == faults


def test_who_missed_a_key_lacks_it() -> None:
    member = hear(opening(), row(11, 14, 17))
    assert not member.is_whole
    assert member.lacks(17, {"k": 14}) == []
    assert member.lacks(17, {"k": 16, "other": 12, "old": 10}) == ["k", "other"]


def test_who_caught_up_follows_again_and_is_held_to_that() -> None:
    lagged = frame(Lagged(dropped=1, replaced=1, upto=20))
    member = hear(opening(), row(11, 18), lagged, row(21, 22))
    assert (member.follows, member.is_whole, member.lagged, member.faults) == (True, False, 1, [])
    assert member.lacks(22, {"k": 22, "other": 18}) == ["other"]
    assert member.lacks(22, {"k": 18}) == []
    member.take(row(18), NOW_NS)
    assert member.faults == ["18 of k after 22"]


def test_a_hole_that_is_filled_is_none() -> None:
    assert hear(opening(), row(11, 13, 15, 12, 14)).follows


def test_a_lost_one_of_high_priority_shows_in_the_count() -> None:
    assert hear(opening(), row(11, 13)).highs == hear(opening(), row(11, 12, 13)).highs
    assert hear(opening(), row(11, 15)).highs < hear(opening(), row(11, 13, 15)).highs


def test_a_long_frame_is_known_by_its_head_and_not_kept() -> None:
    long = text_frame(b'{"type":"sessions","ts":77,"data":"' + b"x" * 200_000 + b'"}')
    data = OPENED + long + frame(Synced(epoch="e", seq=10, cursor="c")) + row(11)
    for size in (1_000, 65_536, len(data)):
        member = hear(*(data[start : start + size] for start in range(0, len(data), size)))
        assert (member.encoded_at, member.seq, member.is_whole, len(member._rest)) == ({77}, 11, True, 0)


def test_who_is_not_let_in_says_so() -> None:
    assert hear(b"HTTP/1.1 403 Forbidden\r\n\r\n{}").faults


def test_pings_and_the_end_are_noticed() -> None:
    member = hear(opening(), b"\x89\x00", b"\x88\x02" + (4008).to_bytes(2, "big"))
    assert (member.owes_pong, member.closed) == (True, 4008)


def test_the_late_are_counted_by_rank() -> None:
    latencies = Latencies()
    for late_ms in range(1, 101):
        latencies.add(late_ms * 1_000_000 - 1)
    assert latencies.summary() == Summary(100, 50.0, 99.0, 100.0)
    assert latencies.summary().count == 0
