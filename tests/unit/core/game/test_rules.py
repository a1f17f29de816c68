from importlib.resources import files

import pytest

from services.core.game.deeds import DeedKind
from services.core.game.rules import DEEDS, MAX_XP, Rule, RuleError, Rules

OURS = (files("services.core.game") / "xp.toml").read_text(encoding="utf-8")
ONE = """
[[rule]]
name = "tool"
deed = "tool"
xp = 1
per_day = 3
why = "work"
"""


def fault(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        Rules.load(text)
    return str(caught.value)


def test_a_rule_says_what_a_deed_earns() -> None:
    assert Rules.load(ONE).of_deed == {"tool": Rule(name="tool", deed="tool", xp=1, per_day=3, why="work")}


def test_the_rules_that_come_with_it_are_right_and_complete() -> None:
    rules = Rules.load(OURS)

    assert tuple(rules.of_deed) == DEEDS
    assert rules.of_deed["streak"].from_day == 2
    assert all(rule.per_day is not None for deed, rule in rules.of_deed.items() if deed != "streak")


def test_what_failed_or_no_person_asked_for_has_no_rule() -> None:
    rules = Rules.load(OURS).of_deed

    assert not {DeedKind.FAILED_TOOL, DeedKind.FAILED_TURN, DeedKind.PROMPT, DeedKind.TASK_COMPLETED} & rules.keys()


def test_no_rules_are_rules_too() -> None:
    assert Rules.load("rule = []").of_deed == {}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("xp = 1", "", "rule tool, xp: is missing; it takes a whole number from 1 to 1000"),
        ("xp = 1", "xp = 0", "rule tool, xp: takes a whole number from 1 to 1000, not '0'"),
        ("xp = 1", f"xp = {MAX_XP + 1}", "rule tool, xp: takes a whole number from 1 to 1000, not '1001'"),
        ("xp = 1", "xp = true", "rule tool, xp: takes a whole number from 1 to 1000, not 'True'"),
        ("xp = 1", "xp = 1.5", "rule tool, xp: takes a whole number from 1 to 1000, not '1.5'"),
        ("xp = 1", 'xp = "1"', "rule tool, xp: takes a whole number from 1 to 1000, not '1'"),
        ("per_day = 3", "per_day = -1", "rule tool, per_day: takes a whole number from 1 to 10000, not '-1'"),
        ("per_day = 3", "per_week = 3", "rule tool, per_week: no such field; there are name, deed, xp, per_day, "),
        ("per_day = 3", "from_day = 2", "rule tool, from_day: a streak takes it, and nothing else does"),
        ('deed = "tool"', 'deed = "streak"', "rule tool, from_day: a streak takes it, and nothing else does"),
        ('deed = "tool"', 'deed = "failed_tool"', "rule tool, deed: takes one of tool, edit, test, commit, push, "),
        ('deed = "tool"', "deed = []", "rule tool, deed: takes one of tool, edit, "),
        ('"work"', '" "', "rule tool, why: takes a reason of at most 1000 characters, not ' '"),
        ('name = "tool"', 'name = "a tool"', "rule 1, name: takes a name of at most 40 small letters, digits and _"),
        ('name = "tool"', "", "rule 1, name: is missing; it takes a name of at most 40"),
        ("[[rule]]", "[[rules]]", "rules: there is to be nothing but [[rule]] tables"),
        ("[[rule]]", "[rule]", "rule: there is to be nothing but [[rule]] tables"),
        ("[[rule]]", "[[rule]", "this is no TOML: "),
    ],
    ids=repr,
)
def test_a_fault_is_told_with_its_rule_and_field(before: str, after: str, message: str) -> None:
    assert fault(ONE.replace(before, after)).startswith(message)


def test_two_rules_are_told_apart() -> None:
    other = ONE.replace('name = "tool"', 'name = "call"')

    assert fault(ONE + ONE) == "rule tool, name: takes a name that no other rule has"
    assert fault(ONE + other) == "rule call, deed: takes one that no other rule has, and tool has one"


@pytest.mark.parametrize(
    "text", ["rule = [1]", "rule = 1", "", "x = 1", "a = " + "[" * 5_000, "a = " + "1" * 5_000, "\0"], ids=range(7)
)
def test_no_file_is_too_odd(text: str) -> None:
    assert fault(text)
