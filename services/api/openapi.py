"""`GET /openapi.json`: the API's description, made from the contract's types."""

import importlib.metadata
from typing import Any, Final

import falcon
import msgspec
import orjson
from falcon.asgi import Request, Response

from services.api.health import Health
from services.contract.answers import (
    EventData,
    EventsData,
    Failure,
    PaneData,
    PanesData,
    SessionData,
    SessionsData,
    WindowsData,
)
from services.contract.errors import HTTP_STATUS, ErrorCode

_REF: Final = "#/components/schemas/{name}"
_DATA: Final = (EventData, EventsData, Failure, Health, PaneData, PanesData, SessionData, SessionsData, WindowsData)
_COMMON: Final = (ErrorCode.BAD_REQUEST, ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.CORE_UNAVAILABLE)

_SESSION_ID: Final = "^[A-Za-z0-9_~:@!$&'()*+,;=-][A-Za-z0-9_.~:@!$&'()*+,;=-]{0,127}$"
"""What a path can carry without an escape; clients do not agree on escapes, and take `.` and `..` for folders."""

_HOOK_CALL: Final = {
    "type": "object",
    "required": ["hook_event_name", "session_id"],
    "properties": {
        "hook_event_name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,63}$", "example": "Stop"},
        "session_id": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    "additionalProperties": True,
    "description": "What Claude Code gives to a hook. Every field is kept.",
}


class OpenApiResource:
    """The description, encoded once."""

    def __init__(self) -> None:
        self._document = orjson.dumps(document())

    async def on_get(self, _req: Request, resp: Response) -> None:
        """The OpenAPI 3.1 document; not in the envelope, so that tools can read it."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = self._document

    on_head = on_get


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    _, schemas = msgspec.json.schema_components(_DATA, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Questmux",
            "version": importlib.metadata.version("questmux"),
            "description": "Hook calls in, commands and reads out. Every answer is an envelope.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
        },
        "paths": _paths(),
    }


def _paths() -> dict[str, Any]:
    no_core = tuple(code for code in _COMMON if code is not ErrorCode.CORE_UNAVAILABLE)
    text = {"200": {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    described = {
        "200": {"description": "This document", "content": {"application/json": {"schema": {"type": "object"}}}}
    }
    pane = _path_parameter("pane_id", "^[0-9]{1,9}$", "`3` for `%3`; `%253`, which is `%3` encoded, is taken too")
    session = _path_parameter("session_id", _SESSION_ID, "As Claude Code gives it")
    unknown = (ErrorCode.NOT_FOUND,)
    return {
        "/health": {
            "get": _operation("get_health", "Liveness and lag of every process", {"200": Health}, _COMMON)
            | {"security": []}
        },
        "/event": {"post": _post_event()},
        "/api/windows": {"get": _operation("get_windows", "Windows with their panes", {"200": WindowsData}, _COMMON)},
        "/api/panes": {"get": _operation("get_panes", "All panes", {"200": PanesData}, _COMMON)},
        "/api/panes/{pane_id}": {
            "get": _operation(
                "get_pane", "One pane", {"200": PaneData}, (*_COMMON, *unknown, ErrorCode.INVALID_FIELD), [pane]
            )
        },
        "/api/sessions": {"get": _operation("get_sessions", "All sessions", {"200": SessionsData}, _COMMON)},
        "/api/sessions/{session_id}": {
            "get": _operation("get_session", "One session", {"200": SessionData}, (*_COMMON, *unknown), [session])
        },
        "/api/events": {
            "get": _operation(
                "get_events",
                "A page of the log, oldest first",
                {"200": EventsData},
                (*_COMMON, ErrorCode.INVALID_FIELD),
                [_query("after", 0, 2**53 - 1, 0), _query("limit", 1, 500, 100)],
            )
        },
        "/metrics": {
            "get": {"operationId": "get_metrics", "summary": "Prometheus text", "responses": text | _errors(_COMMON)}
        },
        "/openapi.json": {
            "get": {"operationId": "get_openapi", "summary": "This", "responses": described | _errors(no_core)}
        },
    }


def _post_event() -> dict[str, Any]:
    codes = (
        *_COMMON,
        ErrorCode.REQUEST_TIMEOUT,
        ErrorCode.BODY_TOO_LARGE,
        ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        ErrorCode.INVALID_FIELD,
    )
    operation = _operation(
        "post_event", "One hook call; answered once it is on disk", {"200": EventData, "202": EventData}, codes
    )
    headers = [
        _header("X-Event-Id", "^[A-Za-z0-9_.:-]{1,128}$", "Delivery identity: the same id twice is one event"),
        _header("X-Tmux-Pane", None, "`$TMUX_PANE` of the sender"),
        _header("X-Tmux", None, "`$TMUX` of the sender"),
        _header("X-Sent-At", None, "The sender's clock, Unix milliseconds"),
    ]
    body = {"required": True, "content": {"application/json": {"schema": _HOOK_CALL}}}
    return operation | {"parameters": headers, "requestBody": body}


def _operation(
    name: str,
    summary: str,
    answers: dict[str, type],
    errors: tuple[ErrorCode, ...],
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    good = {status: {"description": summary, "content": _json(_envelope(data))} for status, data in answers.items()}
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "responses": good | _errors(errors)}
    return operation if parameters is None else operation | {"parameters": parameters}


def _errors(codes: tuple[ErrorCode, ...]) -> dict[str, Any]:
    return {
        str(HTTP_STATUS[code]): {"description": code.value, "content": _json({"$ref": _REF.format(name="Failure")})}
        for code in codes
    }


def _envelope(data: type) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": {"$ref": _REF.format(name=data.__name__)}},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _path_parameter(name: str, pattern: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _query(name: str, low: int, high: int, default: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return {"name": name, "in": "query", "schema": schema}


def _header(name: str, pattern: str | None, description: str) -> dict[str, Any]:
    schema = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "description": description, "schema": schema}
