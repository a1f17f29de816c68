import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator

import pytest
import uvloop

from services.bus import Bus


@pytest.fixture
def address() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="qm")  # Not tmp_path: a socket address holds 107 bytes.
    yield f"ipc://{folder}/bus.sock"
    shutil.rmtree(folder)


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus() as bus:
        yield bus


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    factory: Callable[[], asyncio.AbstractEventLoop] = request.param
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner
