"""A core that keeps events in memory, or is away, or slow; it implements the port that the api asks through."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, assert_never

import msgspec

from services.bus.client import UnavailableError
from services.contract import actions, codec
from services.contract.actions import ACTIONS, AnyAction, read_action
from services.contract.entities import Cursor, Process, Screen
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import NewEvent
from services.contract.requests import (
    Appended,
    AppendEvents,
    DrainSpool,
    Listing,
    Reply,
    Request,
    RunAction,
    SpoolDrained,
)
from services.process.spool import Spool

R = TypeVar("R", bound=Reply)


class FakeCore:
    """Keeps each id once, in order of arrival; answers reads with what the test put there.

    Every action succeeds, unless its id is that of another one or the test put another answer there.
    """

    def __init__(self, spool_dir: Path) -> None:
        self._spool = Spool(spool_dir)
        self.is_away = False
        self.is_open = asyncio.Event()
        self.is_open.set()
        self.asked = 0
        self.waits: list[bool] = []
        self.log: list[NewEvent] = []
        self.batches: list[tuple[str, ...]] = []
        self.requests: list[Request] = []
        self.listings: dict[type[Request], Callable[[Request], bytes]] = {}
        self.done: dict[str, RunAction] = {}

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.log]

    async def request(self, request: Request, kind: type[R], timeout_s: float, *, wait: bool = True) -> R:
        self.asked += 1
        self.waits.append(wait)
        if self.is_away:
            raise UnavailableError("core is not there")
        try:
            async with asyncio.timeout(timeout_s):
                await self.is_open.wait()
        except TimeoutError as exc:
            raise UnavailableError("core did not answer") from exc
        reply = self._answer(request)
        assert isinstance(reply, kind)
        return reply

    def _answer(self, request: Request) -> Reply:
        self.requests.append(request)
        if type(request) in self.listings:
            return Listing(data=self.listings[type(request)](request))
        match request:
            case AppendEvents(events=events):
                self.batches.append(tuple(event.id for event in events))
                return Appended(seqs=tuple(self._keep(event) for event in events))
            case DrainSpool():
                files = [(path, list(self._spool.read(path))) for path in self._spool.take()]
                for path, waiting in files:
                    for event in waiting:
                        self._keep(event)
                    self._spool.delete(path)
                return SpoolDrained(events=sum(len(waiting) for _, waiting in files))
            case RunAction():
                return Listing(data=self._run(request))
            case _:
                raise QuestmuxError(ErrorCode.NOT_FOUND, "there is no such thing")

    def _run(self, request: RunAction) -> bytes:
        first = self.done.setdefault(request.id, request)
        if (first.action, first.target, first.fields) != (request.action, request.target, request.fields):
            raise QuestmuxError(ErrorCode.CONFLICT, "this id is that of another command")
        return codec.to_json(result_of(action_of(first), first.target or ""))

    def _keep(self, event: NewEvent) -> int:
        if event.id not in self.ids:
            self.log.append(event)
        return self.ids.index(event.id) + 1

    def will_say(self, kind: type[Request], data: object) -> None:
        """What a read is answered with."""
        self.listings[kind] = lambda _: msgspec.json.encode(data)

    def will_refuse(self, kind: type[Request], code: ErrorCode, message: str) -> None:
        """What a request is refused with."""

        def refuse(_: Request) -> bytes:
            raise QuestmuxError(code, message)

        self.listings[kind] = refuse


def new_event(event_id: str, payload: bytes = b'{"hook_event_name":"Stop","session_id":"s"}') -> NewEvent:
    return NewEvent(id=event_id, name="Stop", received_at=1, payload=payload, session_id="s")


def action_of(request: RunAction) -> AnyAction:
    """The action as a poller reads it."""
    return read_action(ACTIONS[request.action], msgspec.msgpack.decode(request.fields))


def result_of(action: AnyAction, target: str) -> msgspec.Struct:  # noqa: C901, PLR0911 - one for each action
    """What a poller says when it did the action."""
    match action:
        case actions.CreateWindow():
            return actions.NewPaneData(window_id="@7", pane_id="%7")
        case actions.NewPane() | actions.NewClaude():
            return actions.NewPaneData(window_id=target, pane_id="%7")
        case actions.RenameWindow(window_name=name):
            return actions.RenamedData(window_id=target, name=name)
        case actions.CloseWindow():
            return actions.WindowClosedData(window_id=target)
        case actions.Prompt(submit=submit):
            return actions.PromptedData(pane_id=target, submitted=submit, taken=submit or None)
        case actions.Signal(signal=signal):
            processes = (Process(pid=7, command="sleep"),)
            return actions.SignalledData(
                pane_id=target, signal=signal, sent_as="process_group", process_group=7, processes=processes
            )
        case actions.Dismiss():
            return actions.DismissedData(pane_id=target, session_id="s", changed=True)
        case actions.Report():
            return actions.ReportedData(pane_id=target, folder="/data/reports/r", hooks=1, registry=2, screens=3)
        case actions.Refresh() | actions.ReadScreen():
            return actions.ScreenData(screen=screen_of(target))
        case actions.ClosePane():
            return actions.PaneClosedData(pane_id=target)
        case _:
            assert_never(action)


def screen_of(pane_id: str) -> Screen:
    """Two lines with colours: a prompt, and a bar of blanks."""
    lines = ("\x1b[1;32m$\x1b[0m make ⌛", "\x1b[48;5;4m    \x1b[0m", "")
    return Screen(
        pane_id=pane_id, captured_at=1, width=10, height=3, cursor=Cursor(x=9, y=0, visible=True), lines=lines
    )
