"""What a client says, as a contract value or as the error that it is told. Pure."""

from typing import Final

import msgspec

from services.contract import codec
from services.contract.commands import AnyClientMessage, Hello, HelloData
from services.contract.errors import ErrorCode, QuestmuxError

MAX_SHOWN_CHARS: Final = 200

_decoder: msgspec.json.Decoder[AnyClientMessage] = msgspec.json.Decoder(AnyClientMessage)


def read_message(message: str | bytes) -> AnyClientMessage:
    """The message.

    Raises:
        QuestmuxError: binary, not JSON, or nothing that a client may say.
    """
    if isinstance(message, bytes):
        raise QuestmuxError(ErrorCode.BAD_REQUEST, "binary messages mean nothing here: send one JSON object as text")
    try:
        return _decoder.decode(message)
    except msgspec.ValidationError as exc:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, str(exc)[:MAX_SHOWN_CHARS]) from exc
    except codec.UNREADABLE as exc:
        raise QuestmuxError(ErrorCode.BAD_REQUEST, str(exc)[:MAX_SHOWN_CHARS]) from exc


def read_hello(message: str | bytes) -> HelloData | None:
    """What a first message brings; None when it is anything but a `hello`."""
    try:
        hello = read_message(message)
    except QuestmuxError:
        return None
    return hello.data if isinstance(hello, Hello) else None
