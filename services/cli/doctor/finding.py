"""One line of what the doctor says. Pure."""

import shlex
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from msgspec import Struct


class Grade(StrEnum):
    """How good it is."""

    PASS = "pass"  # noqa: S105 - a grade
    ADVICE = "advice"
    FAIL = "fail"


class Finding(Struct, frozen=True):
    """What was looked at, how good it is, a sentence, and the command that mends it."""

    name: str
    grade: Grade
    says: str
    mend: str = ""


def well(name: str, says: str) -> Finding:
    """It is as it should be."""
    return Finding(name, Grade.PASS, says)


def advice(name: str, says: str, mend: str = "") -> Finding:
    """It works, and could be better."""
    return Finding(name, Grade.ADVICE, says, mend)


def fault(name: str, says: str, mend: str = "") -> Finding:
    """It does not work."""
    return Finding(name, Grade.FAIL, says, mend)


def command(*words: str | Path) -> str:
    """A command as it is typed, whatever stands in the names of files."""
    return shlex.join(map(str, words))


def exit_code(findings: Sequence[Finding]) -> int:
    """0: all pass; 1: there is advice; 2: something does not work."""
    grades = {finding.grade for finding in findings}
    return 2 if Grade.FAIL in grades else 1 if Grade.ADVICE in grades else 0
