"""What core publishes here: updates at a pace, each with the moment at which it was made."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from services.contract import codec
from services.contract.entities import KeptEvent, StatusName
from services.contract.updates import Attention, EventKept, Message, PaneUpdate, Priority, SessionUpdate
from tests.integration.ws.core_side import make_pane, make_session

MAX_LATE_S: Final = 0.25
"""What is later than this is not made up for."""
MakeUpdate = Callable[[int], Message]


class Stream:
    """Bursts of `burst` updates, `per_s` updates in a second; what `CoreSide.load` takes."""

    def __init__(self, per_s: float, burst: int, make: MakeUpdate) -> None:
        self._pause_s = burst / per_s
        self._burst = burst
        self._make = make
        self._due_at = time.monotonic()
        self.updates = 0
        self.highs = 0
        self.newest: dict[str, int] = {}
        """By session the last update, counted from 1."""

    def __call__(self, _turn: int) -> Sequence[Message]:
        now = time.monotonic()
        if now < self._due_at:
            return ()
        self._due_at = max(self._due_at + self._pause_s, now - MAX_LATE_S)
        made = [self._make(self.updates + number) for number in range(self._burst)]
        for message in made:
            self.updates += 1
            self.highs += message.priority is Priority.HIGH
            if isinstance(message, SessionUpdate):
                self.newest[message.session.id] = self.updates
        return made


def stamp() -> str:
    """The moment, as `member` finds it in a message."""
    return f"at={time.monotonic_ns()};"


def session(key: str, size_bytes: int = 0) -> SessionUpdate:
    """A session; its message has this size, or the least that is possible."""
    bare = SessionUpdate(session=make_session(key, stamp()))
    padding = "x" * (size_bytes - len(codec.wire_message(bare, 0)))
    return SessionUpdate(session=make_session(key, stamp() + padding)) if padding else bare


def attention(key: str, size_bytes: int = 0) -> Attention:
    """News of high priority, of this size or the least that is possible."""
    bare = Attention(session_id=key, pane_id=None, status=StatusName.IDLE, reason=stamp())
    padding = "x" * (size_bytes - len(codec.wire_message(bare, 0)))
    return Attention(session_id=key, pane_id=None, status=StatusName.IDLE, reason=stamp() + padding)


def sessions(keys: int, size_bytes: int) -> MakeUpdate:
    """Sessions in turn."""
    return lambda number: session(f"k{number % keys}", size_bytes)


def mixed(keys: int) -> MakeUpdate:
    """Of ten updates two of high priority, one of low, the others sessions, two of them always the same one."""

    def make(number: int) -> Message:
        match number % 10:
            case 0:
                return attention(f"k{number % keys}")
            case 1:
                return PaneUpdate(pane=make_pane(f"%{number // 10 % keys}", stamp()))
            case 2:
                kept = KeptEvent(
                    seq=number,
                    id=str(number),
                    received_at=1,
                    name=stamp(),
                    session_id=None,
                    pane_id=None,
                    payload=None,
                )
                return EventKept(event=kept)
            case 3 | 4:
                return session("hot")
            case _:
                return session(f"k{number % keys}")

    return make
