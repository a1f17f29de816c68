"""Messages as bytes: requests and replies in MessagePack, updates as frames of ready JSON. Pure.

An update batch is `[b"u", header, payload, ...]`, one payload for each update, each payload the JSON text that clients
get. A heartbeat is `[b"h", header]`. The header of both carries the epoch and the top seq.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from services.contract.any_request import AnyRequest
from services.contract.entities import Screen
from services.contract.errors import Problem
from services.contract.orders import AnyOrder
from services.contract.requests import Reply
from services.contract.updates import Message

PROTOCOL_VERSION: Final = b"1"
BATCH: Final = b"u"
HEARTBEAT: Final = b"h"
SCREENS: Final = b"s"
WELCOME: Final = b"w"
"""The single frame that a subscriber gets when it is joined."""

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises on foreign bytes: broken UTF-8 and deep nesting are no `MsgspecError`."""

R = TypeVar("R", bound=Reply)
T = TypeVar("T")


class DecodeError(ValueError):
    """Bytes that are no message of ours. Count it and go on."""


class Tag(Struct, frozen=True, array_like=True):
    """What a gateway needs to know of an update without reading its JSON."""

    type: str
    key: str | None


class Header(Struct, frozen=True, array_like=True):
    """Of a batch: `seq` is that of its last update. Of a heartbeat: the top seq."""

    epoch: str
    seq: int
    tags: tuple[Tag, ...] = ()
    screens_seq: int = 0
    """Of a heartbeat: the number of the last screens."""


class ScreensHeader(Struct, frozen=True, array_like=True):
    """Of screens: their number within the epoch, and their panes."""

    epoch: str
    seq: int
    pane_ids: tuple[str, ...]


class ScreenBatch(Struct, frozen=True):
    """Screens that came together; each is a `Screen` in MessagePack."""

    header: ScreensHeader
    screens: tuple[bytes, ...]


class Batch(Struct, frozen=True):
    """Updates that were committed together. `seq` of the first is `header.seq - len(payloads) + 1`."""

    header: Header
    payloads: tuple[bytes, ...]

    @property
    def first_seq(self) -> int:
        """The seq of the first update; one more than the last for a heartbeat."""
        return self.header.seq - len(self.payloads) + 1


_to_msgpack = msgspec.msgpack.Encoder()
_to_json = msgspec.json.Encoder()
_request: msgspec.msgpack.Decoder[AnyRequest] = msgspec.msgpack.Decoder(AnyRequest)
_problem = msgspec.msgpack.Decoder(Problem)
_header = msgspec.msgpack.Decoder(Header)
_screens_header = msgspec.msgpack.Decoder(ScreensHeader)
_screen = msgspec.msgpack.Decoder(Screen)
_order: msgspec.msgpack.Decoder[AnyOrder] = msgspec.msgpack.Decoder(AnyOrder)


def encode(message: Struct) -> bytes:
    """A request, reply or problem as MessagePack."""
    return _to_msgpack.encode(message)


def to_json(value: object) -> bytes:
    """A contract value as JSON text."""
    return _to_json.encode(value)


def decode_request(body: bytes) -> AnyRequest:
    """A request of a peer.

    Raises:
        DecodeError: unknown type, wrong shape, or not MessagePack.
    """
    return _read(_request, body)


def decode_order(body: bytes) -> AnyOrder:
    """What core orders.

    Raises:
        DecodeError: unknown type, wrong shape, or not MessagePack.
    """
    return _read(_order, body)


def decode_screen(body: bytes) -> Screen:
    """A pane's screen.

    Raises:
        DecodeError: wrong shape, or not MessagePack.
    """
    return _read(_screen, body)


def decode_reply(body: bytes, kind: type[R]) -> R:
    """A reply of the kind that the request calls for.

    Raises:
        DecodeError: wrong shape, or not MessagePack.
    """
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except UNREADABLE as exc:
        raise DecodeError(str(exc)) from exc


def decode_problem(body: bytes) -> Problem:
    """The error of a failed request.

    Raises:
        DecodeError: wrong shape, or not MessagePack.
    """
    return _read(_problem, body)


def wire_message(message: Message, ts: int, seq: int | None = None) -> bytes:
    """One WebSocket message as JSON text."""
    number = b"" if seq is None else b'"seq":%d,' % seq
    return b'{"type":"%b",%b"ts":%d,"data":%b}' % (
        message.type.encode(),
        number,
        ts,
        _to_json.encode(message),
    )


def batch_frames(epoch: str, first_seq: int, messages: Sequence[Message], ts: int) -> list[bytes]:
    """The bus frames of updates that were committed together; they get `first_seq` and the numbers after it."""
    tags = tuple(Tag(message.type, message.key) for message in messages)
    header = Header(epoch, first_seq + len(messages) - 1, tags)
    payloads = [wire_message(message, ts, first_seq + i) for i, message in enumerate(messages)]
    return [BATCH, _to_msgpack.encode(header), *payloads]


def heartbeat_frames(epoch: str, top_seq: int, screens_seq: int = 0) -> list[bytes]:
    """The bus frames that say how far the stream and the screens are, so that a lost tail is noticed."""
    return [HEARTBEAT, _to_msgpack.encode(Header(epoch, top_seq, (), screens_seq))]


def screens_frames(epoch: str, seq: int, screens: Sequence[tuple[str, bytes]]) -> list[bytes]:
    """The bus frames of screens, given by pane."""
    header = ScreensHeader(epoch, seq, tuple(pane_id for pane_id, _ in screens))
    return [SCREENS, _to_msgpack.encode(header), *(screen for _, screen in screens)]


def is_screens(frames: Sequence[bytes]) -> bool:
    """Whether these frames hold screens."""
    return frames[0] == SCREENS


def decode_screens(frames: Sequence[bytes]) -> ScreenBatch:
    """Screens, still encoded.

    Raises:
        DecodeError: not frames of ours, or fewer screens than the header says.
    """
    if len(frames) < 2 or frames[0] != SCREENS:  # noqa: PLR2004 - topic and header
        raise DecodeError(f"no screens: {len(frames)} frames")
    header = _read(_screens_header, frames[1])
    if len(frames) - 2 != len(header.pane_ids):
        raise DecodeError(f"{len(frames) - 2} screens for {len(header.pane_ids)} panes")
    return ScreenBatch(header, tuple(frames[2:]))


def decode_batch(frames: Sequence[bytes]) -> Batch:
    """An update batch, or a heartbeat as a batch without payloads.

    Raises:
        DecodeError: not frames of ours, or fewer payloads than the header says.
    """
    if len(frames) < 2 or frames[0] not in {BATCH, HEARTBEAT}:  # noqa: PLR2004 - topic and header
        raise DecodeError(f"not an update: {len(frames)} frames")
    header = _read(_header, frames[1])
    if len(frames) - 2 != len(header.tags):
        raise DecodeError(f"{len(frames) - 2} payloads for {len(header.tags)} tags")
    return Batch(header, tuple(frames[2:]))


def _read(decoder: msgspec.msgpack.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except UNREADABLE as exc:
        raise DecodeError(str(exc)) from exc
