import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.poller.dialog import draft_text, input_text, open_dialog

FIXTURES = Path(__file__).parents[2] / "fixtures" / "claude"
RUNS = sorted(path.parent.name for path in FIXTURES.glob("*/screens.jsonl"))
APART_S = 0.3
"""The registry and the screen tell of the same thing within this time."""
POINTER = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
WIDE, NARROW = "─" * 110, "─" * 40


def screen(text: str) -> list[str]:
    """Rows of a drawing: `>` is the pointer, `---` a rule, `~~~` a dashed one."""
    rows = re.sub(r"^( *)>", rf"\1{POINTER}", text.strip("\n"), flags=re.MULTILINE).split("\n")
    return [row.replace("---", NARROW).replace("~~~", "╌" * 40) for row in rows]


DIALOGS = {
    "a command in a narrow pane": (
        """
● I will make it.

---
 Bash command
 Tip: auto mode handles these prompts
 for you — choose "switch to auto mode"
 below
~~~
 printf '1. one\\n 2. two\\n' && touch
 made
~~~
 Do you want to proceed?
 > 1. Yes
   2. Yes, and always allow access to
      /home/lab/shop from this project
   3. No

 Esc to cancel · Tab to amend · ctrl+e
 to explain
""",
        "Do you want to proceed?",
    ),
    "an edit whose diff asks too": (
        """
---
 Edit file
 notes.md
~~~
  1 -Do you want to stop?
  1 +Do you want to proceed?
  2   > 1. Yes
  3     2. No
~~~
 Do you want to make this edit to a very
 long/name.py?
   1. Yes
 > 2. Yes, and switch to accept edits
      for this session (shift+tab)
   3. No

 Esc to cancel · Tab to amend
""",
        "Do you want to make this edit to a very long/name.py?",
    ),
    "a fetch, without a hint of keys": (
        """
---
 Fetch
~~~
 https://example.org
~~~
 Do you want to allow Claude to fetch this content?
 > 1. Yes
   2. Yes, and don't ask again
   3. No
""",
        "Do you want to allow Claude to fetch this content?",
    ),
    "a question with tabs, at its last row": (
        """
---
←  ☐ Colour  ☒ Size  ✔ Submit  →

│ Which colour should the button on
│ the first page have?
│
│ It is a large one.

  1. Red
     Warm and loud
  2. Blue
  3. Type something.
---
> 4. Chat about this

Enter to select · Tab/Arrow keys to
navigate · Esc to cancel
""",
        "Which colour should the button on the first page have?",
    ),
    "several choices, with the pointer at the end of them": (
        """
---
 ☐ Extras

Pick some.

  1. [✔] Lamp
  2. [ ] Bell
> Submit

Enter to select · ↑/↓ to navigate · Esc to cancel
""",
        "Pick some.",
    ),
    "a review of answers": (
        """
---
Review your answers

 ● Which colour?
   → Blue

Ready to submit your answers?

> 1. Submit answers
  2. Cancel
""",
        "Ready to submit your answers?",
    ),
    "a plan": (
        """
---
 Ready to code?

 Here is Claude's plan:
~~~
 1. Read
 2. Write
~~~

 Claude has written up a plan and is
 ready to execute. Would you like to
 proceed?

 > 1. Yes, and use auto mode
   2. Yes, manually approve edits
   3. Tell Claude what to change

 ctrl+g to edit in vim · ~/.claude/plans/x.md
""",
        "Claude has written up a plan and is ready to execute. Would you like to proceed?",
    ),
    "options that do not fit": (
        """
---
 Do you want to proceed?
 ↑ 2. Yes, and more
 > 3. Yes, and most
 ↓ 4. No
""",
        "Do you want to proceed?",
    ),
    "rows without numbers": (
        """
---
 Bypass Permissions mode

 By proceeding, you accept all that follows.

 > No, exit
   Yes, I accept

 Enter to confirm · Esc to cancel
""",
        "By proceeding, you accept all that follows.",
    ),
    "only a key is wanted": ("Login successful.\n\nPress Enter to continue…", "Login successful."),
    "nothing but options": (" > 1. Yes\n   2. No", f"{POINTER} 1. Yes"),
    "one after the input box of a session that ended": (
        """
---
>
---
  ? for shortcuts

Resume this session with:
claude --resume 1
$ claude
---
 Do you trust the files in this folder?

 /home/lab/shop

 > 1. Yes, I trust this folder
   2. No, exit

 Enter to confirm · Esc to cancel
""",
        "Do you trust the files in this folder?",
    ),
    "one below a prompt that follows a rule": (
        """
---
> please go

● I will run it.

---
 Bash command
~~~
 Do you want to proceed?
 > 1. Yes
   2. No
""",
        "Do you want to proceed?",
    ),
}
BOX = """
---
> hello
---
  ⏸ manual mode on · ? for shortcuts
"""
NO_DIALOGS = {
    "an empty screen": "",
    "a numbered list": "● Steps:\n  1. One\n  2. Two" + BOX,
    "a dialog in output": "● It looked so:\n" + DIALOGS["a fetch, without a hint of keys"][0] + BOX,
    "a dialog in output, with its keys": DIALOGS["a command in a narrow pane"][0] + "\n✻ Cooked for 7s\n" + BOX,
    "a diff": "● Update(a.md)\n  ⎿  1 +Do you want to proceed?\n     2 + > 1. Yes\n     3 +   2. No\n" + BOX,
    "a dialog in output, and no box yet": DIALOGS["a fetch, without a hint of keys"][0]
    + "\n● Done.\n\n✻ Thinking… (2s)",
    "a list that was typed": "\n---\n> Do you want to proceed?\n  > 1. Yes\n    2. No\n---\n  ? for shortcuts",
    "a prompt that is one": "\n> 1. Yes\n\n● Yes?\n" + BOX,
    "one option": " > 1. Yes",
    "one option, described by a list": " > 1. Yes\n      2. and more",
    "a shell": "$ claude --version\n2.1.330\n$ ",
}


def statuses(run: str) -> list[tuple[float, str]]:
    """When the registry's status changed, and to what."""
    rows = map(json.loads, (FIXTURES / run / "registry.jsonl").read_text(encoding="utf-8").splitlines())
    told = [(row["t"], (row["record"] or {}).get("status", "")) for row in rows]
    return [now for before, now in zip([(0.0, None), *told], told, strict=False) if now[1] != before[1]]


def screens(run: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIXTURES / run / "screens.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("run", RUNS)
def test_a_dialog_is_open_exactly_when_claude_code_says_that_it_waits(run: str) -> None:
    changes = statuses(run)
    seen = 0
    for row in screens(run):
        if any(abs(row["t"] - at) <= APART_S for at, _ in changes):
            continue
        seen += 1
        status = [status for at, status in changes if at <= row["t"]][-1]
        lines = row["screen"].split("\n")
        assert (open_dialog(lines) is not None) == (status == "waiting"), row["screen"]
        assert (input_text(lines) is not None) == (status in {"idle", "busy"}), row["screen"]
    assert seen > 5


@pytest.mark.parametrize(
    ("run", "question"),
    [
        ("bash_yes", "Do you want to proceed?"),
        ("edit_yes", "Do you want to create notes.txt?"),
        ("plan_yes", "Exit plan mode?"),
        ("question_terminal", "Which colour should the button be?"),
        ("remote_allow", "Do you want to proceed?"),
    ],
)
def test_tells_what_a_recorded_dialog_asks(run: str, question: str) -> None:
    assert {open_dialog(row["screen"].split("\n")) for row in screens(run)} == {None, question}


@pytest.mark.parametrize(("drawing", "question"), DIALOGS.values(), ids=DIALOGS)
def test_sees_a_dialog(drawing: str, question: str) -> None:
    assert open_dialog(screen(drawing)) == question
    assert open_dialog([*screen(drawing), *[""] * 60]) == question
    assert input_text(screen(drawing)) is None


@pytest.mark.parametrize("drawing", NO_DIALOGS.values(), ids=NO_DIALOGS)
def test_sees_none_where_none_is_open(drawing: str) -> None:
    assert open_dialog(screen(drawing)) is None
    assert open_dialog([*screen(drawing), *[""] * 60]) is None


def test_colours_make_no_difference() -> None:
    drawing, question = DIALOGS["a command in a narrow pane"]
    rows = [f"\x1b[38;5;9m{row[:3]}\x1b[1m{row[3:]}\x1b[0m" for row in screen(drawing)]

    assert open_dialog(rows) == question


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (">", ""),
        (">\u00a0", ""),
        (">\u00a0hello  world", "hello  world"),
        ("> one\n\n  two", "one\n\ntwo"),
        ("!\u00a0ls", "ls"),
        (">\u00a0\x1b[2mTry something\x1b[0m", ""),
        (">\u00a0\x1b[7mT\x1b[0;2mry something\x1b[0m", ""),
        (">\u00a0he\x1b[7ml\x1b[0;2mlo world\x1b[0m", "hel"),
        ("\x1b[2m>\u00a0\x1b[0mhello\x1b[7m \x1b[0m", "hello"),
        (">\u00a0\x1b[38;5;2mhello\x1b[0m", "hello"),
        (">\u00a0h\x1b[7me\x1b[0m", "he"),
    ],
)
def test_reads_what_was_typed(rows: str, text: str) -> None:
    typed = rows.replace(">", POINTER).split("\n")
    footer = ["  ⏵⏵ accept edits on (shift+tab to cycle)", "", "  ● main", "  ◯ general-purpose  Count files"]

    for rule in (WIDE, NARROW, f"{NARROW} shop ──"):
        assert input_text(["● Done.", rule, *typed, rule, *footer, *[""] * 60]) == text


def test_an_input_box_in_output_is_not_typed_into() -> None:
    assert input_text(screen("● So:\n---\n> not this\n---\n" + BOX)) == "hello"


@pytest.mark.parametrize("drawing", ["", "---\n> a", "---\n a\n---", "---\n> a\nb\n---", "---\n---", "$ ls"])
def test_sees_no_input_box_where_none_is(drawing: str) -> None:
    assert input_text(screen(drawing)) is None


@given(
    st.lists(
        st.sampled_from([f" {POINTER} 1. a", "   2. b", POINTER, WIDE, "", "  c", "● d", " Esc to cancel", "  3. e"])
    )
)
def test_any_screen_has_one_place_for_text_at_most(rows: list[str]) -> None:
    assert open_dialog(rows) is None or input_text(rows) is None


@given(st.lists(st.text(f"{POINTER}>─╌ 123.\x1b[m72;│?a", max_size=12), max_size=12))
def test_any_rows_are_judged(rows: list[str]) -> None:
    open_dialog(rows)
    input_text(rows)


@pytest.mark.parametrize(
    ("row", "draft"),
    [
        ("\u276f half a sentence", "half a sentence"),
        ("\u276f half\x1b[7m \x1b[0m", "half"),
        ("\u276f ", ""),
        ("\u276f\u00a0\x1b[7m \x1b[0m", ""),
        ("\u276f \x1b[2mTry a hint\x1b[0m", ""),
        ("\u276f \x1b[38;5;246mTry a grey hint\x1b[0m", ""),
        ("\u276f \x1b[1;34m/model\x1b[0m", ""),
        ("\u276f \x1b[48;5;237mon a background\x1b[0m", "on a background"),
    ],
)
def test_a_persons_draft_is_told_from_hints_and_commands(row: str, draft: str) -> None:
    rule = "\u2500" * 40

    assert draft_text(["output", "", rule, row, rule, "  footer"]) == draft
    assert draft_text(["output", row]) == ""
