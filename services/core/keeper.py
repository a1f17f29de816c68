"""Keeps the state and the file together: what is appended, what a start begins from, what retention lets go."""

import logging
from collections.abc import Sequence
from typing import Final

import msgspec

from services.contract.entities import XpAward
from services.contract.events import NewEvent
from services.core.state import Dump, State
from services.core.store import BASE, LATEST, Checkpoint, Store

REPLAY_EVENTS: Final = 2_000
"""Events read at once while a start or retention replays the log."""
FOLD_EVENTS: Final = 250
"""Events that retention folds in one turn of the loop: some milliseconds."""

logger = logging.getLogger(__name__)


class Keeper:
    """The state after everything in the log, and the log."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.state, self.checkpoint_seq = _state_from(store.checkpoint(LATEST) or store.checkpoint(BASE))
        self.seq = self.checkpoint_seq
        self.failed_events = 0
        self._replay()
        base = store.checkpoint(BASE)
        self.base_seq = 0 if base is None else base.seq

    def _replay(self) -> None:
        first = self.seq
        while page := self._store.events_after(self.seq, REPLAY_EVENTS):
            for seq, event in page:
                self._apply(self.state, seq, event)
                self.seq = seq
            self.state.forget_updates()
        self.seq = max(self.seq, self._store.last_seq())
        logger.info("state restored", extra={"from_seq": first, "seq": self.seq})

    def append(self, events: Sequence[NewEvent]) -> tuple[int, ...]:
        """Keep events and apply them, within the caller's transaction. A repeated id gets the seq of its first."""
        known = self._store.seqs_of([event.id for event in events])
        new: list[tuple[int, NewEvent]] = []
        seqs: list[int] = []
        for event in events:
            seq = known.get(event.id)
            if seq is None:
                self.seq += 1
                seq = known[event.id] = self.seq
                new.append((seq, event))
            seqs.append(seq)
        if new:
            self._store.append(new)
        for seq, event in new:
            award = self._apply(self.state, seq, event)
            if award is not None:
                self._store.add_award(award)
        return tuple(seqs)

    def _apply(self, state: State, seq: int, event: NewEvent) -> XpAward | None:
        """An event that the rules trip over is kept all the same; it changes nothing."""
        try:
            return state.apply(seq, event, self._store.is_first_award)
        except Exception:
            self.failed_events += 1
            logger.exception("event could not be applied", extra={"seq": seq, "event_name": event.name})
            return None

    def make_checkpoint(self, now_ms: int) -> None:
        """Write the state down, so that the next start replays little."""
        if self.seq == self.checkpoint_seq:
            return
        with self._store.transaction():
            self._store.put_checkpoint(LATEST, _checkpoint(self.state, self.seq), now_ms)
        self.checkpoint_seq = self.seq

    def fold_old(self, older_than_ms: int, now_ms: int) -> int:
        """Fold a few events that are older than a time into the base checkpoint and let them go; how many."""
        last = self._store.last_seq_before(older_than_ms, self.base_seq, FOLD_EVENTS)
        if last == self.base_seq:
            return 0
        base, _ = _state_from(self._store.checkpoint(BASE))
        for seq, event in self._store.events_after(self.base_seq, last - self.base_seq):
            self._apply(base, seq, event)
        with self._store.transaction():
            self._store.put_checkpoint(BASE, _checkpoint(base, last), now_ms)
            if self.checkpoint_seq < last:
                self._store.put_checkpoint(LATEST, _checkpoint(self.state, self.seq), now_ms)
                self.checkpoint_seq = self.seq
            self._store.delete_events_to(last)
        folded, self.base_seq = last - self.base_seq, last
        return folded


def _checkpoint(state: State, seq: int) -> Checkpoint:
    return Checkpoint(seq=seq, state=msgspec.msgpack.encode(state.dump()))


def _state_from(checkpoint: Checkpoint | None) -> tuple[State, int]:
    if checkpoint is None:
        return State(), 0
    return State(msgspec.msgpack.decode(checkpoint.state, type=Dump)), checkpoint.seq
