import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.contract.settings import SettingError, Settings
from services.process.tokens import load_tokens

RACER = """
import sys
from pathlib import Path
from services.contract.settings import Settings
from services.process.tokens import load_tokens

folder = Path(sys.argv[1])
settings = Settings(data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder)
print("ready", flush=True)
sys.stdin.read()
tokens = load_tokens(settings)
print(tokens.full, tokens.hook)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, runtime_dir=tmp_path, claude_dir=tmp_path, rules_dir=tmp_path)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    return tmp_path / "token"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_two_different_tokens_are_made_and_kept(settings: Settings, tmp_path: Path) -> None:
    made = load_tokens(settings)

    assert made.full != made.hook
    assert min(len(made.full), len(made.hook)) >= 32
    assert load_tokens(settings) == made
    assert {path.name: mode(path) for path in tmp_path.iterdir()} == {"token": 0o600, "hook-token": 0o600}


def test_a_token_is_never_open_to_others_not_even_while_it_is_made(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    link = os.link

    def watched_link(draft: Path, path: Path) -> None:
        modes.append(mode(draft))
        link(draft, path)

    monkeypatch.setattr(os, "link", watched_link)
    before = os.umask(0)
    try:
        load_tokens(settings)
    finally:
        os.umask(before)

    assert modes == [0o600, 0o600]


def test_processes_that_race_agree_on_one(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(5)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    said = set()
    for racer in racers:
        with racer:
            assert racer.stdout is not None
            said.add(racer.stdout.read())

    assert all(racer.returncode == 0 for racer in racers)
    assert len(said) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"token", "hook-token"}


@pytest.mark.parametrize("loose", [0o644, 0o660, 0o604])
def test_a_loosened_file_is_tightened(settings: Settings, token: Path, loose: int) -> None:
    made = load_tokens(settings)
    token.chmod(loose)

    assert load_tokens(settings) == made
    assert mode(token) == 0o600


def test_a_token_of_the_persons_own_is_used(settings: Settings, token: Path) -> None:
    token.write_text("  mine \n", encoding="ascii")

    assert load_tokens(settings).full == "mine"


def test_a_token_may_be_kept_elsewhere_behind_a_link(settings: Settings, token: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("kept\n", encoding="ascii")
    token.symlink_to(tmp_path / "elsewhere")

    assert load_tokens(settings).full == "kept"
    assert token.is_symlink()
    assert mode(tmp_path / "elsewhere") == 0o600


def test_a_link_to_nothing_is_refused_and_nothing_is_made_behind_it(
    settings: Settings, token: Path, tmp_path: Path
) -> None:
    token.symlink_to(tmp_path / "nowhere")

    with pytest.raises(SettingError, match=f"{token} cannot be used"):
        load_tokens(settings)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_file_is_refused_with_what_to_do(settings: Settings, token: Path, text: str) -> None:
    token.write_text(text, encoding="ascii")

    with pytest.raises(SettingError, match=rf"^{token} is empty: delete it"):
        load_tokens(settings)


def test_a_file_that_is_no_text_is_refused(settings: Settings, token: Path) -> None:
    token.write_bytes(b"\xff\xfe")

    with pytest.raises(SettingError, match=f"^{token} cannot be used"):
        load_tokens(settings)


def test_a_folder_in_its_place_is_refused(settings: Settings, token: Path) -> None:
    token.mkdir()

    with pytest.raises(SettingError, match=f"^{token} cannot be used"):
        load_tokens(settings)
