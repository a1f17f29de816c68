from pathlib import Path

from services.cli.demo.notice import notice

TOKEN = "T0ken"  # noqa: S105 - none


def text(folder: str = "/home/me/questmux-demo-1", agents: int = 12) -> str:
    return notice(Path(folder), agents=agents, url="http://127.0.0.1:1", ws_url="ws://127.0.0.1:2/", token=TOKEN)


def test_it_fits_on_one_screen_and_says_all_that_is_needed() -> None:
    shown = text()

    assert len(shown.splitlines()) <= 24
    assert max(map(len, shown.splitlines())) <= 110
    for word in ("demo", "12 agents", "http://127.0.0.1:1", "ws://127.0.0.1:2/", TOKEN, "Ctrl-C ends it"):
        assert word in shown


def test_its_commands_can_be_copied() -> None:
    shown = text("/home/my folder/questmux-demo-1")

    assert "export QUESTMUX_CONFIG='/home/my folder/questmux-demo-1/config.toml'\n" in shown
    assert "TMUX= tmux -S '/home/my folder/questmux-demo-1/tmux' attach " in shown


def test_one_agent_is_one() -> None:
    assert "1 agent plays" in text(agents=1)
