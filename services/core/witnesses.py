"""What the registry and the screens say now, kept until they say something else. Pure."""

from msgspec import Struct, field, structs

from services.contract.entities import Reading, RegistryEntry
from services.core.sign import Sign, registry_sign, screen_sign


class Listed(Struct, frozen=True, kw_only=True):
    """A living process of an agent, as its registry has it."""

    entry: RegistryEntry
    sign: Sign | None = None


class Testimony(Struct, kw_only=True):
    """All that was said, as a checkpoint keeps it."""

    listed: dict[int, Listed] = field(default_factory=dict[int, Listed])
    """By pid."""
    screens: dict[str, Sign] = field(default_factory=dict[str, Sign])
    """By pane; those that no rule knew are left out."""


class Witnesses:
    """The sources besides the hooks."""

    def __init__(self, kept: Testimony) -> None:
        self.kept = kept
        self._pids: dict[str, set[int]] = {}
        for pid, listed in kept.listed.items():
            self._pids.setdefault(listed.entry.session_id, set()).add(pid)

    def of_session(self, session_id: str) -> Listed | None:
        """The process that runs this session; of several the one that did something last."""
        pids = self._pids.get(session_id)
        if not pids:
            return None
        return max((self.kept.listed[pid] for pid in pids), key=lambda one: (one.entry.status_at, one.entry.pid))

    def screen_of(self, pane_id: str) -> Sign | None:
        """What a pane's screen says."""
        return self.kept.screens.get(pane_id)

    @property
    def pids(self) -> frozenset[int]:
        """The processes that the registry has."""
        return frozenset(self.kept.listed)

    def entry_of(self, pid: int) -> RegistryEntry | None:
        """What the registry has of a process."""
        listed = self.kept.listed.get(pid)
        return None if listed is None else listed.entry

    def put(self, entry: RegistryEntry, event_id: str, at: int) -> str | None:
        """Take an entry that was read at a time; answers the session that its process has left for another."""
        known = self.kept.listed.get(entry.pid)
        sign = registry_sign(entry, event_id, at)
        if known is not None and known.sign is not None and sign is not None and _is_same(known.sign, sign):
            sign = structs.replace(sign, at=known.sign.at, event_id=known.sign.event_id)
        left = self.remove(entry.pid)
        self.kept.listed[entry.pid] = Listed(entry=entry, sign=sign)
        self._pids.setdefault(entry.session_id, set()).add(entry.pid)
        return None if left == entry.session_id else left

    def remove(self, pid: int) -> str | None:
        """Forget a process that has gone; answers the session that it ran."""
        known = self.kept.listed.pop(pid, None)
        if known is None:
            return None
        session_id = known.entry.session_id
        self._pids[session_id].discard(pid)
        if not self._pids[session_id]:
            del self._pids[session_id]
        return session_id

    def is_new_reading(self, reading: Reading) -> bool:
        """Whether a screen means something else than before."""
        known, sign = self.kept.screens.get(reading.pane_id), screen_sign(reading, "")
        if known is None or sign is None:
            return known is not sign
        return structs.replace(known, at=sign.at, event_id="") != sign

    def read(self, reading: Reading, event_id: str) -> None:
        """Take what a screen means."""
        sign = screen_sign(reading, event_id)
        if sign is None:
            self.kept.screens.pop(reading.pane_id, None)
        else:
            self.kept.screens[reading.pane_id] = sign

    def forget_screen(self, pane_id: str) -> None:
        """The pane is gone, or its agent."""
        self.kept.screens.pop(pane_id, None)


def _is_same(known: Sign, sign: Sign) -> bool:
    """Whether an entry changed in something else than its status."""
    return (known.rule, known.says) == (sign.rule, sign.says) and sign.at <= known.at
