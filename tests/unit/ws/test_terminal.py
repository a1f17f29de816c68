from hypothesis import given
from hypothesis import strategies as st

from services.contract.entities import Screen
from services.contract.updates import TerminalDiff, TerminalOutput
from services.ws.terminal import applied, diff_between
from tests.unit.ws.screen import make_screen

FOOTER = ("╭──────────╮", "│ > │", "╰──────────╯")


def numbered(first: int, count: int) -> tuple[str, ...]:
    return tuple(f"line {number} of what the agent says" for number in range(first, first + count))


def make_diff(before: Screen, after: Screen) -> TerminalDiff:
    diff = diff_between(before, after)
    assert isinstance(diff, TerminalDiff)
    return diff


any_line = st.one_of(st.sampled_from(["", "a", "b", "\x1b[1mbold\x1b[m"]), st.text(max_size=30))
any_lines = st.lists(any_line, max_size=30)


@st.composite
def two_screens(draw: st.DrawFn) -> tuple[Screen, Screen]:
    """Any two, and also two of which the second is like the first, moved and changed a little."""
    before = draw(any_lines)
    if draw(st.booleans()):
        after = draw(any_lines)
    else:
        scroll = draw(st.integers(0, len(before)))
        after = [*before[scroll:], *draw(st.lists(any_line, min_size=scroll, max_size=scroll))]
        for row in draw(st.sets(st.integers(0, max(0, len(after) - 1)), max_size=4)):
            after[row : row + 1] = [draw(any_line)] if after else []
    cursors = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    return make_screen(before, at=1, cursor=cursors[0]), make_screen(after, at=2, cursor=cursors[1])


@given(two_screens())
def test_what_is_told_makes_the_one_screen_of_the_other(screens: tuple[Screen, Screen]) -> None:
    before, after = screens
    match diff_between(before, after):
        case None:
            assert (before.lines, before.cursor) == (after.lines, after.cursor)
        case TerminalOutput() as output:
            assert (output.lines, output.cursor, output.captured_at) == (after.lines, after.cursor, after.captured_at)
        case TerminalDiff() as diff:
            assert applied(before.lines, diff) == after.lines
            assert (diff.cursor, diff.captured_at) == (after.cursor, after.captured_at)


@given(two_screens())
def test_a_scroll_never_makes_more_to_say(screens: tuple[Screen, Screen]) -> None:
    before, after = screens
    told = diff_between(before, after)
    if isinstance(told, TerminalDiff):
        unscrolled = [new for old, new in zip(before.lines, after.lines, strict=True) if old != new]
        assert sum(len(line) + 8 for line in told.lines.values()) <= sum(len(line) + 8 for line in unscrolled)


def test_a_changed_line_is_all_that_is_told() -> None:
    before = make_screen(numbered(0, 24), at=1)
    after = make_screen([*numbered(0, 23), "$ make"], at=2, cursor=6)

    assert diff_between(before, after) == TerminalDiff(
        pane_id="%1", captured_at=2, cursor=after.cursor, scroll=0, lines={23: "$ make"}
    )


def test_text_that_streams_above_a_fixed_footer_is_a_scroll_the_new_lines_and_the_footer() -> None:
    before = make_screen([*numbered(0, 20), *FOOTER])
    diff = make_diff(before, make_screen([*numbered(3, 20), *FOOTER]))

    assert diff.scroll == 3
    assert sorted(diff.lines) == [17, 18, 19, 20, 21, 22]


def test_blank_lines_that_come_in_need_no_words() -> None:
    diff = make_diff(make_screen(numbered(0, 24)), make_screen([*numbered(5, 19), *[""] * 5]))

    assert (diff.scroll, diff.lines) == (5, {})


def test_lines_that_are_there_many_times_hide_no_scroll() -> None:
    talk = [line for text in numbered(0, 15) for line in ("│", text)]
    diff = make_diff(make_screen(talk[:20]), make_screen(talk[4:24]))

    assert (diff.scroll, sorted(diff.lines)) == (4, [16, 17, 18, 19])


def test_a_moved_cursor_is_told_without_lines() -> None:
    diff = make_diff(make_screen(numbered(0, 24), cursor=1), make_screen(numbered(0, 24), cursor=2))

    assert (diff.scroll, diff.lines, diff.cursor.x) == (0, {}, 2)


def test_screens_that_look_the_same_leave_nothing_to_tell() -> None:
    assert diff_between(make_screen(numbered(0, 24), at=1), make_screen(numbered(0, 24), at=2)) is None


def test_another_size_is_told_whole() -> None:
    before = make_screen(numbered(0, 24))
    for after in (make_screen(before.lines, width=81), make_screen(before.lines[:-1])):
        told = diff_between(before, after)
        assert isinstance(told, TerminalOutput)
        assert (told.width, told.height, told.lines) == (after.width, after.height, after.lines)


def test_what_has_nothing_in_common_is_told_whole() -> None:
    assert isinstance(diff_between(make_screen(numbered(0, 24)), make_screen(numbered(100, 24))), TerminalOutput)


def test_a_client_scrolls_before_it_replaces() -> None:
    cursor = make_screen().cursor
    diff = TerminalDiff(pane_id="%1", captured_at=1, cursor=cursor, scroll=1, lines={0: "new", 2: "last"})

    assert applied(["a", "b", "c"], diff) == ("new", "c", "last")
