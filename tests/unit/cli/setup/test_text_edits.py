import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.setup.json_text import Value, parse
from services.cli.setup.text_edits import (
    Edit,
    added_item,
    added_members,
    apply,
    dropped,
    is_blank_after,
    rendered,
    style_of,
)


def root_of(text: str) -> Value:
    root = parse(text)
    assert root is not None
    return root


def test_edits_are_made_in_the_order_of_their_places() -> None:
    assert apply("abcdef", [Edit(4, 5, "X"), Edit(0, 1), Edit(6, 6, "!"), Edit(6, 6, "?")]) == "bcdXf!?"


@given(st.lists(st.integers(), max_size=6), st.sampled_from([None, 2, "\t"]), st.data())
def test_what_was_dropped_is_gone_and_the_rest_is_there(
    items: list[int], indent: int | str | None, data: st.DataObject
) -> None:
    text = json.dumps(items, indent=indent)
    indexes = data.draw(st.sets(st.sampled_from(range(len(items))))) if items else set()

    left = apply(text, dropped(text, root_of(text), indexes))

    assert json.loads(left) == [item for index, item in enumerate(items) if index not in indexes]


@given(st.lists(st.integers(), min_size=1, max_size=4), st.sampled_from([None, 2, "\t"]), st.integers())
def test_what_was_added_is_dropped_exactly(items: list[int], indent: int | str | None, item: int) -> None:
    text = json.dumps(items, indent=indent)
    root = root_of(text)

    longer = apply(text, added_item(text, root, item, style_of(text, root)))

    assert json.loads(longer) == [*items, item]
    assert apply(longer, dropped(longer, root_of(longer), {len(items)})) == text


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("{}", '{\n  "b": 2\n}'),
        ("{ }", '{\n  "b": 2\n}'),
        ('{"a": 1}', '{"a": 1, "b": 2}'),
        ('{\n "a": 1\n}', '{\n "a": 1,\n "b": 2\n}'),
        ('{\r\n\t"a": 1,\r\n}', '{\r\n\t"a": 1,\r\n\t"b": 2,\r\n}'),
        ('{\n  "a": 1 // one\n}', '{\n  "a": 1, // one\n  "b": 2\n}'),
        ('{\n  "a": 1, // one\n}', '{\n  "a": 1, // one\n  "b": 2,\n}'),
        ('{\n  "a": 1 /* one */\n}', '{\n  "a": 1, /* one */\n  "b": 2\n}'),
        ("{\n  // nothing\n}", '{\n  "b": 2\n  // nothing\n}'),
    ],
    ids=repr,
)
def test_a_member_is_added_in_the_texts_own_layout(text: str, becomes: str) -> None:
    root = root_of(text)

    assert apply(text, added_members(text, root, {"b": 2}, style_of(text, root))) == becomes


def test_an_empty_list_deep_inside_opens_up_at_its_depth() -> None:
    text = '{\n    "a": []\n}'
    root = root_of(text)

    assert apply(text, added_item(text, root.items[0], 1, style_of(text, root))) == '{\n    "a": [\n        1\n    ]\n}'


def test_a_value_on_one_line_and_on_several() -> None:
    style = style_of("{}", root_of("{}"))

    assert rendered({"ü": [1]}, style, None) == '{"ü": [1]}'
    assert rendered([1], style, "    ") == "[\n      1\n    ]"


def test_a_comment_is_something_left() -> None:
    text = "[1 /* why */]"

    assert not is_blank_after(text, root_of(text), [Edit(1, 2)])
    assert is_blank_after("[1 ]", root_of("[1 ]"), [Edit(1, 2)])
