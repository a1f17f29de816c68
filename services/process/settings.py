"""Settings of this process, read from its environment and `config.toml`."""

import os
import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from msgspec import structs

from services.contract.settings import PREFIX, Folders, SettingError, Settings, read_settings


def platform_folders() -> Folders:
    """The platform's own places; nothing is made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It tells of a fallback in /tmp; `make_folders` checks whose that is.
        runtime = platformdirs.user_runtime_path("questmux", appauthor=False)
    return Folders(
        data=platformdirs.user_data_path("questmux", appauthor=False),
        runtime=runtime,
        config=platformdirs.user_config_path("questmux", appauthor=False),
        home=Path.home(),
    )


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings that hold for this process.

    Raises:
        SettingError: a setting cannot be used, or `config.toml` cannot be read.
    """
    environ = os.environ if environ is None else environ
    folders = platform_folders()
    named = environ.get(PREFIX + "CONFIG")
    path = Path(named) if named else folders.config / "config.toml"
    config: dict[str, object] = {}
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise SettingError(f"{PREFIX}CONFIG names {path}, which is not there") from None
    except (OSError, ValueError) as exc:
        raise SettingError(f"{path} cannot be read: {exc}") from exc
    return read_settings(environ, config, structs.replace(folders, config=path.parent))


def make_folders(settings: Settings) -> None:
    """Make the data and runtime folders, for their owner only.

    Raises:
        SettingError: a folder cannot be made, is another user's, or is open to others and cannot be closed.
    """
    for folder in (settings.data_dir, settings.runtime_dir, settings.spool_dir):
        try:
            _make_folder(folder)
        except OSError as exc:
            raise SettingError(f"{folder} cannot be used: {exc}") from exc
    if settings.runtime_dir.parent.stat().st_uid not in {0, os.getuid()}:
        raise SettingError(f"{settings.runtime_dir} is in a folder of another user, who could put another in its place")


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    facts = folder.stat()
    owners = {facts.st_uid, folder.lstat().st_uid}  # Of the folder, and of a link to it.
    if owners != {os.getuid()}:
        raise SettingError(f"{folder} belongs to another user")
    if facts.st_mode & 0o077:
        folder.chmod(0o700)
