"""Prompts for a Claude Code that is played by a few lines: its input box and its dialog as 2.1.330 draws them."""

import pytest

from services.contract.actions import Prompt
from services.contract.entities import Cursor, Screen
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller import prompting as prompting_module
from services.poller.keyboard import Keyboard
from services.poller.prompting import Prompting
from services.poller.target import PaneFacts

RULE = "─" * 60
POINTER = "\u276f"
PANE = PaneFacts(id="%1", pid=1, is_dead=False, in_mode=False, input_off=False, tty="/dev/none")
DIALOG = [
    "● Bash(touch made)",
    "",
    RULE,
    " Bash command",
    "",
    "   touch made",
    "",
    " Do you want to proceed?",
    f" {POINTER} 1. Yes",
    "   2. No",
    "",
    " Esc to cancel · Tab to amend",
]


class Claude(Keyboard):
    """Shows what is typed; takes it off its line with Enter, or does not."""

    def __init__(
        self, *, takes: bool = True, shows: bool = True, dialog: bool = False, asks_when_typed: bool = False
    ) -> None:
        self.line = ""
        self.prompts: list[str] = []
        self.keys = ""
        self.pressed = 0
        self.screens: list[list[str]] = []
        """What it shows first, one after the other."""
        self._takes, self._shows, self._dialog, self._asks_when_typed = takes, shows, dialog, asks_when_typed

    def paste(self, pane: PaneFacts, text: str, *, takes_pastes: bool) -> None:
        assert pane == PANE
        assert takes_pastes
        self.line += text
        self._dialog |= self._asks_when_typed

    def type(self, pane_id: str, text: str) -> None:
        assert pane_id == PANE.id
        self.keys += text

    def enter(self, pane_id: str) -> None:
        assert pane_id == PANE.id
        self.pressed += 1
        if self._takes:
            self.prompts.append(self.line)
            self.line = ""

    async def capture(self, pane_id: str) -> Screen:
        shown = self.line if self._shows else ""
        input_box = ["● Done.", "", RULE, f"{POINTER} {shown}", RULE, "  ⏸ manual mode on"]
        rows = self.screens.pop(0) if self.screens else DIALOG if self._dialog else input_box
        lines = tuple(rows) + ("",) * (20 - len(rows))
        cursor = Cursor(x=0, y=0, visible=True)
        return Screen(pane_id=pane_id, captured_at=0, width=60, height=20, cursor=cursor, lines=lines)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompting_module, "TYPED_S", 0.1)
    monkeypatch.setattr(prompting_module, "TAKEN_S", 0.1)


def prompting(claude: Claude) -> Prompting:
    return Prompting(claude, claude.capture, lambda pane: pane.id == PANE.id)


def enough() -> float:
    return 5.0


async def test_a_prompt_that_leaves_the_input_line_was_taken() -> None:
    claude = Claude()
    done = await prompting(claude).prompt(PANE, Prompt(text="go on"), enough)

    assert (done.submitted, done.taken, done.taken_by) == (True, True, "screen")
    assert claude.prompts == ["go on"]


async def test_one_that_stays_there_was_not() -> None:
    done = await prompting(Claude(takes=False)).prompt(PANE, Prompt(text="go on"), enough)

    assert (done.submitted, done.taken, done.taken_by) == (True, False, None)


async def test_a_persons_draft_is_not_submitted_unless_forced() -> None:
    claude = Claude()
    claude.line = "half a "
    with pytest.raises(QuestmuxError, match="a draft stands on the input line of %1: half a"):
        await prompting(claude).prompt(PANE, Prompt(text="sentence"), enough)
    assert (claude.line, claude.pressed) == ("half a ", 0)

    done = await prompting(claude).prompt(PANE, Prompt(text="sentence", force=True), enough)
    assert done.taken is True
    assert claude.prompts == ["half a sentence"]


async def test_enter_is_not_pressed_when_the_text_does_not_show() -> None:
    claude = Claude(shows=False)
    done = await prompting(claude).prompt(PANE, Prompt(text="go on"), enough)

    assert (done.submitted, done.taken, claude.pressed) == (False, False, 0)
    assert done.reason is not None
    assert "did not show" in done.reason


@pytest.mark.parametrize("presses", [0, 1])
async def test_nothing_is_typed_or_pressed_when_the_time_is_over(presses: int) -> None:
    claude = Claude()
    turns = iter([1.0] * presses + [0.0])
    with pytest.raises(QuestmuxError) as refused:
        await prompting(claude).prompt(PANE, Prompt(text="go on"), lambda: next(turns))

    assert refused.value.problem.code is ErrorCode.TMUX_TIMEOUT
    assert (claude.line, claude.pressed) == ("go on" * presses, 0)


async def test_one_that_starts_is_waited_for() -> None:
    claude = Claude()
    claude.screens = [["starting"], ["starting"]]
    done = await prompting(claude).prompt(PANE, Prompt(text="go on"), enough)

    assert done.taken is True


async def test_nothing_is_typed_where_no_input_line_shows_unless_forced() -> None:
    claude = Claude()
    claude.screens = [["a transcript, say"]] * 1_000
    with pytest.raises(QuestmuxError, match="no input line"):
        await prompting(claude).prompt(PANE, Prompt(text="go on"), enough)
    assert claude.line == ""

    done = await prompting(claude).prompt(PANE, Prompt(text="go on", force=True), enough)
    assert claude.prompts == ["go on"]
    assert (done.submitted, done.taken) == (True, None)


async def test_enter_is_not_pressed_in_a_dialog_that_opens_while_it_is_typed() -> None:
    claude = Claude(asks_when_typed=True)
    done = await prompting(claude).prompt(PANE, Prompt(text="go on"), enough)

    assert (done.submitted, done.taken, claude.pressed) == (False, False, 0)
    assert done.reason == "a dialog opened meanwhile: Do you want to proceed?"


async def test_a_pane_whose_input_is_off_is_left_alone() -> None:
    claude = Claude()
    pane = PaneFacts(id="%1", pid=1, is_dead=False, in_mode=False, input_off=True, tty="")
    with pytest.raises(QuestmuxError, match="no input"):
        await prompting(claude).prompt(pane, Prompt(text="x"), enough)
    assert claude.line == ""
