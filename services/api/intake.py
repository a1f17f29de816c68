"""Events on their way to the log: those that arrive together go to core together, or to the spool when core is away."""

import asyncio
import logging
from typing import Final, Protocol, TypeVar

from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.events import NewEvent
from services.contract.requests import Appended, AppendEvents, DrainSpool, Reply, Request, SpoolDrained
from services.process.spool import Spool, SpoolFullError

R = TypeVar("R", bound=Reply)

CORE_S: Final = 0.2
"""Core has this long to put a batch on disk; then it goes to the spool, under the same ids."""
BATCH_EVENTS: Final = 256
BATCH_BYTES: Final = 16 * 1024 * 1024
WAITING_EVENTS: Final = 5_000
"""Events that one worker holds in memory at most; one more is refused with 503."""
WAITING_BYTES: Final = 128 * 1024 * 1024
"""Their payloads together; at the limit the next is refused with 503."""
DRAIN_EVERY_S: Final = 0.05
DRAIN_S: Final = 10.0

logger = logging.getLogger(__name__)


class Core(Protocol):
    """The verb request."""

    async def request(self, request: Request, kind: type[R], timeout_s: float, *, wait: bool = True) -> R:
        """Ask core."""
        ...


class Intake:
    """Keeps events: `keep` returns once an event is on disk somewhere."""

    def __init__(self, core: Core, spool: Spool) -> None:
        self._core = core
        self._spool = spool
        self._waiting: list[tuple[NewEvent, asyncio.Future[int | None]]] = []
        self._waiting_bytes = 0
        self._is_stopping = False
        self._wake = asyncio.Event()
        self._has_spooled = asyncio.Event()
        self.figures = {"events_total": 0.0, "queued_total": 0.0, "not_kept_total": 0.0}
        self._sender = asyncio.create_task(self._send())
        self._drainer = asyncio.create_task(self._drain())

    async def keep(self, event: NewEvent) -> int | None:
        """Put an event on disk: its seq, or None when it waits in the spool.

        Raises:
            QuestmuxError: it could not be kept; the sender still has it.
        """
        if self._is_stopping:
            raise QuestmuxError(ErrorCode.CORE_UNAVAILABLE, "this server is stopping; try again")
        if len(self._waiting) >= WAITING_EVENTS or self._waiting_bytes >= WAITING_BYTES:
            raise QuestmuxError(ErrorCode.CORE_UNAVAILABLE, "too many events are waiting; try again")
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, future))
        self._waiting_bytes += len(event.payload)
        self._wake.set()
        return await future

    async def stop(self) -> None:
        """Take no more, keep what is under way and what waits, then end."""
        self._is_stopping = True
        self._wake.set()
        await self._sender
        self._drainer.cancel()
        await asyncio.gather(self._drainer, return_exceptions=True)

    async def _send(self) -> None:
        """The only sender: a batch begins when the one before it is kept, so none overtakes another."""
        while not self._is_stopping:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._keep_batch()

    async def _keep_batch(self) -> None:
        batch = self._take_batch()
        events = tuple(event for event, _ in batch)
        try:
            seqs = await self._to_core(events)
            if seqs is None:
                await asyncio.to_thread(self._spool.append, events)
                self._has_spooled.set()
                seqs = (None,) * len(events)
                self.figures["queued_total"] += len(events)
            self.figures["events_total"] += len(events)
        except SpoolFullError as exc:
            self.figures["not_kept_total"] += len(events)
            logger.error("events were not kept", extra={"events": len(events), "problem": str(exc)})  # noqa: TRY400 - the sentence says it
            self._fail(batch, Problem(code=ErrorCode.CORE_UNAVAILABLE, message=f"not kept: {exc}"))
        except Exception:
            self.figures["not_kept_total"] += len(events)
            logger.exception("intake failed")
            self._fail(batch, Problem(code=ErrorCode.INTERNAL, message="not kept: the server failed; its log says why"))
        else:
            for (_, future), seq in zip(batch, seqs, strict=True):
                if not future.done():
                    future.set_result(seq)

    async def _to_core(self, events: tuple[NewEvent, ...]) -> tuple[int | None, ...] | None:
        """The seqs; None when the events belong into the spool: core is away, or earlier ones wait there."""
        if self._spool.is_waiting():
            return None
        try:
            reply = await self._core.request(AppendEvents(events=events), Appended, CORE_S, wait=False)
        except QuestmuxError as exc:
            logger.warning("core did not keep a batch", extra={"events": len(events), "problem": str(exc)})
            return None
        if len(reply.seqs) != len(events):
            raise AssertionError("core answered for other events than it was given")
        return reply.seqs

    def _take_batch(self) -> list[tuple[NewEvent, asyncio.Future[int | None]]]:
        count, size = 0, 0
        for event, _ in self._waiting[:BATCH_EVENTS]:
            size += len(event.payload)
            if count and size > BATCH_BYTES:
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_bytes -= sum(len(event.payload) for event, _ in batch)
        return batch

    @staticmethod
    def _fail(batch: list[tuple[NewEvent, asyncio.Future[int | None]]], problem: Problem) -> None:
        for _, future in batch:
            if not future.done():
                future.set_exception(QuestmuxError(problem.code, problem.message))

    async def _drain(self) -> None:
        """Once something of ours went to the spool, ask core to take it until it did."""
        while True:
            await self._has_spooled.wait()
            self._has_spooled.clear()
            while self._spool.is_waiting():
                try:
                    await self._core.request(DrainSpool(), SpoolDrained, DRAIN_S, wait=False)
                except QuestmuxError as exc:
                    logger.debug("spool not drained yet", extra={"problem": str(exc)})
                await asyncio.sleep(DRAIN_EVERY_S)
