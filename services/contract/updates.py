"""Every message of the WebSocket, with its one priority and its one conflation key. Pure.

A message on the wire is `{"type", "seq"?, "ts", "data"}`; the classes here are its `data`.
"""

from enum import IntEnum
from typing import ClassVar

from msgspec import Struct

from services.contract.entities import Cursor, KeptEvent, Pane, Session, StatusName, Window
from services.contract.errors import ErrorCode
from services.contract.game import Badge, Persona, Project, Quest


class Priority(IntEnum):
    """What happens to a message while its client is slow."""

    HIGH = 0
    """Always sent, in order."""
    NORMAL = 1
    """Held as the latest per key."""
    LOW = 2
    """Dropped and counted."""


class Message(Struct, frozen=True, kw_only=True):
    """The `data` of one message type."""

    type: ClassVar[str]
    priority: ClassVar[Priority]

    @property
    def key(self) -> str | None:
        """The conflation key within the type; None when each message counts for itself."""
        return None


class Connected(Message, frozen=True, kw_only=True):
    """The client is let in; the snapshot follows."""

    type: ClassVar[str] = "connected"
    priority: ClassVar[Priority] = Priority.HIGH

    client_id: str
    epoch: str
    """The life of the update stream. Another epoch: forget what you had."""
    heartbeat_s: float
    resumed: bool
    why: str
    """Why a snapshot follows: `new`; or the cursor was not taken: it is of another life of the stream (`epoch`), is too
    old (`too_old`), or is none of this installation (`unknown`). `resumed`: what you missed follows instead."""


class Synced(Message, frozen=True, kw_only=True):
    """The snapshot, or what you missed, is complete; updates `seq + 1`, `seq + 2`, ... of `epoch` follow."""

    type: ClassVar[str] = "synced"
    priority: ClassVar[Priority] = Priority.HIGH

    epoch: str
    seq: int
    cursor: str
    """Bring it back to go on from here."""


class Mark(Message, frozen=True, kw_only=True):
    """You have everything up to here, or something newer."""

    type: ClassVar[str] = "cursor"
    priority: ClassVar[Priority] = Priority.HIGH

    cursor: str
    """Bring it back to go on from here, after the connection was cut or closed; at any gateway."""


class Windows(Message, frozen=True, kw_only=True):
    """All windows, in tmux's order; replaces the windows you had. In a snapshot `panes` holds all panes."""

    type: ClassVar[str] = "windows"
    priority: ClassVar[Priority] = Priority.NORMAL

    windows: tuple[Window, ...]
    panes: tuple[Pane, ...] | None = None

    @property
    def key(self) -> str:
        """One key: the list is one thing."""
        return ""


class Sessions(Message, frozen=True, kw_only=True):
    """Of a snapshot: all sessions."""

    type: ClassVar[str] = "sessions"
    priority: ClassVar[Priority] = Priority.NORMAL

    sessions: tuple[Session, ...]


class Personas(Message, frozen=True, kw_only=True):
    """Of a snapshot: the personas that did something in the last 30 days."""

    type: ClassVar[str] = "personas"
    priority: ClassVar[Priority] = Priority.NORMAL

    personas: tuple[Persona, ...]


class Projects(Message, frozen=True, kw_only=True):
    """Of a snapshot: the projects that were worked in, or found, in the last 30 days."""

    type: ClassVar[str] = "projects"
    priority: ClassVar[Priority] = Priority.NORMAL

    projects: tuple[Project, ...]


class Quests(Message, frozen=True, kw_only=True):
    """Of a snapshot: the quests that are not over, or changed in the last 30 days."""

    type: ClassVar[str] = "quests"
    priority: ClassVar[Priority] = Priority.NORMAL

    quests: tuple[Quest, ...]


class PaneUpdate(Message, frozen=True, kw_only=True):
    """A pane is new or changed."""

    type: ClassVar[str] = "pane_update"
    priority: ClassVar[Priority] = Priority.HIGH

    pane: Pane

    @property
    def key(self) -> str:
        """The pane."""
        return self.pane.id


class PaneRemoved(Message, frozen=True, kw_only=True):
    """A pane is gone."""

    type: ClassVar[str] = "pane_removed"
    priority: ClassVar[Priority] = Priority.HIGH

    pane_id: str

    @property
    def key(self) -> str:
        """The pane."""
        return self.pane_id


class Attention(Message, frozen=True, kw_only=True):
    """A session began to wait, failed, or finished its turn."""

    type: ClassVar[str] = "attention"
    priority: ClassVar[Priority] = Priority.HIGH

    session_id: str
    pane_id: str | None
    status: StatusName
    reason: str
    """What it waits for, the error, or `finished`."""


class SessionUpdate(Message, frozen=True, kw_only=True):
    """A session is new or changed."""

    type: ClassVar[str] = "session_update"
    priority: ClassVar[Priority] = Priority.NORMAL

    session: Session

    @property
    def key(self) -> str:
        """The session."""
        return self.session.id


class SessionRemoved(Message, frozen=True, kw_only=True):
    """A session that ended long ago left the state; its events stay in the log."""

    type: ClassVar[str] = "session_removed"
    priority: ClassVar[Priority] = Priority.NORMAL

    session_id: str

    @property
    def key(self) -> str:
        """The session."""
        return self.session_id


class PersonaUpdate(Message, frozen=True, kw_only=True):
    """A persona is new or changed."""

    type: ClassVar[str] = "persona_update"
    priority: ClassVar[Priority] = Priority.NORMAL

    persona: Persona

    @property
    def key(self) -> str:
        """The persona."""
        return self.persona.id


class ProjectUpdate(Message, frozen=True, kw_only=True):
    """A project is new or changed."""

    type: ClassVar[str] = "project_update"
    priority: ClassVar[Priority] = Priority.NORMAL

    project: Project

    @property
    def key(self) -> str:
        """The project."""
        return self.project.id


class QuestUpdate(Message, frozen=True, kw_only=True):
    """A quest is new or changed."""

    type: ClassVar[str] = "quest_update"
    priority: ClassVar[Priority] = Priority.NORMAL

    quest: Quest

    @property
    def key(self) -> str:
        """The quest."""
        return self.quest.id


class XpGain(Message, frozen=True, kw_only=True):
    """Work earned XP. Conflated, the newest total of the session stays true."""

    type: ClassVar[str] = "xp_gain"
    priority: ClassVar[Priority] = Priority.NORMAL

    session_id: str
    amount: int
    reason: str
    total: int
    """The session's XP after this gain."""
    persona_id: str | None = None
    project_id: str | None = None
    """None while it is not known what repository the work was in."""

    @property
    def key(self) -> str:
        """The session."""
        return self.session_id


class AchievementUnlocked(Message, frozen=True, kw_only=True):
    """A persona unlocked an achievement."""

    type: ClassVar[str] = "achievement_unlocked"
    priority: ClassVar[Priority] = Priority.NORMAL

    persona_id: str
    badge: Badge

    @property
    def key(self) -> str:
        """The persona and the achievement."""
        return f"{self.persona_id}/{self.badge.id}"


class TerminalOutput(Message, frozen=True, kw_only=True):
    """The whole screen of a watched pane. Goes only to who watches it, and has no `seq`."""

    type: ClassVar[str] = "terminal_output"
    priority: ClassVar[Priority] = Priority.NORMAL

    pane_id: str
    captured_at: int
    width: int
    height: int
    cursor: Cursor
    lines: tuple[str, ...]
    """See `Screen.lines`."""

    @property
    def key(self) -> str:
        """The pane."""
        return self.pane_id


class TerminalDiff(Message, frozen=True, kw_only=True):
    """What to change of the screen that this client has: first scroll, then replace lines. Has no `seq`."""

    type: ClassVar[str] = "terminal_diff"
    priority: ClassVar[Priority] = Priority.NORMAL

    pane_id: str
    captured_at: int
    cursor: Cursor
    scroll: int = 0
    """All lines move up by so many; as many empty ones come in at the bottom."""
    lines: dict[int, str]
    """New lines by row, from 0."""

    @property
    def key(self) -> str:
        """The pane."""
        return self.pane_id


class EventKept(Message, frozen=True, kw_only=True):
    """An event is on disk."""

    type: ClassVar[str] = "event"
    priority: ClassVar[Priority] = Priority.LOW

    event: KeptEvent


class Lagged(Message, frozen=True, kw_only=True):
    """You were behind, and have caught up: you have everything up to `upto`, or something newer."""

    type: ClassVar[str] = "lagged"
    priority: ClassVar[Priority] = Priority.HIGH

    dropped: int
    """Messages of low priority that you were not sent."""
    replaced: int
    """Messages of normal priority that you were not sent, because a newer one of the same key was there."""
    upto: int
    """The `seq`."""


class ErrorMessage(Message, frozen=True, kw_only=True):
    """The client's last message was not understood; the connection stays."""

    type: ClassVar[str] = "error"
    priority: ClassVar[Priority] = Priority.HIGH

    code: ErrorCode
    message: str


class Pong(Message, frozen=True, kw_only=True):
    """Answers `ping`, with its `data` given back as `echo`."""

    type: ClassVar[str] = "pong"
    priority: ClassVar[Priority] = Priority.HIGH

    echo: object = None


class Draining(Message, frozen=True, kw_only=True):
    """This gateway stops; connect again after `reconnect_in_ms`."""

    type: ClassVar[str] = "draining"
    priority: ClassVar[Priority] = Priority.HIGH

    reconnect_in_ms: int
    cursor: str
    """Bring it back to go on from here."""


_SELECTABLE: tuple[type[Message], ...] = (
    *(Windows, PaneUpdate, PaneRemoved, Attention, SessionUpdate, SessionRemoved, PersonaUpdate, ProjectUpdate),
    *(QuestUpdate, XpGain, AchievementUnlocked, EventKept),
)
MESSAGES: tuple[type[Message], ...] = (
    *(Connected, Synced, Mark, Sessions, Personas, Projects, Quests),
    *_SELECTABLE,
    *(TerminalOutput, TerminalDiff, Lagged, ErrorMessage, Pong, Draining),
)
BY_TYPE: dict[str, type[Message]] = {message.type: message for message in MESSAGES}
SELECTABLE: frozenset[str] = frozenset(kind.type for kind in _SELECTABLE)
"""Updates that a client may do without. The others are about its connection, or asked for by `watch`."""
