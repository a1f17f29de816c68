import os
import stat
from pathlib import Path

import pytest

from services.contract.settings import SettingError, Settings
from services.process.settings import load_settings, make_folders, platform_folders

NOBODY = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another user")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "a/data", runtime_dir=tmp_path / "b/run", claude_dir=tmp_path, rules_dir=tmp_path
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_folders_are_made_for_their_owner_only(settings: Settings) -> None:
    before = os.umask(0)
    try:
        make_folders(settings)
        make_folders(settings)
    finally:
        os.umask(before)

    assert {mode(folder) for folder in (settings.data_dir, settings.runtime_dir, settings.spool_dir)} == {0o700}


def test_an_open_folder_is_closed(settings: Settings) -> None:
    make_folders(settings)
    settings.runtime_dir.chmod(0o777)

    make_folders(settings)

    assert mode(settings.runtime_dir) == 0o700


@as_root
@pytest.mark.parametrize("which", ["data_dir", "runtime_dir", "spool_dir"])
def test_a_folder_of_another_user_is_refused(settings: Settings, which: str) -> None:
    make_folders(settings)
    folder: Path = getattr(settings, which)
    os.chown(folder, NOBODY, NOBODY)

    with pytest.raises(SettingError, match=f"^{folder} belongs to another user"):
        make_folders(settings)


@as_root
def test_another_users_link_to_a_folder_of_ours_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir(mode=0o755)
    settings.runtime_dir.parent.mkdir()
    settings.runtime_dir.symlink_to(tmp_path / "ours")
    os.lchown(settings.runtime_dir, NOBODY, NOBODY)

    with pytest.raises(SettingError, match="belongs to another user"):
        make_folders(settings)
    assert mode(tmp_path / "ours") == 0o755


@as_root
def test_a_runtime_folder_that_another_user_could_replace_is_refused(settings: Settings) -> None:
    make_folders(settings)
    os.chown(settings.runtime_dir.parent, NOBODY, NOBODY)

    with pytest.raises(SettingError, match="in a folder of another user"):
        make_folders(settings)


def test_a_file_in_the_place_of_a_folder_is_refused(settings: Settings) -> None:
    settings.data_dir.parent.mkdir()
    settings.data_dir.write_text("")

    with pytest.raises(SettingError, match=f"^{settings.data_dir} cannot be used"):
        make_folders(settings)


def test_a_file_on_the_way_to_a_folder_is_refused(settings: Settings) -> None:
    settings.data_dir.parent.write_text("")

    with pytest.raises(SettingError, match=f"^{settings.data_dir} cannot be used"):
        make_folders(settings)


def test_the_named_file_is_read(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('api_port = 5011\nallowed_hosts = ["a.example"]\n', encoding="utf-8")

    settings = load_settings({"QUESTMUX_CONFIG": str(config), "QUESTMUX_WS_PORT": "5012"})

    assert (settings.api_port, settings.ws_port, settings.allowed_hosts) == (5011, 5012, ("a.example",))


def test_the_rules_are_beside_the_file_that_is_read(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.touch()

    assert load_settings({"QUESTMUX_CONFIG": str(config)}).rules_dir == tmp_path / "rules"


def test_the_platforms_file_is_read_when_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_settings({}).api_port == 4011

    path = platform_folders().config / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("api_port = 5013\n", encoding="utf-8")

    assert path.is_relative_to(tmp_path)
    assert load_settings({"QUESTMUX_CONFIG": ""}).api_port == 5013


def test_a_machine_without_a_runtime_folder_is_no_reason_for_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)

    assert load_settings({}).runtime_dir.is_absolute()


def test_a_named_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"^QUESTMUX_CONFIG names .*/c\.toml, which is not there$"):
        load_settings({"QUESTMUX_CONFIG": str(tmp_path / "c.toml")})


@pytest.mark.parametrize("text", [b"api_port = ", b"\xff", b"api_port = 1\napi_port = 2"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, text: bytes) -> None:
    config = tmp_path / "c.toml"
    config.write_bytes(text)

    with pytest.raises(SettingError, match=f"^{config} cannot be read: "):
        load_settings({"QUESTMUX_CONFIG": str(config)})


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read"):
        load_settings({"QUESTMUX_CONFIG": str(tmp_path)})
