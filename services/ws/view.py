"""What one client has of each pane that it watches: the screen that it was handed last, and nothing else. Pure."""

from collections.abc import Callable

from services.contract.commands import MAX_WATCHED
from services.contract.entities import Screen
from services.contract.errors import ErrorCode, QuestmuxError
from services.ws.screens import Screens


class View:
    """One client's terminals."""

    __slots__ = ("_has", "_on_news", "_screens")

    def __init__(self, screens: Screens, on_news: Callable[[], None]) -> None:
        """`on_news` is called when there may be something to take."""
        self._screens = screens
        self._on_news = on_news
        self._has: dict[str, Screen | None] = {}
        """By pane; that which was handed over last comes last, so that no pane waits for ever."""

    @property
    def has_news(self) -> bool:
        """Whether a pane shows something else than the client was handed."""
        if not self._has:  # Most clients, after every update.
            return False
        return any(self._screens.newest(pane_id) is not had for pane_id, had in self._has.items())

    @property
    def watched(self) -> int:
        """How many panes it watches."""
        return len(self._has)

    def watch(self, pane_id: str) -> None:
        """Hand over this pane's screen, whole, and what becomes of it; again: the whole again.

        Raises:
            QuestmuxError: there is no such pane, or too many are watched.
        """
        if pane_id not in self._has and len(self._has) >= MAX_WATCHED:
            raise QuestmuxError(ErrorCode.TOO_MANY_REQUESTS, f"{MAX_WATCHED} panes are watched: unwatch one first")
        self._screens.add(pane_id, self)
        self._has[pane_id] = None
        self._on_news()

    def unwatch(self, pane_id: str) -> None:
        """Hand over this pane's screen no more; it does not matter whether it was."""
        if pane_id in self._has:
            self.forget(pane_id)
            self._screens.remove(pane_id, self)

    def wake(self) -> None:
        """A pane that is watched has a newer screen."""
        self._on_news()

    def forget(self, pane_id: str) -> None:
        """The pane is gone."""
        del self._has[pane_id]

    def close(self) -> None:
        """Watch nothing."""
        for pane_id in tuple(self._has):
            self.unwatch(pane_id)

    def take(self, up_to_bytes: int, ts: int) -> list[bytes]:
        """The frames that bring the client up to date: one at least if any is due, no more than the bytes given."""
        taken: list[bytes] = []
        room = up_to_bytes
        for pane_id, had in tuple(self._has.items()):
            newest = self._screens.newest(pane_id)
            if newest is had:
                continue
            frame = self._screens.message(pane_id, had, ts)
            if frame is not None:
                if len(frame) > room and taken:
                    break
                room -= len(frame)
                taken.append(frame)
            del self._has[pane_id]
            self._has[pane_id] = newest
        self._screens.sent += len(taken)
        return taken
