import random
from collections.abc import Callable

import pytest
from msgspec import msgpack, structs

from services.contract.events import NewEvent, Source
from services.contract.game_answers import EarnerType
from services.core import keeper as module
from services.core import state as state_module
from services.core.game.rulebook import Rulebook, built_in
from services.core.game.rules import Rules
from services.core.keeper import CLOCK_AHEAD_MS, Keeper, keepable
from services.core.own_events import new_tmux_event
from services.core.rebuild import rebuild
from services.core.state import SWEEP_EVERY
from services.core.store import BASE, LATEST, Checkpoint, Store, StoreError
from tests.unit.core.making import OTHER_SERVER, RUNS, hook, pane, recorded, report

Open = Callable[[], Store]
NOW = 1_000_000_000


def append(keeper: Keeper, *events: NewEvent) -> tuple[int, ...]:
    with keeper._store.transaction():
        return keeper.append(events, NOW)


def append_to_a_full_disk(keeper: Keeper, event: NewEvent) -> None:
    with keeper._store.transaction():
        keeper.append([event], NOW)
        raise StoreError("the disk is full")


def see(keeper: Keeper, at: int, *panes: str, **fields: object) -> None:
    seen = report(*(pane(pane_id, index=n) for n, pane_id in enumerate(panes)), at=at, **fields)  # type: ignore[arg-type]
    view = keeper.state.view_of(seen)
    assert view is not None
    payload = keeper.state.tmux_change(view)
    if payload is not None:
        append(keeper, new_tmux_event(f"t{at}-{panes}", at, payload))
    keeper.state.refresh(view, seen.revision)


def fill(keeper: Keeper) -> None:
    """A day's work: all recordings at once, in any order, while panes come and go."""
    events = [event for run in RUNS for event in recorded(run)]
    random.Random(1).shuffle(events)  # noqa: S311 - no secret
    see(keeper, 1, "%0")
    for number, event in enumerate(events):
        append(keeper, event)
        if number % 20 == 7:
            see(keeper, number, "%0", f"%{number}")
    see(keeper, 20_000, "%0", server=OTHER_SERVER)


def dumped(keeper: Keeper) -> bytes:
    return msgpack.encode(keeper.state.dump())


def tool(call: str, at: int = 1) -> NewEvent:
    return hook("PostToolUse", at, tool_name="Bash", tool_use_id=call)


def test_events_get_their_seqs_in_their_order(opened: Open) -> None:
    keeper = Keeper(opened())

    assert append(keeper, hook("A", event_id="a"), hook("B", event_id="b")) == (1, 2)
    assert append(keeper, hook("C", event_id="c")) == (3,)
    assert [event.name for _, event in keeper._store.events_after(0, 9)] == ["A", "B", "C"]


def test_a_repeated_id_is_one_event_also_over_a_restart(opened: Open) -> None:
    keeper = Keeper(opened())
    first = hook("A", event_id="a")
    assert append(keeper, first, hook("B", event_id="b"), first) == (1, 2, 1)

    assert append(keeper, first) == (1,)
    again = Keeper(opened())
    assert append(again, structs.replace(first, name="Other"), hook("C", event_id="c")) == (1, 3)

    session = again.state.session("s1")
    assert session is not None
    assert session.events == 3


def test_two_equal_events_with_different_ids_are_two(opened: Open) -> None:
    keeper = Keeper(opened())

    assert append(keeper, hook("Stop", 1, event_id="a"), hook("Stop", 1, event_id="b")) == (1, 2)


# Restarts.


def test_a_restart_restores_the_state_exactly(opened: Open) -> None:
    keeper = Keeper(opened())
    fill(keeper)

    keeper.make_checkpoint(NOW)

    again = Keeper(opened())
    assert again.state.dump() == keeper.state.dump()
    assert dumped(again) == dumped(keeper)
    assert (again.seq, again.checkpoint_seq) == (keeper.seq, keeper.seq)
    assert again.state.take_updates() == []


def test_a_kill_without_a_checkpoint_is_replayed(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REPLAY_EVENTS", 7)
    keeper = Keeper(opened())
    fill(keeper)

    again = Keeper(opened())

    assert again.checkpoint_seq == 0
    assert dumped(again) == dumped(keeper)
    assert again.seq == keeper.seq
    assert again.state.take_updates() == []


def test_a_first_checkpoint_is_written_however_little_there_is(opened: Open) -> None:
    """Without one, a start decides all again and writes the ledger anew."""
    Keeper(opened()).make_checkpoint(NOW)

    assert opened().checkpoint(LATEST) is not None


def test_a_kill_after_a_checkpoint_replays_the_rest(opened: Open) -> None:
    keeper = Keeper(opened())
    append(keeper, *recorded("agent"))
    keeper.make_checkpoint(NOW)
    see(keeper, 1, "%0")
    append(keeper, *recorded("clear"))

    again = Keeper(opened())

    assert 0 < again.checkpoint_seq < again.seq
    assert dumped(again) == dumped(keeper)


def test_what_was_not_committed_is_not_there_after_a_restart(opened: Open) -> None:
    keeper = Keeper(opened())
    append(keeper, tool("c1"))
    with pytest.raises(StoreError, match="full"):
        append_to_a_full_disk(keeper, tool("c2"))

    again = Keeper(opened())

    assert again.seq == 1
    assert append(again, tool("c3")) == (2,)
    session = again.state.session("s1")
    assert session is not None
    assert session.xp == 2


def test_a_checkpoint_that_cannot_be_read_is_replayed(opened: Open) -> None:
    keeper = Keeper(opened())
    fill(keeper)
    with keeper._store.transaction():
        keeper._store.put_checkpoint(LATEST, Checkpoint(seq=5, state=b"\xc1 of another release"), NOW)

    again = Keeper(opened())

    assert dumped(again) == dumped(keeper)


def test_a_base_that_cannot_be_read_stops_the_start_with_a_sentence(opened: Open) -> None:
    store = opened()
    with store.transaction():
        store.put_checkpoint(BASE, Checkpoint(seq=5, state=b"\xc1"), NOW)

    with pytest.raises(StoreError, match="base checkpoint cannot be read"):
        Keeper(opened())


def test_a_checkpoint_is_made_only_when_there_is_news(opened: Open) -> None:
    keeper = Keeper(opened())
    append(keeper, tool("c1"))
    keeper.make_checkpoint(1)
    keeper.make_checkpoint(2)
    rows = keeper._store._connection.execute("SELECT made_at FROM checkpoints").fetchall()
    assert rows == [(1,)]


# Awards.


def test_an_award_is_given_once_over_restarts(opened: Open) -> None:
    keeper = Keeper(opened())
    append(keeper, tool("c1"), tool("c1"))

    again = Keeper(opened())
    append(again, tool("c1"), tool("c2"))

    session = again.state.session("s1")
    assert session is not None
    assert session.xp == 2
    ledger = again._store._connection.execute("SELECT key, seq FROM xp_ledger ORDER BY seq").fetchall()
    assert ledger == [("tool:s1:c1", 1), ("tool:s1:c2", 4)]


# Retention.


def fold_all(keeper: Keeper, older_than: int) -> int:
    total = 0
    while folded := keeper.fold_old(older_than, NOW):
        total += folded
    return total


def test_retention_folds_what_is_old_and_the_rebuild_stays_exact(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLD_EVENTS", 7)
    keeper = Keeper(opened())
    events = sorted((e for run in RUNS for e in recorded(run)), key=lambda event: event.received_at)
    append(keeper, *events)
    limit = events[len(events) // 2].received_at

    folded = fold_all(keeper, limit)

    assert folded == sum(event.received_at < limit for event in events) > 7
    left = keeper._store.events_after(0, 10_000)
    assert [event.id for _, event in left] == [e.id for e in events[folded:]]
    assert keeper.base_seq == folded
    assert keeper.fold_old(limit, NOW) == 0

    # A rebuild is the base and the later events; a start with what is there is the same.
    assert dumped(Keeper(opened())) == dumped(keeper)
    with keeper._store.transaction():
        keeper._store._connection.execute("DELETE FROM checkpoints WHERE kind = ?", (LATEST,))
    assert dumped(Keeper(opened())) == dumped(keeper)


def test_retention_writes_the_base_once_for_many_turns(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLD_EVENTS", 2)
    monkeypatch.setattr(module, "FOLDED_AT_ONCE", 6)
    keeper = Keeper(opened())
    append(keeper, *(tool(f"c{number}") for number in range(9)))

    seqs = []
    while keeper.fold_old(NOW, NOW):
        seqs.append(keeper.base_seq)

    assert seqs == [0, 0, 6, 6, 9]
    assert [seq for seq, _ in keeper._store.events_after(0, 9)] == []
    assert dumped(Keeper(opened())) == dumped(keeper)


def test_retention_reads_no_base_while_nothing_is_old(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """With thousands of personas that takes a quarter of a second, and core asks often."""
    keeper = Keeper(opened())
    append(keeper, tool("c1", NOW))
    monkeypatch.setattr(keeper, "base", None)

    assert keeper.fold_old(NOW, NOW) == 0


def test_a_stop_amid_retention_loses_nothing(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLD_EVENTS", 2)
    keeper = Keeper(opened())
    append(keeper, *(tool(f"c{number}") for number in range(9)))
    keeper.fold_old(NOW, NOW)

    again = Keeper(opened())

    assert (again.base_seq, dumped(again)) == (0, dumped(keeper))
    assert fold_all(again, NOW) == 9


def test_retention_beyond_the_last_checkpoint_makes_a_new_one(opened: Open) -> None:
    keeper = Keeper(opened())
    append(keeper, tool("c1"))
    keeper.make_checkpoint(NOW)
    append(keeper, tool("c2"), tool("c3", NOW))

    assert fold_all(keeper, NOW) == 2

    again = Keeper(opened())
    assert dumped(again) == dumped(keeper)
    assert again.checkpoint_seq == 3


def test_ids_seqs_and_awards_outlive_retention(opened: Open) -> None:
    keeper = Keeper(opened())
    old = tool("c1")
    append(keeper, old)
    assert fold_all(keeper, NOW) == 1

    again = Keeper(opened())
    assert append(again, old, tool("c1", 2)) == (1, 2)

    session = again.state.session("s1")
    assert session is not None
    assert session.xp == 1


def test_retention_goes_no_further_than_the_first_event_that_is_young(opened: Open) -> None:
    keeper = Keeper(opened())
    append(keeper, tool("c1", 1), tool("c2", 50), tool("c3", 2))

    assert fold_all(keeper, 50) == 1
    assert [seq for seq, _ in keeper._store.events_after(0, 9)] == [2, 3]


def test_retention_sweeps_as_the_live_state_did(opened: Open) -> None:
    keeper = Keeper(opened())
    week = 8 * 24 * 3600 * 1000
    append(keeper, hook("SessionEnd", 1, session="gone"), *(tool(f"c{n}", week) for n in range(SWEEP_EVERY)))
    assert keeper.state.session("gone") is None

    assert fold_all(keeper, NOW) == SWEEP_EVERY + 1

    assert dumped(Keeper(opened())) == dumped(keeper)


# What cannot be applied, and what cannot be kept as it came.


def test_an_event_that_the_rules_trip_over_is_kept_and_counted(opened: Open) -> None:
    keeper = Keeper(opened())
    poison = NewEvent(id="p", name="TmuxReport", received_at=1, payload=b'"no report"', source=Source.TMUX)

    assert append(keeper, tool("c1"), poison, tool("c2")) == (1, 2, 3)

    assert keeper.failed_events == 1
    again = Keeper(opened())
    assert again.failed_events == 1
    assert dumped(again) == dumped(keeper)
    assert fold_all(again, NOW) == 3
    assert again.failed_events == 1


@pytest.mark.parametrize("payload", [b'{"tool_use_id":"\xff"}', b"\xff\xfe", b'{"tool_use_id":"\\ud83d"}'])
def test_odd_payloads_are_applied_as_they_are_kept(opened: Open, payload: bytes) -> None:
    keeper = Keeper(opened())
    append(keeper, structs.replace(tool("c1"), payload=payload))

    assert dumped(Keeper(opened())) == dumped(keeper)


def test_impossible_clocks_are_put_right() -> None:
    event = hook("Stop", 5)

    assert keepable(event, 10) is event
    assert keepable(structs.replace(event, received_at=10 + CLOCK_AHEAD_MS), 10).received_at == 10 + CLOCK_AHEAD_MS
    assert keepable(structs.replace(event, received_at=11 + CLOCK_AHEAD_MS), 10).received_at == 10
    assert keepable(structs.replace(event, received_at=-1), 10).received_at == 10
    assert keepable(structs.replace(event, sent_at=2**63), 10).sent_at is None
    assert keepable(structs.replace(event, sent_at=-1), 10).sent_at is None


def test_numbers_that_no_file_can_hold_are_no_trouble(opened: Open) -> None:
    keeper = Keeper(opened())
    huge = structs.replace(tool("c1"), received_at=2**63, sent_at=2**64 - 1, pane_id="%1", tmux="/t," + "9" * 30 + ",0")

    append(keeper, huge)
    keeper.make_checkpoint(NOW)

    assert dumped(Keeper(opened())) == dumped(keeper)


# Other rules of the game.


def dearer() -> Rulebook:
    """A call is worth 3 XP."""
    book = built_in()
    rules = {**book.rules.of_deed, "tool": structs.replace(book.rules.of_deed["tool"], xp=3)}
    return structs.replace(book, rules=Rules(rules), edition="another")


def test_other_rules_decide_again_what_the_log_has(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLD_EVENTS", 2)
    keeper = Keeper(opened())
    append(keeper, tool("c1"), tool("c2"))
    fold_all(keeper, NOW)
    append(keeper, tool("c3"), tool("c4"))
    keeper.make_checkpoint(NOW)
    monkeypatch.setattr(module, "built_in", dearer)
    monkeypatch.setattr(state_module, "built_in", dearer)

    again = Keeper(opened())

    (persona,) = again.state.game.all_personas()
    assert persona.xp == 2 * 1 + 2 * 3, "what was let go stays as it was decided"
    assert again.ledger.summary(EarnerType.PERSONA, persona.id, 0).total == persona.xp
    again.make_checkpoint(NOW)
    assert rebuild(opened(), NOW, lambda _: None, is_trial=True).is_same
    assert Keeper(opened()).checkpoint_seq == again.seq


def test_a_ledger_that_cannot_be_read_fails_the_request_and_loses_no_award(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(opened())

    def broken(_sql: str, _values: object = ()) -> None:
        raise StoreError("disk I/O error")

    with monkeypatch.context() as spoiled:
        spoiled.setattr(keeper._store, "first", broken)
        with pytest.raises(StoreError):
            append(keeper, tool("c1"))

    again = Keeper(opened())
    assert append(again, tool("c1")) == (1,)
    assert [persona.xp for persona in again.state.game.all_personas()] == [1]
