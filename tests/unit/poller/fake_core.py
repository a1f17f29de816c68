"""Core as the poller needs it: takes every request, and can be away."""

import asyncio
from typing import TypeVar

from services.bus import UnavailableError
from services.contract.requests import Reply, Request, Taken

R = TypeVar("R", bound=Reply)
Q = TypeVar("Q", bound=Request)


class FakeCore:
    """Implements `core_link.Core`."""

    def __init__(self) -> None:
        self.epoch = "a"
        self.is_there = True
        self.refuses: Exception | None = None
        self.requests: list[Request] = []
        self.waits: list[bool] = []

    async def request(self, request: Request, kind: type[R], timeout_s: float, *, wait: bool = True) -> R:
        assert timeout_s > 0
        self.waits.append(wait)
        await asyncio.sleep(0)
        if not self.is_there:
            raise UnavailableError("core is not there")
        if self.refuses is not None:
            raise self.refuses
        self.requests.append(request)
        reply = Taken(epoch=self.epoch)
        assert isinstance(reply, kind)
        return reply

    def of(self, kind: type[Q]) -> list[Q]:
        """The requests of one kind."""
        return [request for request in self.requests if isinstance(request, kind)]
