"""A prompt for a pane: typed when it may be, submitted once, and whether the session took it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from services.contract.actions import Prompt, PromptedData
from services.contract.entities import Screen
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller.dialog import input_text, open_dialog
from services.poller.keyboard import Keyboard
from services.poller.target import PaneFacts

TYPED_S: Final = 1.0
"""A program has this long to show what was typed; then Enter is pressed all the same."""
TAKEN_S: Final = 1.5
"""Claude Code has this long to take a prompt off its input line."""
LOOK_EVERY_S: Final = 0.02


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
            QuestmuxError: a dialog is open, the pane takes no input, or it would take the lines one by one.
            TmuxError: tmux did not do it.
        """
        if pane.input_off:
            raise QuestmuxError(ErrorCode.CONFLICT, f"{pane.id} takes no input: somebody switched it off in tmux")
        before = None
        if self._has_agent(pane.id):
            screen = await self._capture(pane.id)
            question = open_dialog(screen.lines)
            if question is not None:
                return await self._type_into_dialog(pane, action, question)
            before = input_text(screen.lines)
            await asyncio.to_thread(self._keyboard.paste, pane, action.text, takes_pastes=True)
        else:
            await asyncio.to_thread(self._keyboard.paste, pane, action.text, takes_pastes=False)
        if not action.submit:
            return PromptedData(pane_id=pane.id, submitted=False)
        typed = None if before is None else await self._wait(pane, TYPED_S, lambda line: line != before)
        await asyncio.to_thread(self._keyboard.enter, pane.id)
        if typed is None:
            return PromptedData(pane_id=pane.id, submitted=True)
        left = await self._wait(pane, TAKEN_S, lambda line: line is None or typed not in line)
        is_taken = left is None or typed not in left
        return PromptedData(pane_id=pane.id, submitted=True, taken=is_taken, taken_by="screen" if is_taken else None)

    async def _type_into_dialog(self, pane: PaneFacts, action: Prompt, question: str) -> PromptedData:
        """Typed, not pasted: a dialog acts on keys. What it makes of them nothing here can tell."""
        if not action.force:
            raise QuestmuxError(ErrorCode.CONFLICT, f"a dialog is open in {pane.id}: {question}")
        await asyncio.to_thread(self._keyboard.type, pane.id, action.text)
        if action.submit:
            await asyncio.to_thread(self._keyboard.enter, pane.id)
        return PromptedData(pane_id=pane.id, submitted=action.submit)

    async def _wait(self, pane: PaneFacts, within_s: float, is_done: Callable[[str | None], bool]) -> str | None:
        """The input line once the condition holds, or when the time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while True:
            line = input_text((await self._capture(pane.id)).lines)
            if is_done(line) or loop.time() >= until:
                return line
            await asyncio.sleep(LOOK_EVERY_S)
