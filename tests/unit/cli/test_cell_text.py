import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.cell_text import cells, cut, fitted, one_line

TEXTS = st.text(st.characters())
"""Any characters, lone surrogates too."""


@given(TEXTS)
def test_any_text_becomes_one_line_that_drives_no_terminal(text: str) -> None:
    assert one_line(text).isprintable()


def test_blanks_and_line_ends_become_one_blank() -> None:
    assert one_line("  do\r\n\tthis \x1b[2J now\n") == "do this \ufffd[2J now"


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("zażółć", 6), ("猫", 2), ("\uff57\uff49", 4), ("e\u0301", 1), ("🙂", 2), ("…", 1)],
    ids=repr,
)
def test_a_text_has_its_width(text: str, width: int) -> None:
    assert cells(text) == width


def test_a_heart_is_as_wide_with_and_without_its_style() -> None:
    assert one_line("\u2764\ufe0f") == "\u2764"


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("ab cd", 4, "ab…"),
        ("猫猫猫", 5, "猫猫…"),
        ("猫猫猫", 4, "猫…"),
        ("猫", 1, "…"),
        ("abc", 0, ""),
        ("ae\u0301\u0301bc", 3, "ae\u0301\u0301…"),
    ],
    ids=repr,
)
def test_a_long_text_is_cut_at_its_cells(text: str, width: int, short: str) -> None:
    assert cut(text, width) == short


@given(TEXTS.map(one_line), st.integers(0, 40))
def test_a_fitted_text_takes_just_its_cells(text: str, width: int) -> None:
    assert cells(fitted(text, width)) == width
    assert cells(cut(text, width)) <= width
