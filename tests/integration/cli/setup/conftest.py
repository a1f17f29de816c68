"""A home folder with nothing in it but what a test puts there."""

from pathlib import Path

import pytest

from services.cli.setup.installer import Installer
from services.contract.settings import Folders, Settings, read_settings
from services.process.settings import make_folders
from services.process.tokens import load_tokens


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folders = Folders(data=tmp_path / "data", runtime=tmp_path / "run", config=tmp_path, home=tmp_path)
    made = read_settings({}, {}, folders)
    make_folders(made)
    made.claude_dir.mkdir()
    return made


@pytest.fixture
def installer(settings: Settings) -> Installer:
    return Installer(settings, load_tokens(settings))


@pytest.fixture
def path(settings: Settings) -> Path:
    return settings.claude_dir / "settings.json"
