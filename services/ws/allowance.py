"""How many messages a client may send. Pure."""

from enum import Enum, auto
from typing import Final

MESSAGES_PER_S: Final = 50.0
BURST_MESSAGES: Final = 100
MAX_REFUSED: Final = 500
"""A client that has this many messages refused without once being quiet is closed."""


class Verdict(Enum):
    """What becomes of a message."""

    TAKE = auto()
    REFUSE = auto()
    CLOSE = auto()


class Allowance:
    """A bucket of tokens: each message takes one, time brings them back."""

    __slots__ = ("_at", "_burst", "_per_s", "_refused", "_tokens")

    def __init__(self, now: float, per_s: float = MESSAGES_PER_S, burst: int = BURST_MESSAGES) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at = now
        self._refused = 0

    def judge(self, now: float) -> Verdict:
        """What becomes of a message that came now."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s)
        self._at = now
        if self._tokens >= self._burst:
            self._refused = 0
        if self._tokens >= 1:
            self._tokens -= 1
            return Verdict.TAKE
        self._refused += 1
        return Verdict.CLOSE if self._refused >= MAX_REFUSED else Verdict.REFUSE
