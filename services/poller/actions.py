"""Carries out what core orders: each action once, in its time, and tells what came of it."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, assert_never
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from services.contract import codec
from services.contract.actions import (
    ACTIONS,
    AnyAction,
    ClosePane,
    CloseWindow,
    CreateWindow,
    Dismiss,
    NewClaude,
    NewPane,
    Prompt,
    ReadScreen,
    Refresh,
    RenameWindow,
    Report,
    ScreenData,
    Signal,
)
from services.contract.entities import Screen
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.orders import DoAction
from services.contract.requests import ReportAction
from services.poller.presence import Presence
from services.poller.prompting import Prompting
from services.poller.signalling import Signalling
from services.poller.target import PaneFacts, read_target
from services.poller.tmux import NoSuchTargetError, NoTmuxServerError, Tmux, TmuxError, TmuxHungError
from services.poller.windows import Windows

REMEMBERED: Final = 1_000
"""Actions whose result is remembered: an order that comes twice is not carried out twice."""
LAYOUT_ACTIONS: Final = frozenset(
    kind.name for kind in (CreateWindow, RenameWindow, CloseWindow, NewPane, NewClaude, ClosePane)
)
"""After these tmux lists something else."""
LOOKS: Final = frozenset({Refresh.name, ReadScreen.name})
"""These change nothing, and may be done twice."""

Capture = Callable[[str], Awaitable[Screen]]
"""The screen of a pane now. Raises `NoSuchTargetError` when it is not there."""

logger = logging.getLogger(__name__)


class Actions:
    """The hands of the poller on one tmux server."""

    def __init__(
        self,
        *,
        tmux: Tmux,
        windows: Windows,
        prompting: Prompting,
        presence: Presence,
        signalling: Signalling,
        capture: Capture,
        now_ms: Callable[[], int],
    ) -> None:
        self._tmux = tmux
        self._windows = windows
        self._prompting = prompting
        self._presence = presence
        self._signalling = signalling
        self._capture = capture
        self._now_ms = now_ms
        self._begun: OrderedDict[str, asyncio.Future[ReportAction]] = OrderedDict()
        self._layout_lock = asyncio.Lock()
        self._pane_locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(self, order: DoAction) -> ReportAction:
        """Do it, or answer what came of it when it was done before."""
        if order.action in LOOKS:
            return await self._report(order)
        known = self._begun.get(order.id)
        if known is not None:
            return await asyncio.shield(known)
        future: asyncio.Future[ReportAction] = asyncio.get_running_loop().create_future()
        self._begun[order.id] = future
        while len(self._begun) > REMEMBERED and next(iter(self._begun.values())).done():
            self._begun.popitem(last=False)
        report = await self._report(order)
        future.set_result(report)
        return report

    async def _report(self, order: DoAction) -> ReportAction:
        try:
            action = msgspec.msgpack.decode(order.fields, type=ACTIONS[order.action])
            data = await self._do(action, order)
        except QuestmuxError as exc:
            return ReportAction(id=order.id, problem=exc.problem)
        except TmuxError as exc:
            return ReportAction(id=order.id, problem=_problem(order, exc))
        except Exception:
            logger.exception("action failed", extra={"action": order.action})
            problem = Problem(code=ErrorCode.INTERNAL, message="the poller failed; its log says why")
            return ReportAction(id=order.id, problem=problem)
        return ReportAction(id=order.id, data=codec.to_json(data))

    async def _do(self, action: AnyAction, order: DoAction) -> Struct:
        match action:
            case CreateWindow() | RenameWindow() | CloseWindow() | NewPane() | NewClaude() | ClosePane():
                async with self._layout_lock:
                    return await asyncio.to_thread(self._change_layout, action, order)
            case Refresh() | ReadScreen():
                self._check_time(order)
                await self._pane(order)
                return ScreenData(screen=await self._capture(_target(order)))
            case Prompt() | Signal():
                async with self._pane_locks.setdefault(_target(order), asyncio.Lock()):
                    pane = await self._pane(order)
                    if pane.is_dead:
                        raise QuestmuxError(ErrorCode.CONFLICT, f"the program in {pane.id} has ended")
                    if isinstance(action, Prompt):
                        return await self._prompting.prompt(pane, action, partial(self._left_s, order))
                    return await asyncio.to_thread(self._signal, pane, action, order)
            case Dismiss() | Report():
                raise AssertionError("core does this itself")
            case _:
                assert_never(action)

    def _change_layout(
        self, action: CreateWindow | RenameWindow | CloseWindow | NewPane | NewClaude | ClosePane, order: DoAction
    ) -> Struct:
        if isinstance(action, CreateWindow):
            self._check_time(order)
            return self._windows.create(action)
        target = _target(order)
        read_target(self._tmux, target, order.server)
        self._check_time(order)
        match action:
            case RenameWindow():
                return self._windows.rename(target, action)
            case CloseWindow():
                return self._windows.close(target)
            case ClosePane():
                return self._windows.close_pane(target)
            case NewPane():
                return self._windows.new_pane(target, action)
            case NewClaude():
                made = self._windows.new_claude(target, action)
                self._presence.expect(made.pane_id)
                return made

    async def _pane(self, order: DoAction) -> PaneFacts:
        return await asyncio.to_thread(read_target, self._tmux, _target(order), order.server)

    def _signal(self, pane: PaneFacts, action: Signal, order: DoAction) -> Struct:
        self._check_time(order)
        return self._signalling.signal(pane, action)

    def _left_s(self, order: DoAction) -> float:
        return (order.deadline_at - self._now_ms()) / 1000

    def _check_time(self, order: DoAction) -> None:
        """To be called where the next step changes something, in the thread that takes it."""
        if self._left_s(order) <= 0:
            raise QuestmuxError(ErrorCode.TMUX_TIMEOUT, "its time was over before it began: nothing was done")


def _target(order: DoAction) -> str:
    if order.target is None:
        raise AssertionError(f"{order.action} acts on something")
    return order.target


def _problem(order: DoAction, problem: TmuxError) -> Problem:
    if isinstance(problem, NoSuchTargetError | NoTmuxServerError) and order.target is not None:
        kind = "pane" if order.target.startswith("%") else "window"
        return Problem(code=ErrorCode.NOT_FOUND, message=f"there is no {kind} {order.target}")
    if isinstance(problem, TmuxHungError):
        return Problem(code=ErrorCode.TMUX_TIMEOUT, message=f"{problem}; what was asked may still have been done")
    return Problem(code=ErrorCode.CONFLICT, message=f"tmux did not do it: {problem}")
