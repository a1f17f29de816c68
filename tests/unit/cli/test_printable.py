import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.printable import json_line, printable

TEXTS = st.text(st.characters())
"""Any characters, lone surrogates too."""


@given(TEXTS)
def test_no_character_is_lost_and_none_drives_the_terminal(text: str) -> None:
    shown = printable(text)

    assert len(shown) == len(text)
    assert shown.isprintable()


def test_what_can_be_printed_stays() -> None:
    assert printable("zażółć 猫 x\x1b[31m") == "zażółć 猫 x\ufffd[31m"


@pytest.mark.parametrize("text", ["\x7f", "\x9b31m", "\u202e", "\n", "\U000e0001", "\ud800", '猫 \\ "'], ids=ascii)
def test_json_reads_back_as_the_same(text: str) -> None:
    line = json_line({"a": text})

    assert line.isprintable()
    assert json.loads(line) == {"a": text}


@given(st.dictionaries(TEXTS, TEXTS | st.integers() | st.none()))
def test_any_json_is_one_printable_line(value: dict[str, str | int | None]) -> None:
    # Surrogates that stand side by side come back as the one character that they make.
    same = {json.loads(json.dumps(key)): json.loads(json.dumps(each)) for key, each in value.items()}

    assert json_line(value).isprintable()
    assert json.loads(json_line(value)) == same
