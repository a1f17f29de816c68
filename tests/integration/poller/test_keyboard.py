import sys
from pathlib import Path

import pytest

from services.contract.actions import SignalName
from services.contract.errors import QuestmuxError
from services.poller.keyboard import Keyboard
from services.poller.target import PaneFacts, read_target
from services.poller.tmux import NoSuchTargetError, Tmux
from tests.integration.poller.stage import ROOT, TmuxStage
from tests.waiting import wait_until

READER = ROOT / "tests" / "e2e" / "reader.py"


class Typed:
    """A keyboard at a pane whose program writes down what it is given."""

    def __init__(self, tmux: TmuxStage, folder: Path, *words: str) -> None:
        self._file = folder / "given"
        self._tmux = Tmux(str(tmux.socket))
        self.keyboard = Keyboard(self._tmux)
        tmux.run("new-session", "-d", f"exec {sys.executable} {READER} {self._file} {' '.join(words)}")
        wait_until(lambda: "ready" in tmux.run("capture-pane", "-p", "-t", "%0"), what="the reader")

    @property
    def pane(self) -> PaneFacts:
        return read_target(self._tmux, "%0", None)

    def given(self, end: bytes) -> bytes:
        wait_until(lambda: self._file.exists() and self._file.read_bytes().endswith(end), what=f"{end!r}")
        return self._file.read_bytes()


def test_a_text_is_pasted_as_the_program_asks_for_it(tmux: TmuxStage, folder: Path) -> None:
    typed = Typed(tmux, folder, "paste")
    typed.keyboard.paste(typed.pane, "one\n\ttwo;", takes_pastes=False)

    assert typed.given(b"\x1b[201~") == b"\x1b[200~one\r\ttwo;\x1b[201~"
    assert tmux.run("list-buffers") == ""


def test_a_program_that_asks_for_nothing_gets_the_plain_lines(tmux: TmuxStage, folder: Path) -> None:
    typed = Typed(tmux, folder)
    typed.keyboard.paste(typed.pane, "one\ntwo", takes_pastes=False)
    typed.keyboard.enter("%0")

    assert typed.given(b"two\r") == b"one\rtwo\r"


def test_what_is_typed_comes_without_brackets_and_on_one_line(tmux: TmuxStage, folder: Path) -> None:
    typed = Typed(tmux, folder, "paste")
    typed.keyboard.type("%0", "1;")
    assert typed.given(b"1;") == b"1;"
    for text in ("one\ntwo", "one\r"):
        with pytest.raises(QuestmuxError, match="one line"):
            typed.keyboard.type("%0", text)


def test_an_agent_gets_one_paste_while_somebody_scrolls(tmux: TmuxStage, folder: Path) -> None:
    typed = Typed(tmux, folder, "paste")
    tmux.run("copy-mode", "-t", "%0")
    typed.keyboard.paste(typed.pane, "one\ntwo", takes_pastes=True)
    typed.keyboard.enter("%0")

    assert typed.given(b"~\r") == b"\x1b[200~one\rtwo\x1b[201~\r"
    assert typed.pane.in_mode
    with pytest.raises(QuestmuxError, match="scrolls"):
        typed.keyboard.paste(typed.pane, "one\ntwo", takes_pastes=False)


@pytest.mark.parametrize(
    ("signal", "key"), [(SignalName.SIGINT, b"\x03"), (SignalName.SIGQUIT, b"\x1c"), (SignalName.SIGTSTP, b"\x1a")]
)
def test_a_signals_key_is_the_usual_one_for_a_program_that_reads_keys(
    tmux: TmuxStage, folder: Path, signal: SignalName, key: bytes
) -> None:
    typed = Typed(tmux, folder)
    typed.keyboard.press(typed.pane, signal)

    assert typed.given(key) == key


def test_a_signals_key_is_the_one_that_the_terminal_was_told(tmux: TmuxStage, folder: Path) -> None:
    tmux.run(
        "new-session", "-d", "sh -c 'stty intr ^G; trap \"echo caught\" INT; echo set; while :; do sleep 0.1; done'"
    )
    wait_until(lambda: "set" in tmux.run("capture-pane", "-p", "-t", "%0"), what="the key to be set")
    tool = Tmux(str(tmux.socket))
    Keyboard(tool).press(read_target(tool, "%0", None), SignalName.SIGINT)

    wait_until(lambda: "caught" in tmux.run("capture-pane", "-p", "-t", "%0"), what="the signal")
    assert folder


def test_a_pane_that_is_gone_leaves_no_buffer_behind(tmux: TmuxStage) -> None:
    tmux.start()
    with pytest.raises(NoSuchTargetError):
        Keyboard(Tmux(str(tmux.socket))).enter("%9")

    assert tmux.run("list-buffers") == ""
