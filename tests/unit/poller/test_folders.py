from collections.abc import Sequence

import pytest

from services.poller.folders import (
    IDLE_S,
    LONGEST_IDLE_S,
    MAX_FOLDERS,
    PAUSES,
    QUIET_RESTS,
    RESTS,
    SLOW_S,
    SOON_S,
    Folders,
)


class Span:
    """Folders that are read for some time of a clock that only counts, after the first reading of each."""

    def __init__(self, took: Sequence[float], busy: int, lasts_s: float = 3_600) -> None:
        """So long takes a reading of each; in the first so many something happens all the time."""
        self.folders, self.now, self.spent = Folders(), 0.0, 0.0
        self.took = {f"/{number}": seconds for number, seconds in enumerate(took)}
        self.read_at: dict[str, float] = {}
        self.longest_s = dict.fromkeys(self.took, 0.0)
        self.folders.see({name: {name} for name in self.took}, 0)
        while len(self.read_at) < len(self.took):
            self._read()
        self.began, self.spent, told = self.now, 0.0, list(self.took)[:busy]
        while self.now < self.began + lasts_s:
            self.folders.happened(told)
            self.now = max(self.now, self.folders.next_due())
            self._read()
        for name in self.took:
            self._note_wait(name)

    def _read(self) -> None:
        name = self.folders.due(self.now)
        assert name is not None
        self._note_wait(name)
        self.folders.begin([name])
        self.now += self.took[name]
        self.spent += self.took[name]
        self.folders.end([name], self.now - self.took[name], self.now)
        self.read_at[name] = self.now

    def _note_wait(self, name: str) -> None:
        self.longest_s[name] = max(self.longest_s[name], self.now - self.read_at.get(name, self.now))

    @property
    def share(self) -> float:
        return self.spent / (self.now - self.began)


def read(folders: Folders, name: str, at: float, took: float = 0.0) -> None:
    folders.begin([name])
    folders.end([name], at - took, at)


def test_a_new_folder_is_due_at_once_and_then_now_and_then() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}}, 0)
    assert folders.due(0) == "/a"

    read(folders, "/a", 100)

    assert folders.due(100 + IDLE_S - 1) is None
    assert folders.next_due() == 100 + IDLE_S
    assert folders.due(100 + IDLE_S) == "/a"


def test_what_happens_in_a_pane_makes_its_folder_due_soon() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}, "/b": {"%2"}}, 0)
    read(folders, "/a", 100)
    read(folders, "/b", 100)

    folders.happened(["%1", "%7"])

    assert folders.next_due() == 100 + SOON_S
    assert folders.due(100 + SOON_S) == "/a"
    read(folders, "/a", 110)
    assert folders.due(120) is None


def test_what_happens_while_it_is_read_is_for_the_next_time() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}}, 0)
    folders.begin(["/a"])
    folders.happened(["%1"])
    folders.end(["/a"], 99, 100)

    assert folders.next_due() == 100 + PAUSES


def test_a_slower_folder_pauses_longer() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}}, 0)
    read(folders, "/a", 100, took=0.5)
    folders.happened(["%1"])

    assert folders.next_due() == 100 + 0.5 * PAUSES
    folders.see({}, 110)
    folders.see({"/a": {"%1"}}, 120)
    assert folders.next_due() == 100 + 0.5 * PAUSES, "also when its agent left and came back"


def test_a_folder_that_all_have_left_is_not_read_and_later_forgotten() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}, "/b": {"%2"}}, 0)
    read(folders, "/a", 100)
    folders.see({}, 101)

    assert folders.next_due() == float("inf")
    assert "/a" in folders
    assert "/b" not in folders, "nothing is known of it"
    folders.see({}, 100 + IDLE_S)
    assert len(folders) == 0


def test_who_comes_back_has_its_folder_read_soon() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}}, 0)
    read(folders, "/a", 100)
    folders.see({}, 101)
    folders.see({"/a": {"%2"}}, 102)

    assert folders.next_due() == 100 + SOON_S


def test_what_core_asks_for_is_read_once() -> None:
    folders = Folders()
    folders.ask(["/a"])
    folders.see({}, 0)
    assert folders.due(0) == "/a"

    read(folders, "/a", 100)

    assert folders.next_due() == float("inf")
    folders.ask(["/a"])
    assert folders.next_due() == 100 + SOON_S


def test_more_than_so_many_are_not_read() -> None:
    folders = Folders()
    folders.see({f"/{number}": () for number in range(MAX_FOLDERS + 5)}, 0)
    folders.ask(["/x"])

    assert len(folders) == MAX_FOLDERS
    assert "/x" not in folders


def test_the_one_that_waits_longest_is_first() -> None:
    folders = Folders()
    folders.see({"/a": (), "/b": (), "/c": ()}, 0)
    read(folders, "/a", 20)
    read(folders, "/b", 10)
    read(folders, "/c", 30)

    assert folders.due(1_000) == "/b"


def test_where_nothing_happens_is_read_ever_less_until_something_does() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}}, 0)
    pauses = []
    for now in (0, 1_000, 2_000, 3_000, 4_000):
        read(folders, "/a", now)
        pauses.append(folders.next_due() - now)
    assert pauses == [IDLE_S, 2 * IDLE_S, 4 * IDLE_S, LONGEST_IDLE_S, LONGEST_IDLE_S]

    folders.happened(["%1"])
    assert folders.next_due() == 4_000 + SOON_S
    read(folders, "/a", 5_000)

    assert folders.next_due() == 5_000 + IDLE_S


@pytest.mark.parametrize("took", [0.02, 0.1, 0.5, 5.0], ids=repr)
@pytest.mark.parametrize("count", [26, 50], ids=repr)
def test_many_where_nothing_happens_cost_no_more_than_few(count: int, took: float) -> None:
    span = Span([took] * count, busy=0)

    assert 0.001 < span.share <= 0.012
    assert max(span.longest_s.values()) <= LONGEST_IDLE_S + PAUSES * took + (QUIET_RESTS + 1) * count * took


@pytest.mark.parametrize("took", [0.02, 0.1, 0.5, 5.0], ids=repr)
@pytest.mark.parametrize("count", [26, 50], ids=repr)
def test_many_where_something_happens_cost_no_more_than_few(count: int, took: float) -> None:
    span = Span([took] * count, busy=count, lasts_s=900)

    assert 0.005 < span.share <= 0.06
    bound = QUIET_RESTS if took > SLOW_S else RESTS
    assert max(span.longest_s.values()) <= SOON_S + PAUSES * took + (bound + 1) * count * took


@pytest.mark.parametrize("took", [0.02, 0.1, 0.5], ids=repr)
@pytest.mark.parametrize("busy", [1, 13, 49], ids=repr)
def test_none_starves_beside_others_where_more_happens(busy: int, took: float) -> None:
    span = Span([took] * 50, busy, lasts_s=100_000 * took)

    assert span.share <= 0.06
    longest = list(span.longest_s.values())
    assert max(longest[:busy]) <= SOON_S + PAUSES * took + (RESTS + 2) * 50 * took
    assert max(longest[busy:]) <= LONGEST_IDLE_S + (QUIET_RESTS + RESTS + 3) * 51 * took


@pytest.mark.parametrize("is_busy", [False, True])
def test_one_that_hangs_does_not_hold_up_what_happens_elsewhere(*, is_busy: bool) -> None:
    span = Span([5.0, *[0.02] * 25], busy=5) if is_busy else Span([*[0.02] * 5, 5.0, *[0.02] * 20], busy=5)
    slow = span.longest_s.pop("/0" if is_busy else "/5")

    assert span.share <= 0.06
    bound = LONGEST_IDLE_S + (QUIET_RESTS + RESTS + 3) * (2 * 5 + 25 * 0.02)
    assert 5 * PAUSES < slow <= bound
    assert max(list(span.longest_s.values())[:4]) <= SOON_S + 5 + RESTS * SLOW_S + (RESTS + 2) * 25 * 0.02
    assert max(span.longest_s.values()) <= bound


@pytest.mark.parametrize("took", [0.5, 5.0], ids=repr)
def test_a_new_folder_and_one_that_core_asks_for_are_read_while_git_rests(took: float) -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}, "/b": {"%2"}}, 0)
    read(folders, "/b", 10)
    read(folders, "/a", 1_000, took=took)
    folders.happened(["%2"])
    assert folders.next_due() == 1_000 + RESTS * min(took, SLOW_S), "also for another folder"
    assert folders.due(1_001) is None

    folders.ask(["/b"])
    assert folders.due(1_001) == "/b"
    read(folders, "/b", 1_001)
    assert folders.due(1_001) is None
    folders.see({"/a": {"%1"}, "/b": {"%2"}, "/new": {"%3"}}, 1_001)

    assert folders.next_due() == float("-inf")
    assert folders.due(1_001) == "/new"


def test_a_short_reading_does_not_shorten_the_rest_after_a_long_one() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}, "/b": {"%2"}, "/c": {"%3"}}, 0)
    read(folders, "/c", 10)
    read(folders, "/a", 1_000, took=1.0)
    read(folders, "/b", 1_001, took=0.01)
    folders.happened(["%3"])

    assert folders.next_due() == 1_000 + RESTS
    read(folders, "/a", 2_000, took=4)
    read(folders, "/b", 2_000, took=2)
    read(folders, "/c", 2_000)
    assert folders.next_due() == 2_000 + 4 * QUIET_RESTS, "also when both were slow"


def test_what_happens_in_one_folder_of_a_tree_counts_for_those_read_with_it() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}, "/b": {"%2"}}, 0)
    for now in (0, 1_000, 2_000):
        read(folders, "/a", now)
        read(folders, "/b", now)
    folders.happened(["%1"])
    folders.begin(["/a", "/b"])
    folders.end(["/a", "/b"], 3_000, 3_000)

    assert folders.next_due() == 3_000 + IDLE_S


def test_what_happened_before_all_left_is_read_once_more() -> None:
    folders = Folders()
    folders.see({"/a": {"%1"}}, 0)
    read(folders, "/a", 100)
    folders.happened(["%1"])
    folders.see({}, 200)

    assert folders.due(200) == "/a"
    read(folders, "/a", 200)
    assert folders.next_due() == float("inf")
