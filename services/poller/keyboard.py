"""Typing into a pane: text as one paste, Enter and the signal keys as the bytes that a terminal sends.

Everything goes through a tmux buffer and never through `send-keys`: a key would go to the copy mode of a person who
scrolls there, and end it; the bytes of a paste reach the program.
"""

import contextlib
import os
import secrets
import termios
from typing import Final

from services.contract.actions import SignalName
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller.target import PaneFacts
from services.poller.tmux import Tmux

ENTER: Final = b"\r"
PASTE_BEGIN: Final = b"\x1b[200~"
PASTE_END: Final = b"\x1b[201~"
KEYS: Final = {
    SignalName.SIGINT: (termios.VINTR, b"\x03"),
    SignalName.SIGQUIT: (termios.VQUIT, b"\x1c"),
    SignalName.SIGTSTP: (termios.VSUSP, b"\x1a"),
}
"""Where a terminal's settings name the key of a signal, and the usual one."""


class Keyboard:
    """Types into panes of one tmux server. Each call blocks."""

    def __init__(self, tmux: Tmux) -> None:
        self._tmux = tmux

    def paste(self, pane: PaneFacts, text: str, *, takes_pastes: bool) -> None:
        """Give a text to the pane's program, as a terminal gives what was pasted.

        `takes_pastes`: the program is known to ask its terminal for bracketed pastes. While the pane is in copy mode
        tmux does not know what the program asked for, and would send the lines one by one.

        Raises:
            QuestmuxError: the lines would be taken one by one.
            TmuxError: tmux did not do it.
        """
        data = text.replace("\r\n", "\n").replace("\r", "\n").encode()
        if not pane.in_mode:
            self._send(pane.id, data, "-p")
        elif takes_pastes:
            self._send(pane.id, PASTE_BEGIN + data.replace(b"\n", ENTER) + PASTE_END, "-r")
        elif b"\n" in data:
            raise QuestmuxError(ErrorCode.CONFLICT, "somebody scrolls in this pane: now it takes one line only")
        else:
            self._send(pane.id, data, "-r")

    def type(self, pane_id: str, text: str) -> None:
        """Give a text as if it were typed, key by key.

        Raises:
            QuestmuxError: it has several lines, and each would press Enter.
            TmuxError: tmux did not do it.
        """
        if "\n" in text or "\r" in text:
            raise QuestmuxError(ErrorCode.CONFLICT, "a dialog takes one line only")
        self._send(pane_id, text.encode(), "-r")

    def enter(self, pane_id: str) -> None:
        """Press Enter.

        Raises:
            TmuxError: tmux did not do it.
        """
        self._send(pane_id, ENTER, "-r")

    def press(self, pane: PaneFacts, signal: SignalName) -> None:
        """Press the key of a signal: the terminal makes it a signal, unless the program reads keys itself.

        Raises:
            TmuxError: tmux did not do it.
        """
        place, usual = KEYS[signal]
        self._send(pane.id, _key_of(pane.tty, place) or usual, "-r")

    def _send(self, pane_id: str, data: bytes, how: str) -> None:
        buffer = f"questmux-{secrets.token_hex(8)}"
        try:
            self._tmux.run(
                "load-buffer",
                "-b",
                buffer,
                "-",
                ";",
                "paste-buffer",
                how,
                "-d",
                "-b",
                buffer,
                "-t",
                pane_id,
                stdin=data,
            )
        except Exception:
            with contextlib.suppress(Exception):
                self._tmux.run("delete-buffer", "-b", buffer)
            raise


def _key_of(tty: str, place: int) -> bytes | None:
    """The key that a terminal's settings name; None when it names none, or cannot be asked."""
    try:
        descriptor = os.open(tty, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        key = termios.tcgetattr(descriptor)[6][place]
    except (termios.error, IndexError):
        return None
    finally:
        os.close(descriptor)
    return key if isinstance(key, bytes) and key not in {b"\x00", b"\xff"} else None
