"""The command's words; each does its work in a module of its own."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import quote

import typer

from services.cli.api_client import ApiClient, ApiError, known_token
from services.cli.demo.command import run_demo
from services.cli.doctor.command import run_doctor
from services.cli.explain import explained
from services.cli.rebuild import run_rebuild
from services.cli.service.command import run_install, run_uninstall
from services.cli.service.command import run_status as run_service_status
from services.cli.service.manager import ServiceError
from services.cli.setup.command import COMMAND, Options, run_setup, run_unsetup
from services.cli.setup.settings_file import SettingsFileError
from services.cli.status import run_status
from services.cli.tail import run_tail
from services.cli.up import run_up
from services.contract.settings import SettingError
from services.process.life import EXIT_OK, EXIT_USAGE, CannotStartError
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


_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
_Project = Annotated[
    Path | None, typer.Option("--project", help="Only for this folder: its .claude/settings.local.json.", metavar="DIR")
]
_File = Annotated[Path | None, typer.Option("--settings", help="Another settings file.", metavar="FILE")]


@app.command()
def setup(
    *,
    yes: _Yes = False,
    dry_run: _DryRun = False,
    project: _Project = None,
    settings: _File = None,
    events: Annotated[str, typer.Option(help="Only for these events, as Stop,SessionEnd.")] = "",
    transport: Annotated[str, typer.Option(help="command, or http for who keeps Questmux always up.")] = COMMAND,
) -> None:
    """Install the hooks into Claude Code's settings, after showing what changes; again after an upgrade."""
    options = Options(is_sure=yes, is_trial=dry_run, project=project, file=settings, events=events, transport=transport)
    _exit_with(lambda: run_setup(load_settings(), options))


@app.command()
def unsetup(*, yes: _Yes = False, dry_run: _DryRun = False, project: _Project = None, settings: _File = None) -> None:
    """Take the hooks out again: the settings are as they were, byte for byte."""
    options = Options(is_sure=yes, is_trial=dry_run, project=project, file=settings)
    _exit_with(lambda: run_unsetup(load_settings(), options))


@app.command()
def status(
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep it up to date until Ctrl-C.")] = False,
    show_all: Annotated[bool, typer.Option("--all", "-a", help="Also panes without an agent.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch one line for each change.")] = False,
) -> None:
    """Show every pane with its agent: what it does, whom it waits for, since when."""

    def show() -> int:
        run_status(load_settings(), is_live=watch, as_json=as_json, shows_all=show_all)
        return EXIT_OK

    _exit_with(show)


@app.command()
def doctor(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say whether all is in place, and how to mend what is not; exits with 1 for advice, 2 for a fault."""
    _exit_with(lambda: run_doctor(load_settings(), is_fixing=fix, as_json=as_json))


@app.command()
def demo(
    *,
    agents: Annotated[int, typer.Option(help="How many agents play, 1 to 50.")] = 12,
    seconds: Annotated[float | None, typer.Option(help="End by itself after so long.")] = None,
) -> None:
    """Show it alive: scripted agents in a tmux server of their own. Nothing of yours is touched, and nothing stays."""
    _exit_with(lambda: run_demo(load_settings(), agents=agents, seconds=seconds))


@app.command()
def explain(
    pane: Annotated[str, typer.Argument(help="A pane of tmux, as %3 or 3.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer instead.")] = False,
) -> None:
    """Say why a pane's status is what it is."""

    def explain_pane() -> int:
        settings = load_settings()
        client = ApiClient(settings, known_token(settings))
        explanation = client.get(f"/api/panes/{quote(pane, safe='')}/explain")["explanation"]
        sys.stdout.write(json.dumps(explanation, indent=2) + "\n" if as_json else explained(explanation, time.time()))
        return EXIT_OK

    _exit_with(explain_pane)


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


@app.command()
def rebuild(
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit with 1 when it would.")] = False,
) -> None:
    """Make the state, the XP ledger and the journal again from the log; Questmux must be stopped."""
    try:
        rebuilt = run_rebuild(load_settings(), is_trial=check)
    except (SettingError, CannotStartError) as exc:
        sys.stderr.write(f"questmux: {exc}\n")
        sys.exit(EXIT_USAGE)
    outcome = "the same as before" if rebuilt.is_same else "not the same as before"
    sys.stdout.write(f"{rebuilt.events:,} events read again: {outcome} ({rebuilt.before} -> {rebuilt.after})\n")
    sys.exit(1 if check and not rebuilt.is_same else 0)


service = typer.Typer(help="Run Questmux with your session, by systemd or launchd.", no_args_is_help=True)
app.add_typer(service, name="service")


@service.command()
def install(
    *, show: Annotated[bool, typer.Option("--print", help="Print the unit and change nothing.")] = False
) -> None:
    """Write the unit, start it now and with each session; again after an upgrade."""
    _exit_with(lambda: run_install(load_settings(), is_shown_only=show))


@service.command(name="status")
def service_status() -> None:
    """Say whether it is installed, current and running."""
    _exit_with(lambda: run_service_status(load_settings()))


@service.command()
def uninstall() -> None:
    """Stop it and remove the unit."""
    _exit_with(run_uninstall)


def _exit_with(act: Callable[[], int]) -> NoReturn:
    """End with the code of what is done, or with one sentence when it cannot be."""
    try:
        code = act()
    except (SettingError, CannotStartError, ApiError, SettingsFileError, ServiceError) as exc:
        sys.stderr.write(f"questmux: {exc}\n")
        code = EXIT_USAGE
    sys.exit(code)


if __name__ == "__main__":
    app()
