"""What the screen of an agent means, by rules that are data. Pure.

docs/screen-rules.md says how a file of rules is written; `rules/` beside this module holds those that come with it.
"""

import re
import tomllib
import warnings
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from services.contract.entities import Confidence, Reading, StatusName, WaitingFor
from services.poller.dialog import Blocks, read_blocks

MAX_BYTES: Final = 65_536
"""Of a file."""
MAX_RULES: Final = 100
MAX_PATTERNS: Final = 8
"""Of a rule."""
MAX_PATTERN_CHARS: Final = 500
MAX_ROW_CHARS: Final = 500
"""Rows are cut at this before a pattern sees them."""
FOOTER_ROWS: Final = 12
TAIL_ROWS: Final = 20
QUESTION_CHARS: Final = 500
OPTION_CHARS: Final = 200
MAX_OPTIONS: Final = 12

Region = Literal["question", "options", "dialog", "status", "input", "footer", "tail"]
Says = Literal["working", "waiting", "idle", "error"]
Sure = Literal["strong", "weak"]
Pattern = Annotated[str, Meta(min_length=1, max_length=MAX_PATTERN_CHARS)]
Patterns = Annotated[tuple[Pattern, ...], Meta(min_length=1, max_length=MAX_PATTERNS)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}\Z")]

_WORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "region": get_args(Region),
    "says": get_args(Says),
    "confidence": get_args(Sure),
    "waiting_for": tuple(WaitingFor),
}
_TEXT_BLOCK: Final = re.compile(r"(\"{3}|'{3}).*?\1", re.DOTALL)
_PART: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\{\d*,\}|.", re.DOTALL)
"""Of a pattern: an escape, a set, a repeat without end, or any one character."""
_POINTER: Final = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"
_OPTION: Final = re.compile(rf"\s*(?:[{_POINTER}↑↓] *)?\d{{1,2}}\. ")
_EDGE: Final = re.compile(r"[─╌▔━═]+")
_RULER: Final = re.compile(r"\s+\d+,\d+(?:-\d+)?\s+(?:Top|Bot|All|\d+%)")
"""How vim ends a screen."""
_ARROWS: Final = "↑↓←→"
_PROMPT_ENDS: Final = frozenset(f"$%#>{_POINTER}")


class RuleError(ValueError):
    """A file of rules cannot be used; the message says where and why."""


class _Match(Struct, frozen=True, forbid_unknown_fields=True):
    region: Region
    pattern: Pattern


class _Rule(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    region: Region
    pattern: Pattern | Patterns
    says: Says
    confidence: Sure
    waiting_for: WaitingFor | None = None
    unless: _Match | None = None


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    agent: Name
    version: Annotated[str, Meta(max_length=100)]
    rule: tuple[_Rule, ...] = ()


class Rule(Struct, frozen=True):
    """One rule, ready for use."""

    name: str
    region: Region
    patterns: tuple[re.Pattern[str], ...]
    """All of them are in the region."""
    says: StatusName
    confidence: Confidence
    waiting_for: WaitingFor | None
    unless: tuple[Region, re.Pattern[str]] | None


class Rules(Struct, frozen=True):
    """The rules of one file, the first that matches counts."""

    agent: str
    version: str
    """The versions of the agent that they are made from; for a reader only."""
    rules: tuple[Rule, ...]


def parse_rules(text: str, file_name: str) -> Rules:
    """The rules of a file.

    Raises:
        RuleError: something is wrong; the message has the file, the line and the fault.
    """
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise RuleError(f"{file_name}, line 1: more than {MAX_BYTES} bytes")
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except msgspec.ValidationError as exc:
        line, fault = _fault_of(text, str(exc))
        raise RuleError(f"{file_name}, line {line}: {fault}") from exc
    except ValueError as exc:  # Not only TOMLDecodeError: a number may have too many digits.
        line, fault = _toml_fault(text, str(exc))
        raise RuleError(f"{file_name}, line {line}: {fault}") from exc
    except RecursionError as exc:
        raise RuleError(f"{file_name}, line 1: nested too deeply") from exc
    rules: list[Rule] = []
    for number, written in enumerate(file.rule):
        try:
            rules.append(_ready(written, {rule.name for rule in rules}))
        except _FieldError as exc:
            line = _line_of(text, number, exc.field)
            raise RuleError(f"{file_name}, line {line}: {exc}") from exc
    return Rules(file.agent, file.version, tuple(rules))


class _FieldError(ValueError):
    """A field of a rule cannot be used."""

    def __init__(self, field: str, fault: str) -> None:
        super().__init__(fault)
        self.field = field


def _ready(rule: _Rule, names: set[str]) -> Rule:
    if len(names) >= MAX_RULES:
        raise _FieldError("name", f"more than {MAX_RULES} rules")
    if rule.name in names:
        raise _FieldError("name", f"two rules are called {rule.name}")
    if (rule.says == "waiting") != (rule.waiting_for is not None):
        field = "says" if rule.waiting_for is None else "waiting_for"
        raise _FieldError(field, f"{rule.name} needs `waiting_for` if it says waiting, and only then")
    patterns = (rule.pattern,) if isinstance(rule.pattern, str) else rule.pattern
    unless = rule.unless
    return Rule(
        name=rule.name,
        region=rule.region,
        patterns=tuple(_compiled(pattern, rule.name, "pattern") for pattern in patterns),
        says=StatusName(rule.says),
        confidence=Confidence(rule.confidence),
        waiting_for=rule.waiting_for,
        unless=None if unless is None else (unless.region, _compiled(unless.pattern, rule.name, "unless")),
    )


def _compiled(pattern: str, name: str, field: str) -> re.Pattern[str]:
    if _has_nested_repeats(pattern):
        raise _FieldError(field, "a repeat of a repeat, or of alternatives, can take forever")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # What Python will read in another way one day.
            return re.compile(pattern, re.MULTILINE)
    except (re.error, OverflowError, RecursionError, Warning) as exc:
        raise _FieldError(field, f"the pattern of {name} is none: {exc}") from exc


def _has_nested_repeats(pattern: str) -> bool:
    """Whether a group that repeats without end holds something that does, or alternatives."""
    groups, closed = [False], False
    for part in _PART.findall(pattern):
        if part in {"*", "+"} or (part[0] == "{" and len(part) > 1):
            if closed:
                return True
            groups[-1] = True
        closed = False
        groups[-1] = groups[-1] or (part == "|" and len(groups) > 1)
        if part == "(":
            groups.append(False)
        elif part == ")" and len(groups) > 1:
            closed = groups.pop()
            groups[-1] = groups[-1] or closed
    return False


def _toml_fault(text: str, message: str) -> tuple[int, str]:
    """The message of tomllib, which ends with `(at line 3, column 7)` or `(at end of document)`."""
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if found is None:
        return 1, message
    return int(found[1] or max(1, len(text.splitlines()))), message[: found.start()]


def _fault_of(text: str, message: str) -> tuple[int, str]:
    """The message of msgspec, which ends with the place, ` - at `$.rule[2].says``."""
    fault, _, place = message.partition(" - at `")
    found = re.match(r"\$(?:\.rule\[(\d+)\])?(?:\.(\w+))?", place)
    unknown = re.search(r"unknown field `([^`]+)`", fault)
    rule, field = (None, "") if found is None else (found[1], found[2] or "")
    line = _line_of(text, None if rule is None else int(rule), field or ("" if unknown is None else unknown[1]))
    words = f"; it takes {', '.join(_WORDS[field])}" if field in _WORDS and place.endswith(f"{field}`") else ""
    return line, f"{f'`{field}`: ' if field else ''}{fault}{words}"


def _line_of(text: str, rule: int | None, field: str) -> int:
    """Where a field is, else where its rule begins; both by their looks, since tomllib does not tell."""
    rows = _TEXT_BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text).split("\n")
    begins = [line for line, row in enumerate(rows, 1) if re.match(r"\s*\[\[\s*[\"']?rule[\"']?\s*\]\]", row)]
    start, stop = 1, len(rows)
    if rule is not None and rule < len(begins):
        start, *after = begins[rule:]
        stop = after[0] - 1 if after else stop
    named = re.compile(rf"\s*\[*\s*[\"']?{re.escape(field)}[\"']?\s*[=.\]]")
    return next((line for line in range(start, stop + 1) if field and named.match(rows[line - 1])), start)


# Reading.


def read_screen(rules: Rules, pane_id: str, captured_at: int, lines: Sequence[str]) -> Reading | None:
    """What a screen means; None when no rule knows it. `lines` as those of `Screen`."""
    blocks = read_blocks([line[: 4 * MAX_ROW_CHARS] for line in lines])
    regions = _regions(blocks)
    for rule in rules.rules:
        if _matches(rule, regions):
            return _reading(rules.agent, rule, blocks, pane_id, captured_at)
    return None


def _matches(rule: Rule, regions: Mapping[Region, str]) -> bool:
    text = regions.get(rule.region)
    if text is None or not all(pattern.search(text) for pattern in rule.patterns):
        return False
    if rule.unless is None:
        return True
    region, pattern = rule.unless
    return region not in regions or pattern.search(regions[region]) is None


def _regions(blocks: Blocks) -> dict[Region, str]:
    """The text of each region that the screen has, its rows apart by line feeds."""
    rows = [row[:MAX_ROW_CHARS] for row in blocks.rows]
    regions: dict[Region, str] = {"tail": "\n".join(_shown(rows)[-TAIL_ROWS:])}
    dialog, box = blocks.dialog, blocks.box
    if dialog is not None and _is_last(dialog.rows):
        regions["question"] = dialog.question[:MAX_ROW_CHARS]
        regions["options"] = "\n".join(option[:MAX_ROW_CHARS] for option in dialog.options)
        regions["dialog"] = "\n".join(row[:MAX_ROW_CHARS] for row in dialog.rows)
    elif box is not None and not _strangers(rows[box.bottom + 1 :]):
        regions["status"] = "\n".join(_shown(rows[_status_start(rows, box.top) : box.top]))
        regions["input"] = "\n".join(rows[box.top + 1 : box.bottom])
        regions["footer"] = "\n".join(_shown(rows[box.bottom + 1 :])[:FOOTER_ROWS])
    return regions


def _status_start(rows: Sequence[str], top: int) -> int:
    """The last row above the input box that begins in the first column: the spinner, or what ended the turn.

    Below a spinner are its tip, its list of tasks and suggestions, all indented, and prompts that are queued.
    """
    passed = f" >{_POINTER}"
    return next((index for index in reversed(range(top)) if rows[index] and rows[index][0] not in passed), 0)


def _is_last(rows: Sequence[str]) -> bool:
    """Whether nothing but its hint of keys stands below a dialog: a shell would have put its prompt there."""
    below = next((index + 1 for index in reversed(range(len(rows))) if _OPTION.match(rows[index])), 0)
    hint = list(takewhile(bool, reversed(rows[below:])))[::-1]
    strangers = _strangers(rows[below:] if below else hint)
    return not strangers or (set(strangers) <= set(hint) and _is_hint(hint))


def _is_hint(rows: Sequence[str]) -> bool:
    """Whether they are like `Enter to select · Esc to cancel`."""
    text = " ".join(rows)
    begins = all(row[0].isalnum() or row[0] in _ARROWS for row in rows)
    return begins and not _PROMPT_ENDS & set(text) and all(" to " in part for part in text.split("·"))


def _strangers(rows: Sequence[str]) -> list[str]:
    """Rows that Claude Code does not draw below its input box or options: it indents them."""
    return [
        row for row in rows if row and ((not row[0].isspace() and not _EDGE.fullmatch(row)) or _RULER.fullmatch(row))
    ]


def _shown(rows: Sequence[str]) -> list[str]:
    return [row for row in rows if row]


def _reading(agent: str, rule: Rule, blocks: Blocks, pane_id: str, captured_at: int) -> Reading:
    dialog = blocks.dialog if rule.says is StatusName.WAITING else None
    return Reading(
        pane_id=pane_id,
        captured_at=captured_at,
        rule=f"{agent}/{rule.name}",
        says=rule.says,
        confidence=rule.confidence,
        waiting_for=rule.waiting_for,
        question=None if dialog is None else dialog.question[:QUESTION_CHARS],
        options=() if dialog is None else tuple(option[:OPTION_CHARS] for option in dialog.options[:MAX_OPTIONS]),
    )
