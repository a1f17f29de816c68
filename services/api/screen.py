"""`GET /api/panes/{pane_id}/screen`: what a pane shows now."""

import msgspec
from falcon.asgi import Request, Response

from services.api.colors import without_colors
from services.api.commands import run_action
from services.api.envelope import answer_data
from services.api.intake import Core
from services.api.query import read_switch
from services.api.target import read_pane_id
from services.contract import codec
from services.contract.actions import ReadScreen, ScreenData
from services.process.clock import new_id


class ScreenResource:
    """Captures for one reader; it is not in the audit, because nothing is done."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def on_get(self, req: Request, resp: Response, pane_id: str) -> None:
        """The screen, with its colours unless `colors=false`."""
        target = read_pane_id(pane_id)
        has_colors = read_switch(req, "colors", default=True)
        data = await run_action(self._core, req, ReadScreen(), target, new_id())
        if not has_colors:
            screen = msgspec.json.decode(data, type=ScreenData).screen
            data = codec.to_json(ScreenData(screen=without_colors(screen)))
        answer_data(resp, data)

    on_head = on_get
