"""A prompt for a pane: typed when it may be, submitted once, and whether the session took it."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from msgspec import Struct

from services.contract.actions import DIALOG_IS_OPEN, Prompt, PromptedData
from services.contract.entities import Screen
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller.dialog import draft_text, input_text, open_dialog
from services.poller.keyboard import Keyboard
from services.poller.target import PaneFacts

TYPED_S: Final = 1.5
"""An agent has this long to show its input line, and then what was typed on it."""
TAKEN_S: Final = 1.5
"""Claude Code has this long to take a prompt off its input line."""
LOOK_EVERY_S: Final = 0.02


class Shown(Struct, frozen=True, kw_only=True):
    """What bears on typing of an agent's screen."""

    question: str | None
    """Of the dialog that is open."""
    line: str | None
    """What stands on the input line; None when there is none to see."""
    draft: str
    """What a person has typed there."""


class Prompting:
    """Types prompts into panes of one tmux server; for one pane one at a time.

    `left_s` of its methods tells how long may still be taken: nothing is typed or pressed after that.
    """

    def __init__(
        self, keyboard: Keyboard, capture: Callable[[str], Awaitable[Screen]], has_agent: Callable[[PaneFacts], bool]
    ) -> None:
        """`has_agent` tells whether what is typed into a pane goes to a coding agent."""
        self._keyboard = keyboard
        self._capture = capture
        self._has_agent = has_agent

    async def prompt(self, pane: PaneFacts, action: Prompt, left_s: Callable[[], float]) -> PromptedData:
        """Type it.

        Raises:
            QuestmuxError: it was not typed: the pane takes no input, a dialog is open, a person's draft stands on the
                input line, or the time is over.
            TmuxError: tmux did not do it.
        """
        if pane.input_off:
            raise QuestmuxError(ErrorCode.CONFLICT, f"{pane.id} takes no input: somebody switched it off in tmux")
        if self._has_agent(pane):
            return await self._prompt_agent(pane, action, left_s)
        await _in_time(left_s, partial(self._keyboard.paste, pane, action.text, takes_pastes=False))
        if action.submit:
            await _in_time(left_s, partial(self._keyboard.enter, pane.id))
        return PromptedData(pane_id=pane.id, submitted=action.submit)

    async def _prompt_agent(self, pane: PaneFacts, action: Prompt, left_s: Callable[[], float]) -> PromptedData:
        shown = await self._wait(pane, TYPED_S, lambda now: now.question is not None or now.line is not None)
        if not action.force:
            _check_free(pane, shown)
        if shown.question is not None:
            return await self._type_into_dialog(pane, action, left_s)
        await _in_time(left_s, partial(self._keyboard.paste, pane, action.text, takes_pastes=True))
        if not action.submit:
            return PromptedData(pane_id=pane.id, submitted=False)
        typed = await self._wait(pane, TYPED_S, lambda now: now.question is not None or now.line != shown.line)
        if typed.question is not None:  # Enter would choose its first row.
            return _kept_back(pane, f"a dialog opened meanwhile: {typed.question}")
        if typed.line == shown.line and not action.force:
            return _kept_back(pane, f"the text did not show on the input line within {TYPED_S:g} s")
        await _in_time(left_s, partial(self._keyboard.enter, pane.id))
        return await self._taken(pane, typed.line if typed.line != shown.line else None)

    async def _taken(self, pane: PaneFacts, typed: str | None) -> PromptedData:
        """Whether what stood on the input line has left it; without that, nothing here can tell."""
        if typed is None:
            return PromptedData(pane_id=pane.id, submitted=True)
        left = await self._wait(pane, TAKEN_S, lambda now: now.line is None or typed not in now.line)
        is_taken = left.line is None or typed not in left.line
        return PromptedData(pane_id=pane.id, submitted=True, taken=is_taken, taken_by="screen" if is_taken else None)

    async def _type_into_dialog(self, pane: PaneFacts, action: Prompt, left_s: Callable[[], float]) -> PromptedData:
        """Typed, not pasted: a dialog acts on keys. What it makes of them nothing here can tell."""
        await _in_time(left_s, partial(self._keyboard.type, pane.id, action.text))
        if action.submit:
            await _in_time(left_s, partial(self._keyboard.enter, pane.id))
        return PromptedData(pane_id=pane.id, submitted=action.submit)

    async def _wait(self, pane: PaneFacts, within_s: float, is_done: Callable[[Shown], bool]) -> Shown:
        """What the screen shows once the condition holds, or when the time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while True:
            lines = (await self._capture(pane.id)).lines
            shown = Shown(question=open_dialog(lines), line=input_text(lines), draft=draft_text(lines))
            if is_done(shown) or loop.time() >= until:
                return shown
            await asyncio.sleep(LOOK_EVERY_S)


async def _in_time(left_s: Callable[[], float], act: Callable[[], None]) -> None:
    """Do something in a thread, unless the time is over when its turn comes.

    Raises:
        QuestmuxError: it is.
    """

    def act_in_time() -> None:
        if left_s() <= 0:
            raise QuestmuxError(ErrorCode.TMUX_TIMEOUT, "its time was over before all was typed; Enter was not pressed")
        act()

    await asyncio.to_thread(act_in_time)


def _check_free(pane: PaneFacts, shown: Shown) -> None:
    """Refuse to type where it would do something else than was meant."""
    if shown.question is not None:
        raise QuestmuxError(ErrorCode.CONFLICT, f"{DIALOG_IS_OPEN} in {pane.id}: {shown.question}")
    if shown.line is None:
        raise QuestmuxError(ErrorCode.CONFLICT, f"{pane.id} shows no input line: it starts, or shows something else")
    if shown.draft:
        raise QuestmuxError(ErrorCode.CONFLICT, f"a draft stands on the input line of {pane.id}: {shown.draft[:80]}")


def _kept_back(pane: PaneFacts, reason: str) -> PromptedData:
    """Typed, and Enter not pressed."""
    return PromptedData(pane_id=pane.id, submitted=False, taken=False, reason=reason)
