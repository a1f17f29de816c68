"""The body of a request: whole, within its limit and its time, and JSON."""

import asyncio
from typing import Final

from falcon.asgi import Request

from services.contract.errors import ErrorCode, QuestmuxError

BODY_S: Final = 10.0
"""A body has this long to arrive."""


async def read_body(req: Request, max_bytes: int, what: str) -> bytes:
    """The whole body; `what` names it in the refusal of one that is too large.

    Raises:
        QuestmuxError: too large, or it does not arrive.
    """
    if (req.content_length or 0) > max_bytes:
        raise _too_large(what, max_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in req.stream:
                size += len(part)
                if size > max_bytes:
                    raise _too_large(what, max_bytes)
                parts.append(part)
    except TimeoutError as exc:
        raise QuestmuxError(ErrorCode.REQUEST_TIMEOUT, f"the body did not arrive within {BODY_S:g} s") from exc
    if req.content_length is not None and size < req.content_length:
        raise QuestmuxError(ErrorCode.BAD_REQUEST, "the body ended early")
    return b"".join(parts)


def check_is_json(req: Request, *, may_be_unnamed: bool) -> None:
    """Let a body pass whose headers say that it is plain JSON.

    Raises:
        QuestmuxError: they say another thing, or nothing where they have to.
    """
    content_type = req.content_type
    is_named = content_type is not None and content_type.split(";")[0].strip().lower() == "application/json"
    if not is_named and not (may_be_unnamed and content_type is None):
        raise QuestmuxError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "the body is to be application/json")
    coding = req.get_header("Content-Encoding")
    if coding is not None and coding.strip().lower() != "identity":
        raise QuestmuxError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "the body is to be plain: no Content-Encoding")


def _too_large(what: str, max_bytes: int) -> QuestmuxError:
    return QuestmuxError(ErrorCode.BODY_TOO_LARGE, f"{what} may have {max_bytes} bytes")
