"""When a client is pinged, and when its silence is its end. Pure."""

from enum import Enum, auto
from typing import Final

ANSWER_WITHIN_S: Final = 20.0
"""From a ping on, anything from the client must come within this time."""
JITTER: Final = 0.1
"""Each pause is shorter by up to this share, so that clients that came together do not stay together."""


class Beat(Enum):
    """What to do now."""

    NOTHING = auto()
    PING = auto()
    CLOSE = auto()


class Pulse:
    """One client's heartbeat. Times are seconds of one steady clock; `chance` is from 0 to 1."""

    __slots__ = ("_answer_within_s", "_heartbeat_s", "_ping_at", "_pinged_at")

    def __init__(self, now: float, heartbeat_s: float, chance: float, answer_within_s: float = ANSWER_WITHIN_S) -> None:
        self._heartbeat_s = heartbeat_s
        self._answer_within_s = answer_within_s
        self._pinged_at: float | None = None
        self._ping_at = now + self._pause(chance)

    def check(self, now: float, heard_at: float, chance: float) -> Beat:
        """What to do now, for a client that was last heard at `heard_at`; asking marks the ping as sent."""
        if self._pinged_at is not None and heard_at >= self._pinged_at:
            self._pinged_at = None
        if self._pinged_at is not None:
            return Beat.CLOSE if now - self._pinged_at >= self._answer_within_s else Beat.NOTHING
        if now < self._ping_at:
            return Beat.NOTHING
        self._pinged_at = now
        self._ping_at = now + self._pause(chance)
        return Beat.PING

    def _pause(self, chance: float) -> float:
        return self._heartbeat_s * (1 - JITTER * chance)
