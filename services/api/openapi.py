"""`GET /openapi.json`: the API's description, made from the contract's types."""

import importlib.metadata
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

import falcon
import msgspec
import orjson
from falcon.asgi import Request, Response

from services.api.commands import COMMANDS, Command
from services.api.game import DEFAULT_DAYS, DEFAULT_PLACES, FORMATS, MAX_DAYS, MAX_PLACES, MAX_REPORT_DAYS
from services.api.health import Health
from services.api.quests import QUEST_ROUTES, QuestRoute
from services.contract.actions import Dismiss, ReadScreen, Report, ScreenData, Target
from services.contract.answers import (
    ClientsData,
    CommandsData,
    EventData,
    EventsData,
    ExplanationData,
    Failure,
    PaneData,
    PanesData,
    SessionData,
    SessionsData,
    WindowsData,
)
from services.contract.errors import HTTP_STATUS, ErrorCode
from services.contract.game import QuestStatus
from services.contract.game_answers import (
    AchievementsData,
    ChallengesData,
    EarnerType,
    LeaderboardData,
    NarrativeData,
    PersonaData,
    PersonasData,
    ProjectData,
    ProjectsData,
    ReportData,
    XpSummaryData,
    XpTimelineData,
)
from services.contract.quest_commands import QUEST_ID, QuestData, QuestsData

_REF: Final = "#/components/schemas/{name}"
_DATA: Final = (
    ClientsData,
    CommandsData,
    EventData,
    EventsData,
    ExplanationData,
    Failure,
    Health,
    PaneData,
    PanesData,
    ScreenData,
    SessionData,
    SessionsData,
    WindowsData,
    AchievementsData,
    ChallengesData,
    LeaderboardData,
    NarrativeData,
    PersonaData,
    PersonasData,
    ProjectData,
    ProjectsData,
    ReportData,
    XpSummaryData,
    XpTimelineData,
    QuestData,
    QuestsData,
    *(route.command for route in QUEST_ROUTES),
    *(command.action for command in COMMANDS),
    *(command.data for command in COMMANDS),
)
_COMMON: Final = (ErrorCode.BAD_REQUEST, ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN, ErrorCode.CORE_UNAVAILABLE)
_BODY: Final = (
    ErrorCode.REQUEST_TIMEOUT,
    ErrorCode.BODY_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.INVALID_FIELD,
)
_ACTION: Final = (ErrorCode.NOT_FOUND, ErrorCode.CONFLICT, ErrorCode.INVALID_FIELD)
_TMUX: Final = (ErrorCode.TOO_MANY_REQUESTS, ErrorCode.TMUX_TIMEOUT)

_SAME_ID: Final = "The same id again is the same command: it is not done twice"
_PANE_ID: Final = "^[0-9]{1,9}$"
_WINDOW_ID: Final = "^@?[0-9]{1,9}$"
_IDENTITY: Final = "^[A-Za-z0-9_.:-]{1,128}$"
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
    health = _operation("get_health", "Liveness and lag of every process", {"200": Health}, _COMMON)
    metrics = {"operationId": "get_metrics", "summary": "Prometheus text", "responses": text | _errors(_COMMON)}
    openapi = {"operationId": "get_openapi", "summary": "This", "responses": described | _errors(no_core)}
    return {
        "/health": {"get": health | {"security": []}},
        "/event": {"post": _post_event()},
        **{path: {"get": operation} for path, operation in (_reads() | _game_reads()).items()},
        "/api/avatars/{seed}.svg": {"get": _get_avatar()},
        **_quests(),
        **{command.path: {"post": _post_command(command)} for command in COMMANDS},
        "/metrics": {"get": metrics},
        "/openapi.json": {"get": openapi},
    }


def _reads() -> dict[str, Any]:
    named = (*_COMMON, ErrorCode.NOT_FOUND)
    bounded = (*_COMMON, ErrorCode.INVALID_FIELD)
    pane = _pane_parameter()
    session = _path_parameter("session_id", _SESSION_ID, "As Claude Code gives it")
    after, limit = _query("after", 0, 2**53 - 1, 0), _query("limit", 1, 500, 100)
    log, audit = "A page of the log, oldest first", "The audit: who had what done, newest first"
    return {
        "/api/windows": _operation("get_windows", "Windows with their panes", {"200": WindowsData}, _COMMON),
        "/api/panes": _operation("get_panes", "All panes", {"200": PanesData}, _COMMON),
        "/api/panes/{pane_id}": _operation(
            "get_pane", "One pane", {"200": PaneData}, (*named, ErrorCode.INVALID_FIELD), [pane]
        ),
        "/api/panes/{pane_id}/explain": _operation(
            "explain_pane",
            "Why the pane's status is what it is",
            {"200": ExplanationData},
            (*named, ErrorCode.INVALID_FIELD),
            [pane],
        ),
        "/api/panes/{pane_id}/screen": _get_screen(),
        "/api/sessions": _operation("get_sessions", "All sessions", {"200": SessionsData}, _COMMON),
        "/api/sessions/{session_id}": _operation("get_session", "One session", {"200": SessionData}, named, [session]),
        "/api/events": _operation("get_events", log, {"200": EventsData}, bounded, [after, limit]),
        "/api/clients": _operation("get_clients", "The WebSocket clients", {"200": ClientsData}, _COMMON),
        "/api/commands": _operation("get_commands", audit, {"200": CommandsData}, bounded, [limit]),
    }


def _game_reads() -> dict[str, Any]:
    named, bounded = (*_COMMON, ErrorCode.NOT_FOUND), (*_COMMON, ErrorCode.INVALID_FIELD)
    both = (*named, ErrorCode.INVALID_FIELD)
    persona, project = _id_parameter("persona_id"), _id_parameter("project_id")
    earner = _word_query("type", tuple(EarnerType), required=True)
    who = [earner, _id_query("id", required=True)]
    form = _word_query("format", FORMATS)
    days, some = _query("days", 1, MAX_DAYS, DEFAULT_DAYS), _query("days", 1, MAX_REPORT_DAYS, 1)
    places = _query("limit", 1, MAX_PLACES, DEFAULT_PLACES)
    rows: dict[str, tuple[str, str, type, tuple[ErrorCode, ...], list[dict[str, Any]]]] = {
        "/api/personas": ("get_personas", "All personas", PersonasData, _COMMON, []),
        "/api/personas/{persona_id}": ("get_persona", "One persona", PersonaData, named, [persona]),
        "/api/personas/{persona_id}/challenges": (
            "get_challenges",
            "Its challenges of this day and week",
            ChallengesData,
            named,
            [persona],
        ),
        "/api/achievements": ("get_achievements", "All that can be unlocked", AchievementsData, _COMMON, []),
        "/api/projects": ("get_projects", "All projects", ProjectsData, _COMMON, []),
        "/api/projects/{project_id}": ("get_project", "One project", ProjectData, named, [project]),
        "/api/projects/{project_id}/narrative": (
            "get_narrative",
            "Its story",
            NarrativeData,
            both,
            [project, some, form],
        ),
        "/api/report": ("get_report", "What happened in the last days", ReportData, bounded, [some, form]),
        "/api/xp/summary": ("get_xp_summary", "The XP of a persona or project", XpSummaryData, both, who),
        "/api/xp/timeline": ("get_xp_timeline", "Its XP day by day", XpTimelineData, both, [*who, days]),
        "/api/xp/leaderboard": ("get_leaderboard", "Who has most", LeaderboardData, bounded, [earner, places]),
    }
    described = {
        path: _operation(name, summary, {"200": data}, errors, parameters)
        for path, (name, summary, data, errors, parameters) in rows.items()
    }
    for path in ("/api/report", "/api/projects/{project_id}/narrative"):
        described[path]["responses"]["200"]["content"]["text/markdown"] = {"schema": {"type": "string"}}
    return described


def _post_event() -> dict[str, Any]:
    operation = _operation(
        "post_event",
        "One hook call; answered once it is on disk",
        {"200": EventData, "202": EventData},
        (*_COMMON, *_BODY),
    )
    headers = [
        _header("X-Event-Id", _IDENTITY, "Delivery identity: the same id twice is one event"),
        _header("X-Tmux-Pane", None, "`$TMUX_PANE` of the sender"),
        _header("X-Tmux", None, "`$TMUX` of the sender"),
        _header("X-Sent-At", None, "The sender's clock, Unix milliseconds"),
    ]
    body = {"required": True, "content": _json(_HOOK_CALL)}
    return operation | {"parameters": headers, "requestBody": body}


def _post_command(command: Command) -> dict[str, Any]:
    kind = command.action
    codes = (*_COMMON, *_BODY, *_ACTION, *(() if kind in {Dismiss, Report} else _TMUX))  # Core does these itself.
    summary = (inspect.getdoc(kind) or "").partition("\n")[0]
    parameters = [_header("X-Command-Id", _IDENTITY, _SAME_ID)]
    match kind.target:
        case Target.WINDOW:
            parameters.append(_path_parameter("window_id", _WINDOW_ID, "`@1`, or `1`; `%401` is `@1` encoded"))
        case Target.PANE:
            parameters.append(_pane_parameter())
        case Target.NOTHING:
            pass
    fields = msgspec.structs.fields(kind)
    body = {
        "required": any(field.required for field in fields),
        "content": _json({"$ref": _REF.format(name=kind.__name__)}),
    }
    return _operation(kind.name, summary, {str(command.status): command.data}, codes, parameters) | {
        "requestBody": body
    }


def _quests() -> dict[str, Any]:
    """Each path of quests with its methods."""
    status, project = _word_query("status", tuple(QuestStatus)), _id_query("project")
    after = {"name": "after", "in": "query", "schema": {"type": "string", "pattern": f"^{QUEST_ID.pattern}$"}}
    bounded = (*_COMMON, ErrorCode.INVALID_FIELD)
    page = [status, project, after, _query("limit", 1, 500, 100)]
    paths: dict[str, Any] = {
        "/api/quests": {"get": _operation("get_quests", "Quests, newest first", {"200": QuestsData}, bounded, page)},
        "/api/quests/{quest_id}": {
            "get": _operation(
                "get_quest", "One quest", {"200": QuestData}, (*_COMMON, ErrorCode.NOT_FOUND), [_quest_parameter()]
            )
        },
    }
    for route in QUEST_ROUTES:
        paths.setdefault(route.path, {})[route.method] = _quest_command(route)
    return paths


def _quest_command(route: QuestRoute) -> dict[str, Any]:
    kind = route.command
    parameters = [_header("X-Command-Id", _IDENTITY, _SAME_ID)]
    if "{quest_id}" in route.path:
        parameters.append(_quest_parameter())
    if "{n}" in route.path:
        parameters.append(_path_parameter("n", "^[0-9]{1,9}$", "The phase's number, from 1"))
    summary = (inspect.getdoc(kind) or "").partition("\n")[0]
    codes = (*_COMMON, *_BODY, *_ACTION)
    body = {"required": route.method == "post", "content": _json({"$ref": _REF.format(name=kind.__name__)})}
    answers = {str(route.status): QuestData}
    return _operation(kind.name, summary, answers, codes, parameters) | {"requestBody": body}


def _quest_parameter() -> dict[str, Any]:
    return _path_parameter("quest_id", f"^{QUEST_ID.pattern}$", "As the list has it")


def _get_avatar() -> dict[str, Any]:
    """The one answer that is a picture."""
    seed = _path_parameter("seed", _IDENTITY, "Any word; a persona's is its id")
    picture = {"200": {"description": "The picture", "content": {"image/svg+xml": {"schema": {"type": "string"}}}}}
    codes = (*_COMMON[:3], ErrorCode.NOT_FOUND, ErrorCode.INVALID_FIELD)
    return {
        "operationId": "get_avatar",
        "summary": "A picture, the same for the same seed",
        "responses": picture | _errors(codes),
        "parameters": [seed],
    }


def _get_screen() -> dict[str, Any]:
    colors = {"name": "colors", "in": "query", "schema": {"type": "boolean", "default": True}}
    return _operation(
        ReadScreen.name,
        "What the pane shows now; `colors=false` leaves out the SGR escapes",
        {"200": ScreenData},
        (*_COMMON, *_ACTION, *_TMUX),
        [_pane_parameter(), colors],
    )


def _operation(
    name: str,
    summary: str,
    answers: Mapping[str, type],
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


def _pane_parameter() -> dict[str, Any]:
    return _path_parameter("pane_id", _PANE_ID, "`3` for `%3`; `%253`, which is `%3` encoded, is taken too")


def _path_parameter(name: str, pattern: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _id_parameter(name: str) -> dict[str, Any]:
    return _path_parameter(name, "^[A-Za-z0-9]{1,64}$", "As the lists have it")


def _word_query(name: str, words: Sequence[str], *, required: bool = False) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "enum": list(words)}
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _id_query(name: str, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": {"type": "string", "pattern": _IDENTITY}}


def _query(name: str, low: int, high: int, default: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": low, "maximum": high, "default": default}
    return {"name": name, "in": "query", "schema": schema}


def _header(name: str, pattern: str | None, description: str) -> dict[str, Any]:
    schema = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "description": description, "schema": schema}
