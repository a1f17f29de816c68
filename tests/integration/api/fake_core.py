"""A core that keeps events in memory, or is away, or slow; it implements the port that the api asks through."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from services.bus.client import UnavailableError
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import NewEvent
from services.contract.requests import Appended, AppendEvents, DrainSpool, Listing, Reply, Request, SpoolDrained
from services.process.spool import Spool

R = TypeVar("R", bound=Reply)


class FakeCore:
    """Keeps each id once, in order of arrival; answers reads with what the test put there."""

    def __init__(self, spool_dir: Path) -> None:
        self._spool = Spool(spool_dir)
        self.is_away = False
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.asked = 0
        self.log: list[NewEvent] = []
        self.batches: list[tuple[str, ...]] = []
        self.requests: list[Request] = []
        self.listings: dict[type[Request], Callable[[Request], bytes]] = {}

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.log]

    async def request(self, request: Request, kind: type[R], timeout_s: float, *, wait: bool = True) -> R:  # noqa: ARG002 - the port
        self.asked += 1
        if self.is_away:
            raise UnavailableError("core is not there")
        try:
            async with asyncio.timeout(timeout_s):
                await self.is_open.wait()
        except TimeoutError as exc:
            raise UnavailableError("core did not answer") from exc
        reply = self._answer(request)
        assert isinstance(reply, kind)
        return reply

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        match request:
            case AppendEvents(events=events):
                self.batches.append(tuple(event.id for event in events))
                return Appended(seqs=tuple(self._keep(event) for event in events))
            case DrainSpool():
                files = [(path, list(self._spool.read(path))) for path in self._spool.take()]
                for path, waiting in files:
                    for event in waiting:
                        self._keep(event)
                    self._spool.delete(path)
                return SpoolDrained(events=sum(len(waiting) for _, waiting in files))
            case _:
                if type(request) not in self.listings:
                    raise QuestmuxError(ErrorCode.NOT_FOUND, "there is no such thing")
                return Listing(data=self.listings[type(request)](request))

    def _keep(self, event: NewEvent) -> int:
        if event.id not in self.ids:
            self.log.append(event)
        return self.ids.index(event.id) + 1

    def will_say(self, kind: type[Request], data: object) -> None:
        """What a read is answered with."""
        self.listings[kind] = lambda _: msgspec.json.encode(data)


def new_event(event_id: str, payload: bytes = b'{"hook_event_name":"Stop","session_id":"s"}') -> NewEvent:
    return NewEvent(id=event_id, name="Stop", received_at=1, payload=payload, session_id="s")
