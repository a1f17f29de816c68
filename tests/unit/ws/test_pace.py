"""What a client gets, whatever it takes and whenever."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.ws.batch import Batch, Update
from services.ws.latest import Latest
from services.ws.pace import Pace

HIGH, NORMAL, LOW = "pane_update", "session_update", "event"


def update(seq: int, kind: str, key: str = "k", size: int = 0) -> Update:
    return Update(seq, kind, None if kind == LOW else key, json.dumps([seq, kind, key, "x" * size]).encode())


def caught_up(dropped: int, replaced: int) -> bytes | None:
    return json.dumps(["caught_up", dropped, replaced]).encode() if dropped or replaced else None


class Gateway:
    """A store and one client, as the hub brings them together."""

    def __init__(self, max_bytes: int = 1_000_000) -> None:
        self.latest = Latest()
        self.pace = Pace(self.latest, caught_up, max_bytes)
        self.seq = 0
        self.got: list[Any] = []
        self.pace.put_snapshot((b'["snapshot"]',), 0)
        self.take(1_000)
        self.got.clear()

    def publish(self, *updates: tuple[str, str], size: int = 0) -> None:
        made = [update(self.seq + n, kind, key, size) for n, (kind, key) in enumerate(updates, 1)]
        self.seq += len(made)
        batch = Batch(made)
        for one in batch.normal:
            self.latest.put(one.seq, one.kind, one.key or "", one.frame)
        self.latest.advance(batch.top)
        if self.pace.is_following:
            self._hear([one.frame for one in batch.updates if one.kind not in self.pace.unwanted])
        else:
            self.pace.hold(batch)

    def take(self, room: int) -> None:
        self._hear(self.pace.take(room))

    def take_all(self) -> None:
        while self.pace.has_waiting:
            self.take(200)

    def _hear(self, frames: Sequence[bytes]) -> None:
        self.got += [json.loads(frame) for frame in frames]

    def heard(self) -> list[str]:
        """In short: the number, or what it is."""
        heard, self.got = self.got, []
        return [" ".join(map(str, one[:3] if one[0] == "caught_up" else one[:1])) for one in heard]


def test_a_client_that_takes_everything_gets_everything_at_once() -> None:
    gateway = Gateway()
    gateway.publish((HIGH, "a"), (NORMAL, "b"), (LOW, ""))

    assert gateway.heard() == ["1", "2", "3"]
    assert gateway.pace.marks == (3, 3)
    assert not gateway.pace.has_waiting


def test_behind_it_gets_what_is_high_in_order_then_the_newest_of_each_key_and_is_told_what_it_missed() -> None:
    gateway = Gateway()
    gateway.pace.fall_behind()
    gateway.publish((NORMAL, "a"), (HIGH, "p"), (LOW, ""))
    gateway.publish((NORMAL, "b"), (NORMAL, "a"), (HIGH, "p"), (LOW, ""))
    assert gateway.heard() == []
    assert gateway.pace.marks == (0, 1)

    gateway.take_all()

    assert gateway.heard() == ["2", "6", "4", "5", "caught_up 2 1"]
    assert gateway.pace.is_following
    assert gateway.pace.marks == (7, 7)
    gateway.publish((LOW, ""))
    assert gateway.heard() == ["8"]


def test_what_changes_while_it_catches_up_is_sent_after_that_and_low_ones_still_are_not() -> None:
    gateway = Gateway()
    gateway.pace.fall_behind()
    gateway.publish((NORMAL, "a"), (NORMAL, "b"))
    gateway.take(1)
    gateway.publish((NORMAL, "a"), (LOW, ""), (HIGH, "p"))
    gateway.take(1)
    gateway.take(1)

    assert gateway.heard() == ["1", "5", "2"]
    gateway.take_all()
    assert gateway.heard() == ["3", "caught_up 1 0"]


def test_a_key_that_always_changes_starves_no_other() -> None:
    gateway = Gateway()
    gateway.pace.fall_behind()
    gateway.publish(*((NORMAL, f"k{n}") for n in range(20)))
    for _ in range(21):
        gateway.publish((NORMAL, "k0"))
        gateway.take(1)

    assert {one[2] for one in gateway.got if one[0] != "caught_up"} == {f"k{n}" for n in range(20)}


def test_what_changed_before_its_turn_is_not_sent_again_by_the_next_plan() -> None:
    gateway = Gateway()
    gateway.pace.fall_behind()
    gateway.publish((NORMAL, "a"), (NORMAL, "b"))
    gateway.take(1)
    gateway.publish((NORMAL, "b"), (NORMAL, "c"))
    gateway.take_all()

    assert gateway.heard() == ["1", "3", "4", "caught_up 0 1"]


def test_types_that_are_not_wanted_are_not_counted_as_replaced() -> None:
    gateway = Gateway()
    gateway.pace.unwanted = frozenset({NORMAL})
    gateway.pace.fall_behind()
    gateway.publish(*[(NORMAL, "a")] * 5, (HIGH, "p"))
    gateway.take_all()

    assert gateway.heard() == ["6"]


def test_what_is_said_to_it_alone_goes_first_and_a_snapshot_replaces_what_waits() -> None:
    gateway = Gateway()
    gateway.pace.fall_behind()
    gateway.publish((HIGH, "p"), (NORMAL, "a"), (LOW, ""))
    gateway.latest.restart(50)
    gateway.seq = 50
    gateway.pace.put_snapshot((b'["snapshot"]', b'["synced"]'), 50)
    gateway.pace.put_direct(b'["pong"]')
    gateway.publish((HIGH, "p"), (NORMAL, "a"))
    gateway.take_all()

    assert gateway.heard() == ["pong", "snapshot", "synced", "51", "52"]


def test_what_must_be_sent_can_leave_before_a_snapshot() -> None:
    gateway = Gateway()
    gateway.pace.fall_behind()
    gateway.publish((HIGH, "p"), (NORMAL, "a"))
    gateway.pace.hasten()
    gateway.pace.put_snapshot((b'["snapshot"]',), 2)
    gateway.publish((HIGH, "p"))
    gateway.take_all()

    assert gateway.heard() == ["1", "snapshot", "3"]
    assert gateway.pace.waiting_bytes == 0


def test_too_much_that_must_be_sent_breaks_it_and_what_comes_at_once_does_not() -> None:
    gateway = Gateway(max_bytes=1_000)
    gateway.pace.fall_behind()
    gateway.publish((HIGH, "p"), size=5_000)
    assert not gateway.pace.is_broken
    gateway.publish((NORMAL, "a"), (LOW, ""), size=5_000)
    assert not gateway.pace.is_broken, "those do not wait"

    gateway.publish((HIGH, "p"))

    assert gateway.pace.is_broken
    assert not gateway.pace.has_waiting
    assert gateway.pace.take(10_000) == []
    assert not gateway.pace.put_direct(b"x")
    gateway.pace.put_snapshot((b"y",), 9)
    assert gateway.pace.take(10_000) == []


def test_types_that_are_not_wanted_are_neither_sent_nor_counted() -> None:
    gateway = Gateway()
    gateway.pace.unwanted = frozenset({LOW, NORMAL})
    gateway.pace.fall_behind()
    gateway.publish((NORMAL, "a"), (HIGH, "p"), (LOW, ""))
    gateway.take_all()

    assert gateway.heard()[:1] == ["2"]
    assert gateway.pace.is_following


def test_who_missed_more_than_is_remembered_asks_for_a_snapshot() -> None:
    gateway = Gateway()
    gateway.pace.fall_behind()
    gateway.latest.restart(9)

    assert gateway.pace.take(100) == []
    assert gateway.pace.needs_snapshot
    assert not gateway.pace.has_waiting
    gateway.pace.put_snapshot((b'["snapshot"]',), 9)
    gateway.take_all()
    assert gateway.heard() == ["snapshot"]


def test_frames_are_whole_and_no_more_than_there_is_room_for_but_one() -> None:
    gateway = Gateway()
    gateway.pace.fall_behind()
    gateway.publish((HIGH, "p"), (HIGH, "q"), (NORMAL, "a"), size=100)

    assert [len(gateway.pace.take(10)) for _ in range(4)] == [1, 1, 1, 0]


class Delivery(RuleBasedStateMachine):
    """Publishes, pauses and takes, in any order; what the client has is compared with what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.gateway = Gateway()
        self.truth: dict[str, int] = {}
        self.high: list[int] = []
        self.low = 0
        self.has: dict[str, int] = {}
        self.has_high: list[int] = []
        self.has_low = 0

    KINDS = st.sampled_from([HIGH, NORMAL, NORMAL, LOW])

    @rule(updates=st.lists(st.tuples(KINDS, st.sampled_from("abcdef")), min_size=1, max_size=6))
    def publish(self, updates: list[tuple[str, str]]) -> None:
        for seq, (kind, key) in enumerate(updates, self.gateway.seq + 1):
            if kind == NORMAL:
                self.truth[key] = seq
            elif kind == HIGH:
                self.high.append(seq)
            else:
                self.low += 1
        self.gateway.publish(*updates)

    @rule()
    def fill(self) -> None:
        self.gateway.pace.fall_behind()

    @rule(room=st.integers(1, 120))
    def take(self, room: int) -> None:
        self.gateway.take(room)

    @rule()
    def restart(self) -> None:
        gateway = self.gateway
        gateway.latest.restart(gateway.seq)
        snapshot = json.dumps(["snapshot", gateway.seq, self.truth, self.low])
        gateway.pace.put_snapshot((snapshot.encode(),), gateway.seq)
        self.high = [seq for seq in self.high if seq in self.has_high or seq > gateway.seq]

    @invariant()
    def what_it_has_is_never_false(self) -> None:
        for one in self.gateway.got:
            match one:
                case ["snapshot", _, truth, low]:
                    self.has, self.has_low = dict(truth), low
                case ["caught_up", dropped, _]:
                    self.has_low += dropped
                case [seq, kind, key, _] if kind == NORMAL:
                    assert seq >= self.has.get(key, 0), "it went back"
                    self.has[key] = seq
                case [seq, kind, *_] if kind == HIGH:
                    self.has_high.append(seq)
                case _:
                    self.has_low += 1
        self.gateway.got.clear()
        assert self.has_high == self.high[: len(self.has_high)], "in order, each once"
        marks = self.gateway.pace.marks
        if marks is not None:
            mark, high = marks
            assert all(self.has.get(key) == seq for key, seq in self.truth.items() if seq <= mark)
            assert self.has_high == [seq for seq in self.high if seq <= high]
        if self.gateway.pace.is_following:
            assert (self.has, self.has_high, self.has_low) == (self.truth, self.high, self.low)

    def teardown(self) -> None:
        self.gateway.take_all()
        self.what_it_has_is_never_false()
        assert self.gateway.pace.is_following


Delivery.TestCase.settings = settings(max_examples=300, stateful_step_count=40)
TestDelivery = Delivery.TestCase
