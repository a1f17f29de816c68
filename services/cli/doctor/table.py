"""The findings as a person reads them, in lines of 80 columns. Pure."""

import textwrap
from collections.abc import Sequence
from typing import Final

from services.cli.doctor.finding import Finding, Grade
from services.cli.printable import printable

COLUMNS: Final = 80
GRADE_COLUMNS: Final = max(map(len, Grade))
ARROW: Final = "-> "
COLOURS: Final = {Grade.PASS: "32", Grade.ADVICE: "33", Grade.FAIL: "31"}


def rows(mended: Sequence[str], findings: Sequence[Finding], *, has_colour: bool) -> list[str]:
    """What was mended, then each finding; a command that mends is never broken, so that it can be copied."""
    width = max((len(finding.name) for finding in findings), default=0)
    done = [row for sentence in mended for row in _wrapped(f"mended: {printable(sentence)}", "", " " * 8)]
    return [*done, *(row for finding in findings for row in _rows_of(finding, width, has_colour=has_colour))]


def _rows_of(finding: Finding, width: int, *, has_colour: bool) -> list[str]:
    indent = " " * (GRADE_COLUMNS + width + 2)
    grade = f"{finding.grade:<{GRADE_COLUMNS}}"
    first, *more = _wrapped(printable(finding.says), f"{grade} {finding.name:<{width}} ", indent)
    if has_colour:
        first = f"\x1b[{COLOURS[finding.grade]}m{grade}\x1b[0m{first[GRADE_COLUMNS:]}"
    mend = [f"{indent}{ARROW}{printable(finding.mend)}"] if finding.mend else []
    return [first, *more, *mend]


def _wrapped(text: str, first: str, indent: str) -> list[str]:
    lines = textwrap.wrap(
        text, COLUMNS, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return lines or [first.rstrip()]
