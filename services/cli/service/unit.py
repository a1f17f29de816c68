"""What is told to systemd or launchd, as text. Pure."""

import plistlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.contract.settings import PREFIX, Settings

NAME: Final = "questmux"
MARK: Final = "# Written by `questmux service install`; `questmux service uninstall` removes it."
STOP_S: Final = 20
"""`questmux up` ends within 10 s."""
RESTART_S: Final = 5
PASSED_ON: Final = ("PATH", "LANG", "TMUX_TMPDIR", "CLAUDE_CONFIG_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME")
"""Beside Questmux's own settings: where programs, the person's tmux server and their files are found."""


PROGRAM_LACKS: Final = frozenset("\"'\\")


class UnitError(ValueError):
    """Something cannot stand in a unit; the message names it."""


class Service(Struct, frozen=True, kw_only=True):
    """What is to run."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    """Where launchd puts what is printed; systemd has its journal."""


def environment_of(environ: Mapping[str, str]) -> dict[str, str]:
    """What of this shell's environment the service needs, so that it finds what this shell finds."""
    settings = {PREFIX + name.upper() for name in (*Settings.__struct_fields__, "config")}
    kept = {name: value for name, value in environ.items() if name in PASSED_ON or name in settings}
    return dict(sorted((name, value) for name, value in kept.items() if value))


def systemd_unit(service: Service) -> str:
    """A user unit.

    `KillMode=process`: a tmux server that was started through Questmux is in its control group, and must outlive it.

    Raises:
        UnitError: a value has a line end in it, or systemd runs no program of this name.
    """
    environment = [f"Environment={_quoted(f'{name}={value}')}" for name, value in service.environment.items()]
    program, *words = service.words
    if set(program) & PROGRAM_LACKS:
        raise UnitError(f"{program!r} has a quote or backslash in its path, with which systemd runs no program")
    # `$` is special after the program only; `%` everywhere.
    command = " ".join([_quoted(program), *(_quoted(word).replace("$", "$$") for word in words)])
    lines = [
        MARK,
        "[Unit]",
        "Description=Questmux watches the coding agents in tmux",
        "StartLimitIntervalSec=300",
        "StartLimitBurst=10",
        "",
        "[Service]",
        f"ExecStart={command}",
        *environment,
        "Restart=on-failure",
        f"RestartSec={RESTART_S}",
        "KillMode=process",
        f"TimeoutStopSec={STOP_S}",
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ]
    return "\n".join(lines)


def launchd_plist(service: Service) -> str:
    """A user agent; `AbandonProcessGroup` for the same reason as `KillMode`.

    Raises:
        UnitError: a value has a line end in it.
    """
    for value in (*service.words, *service.environment.values()):
        _check(value)
    agent = {
        "Label": NAME,
        "ProgramArguments": list(service.words),
        "EnvironmentVariables": dict(service.environment),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": RESTART_S,
        "ExitTimeOut": STOP_S,
        "AbandonProcessGroup": True,
        "StandardOutPath": str(service.log),
        "StandardErrorPath": str(service.log),
    }
    head, _, rest = plistlib.dumps(agent, sort_keys=False).decode().partition("\n")
    return f"{head}\n<!-- {MARK} -->\n{rest}"


def is_ours(text: str) -> bool:
    """Whether a file of that name was written here."""
    return MARK in text


def _check(value: str) -> None:
    if any(ord(character) < ord(" ") for character in value):
        raise UnitError(f"{value[:60]!r} has a control character in it, which a unit cannot have")


def _quoted(text: str) -> str:
    _check(text)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
