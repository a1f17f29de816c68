from services.contract.entities import StatusName
from services.core.witnesses import Testimony, Witnesses
from tests.unit.core.making import entry, reading


def made(kept: Testimony | None = None) -> Witnesses:
    return Witnesses(Testimony() if kept is None else kept)


def test_the_process_that_did_something_last_speaks_for_a_session() -> None:
    witnesses = made()
    for pid, at in ((1, 10), (2, 30), (3, 20)):
        assert witnesses.put(entry("busy", at, pid=pid), f"e{pid}", 99) is None

    listed = witnesses.of_session("s1")

    assert listed is not None
    assert listed.entry.pid == 2
    assert witnesses.of_session("other") is None
    assert witnesses.pids == {1, 2, 3}
    assert witnesses.entry_of(3) == entry("busy", 20, pid=3)
    assert witnesses.entry_of(4) is None


def test_a_process_that_leaves_a_session_for_another_tells_which() -> None:
    witnesses = made()
    witnesses.put(entry(session="old"), "e1", 99)

    assert witnesses.put(entry(session="new"), "e2", 99) == "old"
    assert witnesses.of_session("old") is None
    assert witnesses.put(entry("idle", session="new"), "e3", 99) is None
    assert witnesses.remove(50) == "new"
    assert witnesses.remove(50) is None
    assert witnesses.of_session("new") is None


def test_a_status_is_as_old_as_its_first_telling() -> None:
    witnesses = made()
    witnesses.put(entry("busy", 10), "e1", 99)
    witnesses.put(entry("busy", 10, cwd="/elsewhere"), "e2", 99)

    listed = witnesses.of_session("s1")
    assert listed is not None
    assert listed.sign is not None
    assert (listed.sign.at, listed.sign.event_id) == (10, "e1")
    assert listed.entry.cwd == "/elsewhere"

    witnesses.put(entry("busy", 20), "e3", 99)
    listed = witnesses.of_session("s1")
    assert listed is not None
    assert listed.sign is not None
    assert (listed.sign.at, listed.sign.event_id) == (20, "e3")


def test_a_screen_is_news_when_it_means_something_else() -> None:
    witnesses = made()
    busy = reading(StatusName.WORKING, 10)
    assert witnesses.is_new_reading(busy)
    assert not witnesses.is_new_reading(reading(StatusName.UNKNOWN, 10)), "nothing was known"

    witnesses.read(busy, "e1")

    assert not witnesses.is_new_reading(reading(StatusName.WORKING, 20))
    assert witnesses.is_new_reading(reading(StatusName.IDLE, 20))
    assert witnesses.is_new_reading(reading(StatusName.UNKNOWN, 20))
    assert witnesses.is_new_reading(reading(StatusName.WORKING, 20, pane="%2"))
    witnesses.read(reading(StatusName.UNKNOWN, 20), "e2")
    assert witnesses.screen_of("%1") is None
    witnesses.read(busy, "e3")
    witnesses.forget_screen("%1")
    assert witnesses.screen_of("%1") is None


def test_what_is_kept_makes_the_same_witnesses_again() -> None:
    witnesses = made()
    witnesses.put(entry(), "e1", 99)
    witnesses.read(reading(), "e2")

    again = made(witnesses.kept)

    assert again.of_session("s1") == witnesses.of_session("s1")
    assert again.screen_of("%1") == witnesses.screen_of("%1")
