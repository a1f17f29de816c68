"""Settings of this process, read from its environment and `config.toml`."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from services.contract.settings import PREFIX, Folders, SettingError, Settings, read_settings


def platform_folders() -> Folders:
    """The platform's own places; nothing is made."""
    return Folders(
        data=platformdirs.user_data_path("questmux", appauthor=False),
        runtime=platformdirs.user_runtime_path("questmux", appauthor=False),
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
    return read_settings(environ, config, folders)


def make_folders(settings: Settings) -> None:
    """Make the data and runtime folders, for their owner only.

    Raises:
        SettingError: a folder is another user's, or open to others and cannot be closed.
    """
    for folder in (settings.data_dir, settings.runtime_dir, settings.spool_dir):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = folder.stat()
        if facts.st_uid != os.getuid():
            raise SettingError(f"{folder} belongs to another user")
        if facts.st_mode & 0o077:
            folder.chmod(0o700)
