import re
import textwrap
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.entities import Confidence, Reading, StatusName, WaitingFor
from services.poller import screen_rules
from services.poller.rule_book import SHIPPED
from services.poller.screen_rules import (
    MAX_BYTES,
    MAX_OPTIONS,
    MAX_PATTERN_CHARS,
    MAX_PATTERNS,
    MAX_RULES,
    RuleError,
    parse_rules,
    read_screen,
)
from tests.e2e import recordings

RULES = parse_rules((SHIPPED / "claude.toml").read_text(encoding="utf-8"), "claude.toml")
APART_S = 0.3
"""The registry and the screen tell of the same thing within this time."""
POINTER = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
MEANS = {"busy": "working", "shell": "working", "idle": "idle", "waiting": "waiting"}
PATTERN = "x" * MAX_PATTERN_CHARS


def drawn(text: str, width: int = 60) -> list[str]:
    """Rows of a drawing: `>` at the left is the pointer, `---` a rule, `~~~` a dashed one."""
    rows = re.sub(r"^( *)>", rf"\1{POINTER}", text.strip("\n"), flags=re.MULTILINE).split("\n")
    return [row.replace("---", "─" * width).replace("~~~", "╌" * width) for row in rows]


BOX = """
---
>
---
  ⏸ manual mode on · ? for shortcuts
"""
BUSY = """
● I look.

✻ Ebbing… (12s · ↓ 1.2k tokens)
  ⎿  Tip: Start small

                                    ◐ medium · /effort
---
>
---
  ⏸ manual mode on · esc to interrupt
"""
PERMISSION = """
---
 Bash command
 Tip: auto mode handles these prompts for you
~~~
 touch made && sleep 1
~~~
 Do you want to proceed?
 > 1. Yes
   2. Yes, and always allow access to shop from this project
   3. No

 Esc to cancel · Tab to amend
"""
QUESTION = """
---
 ☐ Colour

Do you want to have it red?

> 1. Red
     Warm and loud
  2. Blue
     Calm
  3. Type something.
---
  4. Chat about this

Enter to select · ↑/↓ to navigate · Esc to cancel
"""


def read(lines: list[str]) -> Reading | None:
    return read_screen(RULES, "%1", 5, lines)


def meaning(lines: list[str]) -> tuple[str, ...]:
    """What a screen is read as, in words: what it says, what for, how sure."""
    reading = read(lines)
    if reading is None:
        return ()
    waiting_for = () if reading.waiting_for is None else (reading.waiting_for.value,)
    return (reading.says.value, *waiting_for, *(["weak"] if reading.confidence is Confidence.WEAK else []))


def truth(run: str, at: float) -> str | None:
    """What the registry says at a moment; None while it changes, or says nothing."""
    words = [(one.t, (one.record or {}).get("status", "")) for one in recordings.registry(run)]
    changes = [
        (t, word) for (t, word), (_, before) in zip(words, [(0.0, None), *words], strict=False) if word != before
    ]
    if any(abs(t - at) <= APART_S for t, _ in changes):
        return None
    return MEANS.get([word for t, word in changes if t <= at][-1])


def rewrapped(rows: list[str], width: int) -> list[str]:
    """The rows as a narrower pane has them: rules are as wide as it, text wraps in its own column, a footer is cut."""
    found: list[str] = []
    boxes = [index for index, row in enumerate(rows) if row.startswith("───")]
    is_box = bool(boxes) and rows[boxes[-1] - 1].startswith(POINTER)
    for index, row in enumerate(rows):
        indent = len(row) - len(row.lstrip())
        if row and set(row.strip()) <= set("─╌▔"):
            found.append(" " * indent + row.strip()[0] * (width - 2 * indent))
        elif is_box and index > boxes[-1]:
            found.append(row if len(row) <= width else row[: width - 1] + "…")
        elif indent > width // 2:
            found.append(row.strip()[: width - 2].rjust(width - 2))
        else:
            below = "" if row.startswith("Enter") else " " * (indent + (5 if re.match(r"\W*\d\. ", row) else 2))
            found += textwrap.wrap(row, width, subsequent_indent=below, drop_whitespace=True) or [""]
    return found


# The recordings.


@pytest.mark.parametrize("width", [110, 60, 40])
@pytest.mark.parametrize("run", recordings.RUNS)
def test_a_recorded_screen_says_what_claude_codes_own_registry_says(run: str, width: int) -> None:
    told = [(screen, said) for screen in recordings.screens(run) if (said := truth(run, screen.t)) is not None]

    assert len(told) > 3
    for screen, said in told:
        rows = screen.text.split("\n")
        assert meaning(rows if width == 110 else rewrapped(rows, width))[:1] == (said,), screen.text


@pytest.mark.parametrize(
    ("run", "waiting_for", "rule", "question", "options"),
    [
        (
            "bash_yes",
            WaitingFor.PERMISSION,
            "claude/permission",
            "Do you want to proceed?",
            (
                "Yes",
                "Yes, and always allow access to /home/lab/shop from this project",
                "Yes, and switch to auto mode · auto mode handles these prompts for you",
                "No",
            ),
        ),
        (
            "plan_yes",
            WaitingFor.PLAN,
            "claude/plan",
            "Exit plan mode?",
            ("Yes, and switch to default (ask each time) for this session", "No"),
        ),
        (
            "question_terminal",
            WaitingFor.QUESTION,
            "claude/question",
            "Which colour should the button be?",
            ("Red", "Blue", "Type something.", "Chat about this"),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and "/" not in value and "?" not in value else "",
)
def test_a_recorded_dialog_is_read_with_its_question_and_options(
    run: str, waiting_for: WaitingFor, rule: str, question: str, options: tuple[str, ...]
) -> None:
    readings = {read(screen.text.split("\n")) for screen in recordings.screens(run)} - {None}

    assert {one for one in readings if one is not None and one.says is StatusName.WAITING} == {
        Reading(
            pane_id="%1",
            captured_at=5,
            rule=rule,
            says=StatusName.WAITING,
            confidence=Confidence.STRONG,
            waiting_for=waiting_for,
            question=question,
            options=options,
        )
    }


@pytest.mark.parametrize("run", recordings.RUNS)
def test_when_claude_code_has_ended_its_screen_says_nothing(run: str) -> None:
    assert meaning(recordings.screens(run)[-1].text.split("\n")) == ()


# What is not in the recordings.

SCREENS: dict[str, tuple[str, tuple[str, ...]]] = {
    "busy": (BUSY, ("working",)),
    "busy, with a long list of tasks and a draft": (
        "✽ Making it… (3m 2s)\n  ⎿  ☐ one\n"
        + "     ☐ more\n" * 12
        + BOX.replace(">", "> a draft").replace(" · ? for shortcuts", ""),
        ("working",),
    ),
    "busy, with prompts that are queued": (
        "✽ Making… (3s)\n\n> next\n\n> after that\n  of two rows\n" + BOX.replace(" · ? for shortcuts", ""),
        ("working",),
    ),
    "busy, without a spinner to see": (BOX.replace("? for shortcuts", "esc to interrupt"), ("working",)),
    "compacting": ("* Compacting conversation… (0s)\n" + BOX, ("working",)),
    "retrying": ("✻ API error · retrying in 1s · attempt 2/10\n" + BOX, ("working",)),
    "an API error": ("> go\n\n● API Error: 529 Overloaded. Try\n  again in a moment.\n" + BOX, ("error", "weak")),
    "an API error that a turn followed": (
        "● API Error: 529\n\n> go\n\n● Yes.\n\n✻ Brewed for 1s · done 7:25 PM\n" + BOX,
        ("idle",),
    ),
    "idle": ("● Done.\n\n✻ Brewed for 1s · done 7:25 PM\n" + BOX, ("idle",)),
    "idle, with a background agent": (
        "✻ Waiting for 1 background agent to finish\n" + BOX.replace("? for shortcuts", "↓ to manage"),
        ("idle",),
    ),
    "idle, with a row of an agent that is cut off": ("✻ Waiting for 1 background agent to fin…\n" + BOX, ("idle",)),
    "idle, with the row of its end cut off": ("✻ Cogitated for 12s · done…\n" + BOX, ("idle",)),
    "interrupted": ("> go\n  ⎿  Interrupted · What should Claude do instead?\n" + BOX, ("idle",)),
    "a permission": (PERMISSION, ("waiting", "permission")),
    "a question that begins as a permission does": (QUESTION, ("waiting", "question")),
    "a question that ends as a plan does": (
        QUESTION.replace("Do you want to have it red?", "There is a way. Would you like to proceed?"),
        ("waiting", "question"),
    ),
    "a question in 40 columns": (
        QUESTION.replace("navigate · Esc to cancel", "navigate ·\nEsc to cancel"),
        ("waiting", "question"),
    ),
    "a question without blank rows": (QUESTION.replace("\n\n", "\n"), ("waiting", "question")),
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
        ("waiting", "question"),
    ),
    "a plan": (
        """
---
 Ready to code?

 Claude has written up a plan and is ready to execute. Would you like to
 proceed?

 > 1. Yes, and use auto mode
   2. Yes, manually approve edits
   3. Tell Claude what to change

 ctrl+g to edit in vim · ~/.claude/plans/x.md
""",
        ("waiting", "plan"),
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
   2. No
""",
        ("waiting", "permission"),
    ),
    "trust, with the pointer at no": (
        "---\n Accessing workspace:\n\n > No, exit\n   Yes, I trust this folder\n\n Enter to confirm · Esc to cancel\n",
        ("waiting", "input"),
    ),
    "trust, with the pointer at yes": (
        "---\n Accessing workspace:\n\n   No, exit\n > Yes, I trust this folder\n\n Enter to confirm · Esc to cancel\n",
        ("waiting", "input", "weak"),
    ),
    "a picker that a person opened": (
        "---\n  Select model\n\n  > 1. Default\n    2. Opus\n\n  Enter to save · Esc to cancel\n",
        ("waiting", "input", "weak"),
    ),
    "a menu of rows without numbers": (
        "---\n  Memory\n\n  > User\n    Project\n\n  Enter to select · ↑/↓ to navigate · Esc to close\n",
        ("waiting", "input", "weak"),
    ),
    "a dialog below the box of an earlier session": (
        BOX + "\nResume this session with:\nclaude --resume 1\n$ claude\n" + PERMISSION,
        ("waiting", "permission"),
    ),
    # None of these is what it looks like.
    "a dialog in output": ("● It looked so:\n" + textwrap.indent(PERMISSION, "  ") + BOX, ("idle",)),
    "a dialog above the box": (PERMISSION + BOX, ("idle",)),
    "a dialog above the box of one at work": (PERMISSION + BUSY, ("working",)),
    "a numbered list in output": ("● Do you want to proceed?\n  > 1. Yes\n    2. No\n" + BOX, ("idle",)),
    "a list that was typed": (BOX.replace(">", "> Do you want to proceed?\n  > 1. Yes\n    2. No"), ("idle",)),
    "words of trouble in a diff": (
        "● Update(a.py)\n  ⎿  1 - API Error: rate limit\n     2 + Permission denied\n     3 + overloaded_error\n" + BOX,
        ("idle",),
    ),
    "an error in what a tool printed": ("● Bash(x)\n  ⎿  API Error: 500\n\n● It failed.\n" + BOX, ("idle",)),
    "a spinner in output": ("● So:\n  ✻ Ebbing… (0s · esc to interrupt)\n" + BOX, ("idle",)),
    "a spinner above the start of a session": (
        "✻ Ebbing… (0s)\n$ claude\n ▐▛███▛█   Claude Code\n▝▜██████▀  Opus\n\n" + BOX,
        ("idle",),
    ),
    "a shell after the box": (BOX + "\nResume this session with:\nclaude --resume 1\n$ ", ()),
    "a shell after a box at work": (BUSY + "Killed\n$ ", ()),
    "a shell after a dialog": (PERMISSION + "$ ", ()),
    "a shell after a dialog without keys": (" Do you want to proceed?\n > 1. Yes\n   2. No\n$ ", ()),
    "a shell after a question": (QUESTION + "lab@box:~$ ls\n", ()),
    "a shell of another prompt after a question": (QUESTION + "> ", ()),
    "a shell": ("$ claude --version\n2.1.330\n$ ", ()),
    "vim with a recording": (BUSY + "~\n~\n~\nscreen.txt                          1,1           All", ()),
    "vim with a dialog": (PERMISSION + "~\n~\n-- INSERT --", ()),
    "vim with a dialog, and a ruler": (PERMISSION + "\n                                   12,1          Top", ()),
    "less with a box": (BUSY + ":", ()),
    "vim with a rule": ("---\nimport re\n---\n~\n~\n", ()),
    "nothing": ("", ()),
    "a box without its lower rule": ("---\n> go\n", ()),
}


@pytest.mark.parametrize(("drawing", "expected"), SCREENS.values(), ids=SCREENS)
def test_reads_a_screen(drawing: str, expected: tuple[str, ...]) -> None:
    assert meaning(drawn(drawing)) == expected
    assert meaning(drawn(drawing, 40)) == expected
    assert meaning([*drawn(drawing), *[""] * 60]) == expected


@pytest.mark.parametrize(("drawing", "expected"), SCREENS.values(), ids=SCREENS)
def test_colours_make_no_difference(drawing: str, expected: tuple[str, ...]) -> None:
    rows = [f"\x1b[38;5;9m{row[:3]}\x1b[1;48;2;1;2;3m{row[3:]}\x1b[0m" for row in drawn(drawing)]

    assert meaning(rows) == expected


def test_wide_characters_make_no_difference() -> None:
    rows = drawn(PERMISSION.replace("touch made", "touch 漢字 🙂‍↔️").replace("to shop", "to 店🛒"))

    reading = read(rows)

    assert reading is not None
    assert reading.says is StatusName.WAITING
    assert reading.options[1] == "Yes, and always allow access 店🛒 from this project".replace("access ", "access to ")
    assert meaning(drawn(BUSY.replace("I look.", "見ます 👀").replace("Ebbing", "考え中"))) == ("working",)


def test_an_option_has_neither_its_number_nor_its_box() -> None:
    reading = read(drawn(QUESTION.replace("1. Red", "1. [✔] Red").replace("2. Blue", "2. [ ] Blue")))

    assert reading is not None
    assert reading.options[:2] == ("Red", "Blue")


def test_what_a_dialog_says_is_cut() -> None:
    options = "".join(f"{'>' if number == 1 else ' '} {number}. {'o' * 250}\n" for number in range(1, 20))
    reading = read(drawn(f"---\n Do you want to {'x' * 600}?\n{options}"))

    assert reading is not None
    assert (len(reading.question or ""), len(reading.options), len(reading.options[0])) == (500, MAX_OPTIONS, 200)


@pytest.mark.parametrize("char", ["✻", "─", "x", "(", "…", " ", POINTER, "\x1b[1m", "1. "])
def test_a_hostile_row_is_read_as_any_other(char: str) -> None:
    hostile = char * 10_000

    for rows in ([hostile], [hostile, *drawn(BOX)], [f"✻ {hostile}", *drawn(BOX)], [*drawn(PERMISSION)[:-1], hostile]):
        read(rows)
    assert meaning([f"● {hostile}", *drawn(BOX)]) == ("idle",)


PIECE = st.sampled_from([*drawn(PERMISSION), *drawn(QUESTION), *drawn(BUSY), "", "$ ", "● text", "  ⎿  text"])
TEXT = st.lists(st.text(f"{POINTER}>─╌▔ 123.\x1b[m72;│?a✻…(·", max_size=14) | st.text(max_size=8) | PIECE, max_size=14)


@given(TEXT)
def test_any_rows_are_read(rows: list[str]) -> None:
    read(rows)


@given(TEXT, st.lists(st.sampled_from(["", " ", "\x1b[0m", "\u00a0", "  "]), max_size=70))
def test_blank_rows_below_never_change_what_is_read(rows: list[str], blanks: list[str]) -> None:
    assert read([*rows, *blanks]) == read(rows)


@given(TEXT, st.sampled_from([BOX, BUSY]))
def test_text_above_the_box_never_makes_a_dialog(rows: list[str], drawing: str) -> None:
    reading = read([*rows, "● Done.", *drawn(drawing)])

    assert reading is not None
    assert reading.says is (StatusName.IDLE if drawing is BOX else StatusName.WORKING)
    above = read([*rows, *drawn(drawing)])
    assert above is not None
    assert above.says is not StatusName.WAITING


# Files of rules.

HEAD = 'agent = "lab"\nversion = "1"\n'
RULE = '\n[[rule]]\nname = "one"\nregion = "tail"\npattern = "a"\nsays = "idle"\nconfidence = "weak"\n'
"""Its `[[rule]]` is in line 4 when the head is above it."""


def fault(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        parse_rules(text, "lab.toml")
    return str(caught.value)


def test_the_first_rule_that_matches_counts() -> None:
    second = RULE.replace('"one"', '"two"').replace('"a"', '"b"')
    rules = parse_rules(HEAD + RULE + second, "lab.toml")

    def rule(line: str) -> str | None:
        reading = read_screen(rules, "%1", 5, [line])
        return None if reading is None else reading.rule

    assert [rule(line) for line in ("a b", "b", "c")] == ["lab/one", "lab/two", None]


def test_all_patterns_of_a_rule_must_match() -> None:
    rules = parse_rules(HEAD + RULE.replace('"a"', '["a", "^b"]'), "lab.toml")

    assert [read_screen(rules, "%1", 5, rows) is not None for rows in (["a"], ["b"], ["a", "b"])] == [
        False,
        False,
        True,
    ]


def test_a_rule_does_not_match_unless_what_is_excluded_is_absent() -> None:
    rules = parse_rules(HEAD + RULE + 'unless = { region = "tail", pattern = "b" }\n', "lab.toml")

    assert [read_screen(rules, "%1", 5, [line]) is not None for line in ("a", "ab")] == [True, False]


def test_a_region_that_the_screen_does_not_have_matches_nothing() -> None:
    rules = parse_rules(HEAD + RULE.replace('"tail"', '"dialog"').replace('"a"', '""".*"""'), "lab.toml")

    assert read_screen(rules, "%1", 5, ["a"]) is None


FAULTS: dict[str, tuple[str, int, str]] = {
    "no TOML": (HEAD + RULE + "pattern == 3\n", 10, "Invalid value"),
    "an end too early": (HEAD + RULE + 'unless = { region = "tail"', 10, ""),
    "a string without an end": (HEAD + RULE + 'unless = """\n\n', 11, ""),
    "a key twice": (HEAD + RULE + 'name = "x"\n', 10, ""),
    "too long a number": (HEAD + f"x = {'1' * 5000}\n", 1, ""),
    "no agent": ('version = "1"\n' + RULE, 1, "agent"),
    "an agent that is no name": (HEAD.replace("lab", "La b") + RULE, 1, "agent"),
    "an unknown key": (HEAD + "colour = 1\n" + RULE, 3, "colour"),
    "an unknown table": (HEAD + RULE + "\n[[rules]]\nname = 1\n", 11, "rules"),
    "an unknown key of a rule": (HEAD + RULE + RULE.replace('"one"', '"two"') + "colour = 1\n", 17, "colour"),
    "an unknown key within a key": (HEAD + RULE + 'unless = {region = "tail", pattern = "a", x = 1}\n', 10, "x"),
    "no rule but a number": (HEAD + "rule = 3\n", 3, "rule"),
    "an unknown region": (HEAD + RULE.replace('"tail"', '"head"'), 6, "tail"),
    "an unknown meaning": (HEAD + RULE.replace('"idle"', '"ended"'), 8, "working, waiting, idle, error"),
    "an unknown sureness": (HEAD + RULE.replace('"weak"', '"sure"'), 9, "strong, weak"),
    "an unknown wait": (HEAD + RULE + 'waiting_for = "tea"\n', 10, "permission"),
    "a wait without a word for it": (HEAD + RULE.replace('"idle"', '"waiting"'), 8, "waiting_for"),
    "a word for a wait that is none": (HEAD + RULE + 'waiting_for = "plan"\n', 10, "waiting_for"),
    "no name": (HEAD + RULE + RULE.replace('name = "one"\n', ""), 11, "name"),
    "a name that is none": (HEAD + RULE.replace('"one"', '"O ne"'), 5, "name"),
    "a name twice": (HEAD + RULE + RULE, 12, "two rules are called one"),
    "no pattern": (HEAD + RULE.replace('pattern = "a"', "pattern = []"), 7, "pattern"),
    "an empty pattern": (HEAD + RULE.replace('"a"', '""'), 7, "pattern"),
    "a pattern that is none": (HEAD + RULE.replace('"a"', '"("'), 7, "the pattern of one is none"),
    "a pattern that Python will read in another way": (
        HEAD + RULE.replace('"a"', '"[[a]"'),
        7,
        "the pattern of one is none",
    ),
    "a pattern with a huge count": (
        HEAD + RULE.replace('"a"', '"a{99999999999999999999}"'),
        7,
        "the pattern of one is none",
    ),
    "one of some patterns that is none": (HEAD + RULE.replace('"a"', '["a", ")"]'), 7, "the pattern of one is none"),
    "a pattern to be absent that is none": (
        HEAD + RULE + 'unless = { region = "tail", pattern = ")" }\n',
        10,
        "the pattern of one is none",
    ),
    "too long a pattern": (HEAD + RULE.replace('"a"', f'"{PATTERN}x"'), 7, str(MAX_PATTERN_CHARS)),
    "too many patterns": (HEAD + RULE.replace('"a"', str(["a"] * (MAX_PATTERNS + 1))), 7, str(MAX_PATTERNS)),
    "too many rules": (
        HEAD + "".join(RULE.replace('"one"', f'"r{number}"') for number in range(MAX_RULES + 1)),
        4 + 7 * MAX_RULES + 1,
        f"more than {MAX_RULES} rules",
    ),
    "too much": (HEAD + "#" * MAX_BYTES, 1, str(MAX_BYTES)),
    "nested too deeply": (HEAD + "x = " + "[" * 20_000, 1, "nested"),
    "one below a text that looks like a rule": (
        HEAD.replace('"1"', '"""\n[[rule]]\nname = 1"""') + RULE.replace('"idle"', '"ended"'),
        10,
        "working, waiting, idle, error",
    ),
}


@pytest.mark.parametrize(("text", "line", "word"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_with_its_file_and_line(text: str, line: int, word: str) -> None:
    told = fault(text)

    assert told.startswith(f"lab.toml, line {line}: ")
    assert word in told


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(?:a*)*", "((a+))+", "(a+|b){2,}", "(?:x(?:[)]|y*)z)*", r"(\(a+)+", "(?:a|a)+b"], ids=repr
)
def test_a_pattern_that_can_take_forever_is_refused(pattern: str) -> None:
    assert "take forever" in fault(HEAD + RULE.replace('"a"', f"'{pattern}'"))


@pytest.mark.parametrize(
    "pattern", ["(a+)?b*", "(ab)+c+", r"[(+*]+", r"\(a+\)+", "(?:a|b)?", "a|b+", "a{2}{3}"[:4]], ids=repr
)
def test_other_repeats_are_taken(pattern: str) -> None:
    assert parse_rules(HEAD + RULE.replace('"a"', f"'{pattern}'"), "lab.toml").rules


def test_as_much_as_may_be_is_taken() -> None:
    rules = "".join(RULE.replace('"one"', f'"r{number}"').replace('"a"', f'"{PATTERN}"') for number in range(MAX_RULES))

    assert len(parse_rules(HEAD + rules, "lab.toml").rules) == MAX_RULES


LINES = st.sampled_from([*HEAD.splitlines(), *RULE.splitlines(), "[[rule]]", "rule = 1", "[rule]", '"""', "unless = {"])
CUT = st.builds(
    lambda text, at, more: text[:at] + more + text[at:], st.just(HEAD + RULE), st.integers(0, 130), st.text()
)


@given(st.text() | st.lists(LINES | st.text(max_size=8)).map("\n".join) | CUT)
def test_any_text_is_rules_or_a_fault(text: str) -> None:
    try:
        parse_rules(text, "lab.toml")
    except RuleError as exc:
        assert re.match(r"lab\.toml, line \d+: ", str(exc))  # noqa: PT017 - it may also be none


@given(st.text(r"a(){}[]+*?|\^$.,19:P<>=!-", max_size=30).filter(lambda pattern: "'" not in pattern))
def test_any_pattern_is_one_or_a_fault(pattern: str) -> None:
    try:
        rules = parse_rules(HEAD + RULE.replace('"a"', f"'{pattern}'"), "lab.toml")
    except RuleError:
        return
    read_screen(rules, "%1", 5, ["aa1 ", "(9)"])


def test_the_shipped_rules_are_of_claude_and_say_which_versions_they_are_made_from() -> None:
    assert RULES.agent == "claude"
    assert re.fullmatch(r"[\d.]+ - [\d.]+", RULES.version)
    assert {rule.region for rule in RULES.rules} <= set(get_args(screen_rules.Region))
