"""The command's words; each does its work in a module of its own."""

import sys
from typing import Annotated

import typer

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


if __name__ == "__main__":
    app()
