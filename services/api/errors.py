"""Every way a request can fail, as the one envelope with the status that fits."""

import logging
from typing import Any

import falcon
import orjson
from falcon.asgi import App, Request, Response

from services.contract.errors import CODE_FOR_STATUS, HTTP_STATUS, ErrorCode, Problem, QuestmuxError

logger = logging.getLogger(__name__)


def answer(resp: Response, problem: Problem) -> None:
    """Make the response this error."""
    resp.status = HTTP_STATUS[problem.code]
    resp.content_type = falcon.MEDIA_JSON
    resp.data = orjson.dumps({"success": False, "error": {"code": problem.code, "message": problem.message}})
    if problem.code is ErrorCode.UNAUTHORIZED:
        resp.set_header("WWW-Authenticate", "Bearer")


def add_error_handlers(app: App[Any, Any]) -> None:
    """Let the app answer every error in the envelope."""
    app.add_error_handler(Exception, _on_defect)
    app.add_error_handler(falcon.HTTPError, _on_http_error)
    app.add_error_handler(QuestmuxError, _on_questmux_error)


async def _on_questmux_error(_req: Request, resp: Response, exc: QuestmuxError, _params: dict[str, Any]) -> None:
    answer(resp, exc.problem)


async def _on_http_error(req: Request, resp: Response, exc: falcon.HTTPError, _params: dict[str, Any]) -> None:
    code = CODE_FOR_STATUS.get(exc.status_code, ErrorCode.BAD_REQUEST)
    match code:
        case ErrorCode.NOT_FOUND:
            message = f"there is no route {req.path}"
        case ErrorCode.METHOD_NOT_ALLOWED:
            message = f"{req.method} is not for {req.path}"
        case _:
            message = exc.description or exc.title or str(code)
    answer(resp, Problem(code=code, message=message))
    if exc.headers is not None:
        resp.set_headers(exc.headers)


async def _on_defect(req: Request, resp: Response, exc: Exception, _params: dict[str, Any]) -> None:
    logger.error("request failed", exc_info=exc, extra={"method": req.method, "path": req.path})
    answer(resp, Problem(code=ErrorCode.INTERNAL, message="the server failed; its log says why"))
