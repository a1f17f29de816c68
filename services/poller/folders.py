"""Which folder's repository is to be read when. Pure: times come in as arguments, as seconds of a steady clock.

A folder is read for as long as an agent is in it, or once because core asked. Each folder pauses by itself, and git as
a whole rests too, so that many folders cost no more than a few: 1 % of the time is spent reading while nothing happens
in any, else at most 6 %. The first reading of a folder, and one that core asks for, wait for no rest: they come with
what a person does.

Those that wait are read in the order in which they became due, so none starves. Unless new ones keep coming, a folder
waits, after its pause, for 22 times as long as one reading of each takes where something happens; where nothing does,
or that is slow, for 123 times as long as that and one more of the slowest take.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct

SOON_S: Final = 5.0
"""While things happen in a folder it is read this often."""
IDLE_S: Final = 60.0
"""Else: a person may work there too."""
LONGEST_IDLE_S: Final = 300.0
"""It becomes twice as long with each reading before which nothing happened, up to this."""
PAUSES: Final = 50
"""A folder pauses for this many times as long as its last reading took."""
RESTS: Final = 20
"""After any reading none is begun for this many times as long as it took: 5 % of the time."""
QUIET_RESTS: Final = 100
"""After a quiet reading no other quiet one for this many times as long: 1 %. Before a quiet one nothing happened."""
SLOW_S: Final = 1.0
"""A reading that took longer counts as a quiet one, and others rest as after one that took this long: what happens in
them does not wait long for a folder that hangs, which costs nothing."""
MAX_FOLDERS: Final = 500
"""More are not read."""


class _Folder(Struct):
    panes: frozenset[str] = frozenset()
    is_wanted: bool = False
    """An agent is in it."""
    is_asked: bool = False
    """Core asks for it."""
    has_news: bool = False
    """Something happened in it since it was read."""
    is_quiet: bool = False
    """Neither was so when its last reading began."""
    read_at: float | None = None
    took_s: float = 0.0
    idle_s: float = IDLE_S


class Folders:
    """What is known of each folder, and how long git rests."""

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}
        self._rests_until = self._is_quiet_until = float("-inf")

    def see(self, agents: Mapping[str, Collection[str]], now: float) -> None:
        """In these folders, and in no others, are agents, in these panes.

        A folder that all have left is remembered for a while: who comes back does not make it pause less.
        """
        for name, folder in list(self._folders.items()):
            folder.has_news |= name in agents and not folder.is_wanted
            folder.is_wanted = name in agents
            folder.panes = frozenset(agents.get(name, ()))
            is_over = folder.read_at is None or now >= folder.read_at + max(IDLE_S, PAUSES * folder.took_s)
            if is_over and not (folder.is_wanted or folder.is_asked or folder.has_news):
                del self._folders[name]
        for name, panes in agents.items():
            if name not in self._folders and len(self._folders) < MAX_FOLDERS:
                self._folders[name] = _Folder(panes=frozenset(panes), is_wanted=True)

    def ask(self, folders: Iterable[str]) -> None:
        """Core wants to know of these."""
        for name in folders:
            if name in self._folders or len(self._folders) < MAX_FOLDERS:
                self._folders.setdefault(name, _Folder()).is_asked = True

    def happened(self, panes: Iterable[str]) -> None:
        """Something happened in these panes."""
        told = frozenset(panes)
        for folder in self._folders.values():
            folder.has_news |= not folder.panes.isdisjoint(told)

    def begin(self, folders: Iterable[str]) -> None:
        """These are being read: what happens in them from now on is for the next time."""
        for name in folders:
            folder = self._folders.get(name)
            if folder is not None:
                folder.is_quiet = not (folder.read_at is None or folder.is_asked or folder.has_news)
                folder.is_asked = folder.has_news = False

    def end(self, folders: Iterable[str], began: float, now: float) -> None:
        """These were read between these times, all together."""
        took_s = now - began
        read = [self._folders[name] for name in folders if name in self._folders]
        is_quiet = all(folder.is_quiet for folder in read)
        for folder in read:
            folder.read_at, folder.took_s = now, took_s
            folder.idle_s = min(2 * folder.idle_s, LONGEST_IDLE_S) if is_quiet else IDLE_S
        self._rests_until = max(self._rests_until, now + RESTS * min(took_s, SLOW_S))
        if is_quiet or took_s > SLOW_S:
            self._is_quiet_until = max(self._is_quiet_until, now + QUIET_RESTS * took_s)

    def due(self, now: float) -> str | None:
        """The folder that is most overdue, of those that git does not rest from."""
        ready = ((_due_at(folder), name) for name, folder in self._folders.items() if self._ready_at(folder) <= now)
        _, name = min(ready, default=(now, None))
        return name

    def next_due(self) -> float:
        """When the next one is due; infinite when none is."""
        return min(map(self._ready_at, self._folders.values()), default=float("inf"))

    def _ready_at(self, folder: _Folder) -> float:
        due_at = _due_at(folder)
        if folder.read_at is None or folder.is_asked:
            return due_at
        is_fast = folder.has_news and folder.took_s <= SLOW_S
        return max(due_at, self._rests_until, float("-inf") if is_fast else self._is_quiet_until)

    def __contains__(self, folder: str) -> bool:
        return folder in self._folders

    def __len__(self) -> int:
        return len(self._folders)


def _due_at(folder: _Folder) -> float:
    """When its own pause is over."""
    is_soon = folder.is_asked or folder.has_news
    if not (folder.is_wanted or is_soon):
        return float("inf")
    if folder.read_at is None:
        return float("-inf")
    return folder.read_at + max(SOON_S if is_soon else folder.idle_s, PAUSES * folder.took_s)
