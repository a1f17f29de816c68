"""The one clock that goes into messages, and ids that sort by it."""

import os
import time


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def new_id(at_ms: int | None = None) -> str:
    """An id that sorts by time: 12 hex digits of milliseconds, then 20 random ones (UUIDv7's idea)."""
    at = now_ms() if at_ms is None else at_ms
    return f"{at:012x}{os.urandom(10).hex()}"
