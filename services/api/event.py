"""`POST /event`: one hook call, answered once it is on disk."""

import asyncio
from typing import Final

import falcon
import orjson
from falcon.asgi import Request, Response

from services.api.hook_call import read_hook_call
from services.api.intake import Intake
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import MAX_BODY_BYTES
from services.process.clock import new_id, now_ms

BODY_S: Final = 10.0
"""A body has this long to arrive."""


class EventResource:
    """Where hook calls come in."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def on_post(self, req: Request, resp: Response) -> None:
        """Keep one event."""
        _check_headers(req)
        body = await read_body(req)
        received_at = now_ms()
        event = read_hook_call(body, req.get_header, lambda: new_id(received_at), received_at)
        seq = await self._intake.keep(event)
        resp.content_type = falcon.MEDIA_JSON
        if seq is None:
            resp.status = 202
            resp.data = b'{"success":true,"data":{"queued":true}}'
        else:
            resp.data = orjson.dumps({"success": True, "data": {"seq": seq}})


async def read_body(req: Request) -> bytes:
    """The whole body.

    Raises:
        QuestmuxError: too large, or it does not arrive.
    """
    if (req.content_length or 0) > MAX_BODY_BYTES:
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in req.stream:
                size += len(part)
                if size > MAX_BODY_BYTES:
                    raise _too_large()
                parts.append(part)
    except TimeoutError as exc:
        raise QuestmuxError(ErrorCode.REQUEST_TIMEOUT, f"the body did not arrive within {BODY_S:g} s") from exc
    if req.content_length is not None and size < req.content_length:
        raise QuestmuxError(ErrorCode.BAD_REQUEST, "the body ended early")
    return b"".join(parts)


def _check_headers(req: Request) -> None:
    content_type = req.content_type
    if content_type is not None and content_type.split(";")[0].strip().lower() != "application/json":
        raise QuestmuxError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "the body is to be application/json")
    coding = req.get_header("Content-Encoding")
    if coding is not None and coding.strip().lower() != "identity":
        raise QuestmuxError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "the body is to be plain: no Content-Encoding")


def _too_large() -> QuestmuxError:
    return QuestmuxError(ErrorCode.BODY_TOO_LARGE, f"a hook call may have {MAX_BODY_BYTES} bytes")
