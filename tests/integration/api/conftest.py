"""The app over a core of ours, asked without a network; and the real api process, without a core."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.api.app import create_app
from services.api.intake import Intake
from services.contract.settings import Folders, Settings, read_settings
from services.process.spool import Spool
from tests.integration.api.api_process import ApiProcess
from tests.integration.api.client import TOKENS, Client
from tests.integration.api.fake_core import FakeCore


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folders = Folders(data=tmp_path, runtime=tmp_path / "run", config=tmp_path, home=tmp_path)
    config = {"allowed_origins": ["https://board.example"], "runtime_dir": "/tmp/none"}  # noqa: S108 - nothing is made there
    made = read_settings({}, config, folders)
    made.spool_dir.mkdir()
    return made


@pytest.fixture
def spool(settings: Settings) -> Spool:
    return Spool(settings.spool_dir)


@pytest.fixture
async def core(settings: Settings) -> FakeCore:
    return FakeCore(settings.spool_dir)


@pytest.fixture
async def intake(core: FakeCore, spool: Spool) -> AsyncIterator[Intake]:
    made = Intake(core, spool)
    yield made
    core.is_open.set()
    await made.stop()


@pytest.fixture
def client(core: FakeCore, intake: Intake, spool: Spool, settings: Settings) -> Client:
    """Asks the app without a network."""
    return Client(create_app(core, intake, spool, settings, TOKENS))


@pytest.fixture
def api(memory: Path) -> Iterator[ApiProcess]:
    """The real process: gunicorn, two workers, no core behind it."""
    process = ApiProcess(memory / "data")
    try:
        process.start()
        process.wait_ready()
        yield process
    finally:
        process.close()
