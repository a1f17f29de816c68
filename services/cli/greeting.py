"""What `questmux up` tells a person first: where it is, the token, what it sees, and the next step."""

import shutil
import sys
import time
from typing import Final

from services.cli.api_client import ApiClient, ApiError, url_host
from services.cli.setup.hook_entries import HOOK_EVENTS
from services.cli.setup.installer import in_force
from services.cli.setup.settings_file import SettingsFileError
from services.contract.settings import Settings

ASK_S: Final = 2.0
FIRST_LOOK_S: Final = 3.0
"""The poller shows a tmux server within this time, if there is one."""
SYSTEM_NAME: Final = "questmux"


def greeting(settings: Settings, full_token: str, *, shows_token: bool = True) -> str:
    """One screen of text; with the token itself for a person's eyes only, else with the file that it is in."""
    client = ApiClient(settings, full_token, ASK_S)
    token_file = settings.data_dir / "token"
    ws = f"ws://{url_host(settings.ws_host)}:{settings.ws_port}/"
    rows = [
        ("HTTP API", client.url),
        ("WebSocket", ws),
        ("token", f"{full_token}  ({token_file})" if shows_token else f"in {token_file}"),
        ("tmux", _tmux(client)),
        ("hooks", _hooks(settings)),
        ("look", f"{program()} status --watch    {program()} tail    {program()} doctor"),
        ("stop", "Ctrl-C"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(["", "  Questmux is up", "", *(f"  {name:<{width}}  {text}" for name, text in rows), "", ""])


def _tmux(client: ApiClient) -> str:
    deadline = time.monotonic() + FIRST_LOOK_S
    while not (windows := _windows(client)) and time.monotonic() < deadline:  # The poller may not have looked yet.
        time.sleep(0.1)
    if windows is None:
        return "not known yet"
    panes = sum(len(window["panes"]) for window in windows)
    return f"{len(windows)} windows, {panes} panes" if windows else "no tmux server yet; it is followed once it starts"


def _windows(client: ApiClient) -> list[dict[str, list[object]]] | None:
    try:
        return list(client.get("/api/windows")["windows"])
    except (ApiError, KeyError):
        return None


def _hooks(settings: Settings) -> str:
    try:
        there = len(in_force(settings.claude_dir / "settings.json"))
    except SettingsFileError as exc:
        return str(exc)
    setup = f"{program()} setup"
    if not there:
        return f"not installed; `{setup}` shows what changes in Claude Code's settings, and asks"
    missing = len(HOOK_EVENTS) - there
    return f"installed; for {missing} more events: `{setup}`" if missing > 0 else "installed"


def program() -> str:
    """How a person calls this program from here."""
    return SYSTEM_NAME if shutil.which(SYSTEM_NAME) else sys.argv[0]
