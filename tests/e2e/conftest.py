"""The whole of Questmux from its own procfile, on private folders and ports."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack


@pytest.fixture
def stack(memory: Path) -> Iterator[Stack]:
    """All services up and ready; ended at the end, with their logs printed when the test failed."""
    running = Stack(memory / "data")
    try:
        running.start_all()
        running.wait_ready()
        yield running
    finally:
        running.close()
