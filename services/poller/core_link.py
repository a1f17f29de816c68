"""Talks to core, whether or not it is there: what fails is told again by whoever has it, or delivered in the end."""

import asyncio
import logging
from typing import Final, Protocol, TypeVar

from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.requests import Reply, Request, Taken

REQUEST_TIMEOUT_S: Final = 2.0
DELIVER_S: Final = 60.0
"""The result of an action is offered to core for this long."""
DELIVER_EVERY_S: Final = 0.5

R = TypeVar("R", bound=Reply)
logger = logging.getLogger(__name__)


class Core(Protocol):
    """Answers requests; `services.bus.Client` is one."""

    async def request(self, request: Request, kind: type[R], timeout_s: float, *, wait: bool = True) -> R:
        """Raises `QuestmuxError` when it cannot, or does not want to."""
        ...


class CoreLink:
    """Logs when core goes and when it is back."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._is_there = True

    async def ask(self, request: Request) -> Taken | None:
        """Core's answer; None when there is none, or when it refuses."""
        try:
            # While core is away a request must not wait for it: looking goes on at its own pace.
            taken = await self._core.request(request, Taken, REQUEST_TIMEOUT_S, wait=self._is_there)
        except QuestmuxError as exc:
            if exc.problem.code is ErrorCode.CONFLICT:  # Core is there, and wants something else first.
                return None
            if self._is_there:
                logger.warning("core does not take what is seen", extra={"problem": str(exc)})
            self._is_there = False
            return None
        if not self._is_there:
            logger.info("core takes what is seen again", extra={"epoch": taken.epoch})
        self._is_there = True
        return taken

    async def tell(self, request: Request) -> bool:
        """Whether core took it."""
        return await self.ask(request) is not None

    async def deliver(self, request: Request) -> None:
        """Tell core, again and again while it is away, for a bounded time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + DELIVER_S
        while not await self.tell(request):
            if loop.time() >= until:
                logger.error("core did not take the result of an action")
                return
            await asyncio.sleep(DELIVER_EVERY_S)
