"""Tokens of a person's own that would not guard what they are for."""

from pathlib import Path
from typing import Final

import pytest
from msgspec import structs

from services.contract.settings import Folders, SettingError, Settings, read_settings
from services.process.tokens import load_tokens

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - that is the test


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folders = Folders(data=tmp_path, runtime=tmp_path, config=tmp_path, home=tmp_path)
    return read_settings({}, {}, folders)


@pytest.mark.parametrize("name", ["token", "hook-token"])
@pytest.mark.parametrize("bind", [{"api_host": EVERYWHERE}, {"ws_host": "::"}, {"api_host": "192.168.1.20"}], ids=repr)
def test_a_short_token_is_refused_where_others_can_reach_it(
    settings: Settings, name: str, bind: dict[str, str]
) -> None:
    (settings.data_dir / name).write_text("x" * 15, encoding="ascii")

    with pytest.raises(SettingError, match=rf"/{name} has fewer than 16 characters"):
        load_tokens(structs.replace(settings, **bind))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_this_machine_alone_it_may_be_short(settings: Settings, host: str) -> None:
    (settings.data_dir / "token").write_text("short", encoding="ascii")

    assert load_tokens(structs.replace(settings, api_host=host, ws_host=host)).full == "short"


def test_a_made_token_and_a_long_one_are_taken_at_any_address(settings: Settings) -> None:
    (settings.data_dir / "token").write_text("x" * 16, encoding="ascii")

    tokens = load_tokens(structs.replace(settings, api_host=EVERYWHERE, ws_host=EVERYWHERE))
    assert tokens.full == "x" * 16
    assert len(tokens.hook) >= 32


def test_a_hook_token_that_could_do_everything_is_refused(settings: Settings) -> None:
    for name in ("token", "hook-token"):
        (settings.data_dir / name).write_text("the same one\n", encoding="ascii")

    with pytest.raises(SettingError, match=r"/hook-token is the same as .*/token, which may do everything"):
        load_tokens(settings)
