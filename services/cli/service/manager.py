"""systemd or launchd of this user: the unit's file, and the commands that start and stop it."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.cli.service.unit import NAME, Service, is_ours, launchd_plist, systemd_unit

COMMAND_S: Final = 30.0
"""systemctl waits for a stop."""


class ServiceError(Exception):
    """It could not be done; the message says why and what to do."""


class Manager(Struct, frozen=True, kw_only=True):
    """One way of running services."""

    file: Path
    text: Callable[[Service], str]
    start: tuple[tuple[str, ...], ...]
    stop: tuple[tuple[str, ...], ...]
    look: tuple[str, ...]
    """Exits with 0 while it runs."""
    look_ahead: tuple[str, ...]
    """Exits with 0 when it starts with the session."""
    logs: str
    hint: str = ""

    def installed(self) -> str | None:
        """The file's text; None when there is none.

        Raises:
            ServiceError: it is not ours, or cannot be read.
        """
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as exc:
            raise ServiceError(f"{self.file} cannot be read: {exc}") from exc
        if self.file.is_symlink() or not is_ours(text):
            raise ServiceError(f"{self.file} was not written by Questmux and is left as it is")
        return text

    def write(self, text: str) -> None:
        """Put the file in its place, whole.

        Raises:
            ServiceError: it cannot be written.
        """
        draft = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            draft.chmod(0o600)
            draft.replace(self.file)
        except OSError as exc:
            draft.unlink(missing_ok=True)
            raise ServiceError(f"{self.file} cannot be written: {exc.strerror}") from exc

    def is_running(self) -> bool:
        """Whether it runs now."""
        return _run(self.look) is None

    def is_enabled(self) -> bool:
        """Whether it starts with the session."""
        return _run(self.look_ahead) is None

    def begin(self) -> str | None:
        """Start it, now and with each session; what went wrong, if anything did."""
        return next(filter(None, map(_run, self.start)), None)

    def end(self) -> None:
        """Stop it, if it runs."""
        for words in self.stop:
            _run(words)


def manager_of(system: str, environ: Mapping[str, str], home: Path) -> Manager:
    """The manager of this platform: `system` is as `platform.system()` says it.

    Raises:
        ServiceError: there is none that is known here.
    """
    if system == "Darwin":
        domain = f"gui/{os.getuid()}"
        file = home / "Library" / "LaunchAgents" / f"{NAME}.plist"
        return Manager(
            file=file,
            text=launchd_plist,
            start=(("launchctl", "bootstrap", domain, str(file)),),
            stop=(("launchctl", "bootout", f"{domain}/{NAME}"),),
            look=("launchctl", "print", f"{domain}/{NAME}"),
            look_ahead=("test", "-f", str(file)),
            logs="tail -f ~/Library/Application\\ Support/questmux/log/questmux.log",
        )
    if system == "Linux":
        named = environ.get("XDG_CONFIG_HOME")
        folder = (Path(named) if named else home / ".config") / "systemd" / "user"
        unit = f"{NAME}.service"
        systemctl = ("systemctl", "--user")
        return Manager(
            file=folder / unit,
            text=systemd_unit,
            start=((*systemctl, "daemon-reload"), (*systemctl, "enable", unit), (*systemctl, "restart", unit)),
            stop=((*systemctl, "disable", "--now", unit),),
            look=(*systemctl, "is-active", "--quiet", unit),
            look_ahead=(*systemctl, "is-enabled", "--quiet", unit),
            logs=f"journalctl --user -u {NAME} -f",
            hint="`loginctl enable-linger` keeps it running while you are logged out.",
        )
    raise ServiceError(f"{system} has neither systemd nor launchd: start `questmux up` by what it has")


def _run(words: tuple[str, ...]) -> str | None:
    """Run a command; what it said when it failed."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_S, check=False)  # noqa: S603 - ours
    except FileNotFoundError:
        return f"{words[0]} is not here"
    except subprocess.TimeoutExpired:
        return f"{words[0]} did not answer within {COMMAND_S:g} s"
    if done.returncode == 0:
        return None
    said = (done.stderr or done.stdout).strip().splitlines()
    return said[0] if said else f"{words[0]} ended with {done.returncode}"
