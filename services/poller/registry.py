"""What Claude Code writes of its processes into its `sessions` folder, and which of it core has not heard. Pure.

Its format is not documented: a field that is missing or odd says nothing, and unknown ones are passed over.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from services.contract.entities import RegistryEntry
from services.contract.events import MAX_SESSION_ID_CHARS
from services.contract.spool import MAX_TIME_MS

MAX_WORD_CHARS: Final = 64
"""Of a status, a version and the like."""
MAX_CWD_CHARS: Final = 4_096
MAX_PROOF_CHARS: Final = 128
"""Of what tells that a process is the one that wrote its file."""
_FILE: Final = re.compile(r"([1-9]\d{0,8})\.json", re.ASCII)
"""Not `<pid>.<hash>.key`, which is a secret, and not the old `pid-<n>.json`."""
_TICKS: Final = re.compile(r"\d{1,20}", re.ASCII)
_NAMESPACE: Final = re.compile(r".*(pid:\[\d{1,20}\])", re.ASCII)


class Registered(Struct, frozen=True, kw_only=True):
    """An entry, with what tells whether its process is still the one that wrote it."""

    entry: RegistryEntry
    proc_start: str | None = None
    """When the process was started, in Linux's clock ticks; None elsewhere."""
    pid_domain: str | None = None
    """Linux's namespace that the pid counts in, `pid:[4026531836]`, as its link in `/proc` says."""


def pid_of(file_name: str) -> int | None:
    """The pid that a file of the folder is about; None for a file that must not be opened."""
    match = _FILE.fullmatch(file_name)
    return None if match is None else int(match[1])


def read_registered(text: bytes, pid: int, written_at_ms: int) -> Registered | None:
    """What the file of a pid says; None when it is not whole, names no session, or is about another pid."""
    try:
        fields = _Fields(msgspec.json.decode(text, type=dict[str, object]))
    except (ValueError, RecursionError):  # The former is also every error of msgspec's.
        return None
    session_id = fields.text("sessionId", MAX_SESSION_ID_CHARS + 1)
    if session_id is None or len(session_id) > MAX_SESSION_ID_CHARS or fields.number("pid", pid) != pid:
        return None
    return Registered(
        entry=RegistryEntry(
            pid=pid,
            session_id=session_id,
            status=fields.text("status"),
            waiting_for=fields.text("waitingFor"),
            status_at=fields.number("statusUpdatedAt", written_at_ms),
            started_at=fields.number("startedAt", 0),
            cwd=fields.text("cwd", MAX_CWD_CHARS),
            version=fields.text("version"),
            kind=fields.text("kind"),
            entrypoint=fields.text("entrypoint"),
        ),
        proc_start=fields.part("procStart", _TICKS, 0),
        pid_domain=fields.part("pidDomain", _NAMESPACE, 1),
    )


class _Fields:
    """A record's fields, as far as they are what they should be."""

    def __init__(self, record: Mapping[str, object]) -> None:
        self._record = record

    def text(self, name: str, max_chars: int = MAX_WORD_CHARS) -> str | None:
        """Cut; None when it is empty or no text."""
        value = self._record.get(name)
        return value[:max_chars] if isinstance(value, str) and value else None

    def number(self, name: str, other: int) -> int:
        """A whole number above 0, else the other one."""
        value = self._record.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            return other
        return value if 0 < value <= MAX_TIME_MS else other

    def part(self, name: str, pattern: re.Pattern[str], group: int) -> str | None:
        """What a group matches in a text that matches wholly."""
        match = pattern.fullmatch(self.text(name, MAX_PROOF_CHARS) or "")
        return None if match is None else match[group]


class Registry:
    """Remembers which entries were told."""

    def __init__(self) -> None:
        self._told: Mapping[int, RegistryEntry] = {}

    def forget(self) -> None:
        """Core may have nothing: all that is found next is a change."""
        self._told = {}

    def changes(self, found: Mapping[int, RegistryEntry]) -> tuple[tuple[RegistryEntry, ...], tuple[int, ...]]:
        """Entries that are new or other than told, and the pids of those that have gone; taken as told."""
        told, self._told = self._told, dict(found)
        changed = tuple(entry for pid, entry in sorted(found.items()) if told.get(pid) != entry)
        return changed, tuple(sorted(told.keys() - found.keys()))
