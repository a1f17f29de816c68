import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.core.lock import CoreLock
from services.process.life import CannotStartError

HOLDER = """
import sys
from pathlib import Path
from services.core.lock import CoreLock

lock = CoreLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_holder_is_refused_with_a_sentence(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    expected = f"another core (pid {holder.pid}) works on {tmp_path}"

    with pytest.raises(CannotStartError, match=re.escape(expected)):
        CoreLock(tmp_path)


def test_the_lock_of_a_killed_holder_is_free(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    holder.kill()
    holder.wait(10)

    CoreLock(tmp_path).release()


def test_a_released_lock_is_free(tmp_path: Path) -> None:
    CoreLock(tmp_path).release()

    CoreLock(tmp_path).release()


def test_a_refusal_leaves_the_lock_with_its_holder(tmp_path: Path) -> None:
    held = CoreLock(tmp_path)
    for _ in range(2):
        with pytest.raises(CannotStartError):
            CoreLock(tmp_path)

    held.release()


def test_another_folder_is_another_lock(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = CoreLock(tmp_path), CoreLock(tmp_path / "other")

    first.release()
    second.release()
