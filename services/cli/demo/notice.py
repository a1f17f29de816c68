"""What `questmux demo` tells a person: what it is, where it is, how to look, how it ends. Pure."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote


def notice(folder: Path, *, agents: int, url: str, ws_url: str, token: str) -> str:
    """One screen of text."""
    config, tmux = quote(str(folder / "config.toml")), quote(str(folder / "tmux"))
    # Without TMUX, which is set in a person's own tmux: it refuses to be nested.
    where = [("HTTP API", url), ("WebSocket", ws_url), ("token", token), ("folder", str(folder))]
    looks = [
        ("questmux status --watch", "who works, who waits for you and why"),
        ("questmux tail", "every change as it happens"),
        ("questmux explain 1", "why a pane's status is what it is"),
        (f"TMUX= tmux -S {tmux} attach", "the agents; Ctrl-b n: next, Ctrl-b d: leave"),
    ]
    width = max(len(name) for name, _ in where)
    shown = "1 agent plays" if agents == 1 else f"{agents} agents play"
    return "\n".join(
        [
            "",
            f"  This is a demo: {shown} what a real Claude Code was recorded doing, in a tmux server",
            "  of their own. No Claude Code runs, and nothing of yours is read, changed or listened to.",
            "",
            *(f"  {name:<{width}}  {text}" for name, text in where),
            "",
            "  Look at it from another terminal:",
            "",
            f"    export QUESTMUX_CONFIG={config}",
            *_columns(looks),
            "",
            "  Enter in an agent's window answers what it asks, or wakes it when it rests.",
            "",
            "  Ctrl-C ends it, and nothing of it stays.",
            "",
            "",
        ]
    )


def _columns(looks: Sequence[tuple[str, str]]) -> list[str]:
    width = max(len(command) for command, _ in looks)
    return [f"    {command:<{width}}  # {what}" for command, what in looks]
