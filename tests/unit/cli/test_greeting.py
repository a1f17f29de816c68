import json
from pathlib import Path

import pytest

from services.cli import greeting as module
from services.cli.api_client import ApiError
from services.cli.greeting import greeting
from services.cli.setup.hook_entries import HOOK_EVENTS, entries
from services.contract.settings import Settings


def settings(folder: Path, **changes: object) -> Settings:
    given: dict[str, object] = {"api_port": 1, "ws_port": 2, **changes}
    return Settings(data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder, **given)  # type: ignore[arg-type] # by name


@pytest.fixture(autouse=True)
def _looks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_LOOK_S", 0.0)


def test_says_where_it_is_how_to_get_in_and_how_to_stop(tmp_path: Path) -> None:
    text = greeting(settings(tmp_path), "the-token")

    for part in ("http://127.0.0.1:1", "ws://127.0.0.1:2/", "the-token", str(tmp_path / "token"), "Ctrl-C"):
        assert part in text


def test_says_that_tmux_is_not_known_while_the_api_does_not_answer(tmp_path: Path) -> None:
    assert "tmux       not known yet" in greeting(settings(tmp_path), "t")


class LateApi:
    """Core is late for the first question, and the poller for the second."""

    url = "http://127.0.0.1:1"

    def __init__(self, *_: object) -> None:
        self._answers = iter([None, [], [{"panes": [1, 2]}]])

    def get(self, _path: str) -> dict[str, object]:
        windows = next(self._answers)
        if windows is None:
            raise ApiError("core is away")
        return {"windows": windows}


def test_asks_again_when_core_or_the_poller_is_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ApiClient", LateApi)
    monkeypatch.setattr(module, "FIRST_LOOK_S", 60.0)

    assert "tmux       1 windows, 2 panes" in greeting(settings(tmp_path), "t")


def test_puts_an_ipv6_host_in_brackets(tmp_path: Path) -> None:
    assert "http://[::1]:1" in greeting(settings(tmp_path, api_host="::1"), "t")


ALL = {event: [entry] for event, entry in entries(HOOK_EVENTS, "/data/questmux-hook", None).items()}


@pytest.mark.parametrize(
    ("hooks", "expected"),
    [
        (ALL, "installed\n"),
        ({"Stop": ALL["Stop"]}, "installed; for 19 more events: `"),
        ({}, " setup` shows what changes in Claude Code's settings, and asks\n"),
        (None, "not installed; `"),
        ([], "not an object"),
    ],
    ids=repr,
)
def test_says_whether_hooks_are_installed(tmp_path: Path, hooks: object, expected: str) -> None:
    if hooks is not None:
        (tmp_path / "settings.json").write_text(json.dumps({"hooks": hooks}))

    assert expected in greeting(settings(tmp_path), "t")
