"""Where tests that judge by the clock keep their data.

Core tells only what it has kept, and one `fsync` of a busy disk was seen to take two seconds: the API then answers 202
in place of 200, and a status comes late. Neither is a fault of what is tested.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

PLACE: Final = Path("/dev/shm")  # noqa: S108 - a folder of its own is made in it
ENOUGH_BYTES: Final = 1024**3
"""A container may have 64 MiB there."""


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder that no disk holds up, where there is such a place; it goes at the end. Programs may not run from it."""
    is_there = os.access(PLACE, os.W_OK) and shutil.disk_usage(PLACE).free >= ENOUGH_BYTES
    with TemporaryDirectory(prefix="qm-", dir=PLACE if is_there else None, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
