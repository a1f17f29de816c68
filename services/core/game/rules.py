"""What work earns, as rules that are data. Pure.

`xp.toml` beside this module has those that come with it, and says what each field means.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Final, cast

from msgspec import Struct

from services.core.game.deeds import DeedKind

STREAK: Final = "streak"
QUEST_PHASE: Final = "quest_phase"
QUEST: Final = "quest"
DEEDS: Final = (
    *(DeedKind.TOOL, DeedKind.EDIT, DeedKind.TEST, DeedKind.COMMIT, DeedKind.PUSH, DeedKind.PULL_REQUEST),
    *(DeedKind.TURN, STREAK, QUEST_PHASE, QUEST),
)
"""What can earn; nothing else does."""
MAX_XP: Final = 1_000
MAX_PER_DAY: Final = 10_000
MAX_FROM_DAY: Final = 366
MAX_NAME_CHARS: Final = 40
MAX_WHY_CHARS: Final = 1_000
_NAME: Final = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_NAME_CHARS - 1}}}")


class RuleError(ValueError):
    """The rules cannot be used; the message names the rule and the field, and says what it takes."""


class Rule(Struct, frozen=True, kw_only=True):
    """What one kind of deed earns."""

    name: str
    deed: str
    xp: int
    per_day: int | None = None
    """Awards for one persona in one local day; None without a limit."""
    from_day: int = 1
    """Of a streak: the first day in a row that earns it."""
    why: str


class Rules(Struct, frozen=True):
    """The rules by the deed that they are for, in the order of their file."""

    of_deed: dict[str, Rule]

    @classmethod
    def load(cls, text: str) -> "Rules":
        """The rules of a file.

        Raises:
            RuleError: something in it is wrong.
        """
        try:
            file = tomllib.loads(text)
        except (ValueError, RecursionError) as exc:  # Not only TOMLDecodeError: a number may have too many digits.
            raise RuleError(f"this is no TOML: {exc}") from exc
        written = file.get("rule")
        others = sorted(file.keys() - {"rule"})
        if not isinstance(written, list) or others:
            raise RuleError(f"{', '.join(others) or 'rule'}: there is to be nothing but [[rule]] tables")
        of_deed: dict[str, Rule] = {}
        names: set[str] = set()
        for number, table in enumerate(cast("list[object]", written), 1):
            if not isinstance(table, dict):
                raise RuleError(f"rule {number}: takes a table")
            rule = _read(number, cast("dict[str, object]", table))
            if rule.name in names:
                raise RuleError(f"rule {rule.name}, name: takes a name that no other rule has")
            if rule.deed in of_deed:
                raise RuleError(f"rule {rule.name}, deed: takes one that no other rule has, and {rule.deed} has one")
            names.add(rule.name)
            of_deed[rule.deed] = rule
        return cls(of_deed)


def _read(number: int, table: dict[str, object]) -> Rule:
    name = table.get("name")
    label = name if isinstance(name, str) and _is_name(name) else str(number)
    for field in table:
        if field not in _TAKES:
            raise RuleError(f"rule {label}, {field}: no such field; there are {', '.join(_TAKES)}")
    for field, (is_right, takes) in _TAKES.items():
        if field not in table and field in _OPTIONAL:
            continue
        if field not in table:
            raise RuleError(f"rule {label}, {field}: is missing; it takes {takes}")
        if not is_right(table[field]):
            raise RuleError(f"rule {label}, {field}: takes {takes}, not {str(table[field])[:MAX_NAME_CHARS]!r}")
    if ("from_day" in table) != (table["deed"] == STREAK):
        raise RuleError(f"rule {label}, from_day: a streak takes it, and nothing else does")
    return Rule(
        name=str(table["name"]),
        deed=str(table["deed"]),
        xp=cast("int", table["xp"]),
        per_day=cast("int | None", table.get("per_day")),
        from_day=cast("int", table.get("from_day", 1)),
        why=str(table["why"]),
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _is_deed(value: object) -> bool:
    return isinstance(value, str) and value in DEEDS


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= MAX_WHY_CHARS


def _whole(first: int, last: int) -> tuple[Callable[[object], bool], str]:
    def is_right(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and first <= value <= last

    return is_right, f"a whole number from {first} to {last}"


_OPTIONAL: Final = frozenset({"per_day", "from_day"})
_TAKES: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "name": (_is_name, f"a name of at most {MAX_NAME_CHARS} small letters, digits and _"),
    "deed": (_is_deed, f"one of {', '.join(DEEDS)}"),
    "xp": _whole(1, MAX_XP),
    "per_day": _whole(1, MAX_PER_DAY),
    "from_day": _whole(1, MAX_FROM_DAY),
    "why": (_is_text, f"a reason of at most {MAX_WHY_CHARS} characters"),
}
