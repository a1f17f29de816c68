import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.contract.entities import Cursor
from services.poller.capture import CaptureError, plain_text, read_capture, read_lines, read_runs

Cell = tuple[str, frozenset[tuple[str, object]]]
FLAGS = {
    1: "bold",
    2: "dim",
    3: "italic",
    5: "blink",
    6: "blink",
    7: "reverse",
    8: "hidden",
    9: "strike",
    53: "overline",
}
OFF = {22: ("bold", "dim"), 23: ("italic",), 24: ("under",), 25: ("blink",), 27: ("reverse",), 28: ("hidden",)} | {
    29: ("strike",),
    55: ("overline",),
    39: ("fg",),
    49: ("bg",),
    59: ("line",),
}
COLOURS = {38: "fg", 48: "bg", 58: "line"}
BOX = dict(zip("lqkxmj`~a", "┌─┐│└┘◆·▒", strict=True))


class Terminal:
    """A terminal of lines of cells, as small as can be: what any reader of a capture would see."""

    def __init__(self) -> None:
        self.lines: list[list[Cell]] = [[]]
        self.style: dict[str, object] = {}
        self.draws = False

    def show(self, text: str) -> "Terminal":
        for escape, char in re.findall(r"\x1b\[([0-9;:]*m)|(.)", text, re.DOTALL):
            if escape:
                self.change(escape[:-1].split(";"))
            elif char == "\n":
                self.lines.append([])
            elif char in "\x0e\x0f":
                self.draws = char == "\x0e"
            else:
                drawn = BOX.get(char, char) if self.draws else char
                self.lines[-1].append((drawn, frozenset(self.style.items())))
        return self

    def change(self, words: list[str]) -> None:
        while words:
            code, *parts = (int(number or 0) for number in words.pop(0).split(":"))
            if code in COLOURS:
                if not parts:
                    parts = [int(words.pop(0)) for _ in range({"5": 2, "2": 4}[words[0]])]
                self.style[COLOURS[code]] = tuple(parts[-3:] if parts[0] == 2 else parts[-1:])
            elif code == 0:
                self.style.clear()
            elif code in OFF or (code, parts) == (4, [0]):
                for name in OFF.get(code, ("under",)):
                    self.style.pop(name, None)
            else:
                name, value = self.meaning(code, parts)
                self.style[name] = value

    def meaning(self, code: int, parts: list[int]) -> tuple[str, object]:
        if code == 4:
            return "under", parts[0] if parts else 1
        if code == 21:
            return "under", 2
        if (code, parts) == (5, [3]):
            return "overline", True
        if code in FLAGS:
            return FLAGS[code], True
        return "fg" if code // 10 in {3, 9} else "bg", code % 10 + 8 * (code >= 90)


def picture(cells: list[Cell]) -> list[Cell]:
    """A line of cells, without default blanks at its end."""
    end = len(cells)
    while end and cells[end - 1] == (" ", frozenset()):
        end -= 1
    return cells[:end]


number = st.integers(0, 255).map(str)
rgb = st.tuples(number, number, number)
colour = st.sampled_from(["38", "48", "58"]).flatmap(
    lambda code: st.one_of(
        number.map(lambda n: f"{code};5;{n}"),
        number.map(lambda n: f"{code}:5:{n}"),
        rgb.map(lambda three: ";".join([code, "2", *three])),
        rgb.map(lambda three: ":".join([code, "2", "", *three])),
        rgb.map(lambda three: ":".join([code, "2", *three])),
    )
)
codes = [*range(1, 10), 21, *range(22, 26), *range(27, 38), 39, *range(40, 48), 49, 53, 55, 59, *range(90, 98)]
simple = st.sampled_from(["", "0", *map(str, [*codes, *range(100, 108)]), *(f"4:{way}" for way in range(6)), "5:3"])
sgr = st.lists(st.one_of(simple, colour), min_size=1, max_size=4).map(lambda words: f"\x1b[{';'.join(words)}m")
words = st.text(alphabet="lqx m~`aZ 界é", min_size=1, max_size=6)
capture = st.lists(st.one_of(sgr, sgr, words, words, st.sampled_from("\n\n\x0e\x0f")), max_size=30).map("".join)


@given(capture)
@example("\x1b[1m\x1b[31mbold red\nstill\x1b[0m\x1b[39m\x1b[49m plain")
@example("\x1b[1;2mx\x1b[22;1my\x1b[0;4:3mz\x1b[4mz")
@example("\x0elq\nx\x0fx")
def test_each_line_alone_shows_what_the_capture_shows(text: str) -> None:
    shown = [picture(cells) for cells in Terminal().show(text).lines]

    lines = read_lines(text.encode(), len(shown))

    assert [picture(Terminal().show(line).lines[0]) for line in lines] == shown
    for line in lines:
        assert not Terminal().show(line).style
        assert not line.endswith(" ")
        assert plain_text(line) == "".join(char for char, _ in Terminal().show(line).lines[0])


@given(st.binary() | st.text(alphabet="\x1b[]m;:3841\x07\\\x0e\x0f\tq\n 5").map(str.encode), st.integers(0, 5))
def test_whatever_comes_only_text_and_styles_are_left(text: bytes, height: int) -> None:
    lines = read_lines(text, height)

    assert len(lines) == height
    for line in lines:
        assert not re.search("[\x00-\x1f\x7f-\x9f]", plain_text(line))


@pytest.mark.parametrize(
    ("printed", "lines"),
    [
        ("a\nb\n", ("a", "b", "")),
        ("a\nb\nc\nd", ("a", "b", "c")),
        ("", ("", "", "")),
        ("\x1b[31mred\n\nstill\x1b[0m", ("\x1b[31mred\x1b[0m", "", "\x1b[31mstill\x1b[0m")),
        ("\x1b[31mred\n\x1b[0m\x1b[39m\x1b[49mnot", ("\x1b[31mred\x1b[0m", "not", "")),
        ("\x1b[1m\x1b[31ma\x1b[0m\x1b[31mb", ("\x1b[1;31ma\x1b[22mb\x1b[0m", "", "")),
        ("\x1b[1;2;3ma\x1b[0;1mb", ("\x1b[1;2;3ma\x1b[0;1mb\x1b[0m", "", "")),
        ("\x1b[2ma\x1b[1mb\x1b[22;2mc", ("\x1b[2ma\x1b[1mb\x1b[0;2mc\x1b[0m", "", "")),
        ("a  \x1b[31m\x1b[0m  ", ("a", "", "")),
        ("a  \x1b[41m  \x1b[0m  \n\x1b[4m  ", ("a  \x1b[41m  \x1b[0m", "\x1b[4m  \x1b[0m", "")),
        ("\x1b[7ma\x1b[0m  ", ("\x1b[7ma\x1b[0m", "", "")),
        ("\x1b[38:2::1:2:3ma\x1b[48:5:9mb", ("\x1b[38;2;1;2;3ma\x1b[48;5;9mb\x1b[0m", "", "")),
        ("\x1b[58;5;3;4:3ma\x1b[59mb\x1b[24mc", ("\x1b[4:3;58;5;3ma\x1b[59mb\x1b[0mc", "", "")),
        ("\x1b[5:3ma\x1b[55mb\x1b[21mc", ("\x1b[53ma\x1b[0mb\x1b[4:2mc\x1b[0m", "", "")),
        ("\x1b[38;5ma\x1b[38;9mb\x1b[38:2:1mc\x1b[99;777;31md", ("abc\x1b[31md\x1b[0m", "", "")),
        ("\x0elqk\x0f lqk\x0e\x1b[31mx", ("┌─┐ lqk\x1b[31m│\x1b[0m", "", "")),
        ("\x1b]8;;http://a/;b\x1b\\link\x1b]8;;\x1b\\ \x1b]0;title\x07end", ("link end", "", "")),
        ("a\x1b[2Kb\x1b7c\x1b(0d\x1b\x1b[?25he\x1b", ("abcde", "", "")),
        ("\x1bPq#0\x1b\\a\x1b[3\x001mb", ("a31mb", "", "")),
        ("a\rb\x00c\x7fd\u009be", ("abcde", "", "")),
        ("a\tb\n界\tc\n\x1b[41ma\t\x1b[0m|", ("a       b", "界      c", "\x1b[41ma       \x1b[0m|")),
    ],
)
def test_reads(printed: str, lines: tuple[str, ...]) -> None:
    assert read_lines(printed.encode(), 3) == lines


def test_the_runs_of_a_line_have_their_attributes() -> None:
    runs = [(text, sorted(attributes - {""})) for text, attributes in read_runs("a\x1b[2;4:3;38;5;7mb\x1b[22mc\x1b[0m")]

    assert runs == [("a", []), ("b", ["2", "4:3"]), ("c", ["4:3"]), ("", [])]


def test_bytes_that_are_no_text_are_marked() -> None:
    assert read_lines(b"a\xff\xfeb\xe7\x95", 1) == ("a\ufffd\ufffdb\ufffd",)


def test_a_screen_has_what_tmux_told_of_the_pane() -> None:
    screen = read_capture("%7 110 2 5 1 1 0", "● hi\n".encode(), 1_800)

    assert (screen.pane_id, screen.captured_at, screen.width, screen.height) == ("%7", 1_800, 110, 2)
    assert screen.cursor == Cursor(x=5, y=1, visible=True)
    assert screen.lines == ("● hi", "")
    assert not read_capture("%7 110 2 5 1 0 1", b"", 0).cursor.visible


@pytest.mark.parametrize("meta", ["", "%7 110 2 5 1 1", "%7 110 2 5 1 1 0 0", "%7 110 x 5 1 1 0", "%7 110 2 5 1 x 0"])
def test_other_facts_than_asked_for_are_refused(meta: str) -> None:
    with pytest.raises(CaptureError):
        read_capture(meta, b"", 0)
