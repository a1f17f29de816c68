"""A peer that reports tmux and takes orders, and a peer that has things done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import orjson
from msgspec import Struct

from services.bus import Bus, Client
from services.contract import codec
from services.contract.actions import AnyAction
from services.contract.errors import Problem
from services.contract.events import NewEvent
from services.contract.orders import AnyOrder, DoAction, Order
from services.contract.requests import (
    Appended,
    AppendEvents,
    GetEvents,
    GetHealth,
    GetSnapshot,
    Listing,
    Reply,
    ReportAction,
    ReportTmux,
    Request,
    RunAction,
    Snapshot,
    Taken,
)
from services.process.clock import now_ms
from tests.integration.core.running import ANSWER_S, RunningCore, report_of
from tests.waiting import wait_until_async

R = TypeVar("R", bound=Reply)
O = TypeVar("O", bound=Order)  # noqa: E741 - as R
ACTION_S: Final = 10.0
WHO: Final = "127.0.0.1 curl/8.5"


def run(
    action: AnyAction, target: str | None = "%1", *, action_id: str = "a1", within_s: float = ACTION_S
) -> RunAction:
    """A request to have an action done."""
    return RunAction(
        id=action_id,
        who=WHO,
        action=action.name,
        fields=codec.encode(action),
        target=target,
        deadline_at=now_ms() + round(within_s * 1000),
    )


class Asker:
    """Has things done, as the api does."""

    def __init__(self, bus: Bus, core: RunningCore) -> None:
        self._client = Client(bus, core.requests_address)

    async def ask(self, request: Request, kind: type[R]) -> R:
        return await self._client.request(request, kind, ANSWER_S)

    async def data(self, request: Request) -> dict[str, Any]:
        data: dict[str, Any] = orjson.loads((await self.ask(request, Listing)).data)
        return data

    async def append(self, *events: NewEvent) -> None:
        await self.ask(AppendEvents(events=events), Appended)

    async def figures(self) -> dict[str, float]:
        health = await self.data(GetHealth())
        figures: dict[str, float] = health["core"]["figures"]
        return figures

    async def events(self) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = (await self.data(GetEvents(after=0, limit=1_000)))["events"]
        return kept

    async def snapshot(self) -> Snapshot:
        return await self.ask(GetSnapshot(), Snapshot)

    def close(self) -> None:
        self._client.close()


class FakePoller(Asker):
    """Tells what the test says that tmux shows and does."""

    def __init__(self, bus: Bus, core: RunningCore) -> None:
        self.orders: list[AnyOrder] = []
        self._client = Client(bus, core.requests_address, lambda body: self.orders.append(codec.decode_order(body)))

    async def sees(self, *panes: str) -> None:
        await self.ask(report_of(*panes), Taken)

    async def reports(self, seen: ReportTmux) -> None:
        await self.ask(seen, Taken)

    def told(self, kind: type[O]) -> list[O]:
        return [order for order in self.orders if isinstance(order, kind)]

    async def ordered(self, count: int = 1) -> DoAction:
        """The order to do the action with this number."""
        await wait_until_async(lambda: len(self.told(DoAction)) >= count, what=f"{count} orders")
        return self.told(DoAction)[count - 1]

    async def tells(self, action_id: str, data: Struct | None = None, problem: Problem | None = None) -> None:
        """What came of an action."""
        body = None if data is None else codec.to_json(data)
        await self.ask(ReportAction(id=action_id, data=body, problem=problem), Taken)


@contextmanager
def peers_of(core: RunningCore) -> Iterator[tuple[Asker, FakePoller]]:
    """One that asks, and a poller."""
    with Bus() as bus:
        asker, poller = Asker(bus, core), FakePoller(bus, core)
        try:
            yield asker, poller
        finally:
            asker.close()
            poller.close()
