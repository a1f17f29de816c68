"""Every setting: environment first, then `config.toml`, then the default; parsed once. Pure."""

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct, convert

PREFIX: Final = "QUESTMUX_"
T = TypeVar("T")


class SettingError(ValueError):
    """A setting cannot be used; the message names it and says what it takes."""


class Folders(Struct, frozen=True, kw_only=True):
    """Where the platform keeps such things; the defaults of four settings."""

    data: Path
    runtime: Path
    config: Path
    home: Path


class Settings(Struct, frozen=True, kw_only=True):
    """What a person may set. `docs/settings.md` describes each."""

    data_dir: Path
    runtime_dir: Path
    api_host: str = "127.0.0.1"
    api_port: int = 4011
    api_workers: int = 2
    ws_host: str = "127.0.0.1"
    ws_port: int = 4012
    ws_processes: int = 1
    tmux_socket: str = ""
    tmux_control: str = "auto"
    claude_command: str = "claude"
    claude_dir: Path
    rules_dir: Path
    poll_ms: int = 250
    heartbeat_s: float = 30.0
    retention_days: int = 30
    time_zone: str = ""
    log_level: str = "info"
    log_format: str = "auto"
    ws_pause_bytes: int = 65536
    ws_resume_bytes: int = 16384
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()

    @property
    def requests_address(self) -> str:
        """Where core answers requests."""
        return f"ipc://{self.runtime_dir / 'requests.sock'}"

    @property
    def updates_address(self) -> str:
        """Where core publishes updates."""
        return f"ipc://{self.runtime_dir / 'updates.sock'}"

    @property
    def api_socket(self) -> Path:
        """Where HTTP listens besides its port, for this user alone: hook calls of the script come in here."""
        return self.runtime_dir / "api.sock"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "questmux.db"

    @property
    def log_dir(self) -> Path:
        """Where a service manager without a journal puts what is printed."""
        return self.data_dir / "log"

    @property
    def hook_script(self) -> Path:
        """What Claude Code runs for each hook call."""
        return self.data_dir / "questmux-hook"

    @property
    def hook_headers(self) -> Path:
        """The headers of a hook call, for curl: the hook token is in it."""
        return self.data_dir / "hook-headers"

    @property
    def spool_dir(self) -> Path:
        """Where events wait while core is away."""
        return self.data_dir / "spool"


MAX_IPC_PATH_BYTES: Final = 107
"""What a Unix socket address holds (`sun_path` less its end)."""
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("auto", "text", "json")
TMUX_CONTROLS: Final = ("auto", "off")


def read_settings(environ: Mapping[str, str], config: Mapping[str, object], folders: Folders) -> Settings:
    """The settings that hold.

    Raises:
        SettingError: the first one that cannot be used.
    """
    known = {PREFIX + name.upper(): name for name in Settings.__struct_fields__} | {PREFIX + "CONFIG": ""}
    unknown = sorted(set(config) - set(Settings.__struct_fields__))
    if unknown:
        raise SettingError(f"config.toml has no setting {unknown[0]!r}; docs/settings.md lists them")
    raw: dict[str, object] = {name: value for name, value in config.items() if value != ""}
    raw |= {known[name]: value for name, value in environ.items() if known.get(name) and value}

    def take(name: str, default: T, parse: Callable[[object], T], takes: str) -> T:
        if name not in raw:
            return default
        try:
            return parse(raw[name])
        except (TypeError, ValueError, RuntimeError) as exc:  # RuntimeError: `~name` of a user who is not there.
            raise SettingError(f"{PREFIX}{name.upper()} takes {takes}, not {raw[name]!r}") from exc

    settings = Settings(
        data_dir=take("data_dir", folders.data, _path, "the full path of a folder"),
        runtime_dir=take("runtime_dir", folders.runtime, _path, "the full path of a folder"),
        api_host=take("api_host", "127.0.0.1", _host, "an IP address or localhost"),
        api_port=take("api_port", 4011, _number(1, 65535), "a port from 1 to 65535"),
        api_workers=take("api_workers", 2, _number(1, 64), "a number from 1 to 64"),
        ws_host=take("ws_host", "127.0.0.1", _host, "an IP address or localhost"),
        ws_port=take("ws_port", 4012, _number(1, 65535), "a port from 1 to 65535"),
        ws_processes=take("ws_processes", 1, _number(1, 64), "a number from 1 to 64"),
        tmux_socket=take("tmux_socket", "", _text, "a socket name or path"),
        tmux_control=take("tmux_control", "auto", _one_of(TMUX_CONTROLS), "one of " + ", ".join(TMUX_CONTROLS)),
        claude_command=take("claude_command", "claude", _text, "a command"),
        claude_dir=take("claude_dir", _claude_dir(environ, folders), _path, "the full path of a folder"),
        rules_dir=take("rules_dir", folders.config / "rules", _path, "the full path of a folder"),
        poll_ms=take("poll_ms", 250, _number(50, 60_000), "milliseconds from 50 to 60000"),
        heartbeat_s=take("heartbeat_s", 30.0, _seconds, "seconds from 1 to 3600"),
        retention_days=take("retention_days", 30, _number(1, 36_500), "days from 1 to 36500"),
        time_zone=take("time_zone", "", _zone, "the name of a time zone, as Europe/Berlin"),
        log_level=take("log_level", "info", _one_of(LOG_LEVELS), "one of " + ", ".join(LOG_LEVELS)),
        log_format=take("log_format", "auto", _one_of(LOG_FORMATS), "one of " + ", ".join(LOG_FORMATS)),
        ws_pause_bytes=take("ws_pause_bytes", 65536, _number(1, 2**30), "bytes from 1 to 1 GiB"),
        ws_resume_bytes=take("ws_resume_bytes", 16384, _number(1, 2**30), "bytes from 1 to 1 GiB"),
        allowed_hosts=take("allowed_hosts", (), _words, "host names with commas between"),
        allowed_origins=take("allowed_origins", (), _words, "origins with commas between"),
    )
    if len(str(settings.runtime_dir / "requests.sock").encode()) > MAX_IPC_PATH_BYTES:
        raise SettingError(f"{PREFIX}RUNTIME_DIR is too long for a Unix socket: {settings.runtime_dir}")
    if settings.ws_resume_bytes > settings.ws_pause_bytes:
        raise SettingError(f"{PREFIX}WS_RESUME_BYTES is above {PREFIX}WS_PAUSE_BYTES")
    return settings


def _claude_dir(environ: Mapping[str, str], folders: Folders) -> Path:
    named = environ.get("CLAUDE_CONFIG_DIR")
    return Path(named) if named else folders.home / ".claude"


def _path(value: object) -> Path:
    path = Path(_text(value)).expanduser()
    if not path.is_absolute():
        raise ValueError(value)
    return path


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    if not value or not value.isprintable():  # Also refuses bytes that are not UTF-8.
        raise ValueError(value)
    return value


def _host(value: object) -> str:
    host = str(value)
    return host if host == "localhost" else str(ip_address(host))


def _number(low: int, high: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = int(str(value))
        if not low <= number <= high:
            raise ValueError(value)
        return number

    return parse


def _zone(value: object) -> str:
    name = _text(value)
    try:
        return ZoneInfo(name).key
    except (OSError, ZoneInfoNotFoundError) as exc:
        raise ValueError(value) from exc


def _seconds(value: object) -> float:
    seconds = float(str(value))
    if not 1 <= seconds <= 3600:  # noqa: PLR2004 - said in `takes`
        raise ValueError(value)
    return seconds


def _one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        word = _text(value).lower()
        if word not in words:
            raise ValueError(value)
        return word

    return parse


def _words(value: object) -> tuple[str, ...]:
    items: object = value.split(",") if isinstance(value, str) else value
    words = convert(items, tuple[str, ...])
    return tuple(word.strip() for word in words if word.strip())
