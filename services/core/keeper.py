"""Keeps the state and the file together: what is appended, what a start begins from, what retention lets go."""

import logging
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

import msgspec
from msgspec import structs

from services.contract.entities import XpAward
from services.contract.events import NewEvent
from services.core.state import Dump, State
from services.core.store import BASE, LATEST, Checkpoint, Store, StoreError

REPLAY_EVENTS: Final = 2_000
"""Events read at once while a start or retention replays the log."""
FOLD_EVENTS: Final = 250
"""Events that retention folds in one turn of the loop: some milliseconds."""

CLOCK_AHEAD_MS: Final = 60_000
"""An event received later than this from now has a wrong clock: by it, retention and the sweep would go wrong too."""
MAX_TIME_MS: Final = 2**53

logger = logging.getLogger(__name__)


class Keeper:
    """The state after everything in the log, and the log."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failed_events = 0
        _, self.base_seq = base = self._base()
        self.state, self.checkpoint_seq = self._latest() or base
        self.seq = self.checkpoint_seq
        self._replay()

    def _latest(self) -> tuple[State, int] | None:
        latest = self._store.checkpoint(LATEST)
        try:
            return None if latest is None else _state_from(latest)
        except msgspec.MsgspecError:
            logger.warning("checkpoint could not be read, the log is replayed instead", exc_info=True)
            return None

    def _base(self) -> tuple[State, int]:
        base = self._store.checkpoint(BASE)
        try:
            return (State(), 0) if base is None else _state_from(base)
        except msgspec.MsgspecError as exc:
            raise StoreError(f"the database's base checkpoint cannot be read: {exc}") from exc

    def _replay(self) -> None:
        first = self.seq
        while page := self._store.events_after(self.seq, REPLAY_EVENTS):
            for seq, event in page:
                self._apply(self.state, seq, event)
                self.seq = seq
            self.state.forget_updates()
        self.seq = max(self.seq, self._store.last_seq())
        logger.info("state restored", extra={"from_seq": first, "seq": self.seq})

    def append(self, events: Sequence[NewEvent], now_ms: int) -> tuple[int, ...]:
        """Keep events and apply them, within the caller's transaction. A repeated id gets the seq of its first."""
        known = self._store.seqs_of([event.id for event in events])
        new: list[tuple[int, NewEvent]] = []
        seqs: list[int] = []
        for event in events:
            seq = known.get(event.id)
            if seq is None:
                self.seq += 1
                seq = known[event.id] = self.seq
                new.append((seq, keepable(event, now_ms)))
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
            if state is self.state:
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
        page = self._store.events_after(self.base_seq, FOLD_EVENTS)
        old = list(takewhile(lambda kept: kept[1].received_at < older_than_ms, page))
        if not old:
            return 0
        base, last = self._base()
        for last, event in old:
            self._apply(base, last, event)
        with self._store.transaction():
            self._store.put_checkpoint(BASE, _checkpoint(base, last), now_ms)
            if self.checkpoint_seq < last:
                self._store.put_checkpoint(LATEST, _checkpoint(self.state, self.seq), now_ms)
                self.checkpoint_seq = self.seq
            self._store.delete_events_to(last)
        self.base_seq = last
        return len(old)


def _checkpoint(state: State, seq: int) -> Checkpoint:
    return Checkpoint(seq=seq, state=msgspec.msgpack.encode(state.dump()))


def keepable(event: NewEvent, now_ms: int) -> NewEvent:
    """The event as the log can hold it. It is applied in this form, so that a replay sees just the same."""
    payload = event.payload
    if not payload.isascii():
        payload = payload.decode("utf-8", errors="replace").encode()
    is_in_time = 0 <= event.received_at <= now_ms + CLOCK_AHEAD_MS
    is_sent_in_time = event.sent_at is None or 0 <= event.sent_at < MAX_TIME_MS
    if is_in_time and is_sent_in_time and payload == event.payload:
        return event
    return structs.replace(
        event,
        payload=payload,
        received_at=event.received_at if is_in_time else now_ms,
        sent_at=event.sent_at if is_sent_in_time else None,
    )


def _state_from(checkpoint: Checkpoint) -> tuple[State, int]:
    return State(msgspec.msgpack.decode(checkpoint.state, type=Dump)), checkpoint.seq
