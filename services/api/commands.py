"""Commands: each route that has something done to tmux, and the one way they all go.

A command is answered when it was done, or with 504 when tmux had not done it in time; core keeps the audit.
"""

from typing import Final

from falcon.asgi import Request, Response
from msgspec import Struct

from services.api.caller import name_caller
from services.api.command_call import read_command_id, read_fields
from services.api.envelope import answer_data
from services.api.intake import Core
from services.api.target import read_pane_id, read_window_id
from services.contract import actions, codec
from services.contract.actions import ACTION_S, Action, Target, read_action
from services.contract.requests import Listing, RunAction
from services.process.clock import now_ms

MAX_FIELDS_BYTES: Final = 2 * 1024 * 1024
"""Of a body: the longest prompt, with room for JSON's escapes."""
CORE_S: Final = ACTION_S + 1.0
"""Core says by the deadline that an action was not done; after this it is core that does not answer."""


class Command(Struct, frozen=True):
    """A route and what it has done."""

    path: str
    action: type[Action]
    data: type[Struct]
    """What the answer's `data` is."""
    status: int = 200


COMMANDS: Final = (
    Command("/api/windows/create", actions.CreateWindow, actions.NewPaneData, 201),
    Command("/api/windows/{window_id}/rename", actions.RenameWindow, actions.RenamedData),
    Command("/api/windows/{window_id}/close", actions.CloseWindow, actions.WindowClosedData),
    Command("/api/windows/{window_id}/new-pane", actions.NewPane, actions.NewPaneData, 201),
    Command("/api/windows/{window_id}/new-claude", actions.NewClaude, actions.NewPaneData, 201),
    Command("/api/panes/{pane_id}/prompt", actions.Prompt, actions.PromptedData),
    Command("/api/panes/{pane_id}/signal", actions.Signal, actions.SignalledData),
    Command("/api/panes/{pane_id}/dismiss", actions.Dismiss, actions.DismissedData),
    Command("/api/panes/{pane_id}/report", actions.Report, actions.ReportedData, 201),
    Command("/api/panes/{pane_id}/refresh", actions.Refresh, actions.ScreenData),
    Command("/api/panes/{pane_id}/close", actions.ClosePane, actions.PaneClosedData),
)


class CommandResource:
    """One command's route."""

    def __init__(self, core: Core, command: Command) -> None:
        self._core = core
        self._command = command

    async def on_post(self, req: Request, resp: Response, **ids: str) -> None:
        """Have it done."""
        target = _read_target(self._command.action.target, ids)
        command_id = read_command_id(req)
        action = read_action(self._command.action, await read_fields(req, MAX_FIELDS_BYTES))
        answer_data(resp, await run_action(self._core, req, action, target, command_id), self._command.status)


async def run_action(core: Core, req: Request, action: Action, target: str | None, action_id: str) -> bytes:
    """Have an action done for a client: the `data` of the answer, as JSON.

    Raises:
        QuestmuxError: core or the poller refused it, it was not done in time, or core is away.
    """
    request = RunAction(
        id=action_id,
        who=name_caller(req.remote_addr, req.user_agent),
        action=action.name,
        fields=codec.encode(action),
        target=target,
        deadline_at=now_ms() + int(ACTION_S * 1000),
    )
    return (await core.request(request, Listing, CORE_S, wait=False)).data


def _read_target(kind: Target, ids: dict[str, str]) -> str | None:
    match kind:
        case Target.NOTHING:
            return None
        case Target.WINDOW:
            return read_window_id(ids["window_id"])
        case Target.PANE:
            return read_pane_id(ids["pane_id"])
