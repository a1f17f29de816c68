"""A pane with a shell in which a test types, and what its screen says."""

import re
import time
from pathlib import Path
from typing import Any

from tests.claude.cli import Home
from tests.e2e.stack import Stack
from tests.waiting import wait_until

COLUMNS, ROWS = 110, 40
ATTEMPTS, ATTEMPT_S = 5, 1.0
POINTER = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
READY = rf"^─{{20,}}\n{POINTER}[^\n]*\n─{{20,}}\n  \S"
"""Claude Code's input box, with what stands below it."""


class ClaudePane:
    """One window of the stack's tmux."""

    def __init__(self, stack: Stack, home: Home, folder: Path, *, columns: int = COLUMNS, **environment: str) -> None:
        self._stack, self._home = stack, home
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        command = home.shell_command(**environment)
        size = ("-x", str(columns), "-y", str(ROWS))
        words = ("-d", "-P", "-F", "#{pane_id}", *size, "-c", str(folder), command)
        self.id = stack.tmux("new-session", *words).strip()
        self.wait_screen(r"^\$ $|^\$$", "a shell's prompt")

    def start_claude(self, mode: str = "default") -> None:
        """Type the command, as a person would, and wait for its input box."""
        self.type(f"claude --permission-mode {mode}")
        self.wait_screen(READY, "Claude Code's input box", deadline_s=30)

    def screen(self) -> str:
        """The visible rows, without blanks at their ends."""
        rows = self._stack.tmux("capture-pane", "-p", "-t", self.id).split("\n")
        return "\n".join(row.rstrip() for row in rows).rstrip("\n")

    def history(self) -> list[str]:
        """All rows that this pane has had, without blanks at their ends."""
        rows = self._stack.tmux("capture-pane", "-p", "-S", "-", "-t", self.id).split("\n")
        return [row.rstrip() for row in rows]

    def shows(self, pattern: str) -> bool:
        """Whether a row, or several with `(?s)`, match."""
        return re.search(pattern, self.screen(), re.MULTILINE) is not None

    def wait_screen(self, pattern: str, what: str, *, without: str = "", deadline_s: float = 15) -> float:
        """When the screen was first seen to match, and not to match `without`, by the monotonic clock.

        Raises:
            AssertionError: it never did; has the screen.
        """
        try:
            wait_until(lambda: self.shows(pattern) and not (without and self.shows(without)), deadline_s, what)
        except AssertionError as exc:
            raise AssertionError(f"{what} did not come within {deadline_s:g} s; the screen:\n{self.screen()}") from exc
        return time.monotonic()

    def type(self, text: str) -> None:
        """Text, then Enter, as two writes: what comes in one is taken for a paste."""
        mode, text = (text[:1], text[1:]) if text.startswith("!") else ("", text)
        if mode:
            self.press(mode)
            self.wait_screen("for shell mode", "the shell mode of the input box")
        self._stack.tmux("send-keys", "-t", self.id, "-l", text)
        wait_until(lambda: text[-20:] in self.screen(), what=f"{text!r} is on the screen")
        self.press("Enter")

    def press(self, *keys: str) -> None:
        """Keys by tmux's names."""
        self._stack.tmux("send-keys", "-t", self.id, *keys)

    def answer(self, key: str, dialog: str) -> None:
        """Press a key until a dialog is gone: a dialog that was drawn just now takes none."""
        for _ in range(ATTEMPTS):
            self.press(key)
            try:
                wait_until(lambda: not self.shows(dialog), ATTEMPT_S, "the dialog is gone")
            except AssertionError:
                continue
            return
        raise AssertionError(f"the dialog does not take {key!r}; the screen:\n{self.screen()}")

    def record(self) -> dict[str, Any] | None:
        """What Claude Code itself says of its process in this pane."""
        here = [entry for entry in self._home.registry() if self._is_here(entry)]
        # One that was started by a tool of the other's is the younger.
        return min(here, key=lambda entry: entry["startedAt"], default=None)

    def _is_here(self, entry: dict[str, Any]) -> bool:
        is_alive = Path(f"/proc/{entry['pid']}").exists()
        return is_alive and str(entry.get("tmux", "")).endswith(f".{self.id}")

    def close(self) -> None:
        """End what runs in it."""
        self._stack.tmux("kill-pane", "-t", self.id, check=False)
