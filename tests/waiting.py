"""Waiting in tests: look again and again until a condition holds, never sleep and hope."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, overload

T = TypeVar("T")
POLL_S: Final = 0.01
DEADLINE_S: Final = 30.0
"""For what comes at once on a machine with nothing else to do; shared ones stand still, or are three times slower."""


def wait_until(condition: Callable[[], T], deadline_s: float = DEADLINE_S, what: str = "the condition") -> T:
    """The first true answer of `condition`.

    Raises:
        AssertionError: it never came; names what was waited for and the last answer.
    """
    end = time.monotonic() + deadline_s
    while True:
        is_last = time.monotonic() >= end  # Before the look: the machine may stand still after it.
        if answer := condition():
            return answer
        if is_last:
            raise AssertionError(f"waited {deadline_s:g} s in vain for {what}; the last answer was {answer!r}")
        time.sleep(POLL_S)


@overload
async def wait_until_async(condition: Callable[[], Awaitable[T]], deadline_s: float = ..., what: str = ...) -> T: ...
@overload
async def wait_until_async(condition: Callable[[], T], deadline_s: float = ..., what: str = ...) -> T: ...
async def wait_until_async(
    condition: Callable[[], object], deadline_s: float = DEADLINE_S, what: str = "the condition"
) -> object:
    """As `wait_until`, while the loop goes on; `condition` may be a plain or an async function.

    Raises:
        AssertionError: it never came; names what was waited for and the last answer.
    """
    end = time.monotonic() + deadline_s
    while True:
        is_last = time.monotonic() >= end
        given = condition()
        answer = await given if isinstance(given, Awaitable) else given
        if answer:
            return answer
        if is_last:
            raise AssertionError(f"waited {deadline_s:g} s in vain for {what}; the last answer was {answer!r}")
        await asyncio.sleep(POLL_S)
