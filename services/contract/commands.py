"""What a WebSocket client may say. Pure."""

from enum import IntEnum

from msgspec import Raw, Struct

MAX_CLIENT_MESSAGE_BYTES = 64 * 1024
MAX_WATCHED = 32
"""Panes that one client may watch at a time."""
AUTH_TIMEOUT_S = 10.0
"""A client that has not said a valid `hello` by then is closed with 4401."""


class CloseCode(IntEnum):
    """Why the gateway closed a connection."""

    RESTART = 1012
    """The gateway stops; connect again."""
    TOO_SLOW = 4008
    """More than the limit is waiting for this client; connect again."""
    UNAUTHORIZED = 4401
    """No valid token in time."""
    SILENT = 4408
    """Nothing came from this client for the time that a heartbeat allows; connect again."""
    TOO_MANY = 4429
    """The client went on sending more than it may."""


class ClientMessage(Struct, frozen=True, kw_only=True, tag_field="type"):
    """One JSON object from a client."""


class HelloData(Struct, frozen=True, kw_only=True):
    """What `hello` brings."""

    token: str = ""
    resume: str = ""
    """The newest cursor that this client had."""


class Hello(ClientMessage, frozen=True, kw_only=True, tag="hello"):
    """First message of a client that could not set the Authorization header."""

    data: HelloData = HelloData()


class Ping(ClientMessage, frozen=True, kw_only=True, tag="ping"):
    """Answered with `pong`."""

    data: Raw = Raw(b"null")
    """Given back as it came, whatever JSON it is."""


class PaneData(Struct, frozen=True, kw_only=True):
    """What `watch` and `unwatch` bring."""

    pane_id: str


class Watch(ClientMessage, frozen=True, kw_only=True, tag="watch"):
    """Send this pane's screen: `terminal_output` first, then `terminal_diff`. Again: the whole screen again."""

    data: PaneData


class Unwatch(ClientMessage, frozen=True, kw_only=True, tag="unwatch"):
    """Send this pane's screen no more."""

    data: PaneData


class TypesData(Struct, frozen=True, kw_only=True):
    """What `subscribe` and `unsubscribe` bring."""

    types: tuple[str, ...]
    """Types of updates: see `SELECTABLE`."""


class Subscribe(ClientMessage, frozen=True, kw_only=True, tag="subscribe"):
    """Send these types of updates again. What of them was not sent is in the snapshot that follows."""

    data: TypesData


class Unsubscribe(ClientMessage, frozen=True, kw_only=True, tag="unsubscribe"):
    """Send these types of updates no more."""

    data: TypesData


AnyClientMessage = Hello | Ping | Watch | Unwatch | Subscribe | Unsubscribe
