from pathlib import Path

import pytest

from services.cli.greeting import greeting
from services.contract.settings import Settings


def settings(folder: Path, **changes: object) -> Settings:
    given: dict[str, object] = {"api_port": 1, "ws_port": 2, **changes}
    return Settings(data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder, **given)  # type: ignore[arg-type] # by name


def test_says_where_it_is_how_to_get_in_and_how_to_stop(tmp_path: Path) -> None:
    text = greeting(settings(tmp_path), "the-token")

    for part in ("http://127.0.0.1:1", "ws://127.0.0.1:2/", "the-token", str(tmp_path / "token"), "Ctrl-C"):
        assert part in text


def test_says_that_tmux_is_not_known_while_the_api_does_not_answer(tmp_path: Path) -> None:
    assert "tmux       not known yet" in greeting(settings(tmp_path), "t")


def test_puts_an_ipv6_host_in_brackets(tmp_path: Path) -> None:
    assert "http://[::1]:1" in greeting(settings(tmp_path, api_host="::1"), "t")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"hooks": {"Stop": [{"command": "curl http://127.0.0.1:1/event"}]}}', "installed in Claude Code's settings"),
        ('{"hooks": {"Stop": [{"command": "~/.claude/questmux-hook"}]}}', "installed in Claude Code's settings"),
        ('{"hooks": {}}', "not installed; docs/hooks.md"),
        (None, "not installed; docs/hooks.md"),
    ],
)
def test_says_whether_hooks_are_installed(tmp_path: Path, text: str | None, expected: str) -> None:
    if text is not None:
        (tmp_path / "settings.json").write_text(text)

    assert expected in greeting(settings(tmp_path), "t")
