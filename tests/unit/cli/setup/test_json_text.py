import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.setup.json_text import MAX_DEPTH, JsonTextError, parse, plain

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 1, 4, "\t"]), st.booleans())
def test_reads_what_the_standard_library_writes(value: Any, indent: int | str | None, is_ascii: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    root = parse(f" \r\n{text}\n")

    assert root is not None
    assert plain(f" \r\n{text}\n", root) == value


def test_every_value_knows_its_place() -> None:
    text = '{ "a" : [1, "x,]}"] /* c */, // d\n "a": null, }'
    root = parse(text)

    assert root is not None
    assert [text[item.start : item.end] for item in root.items] == ['[1, "x,]}"]', "null"]
    assert [text[at] for at in root.commas] == [",", ","]
    assert [text[start : start + 3] for start in root.starts()] == ['"a"', '"a"']
    assert root.member("a") == root.items[1]
    assert root.member("b") is None


@pytest.mark.parametrize("text", ["", " \r\n\t", "// only this", "/* and\nthis */ ", "\ufeff", "\ufeff\n"], ids=repr)
def test_a_text_may_have_no_value(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "line 1, column 2: a member without a name"),
        ('{"a" 1}', "column 6: no colon"),
        ('{"a": 1 "b": 2}', "column 9: neither a comma nor }"),
        ("[1,\n2,\n,]", "line 3, column 1: no JSON value"),
        ("{a: 1}", "column 2: a member without a name in quotes"),
        ("['x']", "no JSON value"),
        ('["a\nb"]', "a text without its end"),
        ('["\\x"]', "a text without its end"),
        ("[01]", "no JSON value"),
        ("[1.]", "no JSON value"),
        ("[truer]", "no JSON value"),
        ("[NaN]", "no JSON value"),
        ("{} {}", "something after the end"),
        ("{} /* open", "a comment without its end"),
        ("[" * (MAX_DEPTH + 2), f"nested deeper than {MAX_DEPTH}"),
    ],
    ids=repr,
)
def test_what_is_not_json_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(JsonTextError, match=says.replace("(", r"\(").replace("]", r"\]")):
        parse(text)
