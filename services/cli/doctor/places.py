"""Files, folders, tokens and the database: are they there, ours, closed to others, and whole?"""

import os
import re
import shutil
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from services.cli.doctor.finding import Finding, advice, command, fault, well
from services.contract.settings import Settings

TOKENS: Final = ("token", "hook-token")
FREE_BYTES: Final = 1024**3
CHECKED_BYTES: Final = 512 * 1024 * 1024
"""A larger database is not read through: that takes minutes."""
CHECK_S: Final = 20.0
"""A slow disk may need longer for less: then it is let go."""
PRIMARY_CODE: Final = 0xFF
"""The part of SQLite's error code that names the kind of error."""
STEPS: Final = 100_000
"""SQLite's steps between two looks at the clock."""
MANY_WAITING: Final = 1_000
MUCH_WAITING_BYTES: Final = 64 * 1024 * 1024
AHEAD_S: Final = 60.0
STALE_S: Final = 24 * 3600
FIX: Final = "questmux doctor --fix"
DRAFT: Final = re.compile(r"\.(?:(?:setup\.json|questmux-hook|hook-headers)\.[0-9]+|(?:hook-)?token\.[0-9a-f]{16})")
"""Names of what we write before it takes its place; whatever else lies there is the person's."""
PRIVATE: Final = (
    "token",
    "hook-token",
    "hook-headers",
    "setup.json",
    "questmux.db",
    "questmux.db-wal",
    "questmux.db-shm",
)


def check_places(settings: Settings) -> list[Finding]:
    """All of them."""
    if not settings.data_dir.exists():
        return [advice("data folder", f"{settings.data_dir} is not there: Questmux never ran", "questmux up")]
    return [
        _folder("data folder", settings.data_dir),
        _folder("runtime folder", settings.runtime_dir),
        *tokens(settings),
        _private(settings),
        _owners(settings),
        _database(settings),
        _disk(settings),
        _spool(settings),
        _leftovers(settings),
    ]


def open_to_others(settings: Settings) -> list[Path]:
    """Files and folders that others may read, and nobody but their owner should."""
    places = [settings.data_dir, settings.runtime_dir, settings.spool_dir]
    return [path for path in [*places, *_private_files(settings)] if _is_ours(path) and _mode(path) & 0o077]


def foreign(settings: Settings) -> list[Path]:
    """Files of the data folder that belong to another user, as after a start with `sudo`; they are left alone."""
    found = [settings.spool_dir, settings.hook_script, *_private_files(settings)]
    return [path for path in found if os.path.lexists(path) and not _is_ours(path)]


def leftovers(settings: Settings) -> list[Path]:
    """Drafts that a crash left, older than a day."""
    before = time.time() - STALE_S
    drafts = [path for path in settings.data_dir.glob(".*") if DRAFT.fullmatch(path.name)]
    found = [*settings.spool_dir.glob("hook-*.part"), *drafts]
    return [path for path in found if _is_ours(path) and path.is_file() and _modified(path) < before]


def tokens(settings: Settings) -> list[Finding]:
    """The two secrets."""
    findings: list[Finding] = []
    told: list[str] = []
    for name in TOKENS:
        path = settings.data_dir / name
        try:
            text = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            findings.append(fault(name, f"{path} is missing; it is made at the start", FIX))
        except (OSError, ValueError) as exc:
            findings.append(fault(name, f"{path} cannot be read: {exc}", command("rm", path)))
        else:
            is_there = bool(text)
            findings.append(well(name, "there") if is_there else fault(name, f"{path} is empty", FIX))
            told.append(text)
    if len(told) == len(TOKENS) and told[0] and told[0] == told[1]:
        says = "the same as token, which may do everything: Questmux does not start so"
        findings[-1] = fault("hook-token", says, command("rm", settings.data_dir / "hook-token"))
    return findings


def _folder(name: str, path: Path) -> Finding:
    try:
        facts = path.stat()
    except OSError as exc:
        return advice(name, f"{path}: {exc.strerror}; it is made at the start", FIX)
    if facts.st_uid != os.getuid():
        return fault(name, f"{path} belongs to another user", command("mv", path, f"{path}.other"))
    if not stat.S_ISDIR(facts.st_mode):
        return fault(name, f"{path} is no folder", command("mv", path, f"{path}.other"))
    return well(name, str(path))


def _private(settings: Settings) -> Finding:
    found = open_to_others(settings)
    if found:
        return fault("file modes", f"others may read {', '.join(map(str, found))}", FIX)
    return well("file modes", "all is closed to others")


def _owners(settings: Settings) -> Finding:
    found = foreign(settings)
    if found:
        mend = command("sudo", "chown", str(os.getuid()), *found)
        return fault("owners", f"{', '.join(path.name for path in found)}: of another user", mend)
    return well("owners", "all is this user's")


def _private_files(settings: Settings) -> list[Path]:
    return [settings.data_dir / name for name in PRIVATE]


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid()
    except OSError:
        return False


def _database(settings: Settings) -> Finding:
    path = settings.database
    check = command("sqlite3", path, "PRAGMA quick_check")
    try:
        size = path.stat().st_size
    except OSError:
        return advice("database", "none yet; it is made at the first start", "questmux up")
    if size > CHECKED_BYTES:
        return advice("database", f"{size >> 20:,} MB: too large to be read through here", check)
    try:
        last_at = _read_through(path)
    except TimeoutError:
        says = f"{size >> 20:,} MB: not read through within {CHECK_S:g} s"
        return advice("database", says, check)
    except sqlite3.Error as exc:
        return _unreadable(path, exc)
    ahead_s = last_at / 1000 - time.time()
    if ahead_s > AHEAD_S:
        says = f"whole, but its last event is {ahead_s / 60:,.0f} minutes in the future: the clock was set back"
        return advice("database", says, "sudo timedatectl set-ntp true")
    return well("database", f"whole, {size >> 10:,} kB")


def _unreadable(path: Path, exc: sqlite3.Error) -> Finding:
    """A database that is damaged, or only cannot be read now."""
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & PRIMARY_CODE
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return fault("database", f"{path}: {exc}", "restore a back-up: docs/operations.md")
    return fault("database", f"{path} cannot be read: {exc}", command("ls", "-l", path.parent))


def _read_through(path: Path) -> int:
    """When the last event came, Unix milliseconds; 0 without one.

    Raises:
        TimeoutError: it takes too long.
        sqlite3.Error: it cannot be read, or is not whole.
    """
    end = time.monotonic() + CHECK_S
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
        database.set_progress_handler(lambda: time.monotonic() > end, STEPS)
        try:
            [first] = database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as exc:
            if time.monotonic() > end:
                raise TimeoutError from exc
            raise
        if first != "ok":
            raise sqlite3.DatabaseError(first)
        try:
            last = database.execute("SELECT received_at FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        except sqlite3.OperationalError:  # Core has only begun to make it.
            last = None
    return 0 if last is None else int(last[0])


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.data_dir).free
    if free < FREE_BYTES:
        return advice(
            "disk", f"{free >> 20:,} MB are free beside {settings.data_dir}", command("df", "-h", settings.data_dir)
        )
    return well("disk", f"{free >> 30:,} GB free")


def _spool(settings: Settings) -> Finding:
    waiting = list(settings.spool_dir.glob("hook-*.jsonl"))
    size = sum(map(_size, settings.spool_dir.glob("*.jsonl*")))
    unread = list(settings.spool_dir.glob("*.unreadable"))
    if unread:
        return advice("spool", f"{len(unread)} files could not be read", command("ls", "-l", settings.spool_dir))
    if len(waiting) > MANY_WAITING or size > MUCH_WAITING_BYTES:
        return advice(
            "spool", f"{len(waiting):,} calls wait ({size >> 10:,} kB); the script keeps 50,000", "questmux up"
        )
    return well("spool", f"{len(waiting)} calls wait ({size >> 10:,} kB)")


def _leftovers(settings: Settings) -> Finding:
    found = leftovers(settings)
    if found:
        return advice("leftovers", f"{len(found)} drafts of writes that were cut off", FIX)
    return well("leftovers", "none")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # Core was faster.
        return 0


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode if not path.is_symlink() else 0
    except OSError:
        return 0


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return time.time()
