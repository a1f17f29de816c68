from services.contract.updates import Priority
from services.ws.batch import NOTHING, Batch, Update


def update(seq: int, kind: str) -> Update:
    return Update(seq, kind, "k", f"{seq} ".encode())


def test_updates_are_sorted_by_what_happens_to_them_while_a_client_is_behind() -> None:
    batch = Batch([update(4, "pane_update"), update(5, "session_update"), update(6, "event"), update(7, "next_years")])

    assert [[one.seq for one in lane] for lane in (batch.high, batch.normal, batch.low)] == [[4], [5], [6, 7]]
    assert batch.top == 7
    assert update(1, "next_years").priority is Priority.LOW


def test_all_clients_share_the_bytes() -> None:
    batch = Batch([update(4, "pane_update"), update(5, "event")])

    assert batch.joined(NOTHING) == (b"4 5 ", 2)
    assert batch.joined(NOTHING)[0] is batch.joined(NOTHING)[0]
    assert batch.joined(frozenset({"event"})) == (b"4 ", 1)
    assert batch.joined(frozenset({"event", "pane_update"})) == (b"", 0)
