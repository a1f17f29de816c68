"""What `questmux up` tells a person first: where it is, the token, what it sees, and the next step."""

import time
from typing import Final

from services.cli.api_client import ApiClient, ApiError, url_host
from services.contract.settings import Settings

ASK_S: Final = 2.0
FIRST_LOOK_S: Final = 3.0
"""The poller shows a tmux server within this time, if there is one."""
HOOK_PATH: Final = "/event"
HOOK_SCRIPT: Final = "questmux-hook"


def greeting(settings: Settings, full_token: str) -> str:
    """One screen of text."""
    client = ApiClient(settings, full_token, ASK_S)
    ws = f"ws://{url_host(settings.ws_host)}:{settings.ws_port}/"
    rows = [
        ("HTTP API", client.url),
        ("WebSocket", ws),
        ("token", f"{full_token}  ({settings.data_dir / 'token'})"),
        ("tmux", _tmux(client)),
        ("hooks", _hooks(settings)),
        ("look", f'curl -H "Authorization: Bearer {full_token}" {client.url}/api/windows'),
        ("stop", "Ctrl-C"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(["", "  Questmux is up", "", *(f"  {name:<{width}}  {text}" for name, text in rows), "", ""])


def _tmux(client: ApiClient) -> str:
    try:
        windows = client.get("/api/windows")["windows"]
        deadline = time.monotonic() + FIRST_LOOK_S
        while not windows and time.monotonic() < deadline:  # The poller may not have looked yet.
            time.sleep(0.1)
            windows = client.get("/api/windows")["windows"]
    except (ApiError, KeyError):
        return "not known yet"
    panes = sum(len(window["panes"]) for window in windows)
    return f"{len(windows)} windows, {panes} panes" if windows else "no tmux server yet; it is followed once it starts"


def _hooks(settings: Settings) -> str:
    try:
        text = (settings.claude_dir / "settings.json").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    if f":{settings.api_port}{HOOK_PATH}" in text or HOOK_SCRIPT in text:
        return "installed in Claude Code's settings"
    return "not installed; docs/hooks.md has the lines for Claude Code's settings"
