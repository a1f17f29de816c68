from services.ws.batch import Batch, Update
from services.ws.recent import Recent


def batch(first: int, *updates: tuple[str, str]) -> Batch:
    return Batch(
        [Update(seq, kind, key, f"{kind} {key} {seq}".encode()) for seq, (kind, key) in enumerate(updates, first)]
    )


def recent(*batches: Batch, floor: int = 0, **bounds: int) -> Recent:
    made = Recent(**bounds)
    made.restart(floor)
    for one in batches:
        made.add(one)
    return made


ONE = batch(1, ("pane_update", "p"), ("session_update", "a"), ("event", ""))
TWO = batch(4, ("session_update", "a"), ("session_update", "b"), ("pane_update", "p"))


def test_of_high_priority_all_is_missed_and_of_normal_the_newest_of_each_key() -> None:
    made = recent(ONE, TWO)

    assert made.missed(0, 0) == [b"pane_update p 1", b"session_update a 4", b"session_update b 5", b"pane_update p 6"]
    assert made.missed(4, 1) == [b"session_update b 5", b"pane_update p 6"]
    assert made.missed(1, 6) == [b"session_update a 4", b"session_update b 5"]
    assert made.missed(6, 6) == []


def test_a_removal_takes_along_what_it_outdates() -> None:
    made = recent(ONE, batch(4, ("session_removed", "a")))

    assert made.missed(0, 1) == [b"session_removed a 4"]


def test_what_is_too_long_ago_is_not_told() -> None:
    made = recent(ONE, TWO, max_batches=1)

    assert made.floor == 3
    assert made.missed(2, 9) is None
    assert made.missed(9, 2) is None
    assert made.missed(3, 3) is not None
    assert recent(ONE, TWO, max_bytes=TWO.size).floor == 3
    made.restart(50)
    assert (made.missed(49, 50), made.missed(50, 50)) == (None, [])


def test_what_core_recalls_is_put_before_as_far_as_it_reaches() -> None:
    made = recent(batch(7, ("pane_update", "q")), floor=6)

    made.put_before([ONE, TWO, batch(7, ("pane_update", "q"))])

    assert made.floor == 0
    assert made.missed(5, 5) == [b"pane_update p 6", b"pane_update q 7"]


def test_a_batch_that_overlaps_is_cut_and_a_hole_ends_it() -> None:
    made = recent(batch(6, ("pane_update", "p")), floor=5)
    made.put_before([batch(1, ("pane_update", "o")), TWO])

    assert made.floor == 3
    assert made.missed(3, 3) == [b"session_update a 4", b"session_update b 5", b"pane_update p 6"]


def test_there_may_be_no_room_for_what_core_recalls() -> None:
    made = recent(TWO, floor=3, max_bytes=TWO.size + 1)
    made.put_before([ONE])

    assert made.floor == 3
