"""Makes state, ledger and journal again from the log, in one transaction; says whether they were the same before.

Retention has folded the oldest events into the base checkpoint; all after it is read again.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
import orjson
from msgspec import Struct

from services.core.keeper import REPLAY_EVENTS, Keeper
from services.core.state import State
from services.core.store import Store

_TABLES: Final = {
    "xp_ledger": "key",
    "xp_days": "kind, id, day",
    "xp_rules": "kind, id, rule",
    "journal": "seq, kind, persona_id",
}
"""All that follows from the log, and what each is sorted by."""


class Rebuilt(Struct, frozen=True, kw_only=True):
    """What a rebuild did. The digests are of all that follows from the log, in its canonical form."""

    events: int
    before: str
    after: str

    @property
    def is_same(self) -> bool:
        """Whether it changed nothing."""
        return self.before == self.after


class _NotKeptError(Exception):
    """Takes back a transaction that was a trial."""


def rebuild(store: Store, now_ms: int, tell: Callable[[int], None], *, is_trial: bool) -> Rebuilt:
    """Make it again; `tell` is told how many events were read so far. A trial leaves all as it was.

    Raises:
        StoreError: the file cannot be read or written; it is as it was.
    """
    rebuilt: Rebuilt | None = None
    try:
        with store.transaction():
            keeper = Keeper(store)
            before = digest(keeper.state, store)
            state, base_seq = keeper.base()
            events = _replay(keeper, store, state, base_seq, tell)
            rebuilt = Rebuilt(events=events, before=before, after=digest(state, store))
            keeper.put_latest(state, now_ms)
            if is_trial:
                raise _NotKeptError  # noqa: TRY301 - the transaction takes it as its end
    except _NotKeptError:
        pass
    assert rebuilt is not None, "the transaction had no end"  # noqa: S101 - impossible state
    return rebuilt


def _replay(keeper: Keeper, store: Store, state: State, base_seq: int, tell: Callable[[int], None]) -> int:
    """Apply all of the log to the base state, and write down what it earns; how many events."""
    ledger = keeper.ledger
    ledger.forget_after(base_seq)
    events, last = 0, base_seq
    while page := store.events_after(last, REPLAY_EVENTS):
        ledger.take(keeper.apply(state, seq, event) for seq, event in page)
        state.forget_updates()
        events, last = events + len(page), page[-1][0]
        tell(events)
    ledger.sum_again()
    return events


def canonical(state: State) -> bytes:
    """The state as JSON with sorted keys: the same bytes for the same state."""
    return orjson.dumps(msgspec.to_builtins(state.dump(), str_keys=True), option=orjson.OPT_SORT_KEYS)


def digest(state: State, store: Store) -> str:
    """One word for the state, the ledger, its sums and the journal, however their parts are ordered."""
    whole = hashlib.blake2b(canonical(state), digest_size=16)
    for row in _rows(store):
        whole.update(msgspec.json.encode(row))
    return whole.hexdigest()


def _rows(store: Store) -> Iterator[tuple[object, ...]]:
    for table, order in _TABLES.items():
        for row in store.rows(f"SELECT * FROM {table} ORDER BY {order}"):  # noqa: S608 - names from just above
            yield (table, *row)
