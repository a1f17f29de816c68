"""Schemathesis asks the app for commands, in this process, over a core that does nothing.

In `tests/e2e/test_openapi.py` it asks the running stack, but there it may not start programs.
"""

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python.asgi import shutdown_lifespans

from services.api.app import create_app
from services.api.commands import COMMANDS
from services.api.intake import Intake
from services.contract.actions import ActionRecord
from services.contract.answers import CommandsData
from services.contract.requests import GetActions
from services.contract.settings import Folders, read_settings
from services.process.spool import Spool
from tests.integration.api.client import TOKENS
from tests.integration.api.fake_core import FakeCore

HEADERS = {"Host": "127.0.0.1", "Authorization": f"Bearer {TOKENS.full}"}
CONFIG = {"seed": 1, "headers": HEADERS, "generation": {"max-examples": 25, "database": "none"}}
NAMES = [*(command.action.name for command in COMMANDS), "read_screen", "get_commands"]
RECORD = ActionRecord(id="c-1", at=1, who="127.0.0.1 curl/8.5", action="refresh", target="%3", body="{}")


class AppOfItsLoop:
    """The app over a fake core; both are made where the lifespan runs."""

    def __init__(self, folder: Path) -> None:
        self._settings = read_settings({}, {}, Folders(data=folder, runtime=folder, config=folder, home=folder))
        self._settings.spool_dir.mkdir()
        self._app: Any = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await receive()
        core = FakeCore(self._settings.spool_dir)
        core.will_say(GetActions, CommandsData(commands=(RECORD,)))
        spool = Spool(self._settings.spool_dir)
        intake = Intake(core, spool)
        self._app = create_app(core, intake, spool, self._settings, TOKENS)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await intake.stop()
        await send({"type": "lifespan.shutdown.complete"})


@pytest.fixture
def app(tmp_path: Path) -> Iterator[AppOfItsLoop]:
    yield AppOfItsLoop(tmp_path)
    shutdown_lifespans()


def failures_of(finished: events.ScenarioFinished) -> Iterator[str]:
    """What was not as it should be, each with the request that shows it."""
    for case_id, checks in finished.recorder.checks.items():
        response = finished.recorder.interactions[case_id].response
        said = b"" if response is None else response.content
        for check in checks:
            if check.failure_info is not None:
                info = check.failure_info
                yield f"{finished.recorder.label}: {info.failure}\n{info.code_sample[:2_000]}\n{said[:2_000]!r}"


def test_every_answer_to_a_command_is_as_the_document_says(app: AppOfItsLoop) -> None:
    config = SchemathesisConfig.from_dict(CONFIG)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=config, headers=HEADERS)
    asked: dict[str, int] = {}
    failures: list[str] = []
    for event in from_schema(schema.include(operation_id=NAMES)).execute():
        if isinstance(event, events.ScenarioFinished):
            label = event.recorder.label
            asked[label] = asked.get(label, 0) + len(event.recorder.interactions)
            failures += failures_of(event)
        elif isinstance(event, events.NonFatalError | events.FatalError):
            failures.append(str(event))

    assert not failures, "\n\n".join(dict.fromkeys(failures))
    commands = {f"POST {command.path}" for command in COMMANDS}
    assert all(asked[label] >= 10 for label in commands), asked
