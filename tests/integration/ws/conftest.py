import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.bus import Bus
from services.contract.settings import Settings
from services.process.tokens import Tokens
from services.ws.gateway import Gateway
from services.ws.replica import Replica
from services.ws.service import Service
from tests.integration.ws.core_side import CoreSide
from tests.integration.ws.plain_client import HOOK_TOKEN, TOKEN, PlainClient
from tests.waiting import wait_until_async


@pytest.fixture
def settings() -> Iterator[Settings]:
    """Folders with a short name: a Unix socket's path holds 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="qm") as name:
        folder = Path(name)
        yield Settings(data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder, ws_port=0)


@pytest.fixture
def core(settings: Settings) -> Iterator[CoreSide]:
    side = CoreSide(settings)
    yield side
    side.stop()


class Running:
    """A gateway in this loop."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(service.run(self.stop))

    @property
    def port(self) -> int:
        return self.service.gateway.port

    async def end(self) -> None:
        self.stop.set()
        await self.task
        self.service.close()


StartGateway = Callable[..., Any]


@pytest.fixture
async def start_gateway(settings: Settings) -> AsyncIterator[StartGateway]:
    """Start a gateway with options of `Gateway`, once it has what core has, or at once with `is_alone`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(own: Settings = settings, *, is_alone: bool = False, **options: float) -> Running:
            bus = stack.enter_context(Bus())
            replica = Replica()
            gateway = Gateway(own, Tokens(full=TOKEN, hook=HOOK_TOKEN), replica, **options)  # type: ignore[arg-type] # of the test
            running = Running(Service(own, bus, gateway, replica))
            stack.push_async_callback(running.end)
            await wait_until_async(
                lambda: running.task.done() or (gateway.is_open and (is_alone or replica.is_ready)), what="the gateway"
            )
            return running

        yield start


JoinClient = Callable[[int], Any]


@pytest.fixture
async def join(settings: Settings) -> AsyncIterator[JoinClient]:
    """Connect a plain client that is synced; its promise is checked at the end."""
    del settings
    clients: list[PlainClient] = []

    async def join_one(port: int) -> PlainClient:
        client = await PlainClient.join(port)
        clients.append(client)
        await wait_until_async(lambda: client.syncs, what="synced")
        return client

    yield join_one
    for client in clients:
        await client.close()
        assert client.faults == []
