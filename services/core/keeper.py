"""Keeps the state and the file together: what is appended, what a start begins from, what retention lets go."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import Final

import msgspec
from msgspec import structs

from services.contract.events import NewEvent
from services.core.game.game import NOTHING, Effects
from services.core.game.rulebook import built_in
from services.core.ledger import Ledger
from services.core.state import Dump, State
from services.core.store import BASE, LATEST, Checkpoint, Store, StoreError

REPLAY_EVENTS: Final = 2_000
"""Events read at once while a start or retention replays the log."""
FOLD_EVENTS: Final = 250
"""Events that retention folds in one turn of the loop: some milliseconds."""
FOLDED_AT_ONCE: Final = 10_000
"""So many are folded for each time that the base is written."""

CLOCK_AHEAD_MS: Final = 60_000
"""An event received later than this from now has a wrong clock: by it, retention and the sweep would go wrong too."""
MAX_TIME_MS: Final = 2**53

logger = logging.getLogger(__name__)


class Keeper:
    """The state after everything in the log, and the log."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.ledger = Ledger(store)
        self.failed_events = 0
        _, self.base_seq = base = self.base()
        latest = self._latest()
        self.state, self.checkpoint_seq = latest or base
        self.seq = self.checkpoint_seq
        self._folding: tuple[State, int] | None = None
        self._has_latest = latest is not None
        if latest is None:
            self._decide_again()
        else:
            self._replay()

    def _latest(self) -> tuple[State, int] | None:
        """The last checkpoint, if it can be used: the rules of the game are the same as then."""
        latest = self._store.checkpoint(LATEST)
        try:
            kept = None if latest is None else msgspec.msgpack.decode(latest.state, type=Dump)
        except msgspec.MsgspecError:
            logger.warning("checkpoint could not be read, the log is replayed instead", exc_info=True)
            return None
        if latest is None or kept is None:
            return None
        if kept.edition != built_in().edition:
            logger.info("the rules of the game have changed: all that the log has is decided again")
            return None
        return State(kept), latest.seq

    def base(self) -> tuple[State, int]:
        """The state that the log goes on from, and the seq of the last event that it holds.

        Raises:
            StoreError: it cannot be read.
        """
        base = self._store.checkpoint(BASE)
        try:
            return (State(), 0) if base is None else _state_from(base)
        except msgspec.MsgspecError as exc:
            raise StoreError(f"the database's base checkpoint cannot be read: {exc}") from exc

    def _replay(self) -> None:
        """Apply what the log has after the checkpoint; what it earned is in the ledger."""
        self._apply_rest(lambda effects: deque(effects, maxlen=0))

    def _decide_again(self) -> None:
        """Apply all that the log has to the base, and write down what it earns, in the place of what it had earned."""
        with self._store.transaction():
            self.ledger.forget_after(self.base_seq)
        self._apply_rest(self.ledger.take)
        with self._store.transaction():
            self.ledger.sum_again()

    def _apply_rest(self, take: Callable[[Iterable[Effects]], object]) -> None:
        first = self.seq
        while page := self._store.events_after(self.seq, REPLAY_EVENTS):
            with self._store.transaction():
                take(self.apply(self.state, seq, event) for seq, event in page)
            self.seq = page[-1][0]
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
        self.ledger.take(self.apply(self.state, seq, event) for seq, event in new)
        return tuple(seqs)

    def apply(self, state: State, seq: int, event: NewEvent) -> Effects:
        """Apply a kept event. One that the rules trip over is kept all the same; it changes nothing."""
        try:
            return state.apply(seq, event, self.ledger.is_first)
        except StoreError:
            raise  # Not the event's fault: what it earned would be lost.
        except Exception:
            if state is self.state:
                self.failed_events += 1
                logger.exception("event could not be applied", extra={"seq": seq, "event_name": event.name})
            return NOTHING

    def make_checkpoint(self, now_ms: int) -> None:
        """Write the state down, so that the next start replays little."""
        if self._has_latest and self.seq == self.checkpoint_seq:
            return
        with self._store.transaction():
            self.put_latest(self.state, now_ms)
        self.checkpoint_seq, self._has_latest = self.seq, True

    def put_latest(self, state: State, now_ms: int) -> None:
        """Write down what the next start begins from: the state after all that the log has."""
        self._store.put_checkpoint(LATEST, _checkpoint(state, self.seq), now_ms)

    def fold_old(self, older_than_ms: int, now_ms: int) -> int:
        """Fold a few events that are older than a time into the base state; how many.

        It is written down, and they are let go, once there are many of them, or no more: reading and writing the base
        takes as long for one as for thousands.
        """
        done = self.base_seq if self._folding is None else self._folding[1]
        page = self._store.events_after(done, FOLD_EVENTS)
        old = list(takewhile(lambda kept: kept[1].received_at < older_than_ms, page))
        if not old and self._folding is None:
            return 0
        base, _ = self._folding or self.base()
        for done, event in old:
            self.apply(base, done, event)
        base.forget_updates()
        self._folding = base, done
        if len(old) < FOLD_EVENTS or done - self.base_seq >= FOLDED_AT_ONCE:
            self._write_base(base, done, now_ms)
        return len(old)

    def _write_base(self, base: State, last: int, now_ms: int) -> None:
        self._folding = None
        if last == self.base_seq:
            return
        with self._store.transaction():
            self._store.put_checkpoint(BASE, _checkpoint(base, last), now_ms)
            if self.checkpoint_seq < last:
                self.put_latest(self.state, now_ms)
                self.checkpoint_seq = self.seq
            self._store.delete_events_to(last)
        self.base_seq = last


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
