"""What a person sees of `questmux doctor`, and what it mends."""

import contextlib
import os
import sys
from pathlib import Path

import msgspec

from services.cli.doctor.finding import Finding, exit_code
from services.cli.doctor.hooks import check_hooks, is_over_http, managed_settings
from services.cli.doctor.machine import check_machine
from services.cli.doctor.places import TOKENS, check_places, leftovers, open_to_others
from services.cli.doctor.server import check_server
from services.cli.doctor.table import rows
from services.cli.setup.command import Options, run_setup
from services.cli.setup.hook_entries import HOOK_EVENTS
from services.cli.setup.installer import Installer, in_force
from services.cli.setup.settings_file import SettingsFileError
from services.contract.settings import SettingError, Settings
from services.process.settings import make_folders
from services.process.tokens import Tokens, load_tokens


def run_doctor(settings: Settings, *, is_fixing: bool, as_json: bool) -> int:
    """Look at everything, mend what can be mended, and say so; the exit code: 0, 1 for advice, 2 for a fault."""
    mended = fix(settings) if is_fixing else []
    findings = examine(settings)
    if as_json:
        answer = {"mended": mended, "findings": findings}
        print(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
        return exit_code(findings)
    for row in rows(mended, findings, has_colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ):
        print(row)
    return exit_code(findings)


def examine(settings: Settings) -> list[Finding]:
    """All findings, in the order in which one depends on another."""
    is_running, of_server = check_server(settings)
    tokens = _tokens_of(settings)
    return [
        *check_machine(settings, os.environ),
        *check_places(settings),
        *of_server,
        *check_hooks(settings, tokens, is_running=is_running, managed=managed_settings()),
    ]


def fix(settings: Settings) -> list[str]:
    """Mend what can be mended without asking; what was done, in sentences."""
    done: list[str] = []
    for path in open_to_others(settings):
        with contextlib.suppress(OSError):
            path.chmod(path.stat().st_mode & 0o700)
            done.append(f"{path} is closed to others")
    is_running, _ = check_server(settings)
    missing = [name for name in TOKENS if _is_missing(settings.data_dir / name)]
    if missing and is_running:
        return done  # The server has the old one in its memory: it is to be restarted, and makes a new one then.
    try:
        make_folders(settings)
        for name in missing:
            if _is_missing(settings.data_dir / name):
                (settings.data_dir / name).unlink(missing_ok=True)  # One that is empty is none.
        tokens = load_tokens(settings)
    except SettingError:
        return done  # What cannot be mended is told when all is looked at again.
    done += [f"a new {name} is made" for name in missing]
    for path in leftovers(settings):
        with contextlib.suppress(OSError):
            path.unlink()
            done.append(f"{path} is deleted")
    return [*done, *_fix_hooks(settings, Installer(settings, tokens))]


def _fix_hooks(settings: Settings, installer: Installer) -> list[str]:
    """Ours are brought up to date where some are; none are put where none are, for that changes settings."""
    path = settings.claude_dir / "settings.json"
    try:
        ours = in_force(path)
        if not ours:
            return []
        done = [f"{stale} is written anew" for stale in installer.stale_files()]
        installer.write_script()
        before = path.read_bytes(), path.stat().st_mode
        transport = "http" if is_over_http(ours) else "command"
        events = ",".join(event for event in ours if event in HOOK_EVENTS)  # Those that the person chose.
        run_setup(settings, Options(is_sure=True, is_quiet=True, transport=transport, events=events))
        return (
            [*done, f"the hooks in {path} are brought up to date"]
            if (path.read_bytes(), path.stat().st_mode) != before
            else done
        )
    except SettingsFileError:
        return []


def _tokens_of(settings: Settings) -> Tokens:
    """The tokens as they are: nothing is made or mended by looking."""
    return Tokens(full=_text(settings.data_dir / "token"), hook=_text(settings.data_dir / "hook-token"))


def _is_missing(path: Path) -> bool:
    """Whether there is no token; one that cannot be read is left as it is."""
    try:
        return not path.read_bytes().strip()
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""
