"""The app: routes and what stands behind them. `make_app` is for gunicorn, `create_app` for tests too."""

import asyncio
import contextlib
import logging
import os
from typing import Any, Final

from falcon.asgi import App

from services.api.avatar import AvatarResource
from services.api.commands import COMMANDS, CommandResource
from services.api.errors import add_error_handlers
from services.api.event import EventResource
from services.api.game import AchievementsResource, PersonasResource, ProjectsResource, ReportResource, XpResource
from services.api.guard import Guard
from services.api.health import HealthResource, MetricsResource
from services.api.intake import Core, Intake
from services.api.openapi import OpenApiResource
from services.api.quests import QuestsResource
from services.api.reads import (
    ClientsResource,
    CommandsResource,
    EventsResource,
    PanesResource,
    SessionsResource,
    WindowsResource,
)
from services.api.screen import ScreenResource
from services.bus import Bus, Client
from services.contract.errors import QuestmuxError
from services.contract.requests import Beat, Taken
from services.contract.settings import Settings
from services.process.clock import new_id
from services.process.life import settle_memory
from services.process.spool import Spool
from services.process.tokens import Tokens

BEAT_S: Final = 2.0

logger = logging.getLogger(__name__)


def create_app(core: Core, intake: Intake, spool: Spool, settings: Settings, tokens: Tokens) -> App[Any, Any]:
    """The app over what it needs."""
    app: App[Any, Any] = App(middleware=[Guard(settings, tokens)])
    app.req_options.auto_parse_qs_csv = False
    add_error_handlers(app)
    panes, sessions = PanesResource(core), SessionsResource(core)
    app.add_route("/event", EventResource(intake))
    app.add_route("/health", HealthResource(core, spool))
    app.add_route("/metrics", MetricsResource(core))
    app.add_route("/openapi.json", OpenApiResource())
    app.add_route("/api/windows", WindowsResource(core))
    app.add_route("/api/panes", panes)
    app.add_route("/api/panes/{pane_id}", panes, suffix="one")
    app.add_route("/api/panes/{pane_id}/explain", panes, suffix="explanation")
    app.add_route("/api/sessions", sessions)
    app.add_route("/api/sessions/{session_id}", sessions, suffix="one")
    app.add_route("/api/events", EventsResource(core))
    app.add_route("/api/panes/{pane_id}/screen", ScreenResource(core))
    app.add_route("/api/clients", ClientsResource(core))
    app.add_route("/api/commands", CommandsResource(core))
    for command in COMMANDS:
        app.add_route(command.path, CommandResource(core, command))
    _add_game(app, core)
    return app


def _add_game(app: App[Any, Any], core: Core) -> None:
    personas, projects, xp, quests = (
        PersonasResource(core),
        ProjectsResource(core),
        XpResource(core),
        QuestsResource(core),
    )
    app.add_route("/api/personas", personas)
    app.add_route("/api/personas/{persona_id}", personas, suffix="one")
    app.add_route("/api/personas/{persona_id}/challenges", personas, suffix="challenges")
    app.add_route("/api/achievements", AchievementsResource(core))
    app.add_route("/api/avatars/{seed}.svg", AvatarResource())
    app.add_route("/api/projects", projects)
    app.add_route("/api/projects/{project_id}", projects, suffix="one")
    app.add_route("/api/projects/{project_id}/narrative", projects, suffix="narrative")
    app.add_route("/api/xp/summary", xp, suffix="summary")
    app.add_route("/api/xp/timeline", xp, suffix="timeline")
    app.add_route("/api/xp/leaderboard", xp, suffix="leaderboard")
    app.add_route("/api/quests", quests)
    app.add_route("/api/quests/{quest_id}", quests, suffix="one")
    app.add_route("/api/quests/{quest_id}/phases/{n}", quests, suffix="phase")
    app.add_route("/api/report", ReportResource(core))


def make_app(settings: Settings, tokens: Tokens) -> "WorkerApp":
    """The app of one gunicorn worker; it opens the bus when the worker's loop runs."""
    return WorkerApp(settings, tokens)


class WorkerApp:
    """The ASGI callable of one worker: opens and closes with the lifespan."""

    def __init__(self, settings: Settings, tokens: Tokens) -> None:
        self._settings = settings
        self._tokens = tokens
        self._app: App[Any, Any] | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Serve one scope."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            assert self._app is not None, "a request before the lifespan began"  # noqa: S101 - impossible state
            await self._app(scope, _head_first(receive), send)

    async def _live(self, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        await receive()
        with Bus() as bus:
            client = Client(bus, self._settings.requests_address)
            spool = Spool(self._settings.spool_dir)
            intake = Intake(client, spool)
            self._app = create_app(client, intake, spool, self._settings, self._tokens)
            beat = asyncio.create_task(_beat(client, intake))
            settle_memory()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await intake.stop()
            beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beat
            client.close()
        await send({"type": "lifespan.shutdown.complete"})


def _head_first(receive: Any) -> Any:  # noqa: ANN401 - ASGI
    """Falcon waits for the first part of a body before it looks at the head: give it an empty one at once.

    So a head that is refused is answered before its body comes, and the wait for a body is ours to bound.
    """
    is_first = True

    async def receive_next() -> Any:  # noqa: ANN401 - ASGI
        nonlocal is_first
        if is_first:
            is_first = False
            return {"type": "http.request", "body": b"", "more_body": True}
        return await receive()

    return receive_next


async def _beat(client: Client, intake: Intake) -> None:
    instance = new_id()
    while True:
        beat = Beat(service="api", instance=instance, pid=os.getpid(), interval_s=BEAT_S, figures=dict(intake.figures))
        try:
            await client.request(beat, Taken, BEAT_S)
        except QuestmuxError as exc:
            logger.debug("beat not taken", extra={"problem": str(exc)})
        await asyncio.sleep(BEAT_S)
