import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from falcon.inspect import inspect_routes

from services.api.app import create_app, make_app
from services.api.intake import Intake
from services.api.openapi import document
from services.bus import Bus, Server
from services.contract.errors import ErrorCode, Problem
from services.contract.requests import Appended, AppendEvents, Beat, DrainSpool, Taken
from services.contract.settings import Folders, Settings, read_settings
from services.process.clock import now_ms
from services.process.spool import Spool
from tests.e2e.stack import Answer
from tests.integration.api.client import STOP, TOKENS, Client
from tests.integration.api.fake_core import FakeCore
from tests.waiting import wait_until_async


def test_every_route_is_described_and_no_other(
    core: FakeCore, intake: Intake, spool: Spool, settings: Settings
) -> None:
    routes = {
        (route.path, method.method)
        for route in inspect_routes(create_app(core, intake, spool, settings, TOKENS))
        for method in route.methods
        if not method.internal and method.method != "HEAD"  # GET without its body
    }

    described = {(path, method.upper()) for path, methods in document()["paths"].items() for method in methods}
    assert routes == described


class Lifespan:
    """Runs an app's lifespan as gunicorn does."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.said: list[str] = []
        self._task: asyncio.Task[None] | None = None

    async def _send(self, message: dict[str, str]) -> None:
        self.said.append(message["type"])

    async def start(self) -> None:
        self._inbox.put_nowait({"type": "lifespan.startup"})
        self._task = asyncio.create_task(self._app({"type": "lifespan"}, self._inbox.get, self._send))
        await wait_until_async(lambda: self.said == ["lifespan.startup.complete"])

    async def stop(self) -> None:
        assert self._task is not None
        self._inbox.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait_for(self._task, 10)
        assert self.said[-1] == "lifespan.shutdown.complete"


@pytest.fixture
def real_settings(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    runtime = tmp_path_factory.mktemp("r")
    folders = Folders(data=tmp_path, runtime=runtime, config=tmp_path, home=tmp_path)
    made = read_settings({}, {}, folders)
    made.spool_dir.mkdir()
    return made


async def test_a_worker_keeps_events_says_that_it_is_there_and_puts_away_what_it_holds(real_settings: Settings) -> None:
    app = make_app(real_settings, TOKENS)
    lifespan = Lifespan(app)
    client = Client(app)  # type: ignore[arg-type] # as gunicorn calls it
    with Bus() as bus:
        core = Server(bus, real_settings.requests_address)
        beats: list[Beat] = []

        def serve() -> None:
            for one in core.receive(now_ms()):
                match one.request:
                    case Beat():
                        beats.append(one.request)
                        core.reply(one, Taken(epoch="e"))
                    case AppendEvents(events=events):
                        core.reply(one, Appended(seqs=tuple(range(41, 41 + len(events)))))
                    case DrainSpool():
                        core.fail(one, Problem(code=ErrorCode.CORE_UNAVAILABLE, message="not now"))
                    case _:
                        raise AssertionError(one.request)

        await lifespan.start()
        asking: asyncio.Task[Answer] = asyncio.create_task(client.post_event(STOP))

        def is_answered() -> bool:
            serve()
            return asking.done() and bool(beats)

        await wait_until_async(is_answered)
        core.close()

        answer = asking.result()
        assert answer.status in {200, 202}  # 202 when this machine was slow
        assert answer.status == 202 or answer.data == {"seq": 41}
        assert (beats[0].service, beats[0].interval_s) == ("api", 2.0)
        assert (await client.post_event(STOP)).status == 202
        await lifespan.stop()

    spool = Spool(real_settings.spool_dir)
    waiting = [json.loads(event.payload) for path in spool.take() for event in spool.read(path)]
    assert waiting
    assert waiting[-1] == json.loads(STOP)
