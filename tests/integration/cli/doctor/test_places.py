import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from services.cli.doctor import places
from services.cli.doctor.finding import Finding, Grade
from services.contract.settings import Folders, Settings, read_settings
from services.process.settings import make_folders


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folders = Folders(data=tmp_path / "data", runtime=tmp_path / "run", config=tmp_path, home=tmp_path)
    made = read_settings({}, {}, folders)
    make_folders(made)
    return made


def finding_of(settings: Settings, name: str) -> Finding:
    [found] = [finding for finding in places.check_places(settings) if finding.name == name]
    return found


def grade(settings: Settings, name: str) -> Grade:
    return finding_of(settings, name).grade


def test_what_others_may_read_is_named(settings: Settings) -> None:
    (settings.data_dir / "token").write_text("x")
    (settings.data_dir / "token").chmod(0o640)
    settings.spool_dir.chmod(0o711)

    assert places.open_to_others(settings) == [settings.spool_dir, settings.data_dir / "token"]


def test_only_old_drafts_are_leftovers(settings: Settings) -> None:
    old, new = settings.spool_dir / "hook-1-1.part", settings.spool_dir / "hook-2-2.part"
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 200_000,) * 2)

    assert places.leftovers(settings) == [old]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_a_fault(settings: Settings) -> None:
    os.chown(settings.data_dir, 12345, -1)

    assert grade(settings, "data folder") is Grade.FAIL


def test_a_hook_file_that_could_not_be_read_is_told(settings: Settings) -> None:
    (settings.spool_dir / "hook-1-1.jsonl.unreadable").touch()

    assert grade(settings, "spool") is Grade.ADVICE


def test_a_little_disk_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "FREE_BYTES", 1 << 60)

    assert grade(settings, "disk") is Grade.ADVICE


def test_a_database_too_large_is_not_read_through(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.database.write_bytes(b"no database at all")
    assert grade(settings, "database") is Grade.FAIL
    monkeypatch.setattr(places, "CHECKED_BYTES", 3)

    assert grade(settings, "database") is Grade.ADVICE


def test_a_back_up_is_named_for_a_damaged_database_only(settings: Settings) -> None:
    with closing(sqlite3.connect(settings.database)) as database, database:
        database.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, received_at INTEGER, text)")
        database.execute("CREATE INDEX texts ON events (text)")
        database.executemany("INSERT INTO events VALUES (?, 1, ?)", ((n, f"{n}" * 50) for n in range(500)))
    whole = settings.database.read_bytes()
    settings.database.write_bytes(whole[:8192] + b"x" * 8192 + whole[16384:])
    assert "restore a back-up" in finding_of(settings, "database").mend

    settings.database.unlink()
    settings.database.mkdir()
    found = finding_of(settings, "database")
    assert (found.grade, found.mend.partition(" ")[0]) == (Grade.FAIL, "ls")


def test_what_is_to_be_typed_can_be_typed_whatever_the_folder_is_called(tmp_path: Path) -> None:
    folders = Folders(data=tmp_path / "my $(data) 'here'", runtime=tmp_path / "run", config=tmp_path, home=tmp_path)
    made = read_settings({}, {}, folders)
    make_folders(made)
    for name in ("token", "hook-token"):
        (made.data_dir / name).write_text("the same")

    subprocess.run(finding_of(made, "hook-token").mend, shell=True, check=True)

    assert not (made.data_dir / "hook-token").exists()
    assert (made.data_dir / "token").exists()


def test_a_database_is_found_whatever_its_folder_is_called(tmp_path: Path) -> None:
    folders = Folders(data=tmp_path / "a?b#c%20d", runtime=tmp_path / "run", config=tmp_path, home=tmp_path)
    made = read_settings({}, {}, folders)
    make_folders(made)
    with closing(sqlite3.connect(made.database)) as database:
        database.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, received_at INTEGER)")

    assert grade(made, "database") is Grade.PASS
    assert not (tmp_path / "a").exists()


def test_a_database_that_is_slow_to_read_is_let_go(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(settings.database)) as database, database:
        database.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, received_at INTEGER)")
        database.executemany("INSERT INTO events VALUES (?, 1)", ((number,) for number in range(5_000)))
    monkeypatch.setattr(places, "CHECK_S", -1.0)
    monkeypatch.setattr(places, "STEPS", 10)

    assert grade(settings, "database") is Grade.ADVICE
