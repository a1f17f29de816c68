"""The command's words; each does its work in a module of its own."""

import json
import sys
import time
from typing import Annotated
from urllib.parse import quote

import typer

from services.cli.api_client import ApiClient, ApiError, known_token
from services.cli.explain import explained
from services.cli.tail import run_tail
from services.cli.up import run_up
from services.contract.settings import SettingError
from services.process.life import EXIT_USAGE, CannotStartError
from services.process.logs import start_logging
from services.process.settings import load_settings, make_folders

app = typer.Typer(
    help="Watch every coding agent in your tmux, and act from anywhere.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def questmux() -> None:
    """Watch every coding agent in your tmux, and act from anywhere."""


@app.command()
def up(
    *,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no lines of the services.")] = False,
) -> None:
    """Start every service in the foreground; Ctrl-C stops them."""
    try:
        settings = load_settings()
        start_logging("cli", settings.log_level, settings.log_format)
        make_folders(settings)
        code = run_up(settings, quiet=quiet)
    except (SettingError, CannotStartError) as exc:
        sys.stderr.write(f"questmux: {exc}\n")
        code = EXIT_USAGE
    sys.exit(code)


@app.command()
def explain(
    pane: Annotated[str, typer.Argument(help="A pane of tmux, as %3 or 3.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer instead.")] = False,
) -> None:
    """Say why a pane's status is what it is."""
    try:
        settings = load_settings()
        client = ApiClient(settings, known_token(settings))
        explanation = client.get(f"/api/panes/{quote(pane, safe='')}/explain")["explanation"]
    except (SettingError, ApiError) as exc:
        sys.stderr.write(f"questmux: {exc}\n")
        sys.exit(EXIT_USAGE)
    sys.stdout.write(json.dumps(explanation, indent=2) + "\n" if as_json else explained(explanation, time.time()))


@app.command()
def tail(
    *,
    types: Annotated[str, typer.Option("--types", help="Only these message types, as attention,event.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print each message as one line of JSON.")] = False,
) -> None:
    """Print every change as it happens, over restarts too; Ctrl-C ends it."""
    try:
        run_tail(load_settings(), types, as_json=as_json)
    except (SettingError, ApiError) as exc:
        sys.stderr.write(f"questmux: {exc}\n")
        sys.exit(EXIT_USAGE)


if __name__ == "__main__":
    app()
