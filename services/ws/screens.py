"""The newest screen of each pane that a client of this gateway watches, one for all clients. Pure.

A client keeps the screen that it was handed last (`view.py`), and is told what differs between that one and the newest
when it can take it. Nothing queues for a client, however many screens came meanwhile. Clients that have the same screen
share one message, made when the first of them asks for it.
"""

from collections.abc import Callable
from typing import Protocol

from services.contract import codec
from services.contract.entities import Screen
from services.contract.errors import ErrorCode, QuestmuxError
from services.ws.incoming import MAX_SHOWN_CHARS
from services.ws.terminal import diff_between, whole


class Watcher(Protocol):
    """Who watches panes."""

    def wake(self) -> None:
        """A pane that it watches has a newer screen."""
        ...

    def forget(self, pane_id: str) -> None:
        """A pane that it watches is gone."""
        ...


class WatchedPane:
    """A pane that somebody watches."""

    __slots__ = ("body", "messages", "newest", "number", "watchers")

    def __init__(self) -> None:
        self.watchers: set[Watcher] = set()
        self.newest: Screen | None = None
        self.body = b""
        """The newest screen as it came."""
        self.number = 0
        """That of the batch with which it came."""
        self.messages: dict[Screen | None, bytes | None] = {}
        """What makes the newest screen of the one that a client has, as a frame; None when they look the same."""


class Screens:
    """Who watches which pane, and what there is to see."""

    def __init__(self, frame: Callable[[bytes], bytes], is_pane: Callable[[str], bool]) -> None:
        self.sent = 0
        """Messages that were handed to clients."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when a pane is newly watched, or no more."""
        self._frame = frame
        self._is_pane = is_pane
        self._panes: dict[str, WatchedPane] = {}

    @property
    def pane_ids(self) -> tuple[str, ...]:
        """The panes that somebody watches."""
        return tuple(self._panes)

    def is_watched(self, pane_id: str) -> bool:
        """Whether somebody watches it."""
        return pane_id in self._panes

    def add(self, pane_id: str, watcher: Watcher) -> None:
        """Let one watch a pane; once more does no harm.

        Raises:
            QuestmuxError: there is no such pane.
        """
        if not self._is_pane(pane_id):
            raise QuestmuxError(ErrorCode.NOT_FOUND, f"there is no pane {pane_id}"[:MAX_SHOWN_CHARS])
        pane = self._panes.get(pane_id)
        if pane is None:
            pane = self._panes[pane_id] = WatchedPane()
            self.on_change()
        pane.watchers.add(watcher)

    def remove(self, pane_id: str, watcher: Watcher) -> None:
        """One watches a pane no more; a screen that nobody watches is let go."""
        watchers = self._panes[pane_id].watchers
        watchers.remove(watcher)
        if not watchers:
            del self._panes[pane_id]
            self.on_change()

    def drop(self, pane_id: str) -> None:
        """A pane is gone, so nobody watches it; one that nobody watched does no harm."""
        pane = self._panes.pop(pane_id, None)
        if pane is not None:
            for watcher in pane.watchers:
                watcher.forget(pane_id)
            self.on_change()

    def drop_unknown(self) -> None:
        """Drop the panes that are not there any more."""
        for pane_id in self.pane_ids:
            if not self._is_pane(pane_id):
                self.drop(pane_id)

    def restart_numbers(self) -> None:
        """What core sends from here on is numbered anew, and newer than all that is here."""
        for pane in self._panes.values():
            pane.number = 0

    def put(self, body: bytes, number: int) -> None:
        """Take a screen that batch `number` brought, or that core had after it; an older one changes nothing.

        Raises:
            DecodeError: it is no screen.
        """
        if any(body == pane.body for pane in self._panes.values()):
            return
        screen = codec.decode_screen(body)
        pane = self._panes.get(screen.pane_id)
        if pane is None or number < pane.number:
            return
        pane.newest, pane.body, pane.number = screen, body, number
        pane.messages = {}
        for watcher in pane.watchers:
            watcher.wake()

    def newest(self, pane_id: str) -> Screen | None:
        """What a watched pane shows; None while core has not said it."""
        return self._panes[pane_id].newest

    def message(self, pane_id: str, had: Screen | None, ts: int) -> bytes | None:
        """The frame for a client that has that screen of a watched pane, or none; None when there is nothing to say."""
        pane = self._panes[pane_id]
        if pane.newest is None:
            return None
        if had not in pane.messages:
            said = whole(pane.newest) if had is None else diff_between(had, pane.newest)
            pane.messages[had] = None if said is None else self._frame(codec.wire_message(said, ts))
        return pane.messages[had]
