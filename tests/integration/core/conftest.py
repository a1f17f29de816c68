from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.core.store import Store
from tests.integration.core.running import RunningCore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "questmux.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], Store]]:
    """Opens the file; what is left open at the end is closed."""
    stores: list[Store] = []

    def open_store(now_ms: int = 1) -> Store:
        stores.append(Store(path, now_ms))
        return stores[-1]

    yield open_store
    for store in stores:
        store._connection.close()


@pytest.fixture
def core(memory: Path) -> Iterator[RunningCore]:
    """A core of its own, not started yet; ended at the end."""
    running = RunningCore(memory / "data")
    yield running
    running.close()


@pytest.fixture
def started(core: RunningCore) -> Iterator[RunningCore]:
    """A core that answers; it ends well at the end."""
    core.start()
    core.health()
    yield core
    assert core.stop() == 0, core.log
