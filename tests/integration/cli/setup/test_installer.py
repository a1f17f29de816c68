import json
import os
import random
import signal
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.cli.setup import installer as module
from services.cli.setup.hook_entries import HOOK_EVENTS, HttpHooks
from services.cli.setup.installer import Installer, in_force
from services.cli.setup.settings_file import SettingsFileError
from services.contract.settings import Settings
from tests.settings_files import COUNT, settings_file

HTTP = HttpHooks(url="http://127.0.0.1:4011/event", token="secret")  # noqa: S106 - one of a test
NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
KILLS = 60


def set_up(installer: Installer, path: Path, events: tuple[str, ...] = HOOK_EVENTS) -> None:
    installer.set_up(installer.plan_setup(path, events, None), NOW)


def unset(installer: Installer, path: Path) -> None:
    installer.unset(installer.plan_unsetup(path), NOW)


def backups(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.questmux-backup"))


def test_two_hundred_files_come_back_byte_for_byte(installer: Installer, path: Path) -> None:
    for number in range(COUNT):
        data = settings_file(number)
        path.write_bytes(data)
        path.chmod(0o640)

        set_up(installer, path)
        once = path.read_bytes()
        set_up(installer, path)

        assert path.read_bytes() == once, number
        assert {event: len(entries) for event, entries in in_force(path).items()} == dict.fromkeys(HOOK_EVENTS, 1), (
            number
        )
        assert once.count(b"] || exec ") == len(HOOK_EVENTS), number
        unset(installer, path)
        assert path.read_bytes() == data, number
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        for backup in backups(path):
            backup.unlink()


def test_a_kill_at_any_point_leaves_the_old_file_or_the_new_one(installer: Installer, path: Path) -> None:
    old = settings_file(13)
    path.write_bytes(old)
    plan = installer.plan_setup(path, HOOK_EVENTS, None)
    assert plan.new is not None
    new, chance, outcomes = plan.new.encode(), random.Random(7), set()  # noqa: S311 - the same kills each time
    for _ in range(KILLS):
        path.write_bytes(old)
        child = os.fork()
        if child == 0:
            installer.set_up(plan, NOW)
            os._exit(0)
        time.sleep(chance.random() * 0.02)  # Not a wait: the moment of the kill.
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        outcomes.add(path.read_bytes())
    assert outcomes <= {old, new}

    set_up(installer, path)
    unset(installer, path)
    assert path.read_bytes() in {old, plan.before}


def test_a_file_that_was_not_there_is_not_there_again(installer: Installer, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "project" / ".claude" / "settings.local.json"
    path.parent.parent.mkdir()

    set_up(installer, path)
    assert json.loads(path.read_text())["hooks"].keys() == set(HOOK_EVENTS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    unset(installer, path)

    assert not path.parent.exists()
    assert installer.remove_script() == []
    assert not settings.hook_script.exists()
    assert not settings.hook_headers.exists()


def test_what_was_changed_in_between_stays_changed(installer: Installer, path: Path) -> None:
    path.write_text('{\n  "model": "opus"\n}\n')
    set_up(installer, path)
    path.write_text(path.read_text().replace("opus", "haiku"))

    unset(installer, path)

    assert path.read_text() == '{\n  "model": "haiku"\n}\n'
    assert len(backups(path)) == 2, "the one of setup, and one of what the person had changed"


def test_it_comes_out_also_when_nothing_is_remembered(installer: Installer, settings: Settings, path: Path) -> None:
    path.write_text('{\n  "model": "opus"\n}\n')
    set_up(installer, path)
    (settings.data_dir / "setup.json").write_text("torn")

    unset(installer, path)

    assert path.read_text() == '{\n  "model": "opus"\n}\n'


def test_an_upgrade_still_gives_back_the_first_bytes(installer: Installer, path: Path) -> None:
    path.write_bytes(b"{ }")
    set_up(installer, path, ("Stop",))
    set_up(installer, path, ("Stop", "SessionEnd"))
    set_up(installer, path)

    unset(installer, path)

    assert path.read_bytes() == b"{ }"


def test_the_backup_is_what_was_there(installer: Installer, path: Path) -> None:
    path.write_bytes(b'{"a": 1}')
    path.chmod(0o600)
    set_up(installer, path)

    [backup] = backups(path)
    assert backup.name == "settings.json.20261125-120000.questmux-backup"
    assert backup.read_bytes() == b'{"a": 1}'
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_http_hooks_close_the_file_for_they_have_a_secret(installer: Installer, path: Path) -> None:
    path.write_bytes(b"{}")
    path.chmod(0o644)

    installer.set_up(installer.plan_setup(path, HOOK_EVENTS, HTTP), NOW)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entries[0]["hooks"][0]["type"] for entries in in_force(path).values()].count("http") == len(HOOK_EVENTS) - 1


def test_a_file_with_the_secret_that_was_opened_is_closed_again(installer: Installer, path: Path) -> None:
    path.write_bytes(b"{}")
    installer.set_up(installer.plan_setup(path, HOOK_EVENTS, HTTP), NOW)
    path.chmod(0o644)

    plan = installer.plan_setup(path, HOOK_EVENTS, HTTP)
    assert (plan.changes, plan.closes) == (True, True)
    installer.set_up(plan, NOW)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {stat.S_IMODE(backup.stat().st_mode) for backup in backups(path)} == {0o600}, "they have the secret too"
    assert not installer.plan_setup(path, HOOK_EVENTS, HTTP).changes


def test_a_file_that_was_closed_has_its_mode_again(installer: Installer, path: Path) -> None:
    path.write_bytes(b"{}")
    path.chmod(0o644)
    installer.set_up(installer.plan_setup(path, ("Stop",), HTTP), NOW)
    installer.set_up(installer.plan_setup(path, HOOK_EVENTS, HTTP), NOW)
    set_up(installer, path)
    assert installer.plan_unsetup(path).opens

    unset(installer, path)

    assert (path.read_bytes(), mode_of(path)) == (b"{}", 0o644)


def chosen(_installer: Installer, path: Path) -> int:
    """Somebody gave it another mode."""
    path.chmod(0o640)
    return 0o640


def chosen_and_closed(installer: Installer, path: Path) -> int:
    """The same, and it was closed once more."""
    mode = chosen(installer, path)
    installer.set_up(installer.plan_setup(path, HOOK_EVENTS, HTTP), NOW)
    return mode


def changed(_installer: Installer, path: Path) -> int:
    """Somebody wrote something."""
    path.write_text(path.read_text().replace("{", '{"mine": "a secret", ', 1))
    return 0o600


def another(installer: Installer, path: Path) -> int:
    """There is another file in its place, which was never open."""
    path.unlink()
    path.touch(0o600)
    path.write_text('{"mine": "a secret"}')
    set_up(installer, path)
    return 0o600


def without_ours(_installer: Installer, path: Path) -> int:
    """Somebody took our hooks out."""
    path.write_bytes(b"{}")
    return 0o600


@pytest.mark.parametrize("meanwhile", [chosen, chosen_and_closed, changed, another, without_ours])
def test_a_file_is_never_opened_that_somebody_changed(
    installer: Installer, path: Path, meanwhile: Callable[[Installer, Path], int]
) -> None:
    path.write_bytes(b"{}")
    path.chmod(0o644)
    installer.set_up(installer.plan_setup(path, HOOK_EVENTS, HTTP), NOW)
    mode = meanwhile(installer, path)

    unset(installer, path)

    assert mode_of(path) == mode


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_who_changed_it_meanwhile_is_not_overwritten(installer: Installer, path: Path) -> None:
    path.write_bytes(b"{}")
    plan = installer.plan_setup(path, HOOK_EVENTS, None)
    path.write_bytes(b'{"theirs": 1}')

    with pytest.raises(SettingsFileError, match="changed by another program meanwhile"):
        installer.set_up(plan, NOW)

    assert path.read_bytes() == b'{"theirs": 1}'


def test_only_one_of_ours_works_at_a_time(installer: Installer, path: Path) -> None:
    plan = installer.plan_setup(path, HOOK_EVENTS, None)

    with installer._locked(), pytest.raises(SettingsFileError, match="another `questmux setup` is at work"):
        installer.set_up(plan, NOW)

    assert not path.exists()


def test_the_script_stays_while_another_file_names_it(installer: Installer, path: Path, settings: Settings) -> None:
    other = path.with_name("other.json")
    set_up(installer, path)
    set_up(installer, other)
    unset(installer, path)

    assert installer.remove_script() == [str(other)]
    assert settings.hook_script.exists()


def test_what_was_forgotten_is_remembered_by_the_next_setup(
    installer: Installer, path: Path, settings: Settings
) -> None:
    other = path.with_name("other.json")
    set_up(installer, path)
    (settings.data_dir / "setup.json").unlink()
    set_up(installer, path)
    set_up(installer, other)
    unset(installer, other)

    assert installer.remove_script() == [str(path)]
    assert settings.hook_script.exists()


def test_a_script_that_is_not_as_it_should_be_is_known_and_mended(installer: Installer, settings: Settings) -> None:
    assert installer.stale_files() == [settings.hook_headers, settings.hook_script]
    installer.write_script()
    assert installer.stale_files() == []
    settings.hook_headers.chmod(0o644)
    settings.hook_script.write_text("#!/bin/sh\n")
    assert installer.stale_files() == [settings.hook_headers, settings.hook_script]

    installer.write_script()

    assert installer.stale_files() == []
    assert [stat.S_IMODE(path.stat().st_mode) for path in installer.script_files()] == [0o600, module.SCRIPT_MODE]


def test_nothing_is_in_force_without_a_file(path: Path) -> None:
    assert in_force(path) == {}
    path.write_bytes(b"{")
    with pytest.raises(SettingsFileError, match="not JSON"):
        in_force(path)
