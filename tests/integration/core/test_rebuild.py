import random
from collections.abc import Callable

import pytest
from msgspec import structs

from services.contract.events import NewEvent
from services.contract.game import ProjectKind, Repository
from services.core import keeper as module
from services.core.keeper import Keeper
from services.core.own_events import new_repository_reading, new_zone
from services.core.rebuild import canonical, digest, rebuild
from services.core.store import BASE, LATEST, Store, StoreError
from tests.unit.core.making import RUNS, hook, recorded

Open = Callable[[], Store]
NOW = 2_000_000_000_000
FOLDER = "/home/lab/shop"


def append(keeper: Keeper, *events: NewEvent) -> None:
    with keeper._store.transaction():
        keeper.append(events, NOW)


def live(opened: Open, seed: int) -> Keeper:
    """Some days of work: all recordings in any order, some events twice, restarts, readings, another time zone."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    events = [event for run in RUNS for event in recorded(run)]
    chance.shuffle(events)
    again = [structs.replace(event, id=f"{event.id}-again") for event in chance.sample(events, 20)]
    events += again
    events.insert(chance.randrange(len(events)), new_zone("z1", NOW, "Pacific/Auckland"))
    for number in range(6):
        reading = Repository(
            folder=FOLDER, path=FOLDER, kind=ProjectKind.REPOSITORY, file_id="1:2:3", name="shop", dirty=number // 2
        )
        events.insert(chance.randrange(len(events)), new_repository_reading(f"r{number}", NOW, reading))
    keeper = Keeper(opened())
    for number, event in enumerate(events):
        append(keeper, event)
        if number % 40 == 39:
            if chance.random() < 0.5:
                keeper.make_checkpoint(NOW)
            keeper = Keeper(opened())
    return keeper


def run(store: Store, *, is_trial: bool = False) -> tuple[int, bool]:
    told: list[int] = []
    rebuilt = rebuild(store, NOW, told.append, is_trial=is_trial)
    assert told[-1] == rebuilt.events
    return rebuilt.events, rebuilt.is_same


@pytest.mark.parametrize("seed", range(5))
def test_a_rebuild_gives_what_was_there(opened: Open, seed: int) -> None:
    keeper = live(opened, seed)
    before = canonical(keeper.state)
    assert keeper.state.game.all_projects()[0].xp > 0

    events, is_same = run(opened())

    assert is_same
    assert events == keeper.seq
    again = Keeper(opened())
    assert canonical(again.state) == before
    assert again.checkpoint_seq == keeper.seq


@pytest.mark.parametrize("folded", [1, 40, 90])
def test_a_rebuild_after_retention_begins_where_the_log_does(
    opened: Open, monkeypatch: pytest.MonkeyPatch, folded: int
) -> None:
    monkeypatch.setattr(module, "FOLD_EVENTS", folded)
    keeper = live(opened, folded)
    assert keeper.fold_old(2 * NOW, NOW) == folded

    events, is_same = run(opened())

    assert is_same
    assert events == keeper.seq - keeper.base_seq


def test_what_was_spoiled_is_made_again(opened: Open) -> None:
    keeper = live(opened, 1)
    keeper.make_checkpoint(NOW)
    whole = digest(keeper.state, keeper._store)
    store = opened()
    with store.transaction():
        store.execute("UPDATE xp_ledger SET amount = 1000")
        store.execute("DELETE FROM xp_days")
        store.execute("DELETE FROM journal WHERE seq % 2 = 0")

    assert run(store, is_trial=True) == (keeper.seq, False)
    assert digest(keeper.state, opened()) != whole
    assert run(store) == (keeper.seq, False)
    assert digest(Keeper(opened()).state, opened()) == whole
    assert run(store) == (keeper.seq, True)


def test_a_trial_changes_nothing(opened: Open) -> None:
    keeper = live(opened, 2)
    checkpoints = [opened().checkpoint(kind) for kind in (BASE, LATEST)]

    assert run(opened(), is_trial=True) == (keeper.seq, True)

    assert [opened().checkpoint(kind) for kind in (BASE, LATEST)] == checkpoints


def test_one_that_breaks_off_leaves_all_as_it_was(opened: Open) -> None:
    keeper = live(opened, 3)
    keeper.make_checkpoint(NOW)
    before = digest(keeper.state, keeper._store)
    store = opened()

    def break_off(_events: int) -> None:
        raise StoreError("the disk is full")

    with pytest.raises(StoreError):
        rebuild(store, NOW, break_off, is_trial=False)

    assert digest(Keeper(opened()).state, opened()) == before


def test_a_checkpoint_that_cannot_be_read_is_made_again_with_its_ledger(opened: Open) -> None:
    keeper = live(opened, 4)
    before = digest(keeper.state, keeper._store)
    store = opened()
    with store.transaction():
        store.execute("DELETE FROM checkpoints WHERE kind = ?", (LATEST,))
        for table in ("xp_ledger", "xp_days", "xp_rules", "journal"):
            store.execute(f"DELETE FROM {table}")  # noqa: S608 - our names

    again = Keeper(opened())

    assert digest(again.state, opened()) == before


def test_an_event_that_comes_again_after_a_rebuild_is_awarded_once(opened: Open) -> None:
    keeper = Keeper(opened())
    call = hook("PostToolUse", NOW, event_id="a", tool_name="Bash", tool_use_id="t1")
    append(keeper, call)
    run(opened())

    again = Keeper(opened())
    append(again, call, structs.replace(call, id="b"))

    (session,) = again.state.sessions()
    assert (session.events, session.xp) == (2, 1)
