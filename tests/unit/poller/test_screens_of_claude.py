# ruff: noqa: RUF001 - what Claude Code draws
"""Every screen that was recorded of a real Claude Code, and text that only looks like one."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract.entities import Confidence, Reading, StatusName, WaitingFor
from services.poller.rule_book import SHIPPED
from services.poller.screen_rules import (
    MAX_OPTIONS,
    Rules,
    parse_rules,
    read_screen,
)
from tests.unit.core.making import RUNS, registry

FIXTURES = Path(__file__).parents[2] / "fixtures"
SCREENS = sorted((FIXTURES / "screens").rglob("*.txt"))
CLAUDE = parse_rules((SHIPPED / "claude.toml").read_text(encoding="utf-8"), "claude.toml")
WORKING, WAITING, IDLE, ERROR = StatusName.WORKING, StatusName.WAITING, StatusName.IDLE, StatusName.ERROR
MEANINGS: dict[str, tuple[StatusName, WaitingFor | None] | None] = {
    "working": (WORKING, None),
    "idle": (IDLE, None),
    "error": (ERROR, None),
    "permission": (WAITING, WaitingFor.PERMISSION),
    "question": (WAITING, WaitingFor.QUESTION),
    "plan": (WAITING, WaitingFor.PLAN),
    "trust": (WAITING, WaitingFor.INPUT),
    "picker": (WAITING, WaitingFor.INPUT),
    "shell": None,
}
RULE = "─" * 60
BOX = [RULE, "❯ ", RULE, "  ⏸ manual mode on · ? for shortcuts"]
DIALOG = [
    RULE,
    " Bash command",
    "",
    "   rm -rf build",
    "",
    " Do you want to proceed?",
    " ❯ 1. Yes",
    "   2. No",
    "",
    " Esc to cancel · Tab to amend",
]


def read(lines: list[str], rules: Rules = CLAUDE) -> Reading | None:
    return read_screen(rules, "%1", 7, lines)


def meaning(lines: list[str]) -> tuple[StatusName, WaitingFor | None] | None:
    reading = read(lines)
    return None if reading is None else (reading.says, reading.waiting_for)


def shown(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: path.stem)
def test_a_recorded_screen_means_what_it_shows(path: Path) -> None:
    assert meaning(shown(path)) == MEANINGS[path.stem.partition("-")[0]]


@pytest.mark.parametrize("run", RUNS)
def test_a_recorded_screen_means_what_the_registry_says(run: str) -> None:
    truths = [(at, (record or {}).get("status")) for at, record in registry(run)]
    rows = (FIXTURES / "claude" / run / "screens.jsonl").read_text(encoding="utf-8").splitlines()
    for row in map(json.loads, rows):
        at = round(row["t"] * 1000)
        # Both were looked at every 0.1 s, and the registry trails the screen by 0.1 s.
        near = {truth for time, truth in truths if at - 250 <= time <= at + 250}
        near |= {[truth for time, truth in truths if time <= max(at - 250, 0)][-1]}
        reading = read(row["screen"].split("\n"))
        said = None if reading is None else {WORKING: "busy", WAITING: "waiting", IDLE: "idle"}[reading.says]
        assert said in near or (said == "idle" and near & {"shell", None}), f"{row['t']}: {said}, {near}"


def test_an_esc_is_read_from_its_own_row() -> None:
    rows = (FIXTURES / "claude" / "interrupt" / "screens.jsonl").read_text(encoding="utf-8").splitlines()
    screens = [row["screen"] for row in map(json.loads, rows) if "Interrupted" in row["screen"]]
    assert screens
    for screen in screens:
        reading = read(screen.split("\n"))
        assert reading is not None
        assert (reading.rule, reading.confidence) == ("claude/interrupted", Confidence.STRONG)


def test_a_dialog_is_told_with_what_it_asks() -> None:
    reading = read(shown(FIXTURES / "screens" / "claude-2.1.332" / "permission-write.txt"))

    assert reading is not None
    assert (reading.pane_id, reading.captured_at, reading.rule) == ("%1", 7, "claude/permission")
    assert reading.confidence is Confidence.STRONG
    assert reading.question == "Do you want to create note.txt?"
    assert [option[:7] for option in reading.options] == ["Yes", "Yes, an", "No"]


def test_a_list_of_many_options_is_cut() -> None:
    many = [*DIALOG[:6], " ❯ 1. Yes", *(f"   {number}. Other" for number in range(2, 30)), DIALOG[-1]]

    reading = read(many)

    assert reading is not None
    assert len(reading.options) == MAX_OPTIONS


def test_a_message_about_an_api_error_is_none() -> None:
    said = ["● API Error: that is what it printed.", "", "✻ Brewed for 1s · done 7:25 PM", ""]

    assert meaning([*said, *BOX]) == (IDLE, None)


# Text that only looks like something.

IMITATIONS = {
    "a dialog": DIALOG,
    "a dialog that a tool printed": ["● Bash(cat screen.txt)", *(f"     {row}" for row in DIALOG)],
    "a dialog in a code block": ["● It looks like this:", *(f"  {row}" for row in DIALOG)],
    "a numbered list": ["● You can:", "  ❯ 1. Yes", "    2. No", "    3. Ask again"],
    "a question": ["● Do you want to proceed?", "  1. Yes", "  2. No"],
    "rate limits in a diff": ["● Update(api.py)", "  ⎿  12 -    # You've hit your rate limit", "     13 +    retry()"],
    "permission denied in a diff": ["● Update(log)", "  ⎿   3 + bash: x: Permission denied", "  4 + API Error: 529"],
    "a spinner in text": ["● It says", "  ✻ Cultivating… (12s · ↓ 1.2k tokens)", "  esc to interrupt"],
    "a spinner that a tool printed": ["● Bash(cat x)", "  ⎿  ✻ Brewing… (3s)", "     ✽ Working… (esc to interrupt)"],
    "a plan": [
        "● Ready to code?",
        "  Here is Claude's plan:",
        "  Would you like to proceed?",
        "  ❯ 1. Yes",
        "    2. No",
    ],
    "wide characters": ["● 你好，世界。はい、いいえ。👩‍👩‍👧‍👦 ❯ 1. はい", "  한국어 · 2. 아니요"],
    "colours": ["● \x1b[31mError\x1b[39m: none", "  \x1b[1;38;2;215;119;87m✻ Brewing…\x1b[0m"],
    "an input box": ["● So:", "  " + RULE, "  ❯ type here", "  " + RULE, "    esc to interrupt"],
    "nothing": [],
}


@pytest.mark.parametrize("text", IMITATIONS.values(), ids=IMITATIONS)
@pytest.mark.parametrize("below", [0, 60], ids=["", "60 blank rows"])
def test_text_above_the_input_box_is_only_text(text: list[str], below: int) -> None:
    assert meaning([*text, "", *BOX, *[""] * below]) == (IDLE, None)
    busy = [*text, "", "✻ Brewing… (3s · ↓ 12 tokens)", "", *BOX[:3], "  esc to interrupt", *[""] * below]
    assert meaning(busy) == (WORKING, None)


@pytest.mark.parametrize("text", IMITATIONS.values(), ids=IMITATIONS)
def test_text_above_a_dialog_is_only_text(text: list[str]) -> None:
    reading = read([*text, "", *DIALOG])

    assert reading is not None
    assert (reading.rule, reading.question) == ("claude/permission", "Do you want to proceed?")
    assert reading.options == ("Yes", "No")


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: path.stem)
def test_colours_and_blank_rows_below_change_nothing(path: Path) -> None:
    lines = shown(path)
    coloured = [f"\x1b[1;38;5;174m{line[:3]}\x1b[39m{line[3:]}\x1b[0m" for line in lines]

    assert meaning([*lines, *[""] * 60]) == meaning(lines)
    assert meaning(coloured) == meaning(lines)


@pytest.mark.parametrize(
    "lines",
    [
        ["$ ls", "a  b", "$ "],
        ["~", "~", '"notes.txt" 3L, 14B', ":wq"],
        ["$ claude --permission-mode default"],
        [*DIALOG, "Killed", "$ "],
        [*BOX, "$ "],
        ["(END)"],
        [],
    ],
    ids=["a shell", "an editor", "starting", "killed in a dialog", "killed", "a pager", "blank"],
)
def test_what_is_no_agents_screen_says_nothing_strong(lines: list[str]) -> None:
    reading = read(lines)

    assert reading is None or reading.says is IDLE


NARROW_40 = {
    "working": [
        "❯ please go",
        "● Bash(python3 -c 'import time;",
        "      time.sleep(9)')",
        "  ⎿  Running…",
        "✽ Whatchamacalliting… (12s · ↓ 1.2k to…",
        "─" * 40,
        "❯ ",
        "─" * 40,
        "  ⏸ manual mode on · esc to int…",
    ],
    "idle": [
        "● It is done.",
        "✻ Brewed for 1s · done 7:25 PM",
        "  tmux focus-events off · add 'set -g …",
        "─" * 40,
        "❯ a text that a person types and that is",
        "  longer than one row",
        "─" * 40,
        "  ⏸ manual mode on · ? for shortcuts · …",
    ],
    "permission": [
        "─" * 40,
        " Bash command",
        " Tip: auto mode handles these prompts",
        " for you",
        "╌" * 40,
        " make",
        "╌" * 40,
        " Do you want to make this edit to",
        " a_very_long_name_of_a_file.py?",
        " ❯ 1. Yes",
        "   2. Yes, and switch to accept edits",
        "      (auto-approve file edits) for this",
        "      session (shift+tab)",
        "   3. No",
        "",
        " Esc to cancel · Tab to amend",
    ],
    "plan": [
        "─" * 40,
        " Claude has written up a plan and is",
        " ready to execute. Would you like to",
        " proceed?",
        "",
        " ❯ 1. Yes, and use auto mode",
        "   2. Yes, manually approve edits",
        "   3. Tell Claude what to change",
        "",
        " ctrl+g to edit in Vim ·",
        " ~/.claude/plans/x.md",
    ],
    "question": [
        "─" * 40,
        " ☐ Colour",
        "",
        "Which colour?",
        "",
        "❯ 1. Red",
        "  2. Blue",
        "  3. Type something.",
        "─" * 40,
        "  4. Chat about this",
        "",
        "Enter to select · ↑/↓ to navigate · Esc",
        "to cancel",
    ],
}


@pytest.mark.parametrize(("name", "lines"), NARROW_40.items(), ids=NARROW_40)
def test_a_pane_of_40_columns(name: str, lines: list[str]) -> None:
    assert all(len(line) <= 40 for line in lines)
    assert meaning(lines) == MEANINGS[name]


# Properties.

ANY_LINE = st.text(st.characters(codec="utf-8"), max_size=120)
PIECES = st.sampled_from([*BOX, *DIALOG, "✻ Brewing… (3s)", "● API Error: x", "❯ 1. Yes", "", "Enter to select"])
PRINTED = ANY_LINE.filter(lambda line: line.isprintable()).map(lambda line: f"  {line}")


@settings(max_examples=300)
@given(st.lists(ANY_LINE | PIECES, max_size=60))
def test_any_screen_can_be_read(lines: list[str]) -> None:
    reading = read(lines)

    assert read([*lines, "", "   ", ""]) == reading, "blank rows below"
    if reading is not None and reading.says is WAITING:
        assert reading.waiting_for is not None


@settings(max_examples=300)
@given(st.lists(PRINTED, max_size=30))
def test_whatever_was_printed_above_the_input_box_never_asks(lines: list[str]) -> None:
    reading = read(["● Bash(cat x)", *lines, "", *BOX])

    assert reading is not None
    assert reading.says is IDLE


@settings(max_examples=100)
@given(st.sampled_from(["✻ ", "·", "❯ 1. ", " ", "[", "…(", "─", "Do you want to ", "● API Error"]), st.integers(1, 3))
def test_a_long_row_is_cut_before_a_pattern_sees_it(piece: str, rows: int) -> None:
    assert read([piece * 10_000] * rows + BOX) is not None
