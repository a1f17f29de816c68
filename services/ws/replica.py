"""The gateway's copy of core's state, at one place of the update stream. Pure.

It serves the snapshot of every client that connects, so that core is not asked for each.
"""

from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from services.contract import codec
from services.contract.codec import DecodeError
from services.contract.entities import Pane, Session, Window
from services.contract.game import Persona, Project, Quest
from services.contract.requests import Snapshot
from services.contract.updates import (
    Message,
    PaneRemoved,
    PaneUpdate,
    Personas,
    PersonaUpdate,
    Projects,
    ProjectUpdate,
    Quests,
    QuestUpdate,
    SessionRemoved,
    Sessions,
    SessionUpdate,
    Synced,
    Windows,
)

M = TypeVar("M", bound=Message)


class Envelope(Struct, Generic[M], frozen=True):
    """What the replica reads of a wire message."""

    data: M


_decoders: Final[Mapping[str, msgspec.json.Decoder[Envelope[Message]]]] = {
    kind.type: msgspec.json.Decoder(Envelope[kind])  # type: ignore[valid-type] # mypy knows no classes as values here
    for kind in (
        Windows,
        PaneUpdate,
        PaneRemoved,
        SessionUpdate,
        SessionRemoved,
        PersonaUpdate,
        ProjectUpdate,
        QuestUpdate,
    )
}


class Replica:
    """State as it is after update `seq` of `epoch`; empty and not ready until the first snapshot."""

    def __init__(self) -> None:
        self.epoch = ""
        self.seq = 0
        self._windows: tuple[Window, ...] = ()
        self._panes: dict[str, Pane] = {}
        self._sessions: dict[str, Session] = {}
        self._personas: dict[str, Persona] = {}
        self._projects: dict[str, Project] = {}
        self._quests: dict[str, Quest] = {}
        self._messages: tuple[bytes, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether there is a state to show."""
        return bool(self.epoch)

    def has_pane(self, pane_id: str) -> bool:
        """Whether tmux shows such a pane."""
        return pane_id in self._panes

    def load(self, snapshot: Snapshot) -> None:
        """Take core's state in the place of all that was."""
        self.epoch, self.seq = snapshot.epoch, snapshot.seq
        self._windows = snapshot.windows
        self._panes = {pane.id: pane for pane in snapshot.panes}
        self._sessions = {session.id: session for session in snapshot.sessions}
        self._personas = {persona.id: persona for persona in snapshot.personas}
        self._projects = {project.id: project for project in snapshot.projects}
        self._quests = {quest.id: quest for quest in snapshot.quests}
        self._messages = ()

    def apply(self, kind: str, payload: bytes) -> None:
        """Take the next update in; a type that is no part of the state only counts.

        Raises:
            DecodeError: not a message of its type; it counts all the same, and the state stays as it was.
        """
        self.seq += 1
        self._messages = ()
        decoder = _decoders.get(kind)
        if decoder is None:
            return
        try:
            message = decoder.decode(payload).data
        except codec.UNREADABLE as exc:
            raise DecodeError(f"{kind}: {exc}") from exc
        self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case Windows():
                self._windows = message.windows
                if message.panes is not None:
                    self._panes = {pane.id: pane for pane in message.panes}
            case PaneUpdate():
                self._panes[message.pane.id] = message.pane
            case PaneRemoved():
                self._panes.pop(message.pane_id, None)
            case SessionUpdate():
                self._sessions[message.session.id] = message.session
            case SessionRemoved():
                self._sessions.pop(message.session_id, None)
            case PersonaUpdate():
                self._personas[message.persona.id] = message.persona
            case ProjectUpdate():
                self._projects[message.project.id] = message.project
            case QuestUpdate():
                self._quests[message.quest.id] = message.quest
            case _:
                raise AssertionError(f"{message.type} has a decoder and no place in the state")

    def snapshot(self, ts: int, cursor: Callable[[int, int], str]) -> tuple[bytes, ...]:
        """The messages that give a client this state, `synced` last. The same object until the next change.

        `cursor` makes one from what a client has of normal and of high priority.
        """
        if not self._messages:
            parts = (
                Windows(windows=self._windows, panes=tuple(self._panes.values())),
                Sessions(sessions=tuple(self._sessions.values())),
                Personas(personas=tuple(self._personas.values())),
                Projects(projects=tuple(self._projects.values())),
                Quests(quests=tuple(self._quests.values())),
            )
            self._messages = (*(codec.wire_message(part, ts) for part in parts), self.synced(ts, cursor))
        return self._messages

    def synced(self, ts: int, cursor: Callable[[int, int], str]) -> bytes:
        """The last message of a snapshot alone, for one who had the rest otherwise."""
        return codec.wire_message(Synced(epoch=self.epoch, seq=self.seq, cursor=cursor(self.seq, self.seq)), ts)
