"""Actions that a poller was ordered to do: who waits for each, until when, and what its answer becomes. Pure."""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct, structs

from services.contract.actions import DIALOG_IS_OPEN, AnyAction, Prompt, PromptedData
from services.contract.entities import Ask
from services.contract.errors import ErrorCode, Problem
from services.contract.events import NewEvent
from services.contract.requests import RunAction
from services.core.audit import Outcome
from services.core.facts import PROMPT, cut, is_persons_prompt, tmux_pid

MAX_ASKERS: Final = 100
"""So many may wait for actions at a time."""
MAX_WAIT_MS: Final = 60_000
"""Nobody waits longer, whatever deadline was given."""
ASKED_CHARS: Final = 200
NOTHING_DONE: Final = Problem(code=ErrorCode.TMUX_TIMEOUT, message="no poller is there: nothing was done")

A = TypeVar("A")
"""Who waits for an answer: it is only held here, and given back."""


class PendingAction(Struct, Generic[A], kw_only=True):
    """One action without a result yet."""

    id: str
    action: str
    is_audited: bool
    target: str | None
    fields: bytes
    """As they were asked for: the same id with others is another action."""
    tmux_pid: int | None
    """The life of the tmux server that the target belongs to."""
    ordered_at: int
    deadline_at: int
    askers: list[A]
    awaits_prompt: bool = False
    """It types a prompt and presses Enter: the session may say by a hook that it took it."""
    is_prompt_heard: bool = False

    def hears(self, event: NewEvent) -> bool:
        """Whether the event may be the one by which a session says that it took this prompt."""
        return (
            self.awaits_prompt
            and not self.is_prompt_heard
            and event.pane_id == self.target
            and event.received_at >= self.ordered_at
            and tmux_pid(event.tmux) in {None, self.tmux_pid}
        )


def new_pending(request: RunAction, action: AnyAction, server_pid: int | None, now: int, asker: A) -> PendingAction[A]:
    """An action that is ordered now."""
    return PendingAction(
        id=request.id,
        action=action.name,
        is_audited=action.is_audited,
        target=request.target,
        fields=request.fields,
        tmux_pid=server_pid,
        ordered_at=now,
        deadline_at=min(request.deadline_at, now + MAX_WAIT_MS),
        askers=[asker],
        awaits_prompt=isinstance(action, Prompt) and action.submit,
    )


class Dispatcher(Generic[A]):
    """All actions that have no result yet."""

    def __init__(self) -> None:
        self._pending: dict[str, PendingAction[A]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def is_full(self) -> bool:
        """Whether as many wait as may."""
        return sum(len(pending.askers) for pending in self._pending.values()) >= MAX_ASKERS

    def get(self, action_id: str) -> PendingAction[A] | None:
        """A pending action; whoever waits for it too is put among its askers."""
        return self._pending.get(action_id)

    def add(self, pending: PendingAction[A]) -> None:
        """Wait for the result of an action."""
        self._pending[pending.id] = pending

    def take(self, action_id: str) -> PendingAction[A] | None:
        """An action that has its result now, out of the pending ones; None when nobody waits for it."""
        return self._pending.pop(action_id, None)

    def take_expired(self, now: int) -> list[PendingAction[A]]:
        """The actions whose time is over, out of the pending ones."""
        return self._take([pending for pending in self._pending.values() if pending.deadline_at <= now])

    def take_all(self) -> list[PendingAction[A]]:
        """All of them, out of the pending ones."""
        return self._take(list(self._pending.values()))

    def _take(self, some: list[PendingAction[A]]) -> list[PendingAction[A]]:
        for pending in some:
            del self._pending[pending.id]
        return some

    def due_at(self) -> int | None:
        """When the next one expires."""
        return min((pending.deadline_at for pending in self._pending.values()), default=None)

    def hear(self, events: Sequence[NewEvent]) -> None:
        """Note the prompts that sessions say they took: each is the first one that was typed in its pane."""
        if not self._pending:
            return
        for event in events:
            if event.name != PROMPT:
                continue
            prompt = next((pending for pending in self._pending.values() if pending.hears(event)), None)
            if prompt is not None and is_persons_prompt(event):
                prompt.is_prompt_heard = True


def refined(pending: PendingAction[A], outcome: Outcome, asks: Ask | None) -> Outcome:
    """What came of a prompt, with what core knows better than the screen: a hook, and what a dialog asks."""
    if pending.action != Prompt.name:
        return outcome
    if outcome.problem is None:
        return Outcome(data=_taken_by_hook(outcome.data)) if pending.is_prompt_heard else outcome
    if outcome.problem.message.startswith(DIALOG_IS_OPEN) and asks is not None:
        asked = cut(f"{asks.tool_name}: {asks.tool_input}", ASKED_CHARS)
        return Outcome(problem=structs.replace(outcome.problem, message=f"{outcome.problem.message} ({asked})"))
    return outcome


def _taken_by_hook(data: bytes) -> bytes:
    try:
        said = msgspec.json.decode(data, type=PromptedData)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return data
    if not said.submitted:
        return data
    return msgspec.json.encode(structs.replace(said, taken=True, taken_by="hook"))


def timed_out(pending: PendingAction[A]) -> Outcome:
    """What is told when an action has no result in its time."""
    within = max(pending.deadline_at - pending.ordered_at, 0) / 1000
    message = f"tmux did not answer within {within:.1f} s; what was asked may still have been done"
    return Outcome(problem=Problem(code=ErrorCode.TMUX_TIMEOUT, message=message))
