"""What every command's request carries beside its path: the client's own id for it, and its fields."""

import orjson
from falcon.asgi import Request

from services.api.body import check_is_json, read_body
from services.api.hook_call import Json
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import EVENT_ID
from services.process.clock import new_id


def read_command_id(req: Request) -> str:
    """The client's own id for this command, or a new one.

    Raises:
        QuestmuxError: it is malformed.
    """
    given = req.get_header("X-Command-Id")
    if given is None:
        return new_id()
    if not EVENT_ID.fullmatch(given):
        raise QuestmuxError(
            ErrorCode.INVALID_FIELD, "X-Command-Id is wrong: it takes 1 to 128 letters, digits, _ . : -"
        )
    return given


async def read_fields(req: Request, max_bytes: int) -> dict[str, Json]:
    """The JSON object of the body; an empty one without a body.

    Raises:
        QuestmuxError: it is too large, does not arrive, or is no JSON object.
    """
    body = await read_body(req, max_bytes, "a command")
    if not body:
        return {}
    check_is_json(req, may_be_unnamed=False)
    try:
        fields: Json = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise QuestmuxError(ErrorCode.BAD_REQUEST, f"the body is not JSON: {exc}") from exc
    if not isinstance(fields, dict):
        raise QuestmuxError(ErrorCode.BAD_REQUEST, "the body is JSON, but not an object")
    return fields
