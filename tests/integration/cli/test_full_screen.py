import fcntl
import io
import os
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from services.cli.full_screen import ENTER, HOME_AND_CLEAR, LEAVE, FullScreen, terminal_size
from tests.waiting import wait_until

LOCAL_FLAGS = 3


class Terminal:
    """A pseudo terminal that is this process' stdin and stdout."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        self.resize(40, 10)
        self._files = [os.fdopen(os.dup(self.slave), mode, encoding="utf-8") for mode in ("r", "w")]
        self._patch = patch
        self._seen = ""

    def attach(self) -> None:
        """Within the test: pytest has its own stdout before."""
        self._patch.setattr(sys, "stdin", self._files[0])
        self._patch.setattr(sys, "stdout", self._files[1])

    def resize(self, columns: int, lines: int) -> None:
        termios.tcsetwinsize(self.slave, (lines, columns))

    @property
    def echoes(self) -> bool:
        return bool(termios.tcgetattr(self.slave)[LOCAL_FLAGS] & termios.ECHO)

    def type(self, line: str) -> None:
        """Until it waits to be read: a worker of the kernel carries it there, after whatever we do at once."""
        os.write(self.master, line.encode())
        wait_until(lambda: self._to_read() == len(line), what=f"{line!r} to be typed")

    def _to_read(self) -> int:
        count = fcntl.ioctl(self.slave, termios.FIONREAD, bytes(struct.calcsize("i")))
        return int.from_bytes(count, sys.byteorder)

    def shows(self, text: str) -> bool:
        """Whether just this was written since the last time; it may be on its way still."""
        self._seen = ""
        wait_until(lambda: self._read() == text or len(self._seen) > len(text), what=repr(text))
        return self._seen == text

    def _read(self) -> str:
        with suppress(BlockingIOError):
            self._seen += os.read(self.master, 65_536).decode()
        return self._seen

    def close(self) -> None:
        for file in self._files:
            file.close()
        os.close(self.slave)
        os.close(self.master)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)}
    made = Terminal(monkeypatch)
    yield made
    monkeypatch.undo()
    made.close()
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_the_terminal_is_as_it_was_afterwards(terminal: Terminal) -> None:
    terminal.attach()
    with FullScreen() as screen:
        assert terminal.shows(ENTER)
        assert not terminal.echoes
        screen.draw(["one"])
        assert terminal.shows(f"{HOME_AND_CLEAR}\x1b[1;1H\x1b[Kone")
        terminal.type("rm -rf typed by chance\n")

    assert terminal.shows(LEAVE)
    assert terminal.echoes
    os.set_blocking(terminal.slave, False)
    with pytest.raises(BlockingIOError):
        os.read(terminal.slave, 100)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=repr)
def test_a_signal_leaves_it_clean(terminal: Terminal, number: signal.Signals) -> None:
    terminal.attach()
    with pytest.raises(SystemExit) as ended, FullScreen():
        signal.raise_signal(number)

    assert ended.value.code == 128 + number
    assert terminal.shows(ENTER + LEAVE)


def test_only_lines_that_changed_are_written(terminal: Terminal) -> None:
    terminal.attach()
    with FullScreen() as screen:
        screen.draw(["one", "two", "three"])
        assert terminal.shows(f"{ENTER}{HOME_AND_CLEAR}\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[Ktwo\x1b[3;1H\x1b[Kthree")

        screen.draw(["one", "two", "three"])
        screen.draw(["one", "2"])
        assert terminal.shows("\x1b[2;1H\x1b[K2\x1b[3;1H\x1b[K")


def test_another_size_is_drawn_anew_and_has_no_line_too_many(terminal: Terminal) -> None:
    terminal.attach()
    with FullScreen() as screen:
        screen.draw(["one", "two", "three"])
        assert terminal.shows(f"{ENTER}{HOME_AND_CLEAR}\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[Ktwo\x1b[3;1H\x1b[Kthree")
        terminal.resize(40, 2)
        screen.draw(["one", "two", "three"])

        assert terminal.shows(f"{HOME_AND_CLEAR}\x1b[1;1H\x1b[Kone\x1b[2;1H\x1b[Ktwo")


def test_ctrl_z_gives_the_terminal_back_until_it_goes_on(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.attach()
    stops: list[Any] = []
    with FullScreen() as screen:
        screen.draw(["one"])
        assert terminal.shows(f"{ENTER}{HOME_AND_CLEAR}\x1b[1;1H\x1b[Kone")
        monkeypatch.setattr(os, "kill", lambda *call: stops.append((*call, terminal.echoes, terminal.shows(LEAVE))))
        signal.raise_signal(signal.SIGTSTP)
        assert stops == []
        screen.draw(["one"])

        assert stops == [(os.getpid(), signal.SIGSTOP, True, True)]
        assert terminal.shows(f"{ENTER}{HOME_AND_CLEAR}\x1b[1;1H\x1b[Kone")


def test_without_a_terminal_there_is_a_usual_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())

    assert terminal_size() == (80, 24)
