"""Who may ask: Host, Origin and token of every request, before anything else of it is read."""

import re
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from falcon.asgi import Request, Response

from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.origins import is_allowed_host, is_allowed_origin
from services.contract.settings import Settings
from services.process.tokens import Tokens, bearer

OPEN_PATHS: Final = frozenset({"/health"})
HOOK_PATHS: Final = frozenset({"/event"})
PREFLIGHT_AGE_S: Final = "600"
KNOWN_HOSTS: Final = 64

_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class Guard:
    """Middleware; the first of all."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        self._good_hosts: set[str] = set()

    async def process_request(self, req: Request, resp: Response) -> None:
        """Let the request pass.

        Raises:
            QuestmuxError: it may not.
        """
        _check_target(req)
        if not self._is_good_host(req.get_header("Host")):
            raise QuestmuxError(ErrorCode.FORBIDDEN, "this Host is not served; QUESTMUX_ALLOWED_HOSTS names more")
        origin = req.get_header("Origin")
        if not is_allowed_origin(origin, self._settings):
            raise QuestmuxError(ErrorCode.FORBIDDEN, "this Origin may not ask; QUESTMUX_ALLOWED_ORIGINS names more")
        if origin is not None and req.method == "OPTIONS" and req.get_header("Access-Control-Request-Method"):
            _answer_preflight(resp)
            return
        self._check_token(req)

    async def process_response(self, req: Request, resp: Response, _resource: object, _succeeded: bool) -> None:
        """Tell a browser that its allowed page may read the answer."""
        if resp.get_header("Cache-Control") is None:
            resp.set_header("Cache-Control", "no-store")
        resp.set_header("X-Content-Type-Options", "nosniff")
        origin = req.get_header("Origin")
        if origin is not None:
            resp.append_header("Vary", "Origin")
            if is_allowed_origin(origin, self._settings):
                resp.set_header("Access-Control-Allow-Origin", origin)

    def _is_good_host(self, host: str | None) -> bool:
        """Whether the Host is allowed; one that was allowed once is known by heart, for every event brings one."""
        if host in self._good_hosts:
            return True
        is_good = is_allowed_host(host, self._settings)
        if is_good and host is not None and len(self._good_hosts) < KNOWN_HOSTS:
            self._good_hosts.add(host)
        return is_good

    def _check_token(self, req: Request) -> None:
        if req.path in OPEN_PATHS:
            return
        given = bearer(req.get_header("Authorization"))
        if not given:
            raise QuestmuxError(ErrorCode.UNAUTHORIZED, "no token: send `Authorization: Bearer <token>`")
        if self._tokens.is_full(given):
            return
        if not self._tokens.may_post_events(given):
            raise QuestmuxError(ErrorCode.UNAUTHORIZED, "this token is not ours")
        if req.path not in HOOK_PATHS:
            raise QuestmuxError(ErrorCode.FORBIDDEN, "the hook token can only post events")


def _check_target(req: Request) -> None:
    """A broken escape would reach the routes as another path than the one that was meant."""
    scope: dict[str, Any] = req.scope
    target: bytes = (scope.get("raw_path") or b"") + b"?" + (scope.get("query_string") or b"")
    if b"%" in target and _BROKEN_ESCAPE.search(target):
        raise QuestmuxError(ErrorCode.BAD_REQUEST, "the URL has a broken escape; write % as %25")
    if "\ufffd" in req.path:  # What a server puts where bytes are no UTF-8, or what the client wrote.
        try:
            unquote_to_bytes(scope.get("raw_path") or b"").decode()
        except UnicodeDecodeError as exc:
            raise QuestmuxError(ErrorCode.BAD_REQUEST, "the URL is not UTF-8") from exc


def _answer_preflight(resp: Response) -> None:
    resp.status = 204
    resp.set_header("Access-Control-Allow-Methods", "GET, POST, PATCH")
    resp.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Command-Id")
    resp.set_header("Access-Control-Max-Age", PREFLIGHT_AGE_S)
    resp.complete = True
