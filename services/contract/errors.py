"""Every error code of the bus, the HTTP API and the WebSocket, with its HTTP status. Pure."""

from enum import StrEnum
from typing import Final

from msgspec import Struct


class ErrorCode(StrEnum):
    """What went wrong, for programs. A code never changes its meaning."""

    BAD_REQUEST = "bad_request"
    """The request could not be read: not HTTP, not JSON, not UTF-8, a broken escape."""
    UNAUTHORIZED = "unauthorized"
    """No token, or one that is not ours."""
    FORBIDDEN = "forbidden"
    """The Host, the Origin or the token's kind may not do this."""
    NOT_FOUND = "not_found"
    """No such id or route."""
    METHOD_NOT_ALLOWED = "method_not_allowed"
    """The route exists, the method does not; `Allow` names those that do."""
    REQUEST_TIMEOUT = "request_timeout"
    """The request did not arrive whole in time."""
    CONFLICT = "conflict"
    """The thing is not in a state that allows this."""
    BODY_TOO_LARGE = "body_too_large"
    """The body is over the limit of the route."""
    URI_TOO_LONG = "uri_too_long"
    """The request line is over the limit."""
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    """The body is not `application/json`."""
    INVALID_FIELD = "invalid_field"
    """One field is missing or wrong; the message names it first."""
    TOO_MANY_REQUESTS = "too_many_requests"
    """Slow down."""
    HEADERS_TOO_LARGE = "headers_too_large"
    """One header, or all together, are over the limit."""
    INTERNAL = "internal"
    """A defect of ours; the log has the traceback."""
    NOT_IMPLEMENTED = "not_implemented"
    """A transfer coding that this server does not speak."""
    CORE_UNAVAILABLE = "core_unavailable"
    """The core service does not answer, and this request cannot wait for it."""
    TMUX_TIMEOUT = "tmux_timeout"
    """tmux did not answer in time."""


HTTP_STATUS: Final[dict[ErrorCode, int]] = {
    ErrorCode.BAD_REQUEST: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.REQUEST_TIMEOUT: 408,
    ErrorCode.CONFLICT: 409,
    ErrorCode.BODY_TOO_LARGE: 413,
    ErrorCode.URI_TOO_LONG: 414,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.INVALID_FIELD: 422,
    ErrorCode.TOO_MANY_REQUESTS: 429,
    ErrorCode.HEADERS_TOO_LARGE: 431,
    ErrorCode.INTERNAL: 500,
    ErrorCode.NOT_IMPLEMENTED: 501,
    ErrorCode.CORE_UNAVAILABLE: 503,
    ErrorCode.TMUX_TIMEOUT: 504,
}

CODE_FOR_STATUS: Final[dict[int, ErrorCode]] = {status: code for code, status in HTTP_STATUS.items()}


class Problem(Struct, frozen=True, kw_only=True):
    """The `error` of an HTTP envelope, the `data` of a WebSocket `error`, and a failed bus reply."""

    code: ErrorCode
    message: str


class QuestmuxError(Exception):
    """An error that a client is told: its code and one sentence."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(code=code, message=message)
