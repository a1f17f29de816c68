import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from msgspec import structs

from services.core.keeper import Keeper
from services.core.lock import CoreLock
from services.core.rebuild import digest
from services.core.store import Store
from tests.unit.core.making import RUNS, recorded
from tests.waiting import wait_until

COMMAND = Path(sys.executable).parent / "questmux"
NOW = 2_000_000_000_000


class Installation:
    """A data folder of a Questmux that does not run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.folder.mkdir()
        clean = {name: value for name, value in os.environ.items() if not name.startswith("QUESTMUX_")}
        self.environment = clean | {
            "QUESTMUX_DATA_DIR": str(self.folder),
            "QUESTMUX_RUNTIME_DIR": str(folder / "run"),
            "QUESTMUX_CONFIG": "",
        }

    @property
    def database(self) -> Path:
        return self.folder / "questmux.db"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, "rebuild", *words], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def digest(self) -> str:
        with closing(Store(self.database, NOW)) as store:
            return digest(Keeper(store).state, store)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def fill(database: Path, times: int = 1) -> int:
    """Keep all recordings, as often as wanted; how many events that are."""
    with closing(Store(database, NOW)) as store:
        keeper = Keeper(store)
        for number in range(times):
            events = [structs.replace(event, id=f"{event.id}-{number}") for run in RUNS for event in recorded(run)]
            with store.transaction():
                keeper.append(events, NOW)
        keeper.make_checkpoint(NOW)
        return keeper.seq


def is_being_written(database: Path) -> bool:
    """Whether another process is in a transaction that writes."""
    with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        return False


def test_without_a_database_it_says_so_and_makes_none(installation: Installation) -> None:
    answer = installation.run()

    assert answer.returncode == 2
    assert answer.stderr == f"questmux: there is no database yet: {installation.database}\n"
    assert not installation.database.exists()


def test_it_says_what_it_did(installation: Installation) -> None:
    count = fill(installation.database)

    answer = installation.run()

    assert answer.returncode == 0
    assert answer.stdout.startswith(f"{count:,} events read again: the same as before (")
    assert answer.stderr == ""


def test_a_check_tells_by_its_exit_code_and_changes_nothing(installation: Installation) -> None:
    fill(installation.database)
    assert installation.run("--check").returncode == 0
    with closing(sqlite3.connect(installation.database)) as database, database:
        database.execute("UPDATE xp_ledger SET amount = amount + 1")
    spoiled = installation.digest()

    answer = installation.run("--check")

    assert (answer.returncode, "not the same as before" in answer.stdout) == (1, True)
    assert installation.digest() == spoiled
    assert installation.run().returncode == 0
    assert installation.run("--check").returncode == 0


def test_while_core_runs_it_is_refused(installation: Installation) -> None:
    fill(installation.database)
    lock = CoreLock(installation.folder.resolve())

    answer = installation.run()

    lock.release()
    assert answer.returncode == 2
    assert f"another core (pid {os.getpid()}) works on" in answer.stderr


def test_killed_half_way_it_leaves_the_old_state(installation: Installation) -> None:
    fill(installation.database, times=60)
    with closing(sqlite3.connect(installation.database)) as database, database:
        database.execute("UPDATE xp_ledger SET amount = amount + 1")
    before = installation.digest()
    process = subprocess.Popen([COMMAND, "rebuild"], env=installation.environment, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_being_written(installation.database), what="its transaction has begun")
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    assert installation.digest() == before
    assert installation.run("--check").returncode == 1
