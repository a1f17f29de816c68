"""What a person sees of `questmux setup` and `unsetup`: the difference, the question, and what was done."""

import difflib
import shutil
import sys
from datetime import datetime
from pathlib import Path
from typing import Final

import typer
from msgspec import Struct

from services.cli.api_client import LOOPBACK_OF, api_url
from services.cli.printable import printable
from services.cli.setup.hook_entries import HOOK_EVENTS, HttpHooks
from services.cli.setup.installer import Installer, Plan
from services.cli.setup.settings_file import BACKUP_SUFFIX, SettingsFileError
from services.cli.setup.settings_text import SettingsTextError, setting
from services.contract.origins import LOOPBACK_HOSTS
from services.contract.settings import Settings
from services.process.settings import make_folders
from services.process.tokens import Tokens, load_tokens

COMMAND: Final = "command"
HTTP: Final = "http"
SECRET: Final = "<the hook token>"  # noqa: S105 - what is shown in its place


class Options(Struct, frozen=True, kw_only=True):
    """What was asked for."""

    is_sure: bool = False
    is_trial: bool = False
    is_quiet: bool = False
    project: Path | None = None
    file: Path | None = None
    events: str = ""
    transport: str = COMMAND


def settings_path(settings: Settings, options: Options) -> Path:
    """Which settings file is meant: the person's own, or a project's that only they have."""
    path = options.file or settings.claude_dir / "settings.json"
    if options.file is None and options.project is not None:
        path = options.project / ".claude" / "settings.local.json"
    return path.parent.resolve() / path.name  # By whatever name its folder is called, it is one file.


def run_setup(settings: Settings, options: Options) -> int:
    """Put the hooks in. The exit code: 0 when they are there.

    Raises:
        SettingsFileError: nothing was changed; says why.
    """
    path = settings_path(settings, options)
    events = _events(options.events)
    tokens = _tokens(settings, options)
    http = _http(settings, options, tokens.hook)
    installer = Installer(settings, tokens)
    plan = installer.plan_setup(path, events, http)
    if plan.changes and not options.is_quiet:
        _show(plan, tokens.hook)
    if options.is_trial:
        print(f"{'This would change' if plan.changes else 'Nothing to change in'} {path}; nothing was written.")
        return 0
    if plan.changes and not _agrees(options, f"Change {path} like this?"):
        print("Nothing was changed.")
        return 1
    backup = installer.set_up(plan, datetime.now().astimezone())
    if not options.is_quiet:
        _tell_done(plan, backup, f"Hooks for {len(events)} events are in {path}.")
        _warn(plan, http)
    return 0


def run_unsetup(settings: Settings, options: Options) -> int:
    """Take the hooks out. The exit code: 0 when none is there.

    Raises:
        SettingsFileError: nothing was changed; says why.
    """
    path = settings_path(settings, options)
    tokens = _tokens(settings, options)
    installer = Installer(settings, tokens)
    plan = installer.plan_unsetup(path)
    if plan.changes:
        _show(plan, tokens.hook)
    if options.is_trial:
        print(f"{'This would change' if plan.changes else 'Nothing of ours is in'} {path}; nothing was written.")
        return 0
    if plan.changes and not _agrees(options, f"Change {path} like this?"):
        print("Nothing was changed.")
        return 1
    backup = installer.unset(plan, datetime.now().astimezone())
    gone = "It is gone, as before." if plan.new is None else "It has nothing of Questmux any more."
    _tell_done(plan, backup, f"{path}: {gone}" if plan.changes else f"Nothing of ours was in {path}.")
    backups = sorted(path.parent.glob(f"{path.name}.*{BACKUP_SUFFIX}"))
    if backups:
        print(f"{len(backups)} backups stay beside it, for you to delete: {path}.*{BACKUP_SUFFIX}")
    others = installer.remove_script()
    if others:
        print("The script stays, since these have its hooks too: " + ", ".join(others))
    return 0


def _tokens(settings: Settings, options: Options) -> Tokens:
    """The tokens; a trial makes none, and shows that there will be one."""
    if options.is_trial and not (settings.data_dir / "hook-token").exists():
        return Tokens(full="", hook=SECRET)
    make_folders(settings)
    return load_tokens(settings)


def _events(names: str) -> tuple[str, ...]:
    """The events that were asked for.

    Raises:
        SettingsFileError: one is none that Questmux uses.
    """
    asked = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in asked if name not in HOOK_EVENTS]
    if unknown:
        raise SettingsFileError(f"{unknown[0]!r} is no event that Questmux uses; these are: {', '.join(HOOK_EVENTS)}")
    return tuple(event for event in HOOK_EVENTS if event in asked) if asked else HOOK_EVENTS


def _http(settings: Settings, options: Options, token: str) -> HttpHooks | None:
    if options.transport not in {COMMAND, HTTP}:
        raise SettingsFileError(f"--transport takes {COMMAND} or {HTTP}, not {options.transport!r}")
    if options.transport == COMMAND:
        return None
    if options.project is not None:
        raise SettingsFileError(
            "an http hook has the hook token in it, and a project's files are shared: "
            f"use --transport {COMMAND} with --project"
        )
    host = LOOPBACK_OF.get(settings.api_host, settings.api_host)
    if host not in LOOPBACK_HOSTS:
        raise SettingsFileError(
            f"Claude Code calls no private address but loopback, and QUESTMUX_API_HOST is {settings.api_host}: "
            f"use --transport {COMMAND}"
        )
    return HttpHooks(url=f"{api_url(settings)}/event", token=token)


def _show(plan: Plan, secret: str) -> None:
    """Print what will change, line by line, without the token."""
    path = str(plan.found.path)
    old = plan.found.text.replace(secret, SECRET).splitlines()
    new = (plan.new or "").replace(secret, SECRET).splitlines()
    for line in difflib.unified_diff(old, new, f"{path}, as it is", f"{path}, as it will be", lineterm=""):
        print(_coloured(printable(line.expandtabs(4))))
    if plan.closes:
        print(f"{printable(path)} is closed to other users: it has the hook token.")
    if plan.opens:
        print(f"{printable(path)} gets the mode that it had, {plan.mode:o}.")


def _coloured(line: str) -> str:
    colour = {"+": "32", "-": "31", "@": "36"}.get(line[:1])
    return f"\x1b[{colour}m{line}\x1b[0m" if colour is not None and sys.stdout.isatty() else line


def _agrees(options: Options, question: str) -> bool:
    if options.is_sure:
        return True
    if not sys.stdin.isatty():
        raise SettingsFileError("nobody is there to be asked: say --yes, or --dry-run to see it only")
    return typer.confirm(question)


def _tell_done(plan: Plan, backup: Path | None, sentence: str) -> None:
    print(sentence if plan.changes else f"{sentence} Nothing had to be changed.")
    if backup is not None:
        print(f"The file as it was: {backup}")


def _warn(plan: Plan, http: HttpHooks | None) -> None:
    """What keeps hooks from working, or makes them slower."""
    text = plan.new or ""
    try:
        if setting(text, "disableAllHooks") is True:
            print('But these settings say "disableAllHooks": true, so that Claude Code runs none.')
    except SettingsTextError:
        return
    if shutil.which("curl") is None:
        print("curl is missing: hook calls reach Questmux through its spool, within about a second instead of at once.")
    if http is not None:
        print("With http hooks Claude Code complains on the screen at each event while Questmux is stopped.")
    else:
        print("Running sessions of Claude Code take the hooks up by themselves; `questmux doctor` checks them.")
