"""The person's terminal while something is drawn on all of it; afterwards it is as it was."""

import os
import signal
import sys
import termios
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, NoReturn, Self

ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""The alternate screen, no cursor, no wrapping: a line that the terminal thinks wider than we do moves no other."""
LEAVE: Final = "\x1b[?7h\x1b[?25h\x1b[?1049l"
HOME_AND_CLEAR: Final = "\x1b[H\x1b[2J"
CLEAR_LINE: Final = "\x1b[K"
"""From the cursor on; after a line that fills the terminal it would take the last character."""
ENDED_BY_SIGNAL: Final = 128
LOCAL_FLAGS: Final = 3
"""Where `tcgetattr` has them."""
NO_SIZE: Final = os.terminal_size((80, 24))


class FullScreen:
    """Draws whole pictures, and writes only the lines that changed; nothing at all when none did."""

    def __init__(self) -> None:
        self._drawn: list[str] = []
        self._size: os.terminal_size | None = None
        self._is_asked_to_stop = False
        self._modes: list[Any] | None = None

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _end)
        signal.signal(signal.SIGTSTP, self._on_ctrl_z)
        self._enter()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _tb: TracebackType | None
    ) -> None:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP):
            signal.signal(number, signal.SIG_DFL)
        self._leave()

    def _enter(self) -> None:
        self._modes = _without_echo()
        self._size = None  # Nothing of ours is on it.
        _write(ENTER)

    def _leave(self) -> None:
        try:
            _write(LEAVE)
        finally:
            if self._modes is not None:
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSAFLUSH, self._modes)  # What was typed meant nothing.

    def _on_ctrl_z(self, _number: int, _frame: object) -> None:
        self._is_asked_to_stop = True  # Not here, amid a write.

    def _stop_for_a_while(self) -> None:
        """Give the terminal back to the shell until the person goes on with `fg`."""
        self._is_asked_to_stop = False
        self._leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._enter()

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines from the top, each of which fits, and nothing else."""
        if self._is_asked_to_stop:
            self._stop_for_a_while()
        size = terminal_size()
        new = list(lines[: size.lines])
        is_fresh = size != self._size
        self._size = size
        parts = [HOME_AND_CLEAR] if is_fresh else []
        old = [] if is_fresh else self._drawn
        for number in range(max(len(new), len(old))):
            before = old[number] if number < len(old) else ""
            line = new[number] if number < len(new) else ""
            if line != before:
                parts.append(f"\x1b[{number + 1};1H{CLEAR_LINE}{line}")
        self._drawn = new
        if parts:
            _write("".join(parts))


def terminal_size() -> os.terminal_size:
    """Of the terminal that we print on; 80 columns and 24 lines where it does not say."""
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return NO_SIZE
    return size if size.columns > 0 and size.lines > 0 else NO_SIZE


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _end(number: int, _frame: object) -> NoReturn:
    """End as a signal would, but on the way out the terminal is put back."""
    sys.exit(ENDED_BY_SIGNAL + number)


def _without_echo() -> list[Any] | None:
    """Have typed keys not shown; the modes before, None when the keys are not a terminal's."""
    if sys.stdin is None or not sys.stdin.isatty():
        return None
    modes = termios.tcgetattr(sys.stdin.fileno())
    quiet = [*modes]
    quiet[LOCAL_FLAGS] &= ~termios.ECHO
    termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, quiet)
    return modes
