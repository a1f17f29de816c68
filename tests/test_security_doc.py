"""The table of threats in docs/security.md: each row names a test, and each named test is there."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
DOCUMENT: Final = (ROOT / "docs/security.md").read_text(encoding="utf-8")
TABLE: Final = re.search(r"^## Threats\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
ROWS: Final = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in (TABLE[1] if TABLE else "").splitlines()
    if line.startswith("| ") and not line.startswith("| threat ")
]
TEST: Final = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
WANTED: Final = (
    "another user on the host",
    "web page on another origin",
    "DNS rebinding",
    "stolen hook token",
    "LAN without a token",
    "path traversal",
    "hostile pane titles",
    "oversized input",
    "log injection",
    "data or runtime folder",
)
"""What has to be in the table, whatever else is."""


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of the tests that pytest would collect in a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(function.name for function in functions if function.name.startswith("test_"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_threat_has_what_stops_it_and_a_test_that_is_there(row: list[str]) -> None:
    assert len(row) == 3, "threat, what stops it, the test"
    assert all(row)
    named = TEST.findall(row[2])

    assert named, "no test is named"
    assert TEST.sub("", row[2]).strip(", ") == "", "something beside the tests"
    assert not [f"{path}::{name}" for path, name in named if name not in names_in(path)]


@pytest.mark.parametrize("threat", WANTED)
def test_a_threat_is_in_the_table(threat: str) -> None:
    assert [row for row in ROWS if threat.lower() in row[0].lower()]
