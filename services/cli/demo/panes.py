"""A private tmux server whose panes run the demo's program; screens are written to their terminals directly."""

import contextlib
import os
import subprocess
import termios
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.cli.demo.drawing import clipped, redrawn
from services.process.life import CannotStartError

COLUMNS: Final = 110
ROWS: Final = 40
"""The size of the recordings."""
TMUX_S: Final = 20.0
AT_ONCE: Final = 40
"""Windows that one call of tmux makes."""
MAX_WAITING_BYTES: Final = 65_536
"""What a terminal has not taken yet. With more it is drawn anew."""
_OPTIONS: Final = (
    ("default-size", f"{COLUMNS}x{ROWS}"),
    ("automatic-rename", "off"),
    ("allow-rename", "off"),
    ("history-limit", "0"),
    ("focus-events", "on"),
    ("status-left", "Questmux demo  "),
    ("status-left-length", "20"),
    ("status-right", ""),
)
_FIELDS: Final = "#{window_name}\t#{pane_id}\t#{pane_pid}\t#{pane_tty}\t#{window_id}\t#{pid}"
_ECHO_FIELD: Final = 3


class Place(Struct, frozen=True, kw_only=True):
    """A window to make: its name, where its program runs."""

    name: str
    folder: Path


class Pane(Struct, frozen=True, kw_only=True):
    """A pane as tmux says it is."""

    id: str
    pid: int
    """Of its program."""
    tty: str
    window_id: str
    server_pid: int


class TmuxServer:
    """One tmux server on a socket of its own, without anybody's settings."""

    def __init__(self, socket: Path, environment: Mapping[str, str]) -> None:
        self._socket = socket
        self._environment = dict(environment)

    def open(self, run: Sequence[str], places: Sequence[Place]) -> dict[str, Pane]:
        """Make all windows, with one program in each; their panes by name.

        A program with an argument tmux starts itself, without a shell.

        Raises:
            CannotStartError: tmux says why not.
        """
        # A first one that only holds the server while its settings are made; windows take their options from then on.
        self._run("new-session", "-d", "-s", "demo", "-x", str(COLUMNS), "-y", str(ROWS), "-n", "first", *run)
        self._run(*_chained([("set-option", "-g", *option) for option in _OPTIONS]))
        waiting = iter(places)
        while batch := list(islice(waiting, AT_ONCE)):
            windows = [
                ("new-window", "-d", "-t", "demo:", "-n", place.name, "-c", str(place.folder), *run) for place in batch
            ]
            self._run(*_chained(windows))
        # Not before: tmux 3.3a crashes on a new window without a client then.
        self._run(*_chained([("kill-window", "-t", "demo:first"), ("set-option", "-g", "window-size", "manual")]))
        listed = self._run("list-panes", "-a", "-F", _FIELDS)
        return dict(map(_pane, listed.splitlines()))

    def end(self) -> None:
        """End the server and all that runs in it; nothing when it is gone."""
        with contextlib.suppress(CannotStartError):
            self._run("kill-server")

    def _run(self, *words: str) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - our own words
                ["tmux", "-S", str(self._socket), "-f", os.devnull, *words],  # noqa: S607 - tmux is found on PATH, as users have it
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TMUX_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError) as exc:
            raise CannotStartError(f"tmux did not answer: {exc}") from exc
        if done.returncode != 0:
            raise CannotStartError(f"tmux refused: {done.stderr.strip()}")
        return done.stdout


class Screen:
    """A pane's terminal. What it does not take at once waits, bounded, for `flush`: nothing here blocks."""

    def __init__(self, tty: str) -> None:
        self._terminal = os.open(tty, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        self._size = COLUMNS, ROWS
        self._text = self._shown = ""
        self._waiting = b""
        mode = termios.tcgetattr(self._terminal)
        mode[_ECHO_FIELD] &= ~termios.ECHO
        termios.tcsetattr(self._terminal, termios.TCSANOW, mode)

    @property
    def shown(self) -> str:
        """What was drawn last, whole."""
        return self._text

    def draw(self, text: str) -> None:
        """Show these rows.

        Raises:
            OSError: the pane is gone.
        """
        columns, rows = os.get_terminal_size(self._terminal)
        if (columns, rows) != self._size or len(self._waiting) > MAX_WAITING_BYTES:
            self._size, self._shown, self._waiting = (columns, rows), "", b""
        seen = clipped(text, columns, rows)
        self._waiting += redrawn(self._shown, seen)
        self._text, self._shown = text, seen
        self.flush()

    def flush(self) -> bool:
        """Write what waits, as far as the terminal takes it now; whether nothing waits any more.

        Raises:
            OSError: the pane is gone.
        """
        with contextlib.suppress(BlockingIOError):
            while self._waiting:
                self._waiting = self._waiting[os.write(self._terminal, self._waiting) :]
        return not self._waiting

    def close(self) -> None:
        """Give the terminal back; nothing waits for it any more."""
        self._waiting = b""
        os.close(self._terminal)


def _pane(line: str) -> tuple[str, Pane]:
    name, pane_id, pid, tty, window_id, server_pid = line.split("\t")
    return name, Pane(id=pane_id, pid=int(pid), tty=tty, window_id=window_id, server_pid=int(server_pid))


def _chained(commands: Sequence[tuple[str, ...]]) -> list[str]:
    return [word for command in commands for word in (*command, ";")][:-1]
