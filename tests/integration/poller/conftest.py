import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.poller.stage import CoreStage, PollerStage, TmuxStage
from tests.metronome import Metronome


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, because a Unix socket's path holds 107 bytes and pytest's `tmp_path` may be longer."""
    path = Path(tempfile.mkdtemp(prefix="qm-poller-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def metronome() -> Iterator[Metronome]:
    """It beats while the test runs."""
    with Metronome() as beating:
        yield beating


@pytest.fixture
def tmux(folder: Path) -> Iterator[TmuxStage]:
    """A place for a tmux server; none runs yet."""
    stage = TmuxStage(folder / "tmux.sock")
    yield stage
    stage.kill()


@pytest.fixture
def core(folder: Path) -> Iterator[CoreStage]:
    with CoreStage(f"ipc://{folder / 'requests.sock'}") as stage:
        yield stage


@pytest.fixture
def poller(folder: Path, tmux: TmuxStage, core: CoreStage) -> Iterator[PollerStage]:
    """A poller that has told core what is there at first."""
    with PollerStage(folder, str(tmux.socket)) as stage:
        core.sees(lambda _: True, "anything")
        yield stage
