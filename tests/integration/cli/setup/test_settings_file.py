import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli.setup import settings_file
from services.cli.setup.settings_file import Found, SettingsFileError, back_up, read, replace

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "settings.json"
    made.write_bytes(b"{}")
    return made


def drafts(path: Path) -> list[Path]:
    return [other for other in path.parent.iterdir() if other.name.startswith(".")]


def test_no_file_is_no_fault(tmp_path: Path) -> None:
    assert read(tmp_path / "none.json") == Found(tmp_path / "none.json", None)


def test_a_link_is_refused_and_names_what_it_points_to(path: Path) -> None:
    link = path.with_name("link.json")
    link.symlink_to("settings.json")

    with pytest.raises(SettingsFileError, match=r"is a link to settings\.json.*--settings FILE"):
        read(link)


def test_a_read_only_file_is_refused(path: Path) -> None:
    path.chmod(0o444)

    with pytest.raises(SettingsFileError, match="is read-only"):
        read(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsFileError, match="is not a file"):
        read(tmp_path)


def test_a_file_too_large_is_refused(path: Path) -> None:
    os.truncate(path, settings_file.MAX_BYTES + 1)

    with pytest.raises(SettingsFileError, match="more than the 16,777,216"):
        read(path)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_another_users_file_is_refused(path: Path) -> None:
    os.chown(path, 12345, -1)

    with pytest.raises(SettingsFileError, match="belongs to another user"):
        read(path)


def test_what_is_no_utf8_is_refused(path: Path) -> None:
    path.write_bytes(b'{"a": "\xff"}')

    with pytest.raises(SettingsFileError, match=r"not UTF-8 text .* at byte 7"):
        _ = read(path).text


def test_a_file_that_changed_is_left_alone(path: Path) -> None:
    found = read(path)
    path.write_bytes(b'{"theirs": 1}')

    with pytest.raises(SettingsFileError, match="changed by another program meanwhile"):
        replace(found, "ours")
    assert path.read_bytes() == b'{"theirs": 1}'
    assert drafts(path) == []


def test_a_file_that_appeared_is_left_alone(tmp_path: Path) -> None:
    found = read(tmp_path / "new.json")
    (tmp_path / "new.json").write_bytes(b"theirs")

    with pytest.raises(SettingsFileError, match="changed by another program meanwhile"):
        replace(found, "ours")


def test_a_file_that_became_a_link_is_left_alone(path: Path) -> None:
    found = read(path)
    path.rename(path.with_name("real.json"))
    path.symlink_to("real.json")

    with pytest.raises(SettingsFileError, match="is a link"):
        replace(found, "ours")
    assert path.is_symlink()


def test_a_lock_of_another_program_is_respected_until_it_is_old(path: Path) -> None:
    lock = path.with_name("settings.json.lock")
    lock.mkdir()
    with pytest.raises(SettingsFileError, match="being written by another program"):
        replace(read(path), "ours")

    os.utime(lock, (time.time() - 100, time.time() - 100))
    replace(read(path), "ours")

    assert path.read_text() == "ours"


def test_a_new_file_is_closed_to_others_and_so_is_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "made" / "settings.json"
    replace(read(path), "{}")

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_nothing_can_be_put_below_a_file(path: Path) -> None:
    with pytest.raises(SettingsFileError, match="cannot be"):
        replace(read(path / "settings.json"), "{}")


def test_a_file_is_deleted(path: Path) -> None:
    replace(read(path), None)

    assert not path.exists()


def test_backups_of_one_second_do_not_overwrite_each_other(path: Path) -> None:
    assert back_up(read(path.with_name("none.json")), NOW) is None
    first, second = back_up(read(path), NOW), back_up(read(path), NOW)

    assert first is not None
    assert second is not None
    assert [first.name, second.name] == [
        "settings.json.20261125-120000.questmux-backup",
        "settings.json.20261125-120000-1.questmux-backup",
    ]
