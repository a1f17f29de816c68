"""What a client says, as a contract value or as the error that it is told. Pure."""

from typing import Final

import msgspec

from services.contract import codec
from services.contract.commands import AnyClientMessage, Hello
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


def read_token(message: str | bytes) -> str:
    """The token of a first message; empty when it is anything but a `hello` that has one."""
    try:
        hello = read_message(message)
    except QuestmuxError:
        return ""
    return hello.data.token if isinstance(hello, Hello) else ""
