"""Puts our hooks into a settings file and takes them out again: what changes is planned first, then done."""

import contextlib
import fcntl
import os
from collections.abc import Generator, Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, structs

from services.cli.setup import record, settings_file
from services.cli.setup.hook_entries import HttpHooks, entries
from services.cli.setup.hook_script import headers_of, script_of
from services.cli.setup.record import Change, Record
from services.cli.setup.settings_file import OWNER, Found, SettingsFileError
from services.cli.setup.settings_text import SettingsTextError, installed, with_hooks, without_hooks
from services.contract.settings import Settings
from services.process.settings import make_folders
from services.process.tokens import Tokens

PACKAGE: Final = "services.cli.setup"
TEMPLATE: Final = "questmux-hook.sh"
SCRIPT_MODE: Final = 0o700


class Plan(Struct, frozen=True):
    """What will be done to a settings file."""

    found: Found
    before: bytes | None
    """The file without our hooks; None when it would not be there."""
    new: str | None
    """What it will be; None to delete it."""
    mode: int | None = None
    """The file mode that it will have; None: as it is."""

    @property
    def changes(self) -> bool:
        """Whether the file changes at all."""
        is_same = self.found.data == (None if self.new is None else self.new.encode())
        return self.closes or self.opens or not is_same

    @property
    def closes(self) -> bool:
        """Whether others may do something with it now, and will not."""
        return self.mode is not None and self.found.data is not None and bool(self.found.mode & ~self.mode)

    @property
    def opens(self) -> bool:
        """Whether others will be able to do something with it, as before it was closed."""
        return self.mode is not None and self.new is not None and bool(self.mode & ~self.found.mode)


class Installer:
    """One installation's hooks."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens

    # Putting in.

    def plan_setup(self, path: Path, events: tuple[str, ...], http: HttpHooks | None) -> Plan:
        """What would put our hooks for these events in.

        Raises:
            SettingsFileError: the file cannot be used; says why.
        """
        found = settings_file.read(path)
        wanted = entries(events, str(self._settings.hook_script), http)
        before = self._before(found)
        mode = None if http is None else found.mode & OWNER  # They have the hook token.
        try:
            if found.data is not None and with_hooks(found.text, wanted) == found.text:
                return Plan(found, before, found.text, mode)
            return Plan(found, before, with_hooks(Found(path, before).text, wanted), mode)
        except SettingsTextError as exc:
            raise settings_file.as_problem(path, exc) from exc

    def set_up(self, plan: Plan, now: datetime) -> Path | None:
        """Do it: the script first, so that no hook points at nothing. Answers where the backup is, if one was needed.

        Raises:
            SettingsFileError: the file was changed meanwhile or cannot be written; it is as it was.
        """
        self.write_script()
        if plan.new is None:
            return None
        if not plan.changes:
            self._remember_if_new(plan)
            return None
        with self._locked():
            backup = settings_file.back_up(plan.found, now)
            path = plan.found.path
            made_folder = not path.parent.exists()
            earlier = record.load(self._settings.data_dir).changes.get(str(path))
            change = Change(
                written=record.digest(plan.new.encode()),
                before=plan.before,
                made_folder=made_folder,
                mode=plan.found.mode if plan.closes else _mode_before(plan.found, earlier),
            )
            self._remember(path, change)
            settings_file.replace(plan.found, plan.new, mode=plan.mode)
        return backup

    def write_script(self) -> None:
        """Write the script and its headers anew, where they are not as they should be."""
        make_folders(self._settings)
        for path, (text, mode) in self.script_files().items():
            if not _is_as(path, text, mode):
                _write(path, text, mode)

    def script_files(self) -> Mapping[Path, tuple[str, int]]:
        """Text and file mode of what Claude Code's hooks need on disk."""
        template = (files(PACKAGE) / TEMPLATE).read_text(encoding="utf-8")
        return {
            self._settings.hook_headers: (headers_of(self._tokens.hook), 0o600),
            self._settings.hook_script: (script_of(template, self._settings), SCRIPT_MODE),
        }

    def stale_files(self) -> list[Path]:
        """Which of those are missing, of another release, or open to others."""
        return [path for path, (text, mode) in self.script_files().items() if not _is_as(path, text, mode)]

    # Taking out.

    def plan_unsetup(self, path: Path) -> Plan:
        """What would take our hooks out: the very bytes from before, unless the file was changed since.

        Raises:
            SettingsFileError: the file cannot be used; says why.
        """
        found = settings_file.read(path)
        before = self._before(found)
        change = record.load(self._settings.data_dir).changes.get(str(path))
        return Plan(found, before, None if before is None else Found(path, before).text, _mode_before(found, change))

    def unset(self, plan: Plan, now: datetime) -> Path | None:
        """Do it. Answers where the backup is: none is needed when nothing but ours goes.

        Raises:
            SettingsFileError: the file was changed meanwhile or cannot be written; it is as it was.
        """
        path = plan.found.path
        with self._locked():
            known = record.load(self._settings.data_dir)
            change = known.changes.get(str(path))
            backup = None
            if plan.changes:
                if not _is_as_written(plan.found, change):
                    backup = settings_file.back_up(plan.found, now)
                settings_file.replace(plan.found, plan.new, mode=plan.mode)
                if plan.new is None and change is not None and change.made_folder:
                    with contextlib.suppress(OSError):
                        path.parent.rmdir()
            self._forget(path)
        return backup

    def remove_script(self) -> list[str]:
        """Delete the script, unless other settings files still name it: those are answered."""
        others = sorted(record.load(self._settings.data_dir).changes)
        if not others:
            for path in (self._settings.hook_script, self._settings.hook_headers):
                path.unlink(missing_ok=True)
        return others

    def _before(self, found: Found) -> bytes | None:
        """The file without our hooks."""
        change = record.load(self._settings.data_dir).changes.get(str(found.path))
        if found.data is None:
            return None
        if change is not None and _is_as_written(found, change):
            return change.before
        try:
            bare = without_hooks(found.text)
        except SettingsTextError as exc:
            raise settings_file.as_problem(found.path, exc) from exc
        was_missing = change is not None and change.before is None
        return None if was_missing and bare.strip() in {"", "{}"} else bare.encode()

    def _remember_if_new(self, plan: Plan) -> None:
        """The file has our hooks already, and what was remembered of it is lost."""
        with self._locked():
            if str(plan.found.path) not in record.load(self._settings.data_dir).changes and plan.found.data is not None:
                self._remember(plan.found.path, Change(written=record.digest(plan.found.data), before=plan.before))

    def _remember(self, path: Path, change: Change) -> None:
        known = record.load(self._settings.data_dir).changes
        earlier = known.get(str(path))
        made = change.made_folder or (earlier is not None and earlier.made_folder)
        change = structs.replace(change, made_folder=made)
        record.save(self._settings.data_dir, Record({**known, str(path): change}))

    def _forget(self, path: Path) -> None:
        known = record.load(self._settings.data_dir).changes
        record.save(self._settings.data_dir, Record({name: one for name, one in known.items() if name != str(path)}))

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        """Only one of ours at a time."""
        descriptor = os.open(self._settings.data_dir / ".setup.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as exc:
            raise SettingsFileError("another `questmux setup` is at work; nothing was changed") from exc
        finally:
            os.close(descriptor)


def in_force(path: Path) -> dict[str, list[Any]]:
    """Our entries in a settings file, by event; none when there is no file.

    Raises:
        SettingsFileError: it cannot be read, or is no settings.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return installed(text)
    except FileNotFoundError:
        return {}
    except SettingsTextError as exc:
        raise settings_file.as_problem(path, exc) from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsFileError(f"{path} cannot be read: {exc}") from exc


def _is_as_written(found: Found, change: Change | None) -> bool:
    return change is not None and found.data is not None and record.digest(found.data) == change.written


def _mode_before(found: Found, change: Change | None) -> int | None:
    """The mode before we closed the file; None when it, or what is in it, was changed by somebody else since."""
    if change is None or change.mode is None or not _is_as_written(found, change):
        return None
    return change.mode if found.mode == change.mode & OWNER else None


def _is_as(path: Path, text: str, mode: int) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text and path.lstat().st_mode & 0o7777 == mode
    except (OSError, UnicodeDecodeError):
        return False


def _write(path: Path, text: str, mode: int) -> None:
    """Whole or not at all: a hook may run at any moment."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode(errors="surrogateescape"))
        os.fchmod(file.fileno(), mode)
    draft.replace(path)
