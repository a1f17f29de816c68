import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.colors import without_colors
from services.contract.entities import Cursor, Screen

text = st.text(st.characters(exclude_categories=["Cc", "Cs"]))
escape = st.lists(st.integers(0, 255).map(str), max_size=5).flatmap(
    lambda numbers: st.sampled_from(";:").map(lambda sign: f"\x1b[{sign.join(numbers)}m")
)


def screen_of(*lines: str) -> Screen:
    return Screen(
        pane_id="%1", captured_at=1, width=80, height=24, cursor=Cursor(x=1, y=2, visible=False), lines=tuple(lines)
    )


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("", ""),
        ("plain", "plain"),
        ("\x1b[m", ""),
        ("\x1b[1;31merror\x1b[0m: x", "error: x"),
        ("\x1b[38;2;1;2;3ma\x1b[4:3mb\x1b[58:2::1:2:3mc", "abc"),
        ("  in\x1b[7m  \x1b[0m", "  in"),
        ("[31m is text", "[31m is text"),
        ("日本\x1b[0m語 😀", "日本語 😀"),
    ],
)
def test_a_line_keeps_its_text_and_loses_its_colours(line: str, plain: str) -> None:
    assert without_colors(screen_of(line, "x")) == screen_of(plain, "x")


@given(st.lists(st.tuples(escape, text), max_size=5))
def test_no_colour_stays_and_no_text_goes(parts: list[tuple[str, str]]) -> None:
    line = "".join(colour + words for colour, words in parts)

    assert without_colors(screen_of(line)).lines == ("".join(words for _, words in parts).rstrip(" "),)
