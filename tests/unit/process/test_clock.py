import time

from hypothesis import given
from hypothesis import strategies as st

from services.process.clock import new_id, now_ms


def test_now_is_unix_time_in_milliseconds() -> None:
    before = int(time.time() * 1000)

    assert before <= now_ms() <= time.time() * 1000 + 1


@given(st.lists(st.integers(0, 2**44), unique=True))
def test_ids_sort_by_time(times: list[int]) -> None:
    made = {at: new_id(at) for at in times}

    assert sorted(made.values()) == [made[at] for at in sorted(times)]


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id(1) for _ in range(1000)}) == 1000


def test_an_id_without_a_time_is_of_now() -> None:
    before = now_ms()

    assert new_id(before)[:12] <= new_id()[:12] <= new_id(now_ms())[:12]
    assert len(new_id()) == 32
