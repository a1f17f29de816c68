from typing import Any

import pytest

from services.cli.setup.hook_entries import (
    HOOK_EVENTS,
    NEVER_OVER_HTTP,
    HttpHooks,
    command_entry,
    entries,
    http_entry,
    is_ours,
)
from services.core import lifecycle
from services.core.game import deeds

HTTP = HttpHooks(url="http://127.0.0.1:4011/event", token="secret")  # noqa: S106 - one of a test
NOT_ASKED_FOR = {"UserPromptExpansion"}
"""Its UserPromptSubmit follows at once and says the same."""


def test_every_event_that_core_reads_is_asked_for_and_no_other() -> None:
    read = {*lifecycle._MAIN, *lifecycle._AGENT, *deeds._READERS}

    assert set(HOOK_EVENTS) == {name for name in read if name not in NOT_ASKED_FOR}


def test_a_command_hook_costs_the_turn_nothing() -> None:
    [hook] = command_entry("/data/questmux-hook")["hooks"]

    assert hook == {
        "type": "command",
        "command": "[ ! -x /data/questmux-hook ] || exec /data/questmux-hook",
        "async": True,
        "timeout": 10,
    }


def test_a_path_with_spaces_and_quotes_is_one_word() -> None:
    [hook] = command_entry("/it's a $HOME/questmux-hook")["hooks"]

    assert hook["command"].count("""'/it'"'"'s a $HOME/questmux-hook'""") == 2


def test_an_http_hook_names_its_pane_by_claude_codes_own_variables() -> None:
    [hook] = http_entry(HTTP)["hooks"]

    assert hook["headers"]["X-Tmux-Pane"] == "$TMUX_PANE"
    assert set(hook["allowedEnvVars"]) == {"TMUX_PANE", "TMUX"}
    assert hook["headers"]["Authorization"] == "Bearer secret"


def test_what_claude_code_never_sends_over_http_is_a_command_also_then() -> None:
    made = entries(HOOK_EVENTS, "/data/questmux-hook", HTTP)

    assert {event for event, entry in made.items() if entry["hooks"][0]["type"] == "command"} == set(NEVER_OVER_HTTP)


@pytest.mark.parametrize(
    "entry",
    [
        command_entry("/data/questmux-hook"),
        command_entry("/it's here/questmux-hook"),
        http_entry(HTTP),
        {"hooks": [{"type": "command", "async": True, "timeout": 5, "command": "~/.claude/questmux-hook"}]},
        {"matcher": "*", "hooks": [{"type": "command", "command": "'/old place/questmux-hook'"}]},
    ],
    ids=repr,
)
def test_ours_is_known_again(entry: dict[str, Any]) -> None:
    assert is_ours(entry)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {"hooks": []},
        {"hooks": "questmux-hook"},
        {"hooks": [None]},
        {"hooks": [{"type": "command", "command": "my-questmux-hook-2"}]},
        {"hooks": [{"type": "command", "command": "/bin/questmux-hooks"}]},
        {"hooks": [{"type": "command", "command": "logger -t questmux-hook done"}]},
        {"hooks": [{"type": "command", "command": "cat /var/log/questmux-hook"}]},
        {"hooks": [{"type": "http", "url": "http://127.0.0.1:4011/event", "headers": {"X-Tmux-Pane": "$TMUX_PANE"}}]},
        {"hooks": [command_entry("/q/questmux-hook")["hooks"][0], {"type": "command", "command": "true"}]},
    ],
    ids=repr,
)
def test_what_is_not_wholly_ours_is_not_ours(entry: object) -> None:
    assert not is_ours(entry)
