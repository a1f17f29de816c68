"""What holds for every test."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.memory import memory_folder

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell gives that to what it starts in the background, and every program under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about what is tested.
settings.register_profile("questmux", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("questmux")


@pytest.fixture
def memory() -> Iterator[Path]:
    """See `memory_folder`."""
    with memory_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def module_memory() -> Iterator[Path]:
    """The same, for all tests of a file."""
    with memory_folder() as folder:
        yield folder
