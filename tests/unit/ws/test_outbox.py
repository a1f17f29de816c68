from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.ws.outbox import Outbox


def test_keeps_the_order_of_updates() -> None:
    outbox = Outbox()
    outbox.put_updates([b"1", b"2"])
    outbox.put_updates([b"3"])
    assert outbox.take(100) == [b"1", b"2", b"3"]
    assert len(outbox) == 0


def test_sends_what_is_meant_for_the_client_alone_first() -> None:
    outbox = Outbox()
    outbox.put_updates([b"update"])
    outbox.put_direct(b"pong")
    assert outbox.take(100) == [b"pong", b"update"]


def test_a_snapshot_takes_the_place_of_waiting_updates_and_comes_before_later_ones() -> None:
    outbox = Outbox()
    outbox.put_direct(b"connected")
    outbox.put_updates([b"old"])
    outbox.put_snapshot([b"windows", b"synced"])
    outbox.put_updates([b"new"])
    assert outbox.take(100) == [b"connected", b"windows", b"synced", b"new"]


def test_a_second_snapshot_takes_the_place_of_the_first() -> None:
    outbox = Outbox()
    outbox.put_snapshot([b"a1", b"a2"])
    assert outbox.take(2) == [b"a1"]
    outbox.put_snapshot([b"b1", b"b2"])
    assert outbox.take(100) == [b"b1", b"b2"]


def test_takes_no_more_than_asked_for_but_one_frame_at_least() -> None:
    outbox = Outbox()
    outbox.put_updates([b"1234", b"56", b"7"])
    assert outbox.take(1) == [b"1234"]
    assert outbox.take(2) == [b"56"]
    assert outbox.take(2) == [b"7"]


def test_a_large_direct_message_is_not_overtaken() -> None:
    outbox = Outbox()
    outbox.put_direct(b"a")
    outbox.put_direct(b"long")
    outbox.put_updates([b"b"])
    assert outbox.take(2) == [b"a"]
    assert outbox.take(10) == [b"long", b"b"]


def test_breaks_when_the_next_comes_while_more_than_the_limit_of_bytes_waits() -> None:
    outbox = Outbox(max_bytes=10)
    assert outbox.put_updates([b"x" * 10])
    assert outbox.put_updates([b"x"])
    assert not outbox.put_updates([b"x"])
    assert outbox.is_broken
    assert outbox.take(100) == []


def test_breaks_when_more_than_the_limit_of_messages_waits() -> None:
    outbox = Outbox(max_messages=2)
    assert outbox.put_updates([b"1", b"2"])
    assert outbox.put_direct(b"3")
    assert not outbox.put_direct(b"4")


def test_a_broken_outbox_stays_empty() -> None:
    outbox = Outbox(max_messages=0)
    outbox.put_updates([b"1"])
    assert not outbox.put_updates([b"2"])
    assert not outbox.put_direct(b"3")
    assert not outbox.put_snapshot([b"4"])
    assert (len(outbox), outbox.waiting_bytes) == (0, 0)


def test_what_comes_at_once_says_nothing_about_the_client() -> None:
    outbox = Outbox(max_bytes=10)
    assert outbox.put_updates([b"x" * 6, b"y" * 6, b"z" * 6])
    assert outbox.take(100) == [b"x" * 6, b"y" * 6, b"z" * 6]
    assert outbox.put_updates([b"x"])


def test_a_snapshot_of_any_size_does_not_break_a_client_and_what_it_replaces_no_longer_counts() -> None:
    outbox = Outbox(max_bytes=10)
    outbox.put_updates([b"x" * 11])
    assert outbox.put_snapshot([b"y" * 1000])
    assert outbox.put_updates([b"z"])
    assert outbox.take(10_000) == [b"y" * 1000, b"z"]


class OutboxModel(RuleBasedStateMachine):
    """Against a plain list: order, nothing lost, nothing twice, and the limits."""

    MAX_BYTES = 60
    MAX_MESSAGES = 8

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(self.MAX_BYTES, self.MAX_MESSAGES)
        self.lanes: dict[str, list[bytes]] = {"direct": [], "snapshot": [], "updates": []}
        self.broken = False
        self.number = 0

    def _frames(self, sizes: list[int]) -> list[bytes]:
        frames = []
        for size in sizes:
            self.number += 1
            frames.append(b"%d:" % self.number + b"." * size)
        return frames

    def _expect(self, lane: str, frames: list[bytes]) -> None:
        counted = self.lanes["direct"] + self.lanes["updates"]
        if len(counted) > self.MAX_MESSAGES or sum(map(len, counted)) > self.MAX_BYTES:
            self.broken = True
        if self.broken:
            self.lanes = {"direct": [], "snapshot": [], "updates": []}
        else:
            self.lanes[lane] += frames

    @rule(sizes=st.lists(st.integers(0, 30), max_size=5))
    def put_updates(self, sizes: list[int]) -> None:
        frames = self._frames(sizes)
        fits = self.outbox.put_updates(frames)
        self._expect("updates", frames)
        assert fits is not self.broken

    @rule(size=st.integers(0, 30))
    def put_direct(self, size: int) -> None:
        frames = self._frames([size])
        fits = self.outbox.put_direct(frames[0])
        self._expect("direct", frames)
        assert fits is not self.broken

    @rule(sizes=st.lists(st.integers(0, 100), min_size=1, max_size=5))
    def put_snapshot(self, sizes: list[int]) -> None:
        frames = self._frames(sizes)
        fits = self.outbox.put_snapshot(frames)
        if not self.broken:
            self.lanes["snapshot"], self.lanes["updates"] = frames, []
        assert fits is not self.broken

    @rule(room=st.integers(0, 200))
    def take(self, room: int) -> None:
        taken = self.outbox.take(room)
        waiting = self.lanes["direct"] + self.lanes["snapshot"] + self.lanes["updates"]
        assert taken == waiting[: len(taken)]
        assert bool(taken) is bool(waiting)
        assert len(taken) <= 1 or sum(map(len, taken)) <= room
        if len(taken) < len(waiting):
            assert sum(map(len, taken)) + len(waiting[len(taken)]) > room
        for lane in self.lanes.values():
            while lane and lane[0] in taken:
                lane.pop(0)

    @invariant()
    def counts_what_waits(self) -> None:
        assert len(self.outbox) == sum(map(len, self.lanes.values()))
        assert self.outbox.waiting_bytes == sum(map(len, self.lanes["direct"] + self.lanes["updates"]))


TestOutboxModel = OutboxModel.TestCase
