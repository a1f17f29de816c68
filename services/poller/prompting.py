"""A prompt for a pane: typed when it may be, submitted once, and whether the session took it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from services.contract.actions import Prompt, PromptedData
from services.contract.entities import Screen
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller.dialog import input_text, open_dialog
from services.poller.keyboard import Keyboard
from services.poller.target import PaneFacts

TYPED_S: Final = 1.0
"""An agent has this long to show its input line, and then what was typed on it; Enter is pressed all the same."""
TAKEN_S: Final = 1.5
"""Claude Code has this long to take a prompt off its input line."""
LOOK_EVERY_S: Final = 0.02


class Shown(Struct, frozen=True, kw_only=True):
    """What bears on typing of an agent's screen."""

    question: str | None
    """Of the dialog that is open."""
    line: str | None
    """What stands on the input line; None when there is none to see."""


class Prompting:
    """Types prompts into panes of one tmux server; for one pane one at a time."""

    def __init__(
        self, keyboard: Keyboard, capture: Callable[[str], Awaitable[Screen]], has_agent: Callable[[str], bool]
    ) -> None:
        """`has_agent` tells whether a coding agent runs in a pane."""
        self._keyboard = keyboard
        self._capture = capture
        self._has_agent = has_agent

    async def prompt(self, pane: PaneFacts, action: Prompt) -> PromptedData:
        """Type it.

        Raises:
            QuestmuxError: a dialog is open or opens meanwhile, or the pane takes no input.
            TmuxError: tmux did not do it.
        """
        if pane.input_off:
            raise QuestmuxError(ErrorCode.CONFLICT, f"{pane.id} takes no input: somebody switched it off in tmux")
        if self._has_agent(pane.id):
            return await self._prompt_agent(pane, action)
        await asyncio.to_thread(self._keyboard.paste, pane, action.text, takes_pastes=False)
        if action.submit:
            await asyncio.to_thread(self._keyboard.enter, pane.id)
        return PromptedData(pane_id=pane.id, submitted=action.submit)

    async def _prompt_agent(self, pane: PaneFacts, action: Prompt) -> PromptedData:
        shown = await self._wait(pane, TYPED_S, lambda now: now.question is not None or now.line is not None)
        if shown.question is not None:
            return await self._type_into_dialog(pane, action, shown.question)
        if shown.line is None and not action.force:
            raise QuestmuxError(
                ErrorCode.CONFLICT, f"{pane.id} shows no input line: it starts, or shows something else"
            )
        await asyncio.to_thread(self._keyboard.paste, pane, action.text, takes_pastes=True)
        if not action.submit:
            return PromptedData(pane_id=pane.id, submitted=False)
        typed = await self._wait(pane, TYPED_S, lambda now: now.question is not None or now.line != shown.line)
        if typed.question is not None:  # Enter would choose its first row, and a dialog passes a paste by.
            raise QuestmuxError(
                ErrorCode.CONFLICT, f"a dialog opened in {pane.id} while this was typed: {typed.question}"
            )
        await asyncio.to_thread(self._keyboard.enter, pane.id)
        return await self._taken(pane, typed.line) if typed.line != shown.line else _untold(pane)

    async def _taken(self, pane: PaneFacts, typed: str | None) -> PromptedData:
        """Whether what stood on the input line has left it."""
        if typed is None:
            return _untold(pane)
        left = await self._wait(pane, TAKEN_S, lambda now: now.line is None or typed not in now.line)
        is_taken = left.line is None or typed not in left.line
        return PromptedData(pane_id=pane.id, submitted=True, taken=is_taken, taken_by="screen" if is_taken else None)

    async def _type_into_dialog(self, pane: PaneFacts, action: Prompt, question: str) -> PromptedData:
        """Typed, not pasted: a dialog acts on keys. What it makes of them nothing here can tell."""
        if not action.force:
            raise QuestmuxError(ErrorCode.CONFLICT, f"a dialog is open in {pane.id}: {question}")
        await asyncio.to_thread(self._keyboard.type, pane.id, action.text)
        if action.submit:
            await asyncio.to_thread(self._keyboard.enter, pane.id)
        return PromptedData(pane_id=pane.id, submitted=action.submit)

    async def _wait(self, pane: PaneFacts, within_s: float, is_done: Callable[[Shown], bool]) -> Shown:
        """What the screen shows once the condition holds, or when the time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while True:
            lines = (await self._capture(pane.id)).lines
            shown = Shown(question=open_dialog(lines), line=input_text(lines))
            if is_done(shown) or loop.time() >= until:
                return shown
            await asyncio.sleep(LOOK_EVERY_S)


def _untold(pane: PaneFacts) -> PromptedData:
    """Submitted, and the screen does not tell what came of it."""
    return PromptedData(pane_id=pane.id, submitted=True)
