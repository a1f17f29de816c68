import pytest

from services.cli.demo.drawing import GLYPHS, RESET, clipped, redrawn, spun, timed


def test_the_first_screen_is_drawn_whole() -> None:
    assert redrawn("", "a\nb").decode() == RESET + "\x1b[1;1H\x1b[2Ka\x1b[2;1H\x1b[2Kb"


def test_then_only_rows_that_differ() -> None:
    assert redrawn("a\nb\nc", "a\nx\nc").decode() == "\x1b[2;1H\x1b[2Kx"
    assert redrawn("a", "a") == b""


def test_the_end_of_the_last_line_is_no_row() -> None:
    assert redrawn("", "a\n") == redrawn("", "a")
    assert redrawn("a\n", "a") == b""
    assert clipped("a\nb\n", 9, 2) == "a\nb"


def test_rows_that_are_no_more_are_emptied() -> None:
    assert redrawn("a\nb", "a").decode() == "\x1b[2;1H\x1b[2K"


@pytest.mark.parametrize(
    ("columns", "rows", "seen"),
    [(9, 9, "abc\ndef\nghi"), (2, 9, "ab\nde\ngh"), (9, 2, "def\nghi"), (9, 3, "abc\ndef\nghi")],
)
def test_a_small_pane_shows_the_last_rows(columns: int, rows: int, seen: str) -> None:
    assert clipped("abc\ndef\nghi", columns, rows) == seen


def test_the_spinner_turns_and_nothing_else() -> None:
    screen = "● Write(notes.txt)\n· Ebbing… (0s · ↓ 1 tokens)\n> · x"

    assert [spun(screen, number).split("\n")[1][0] for number in range(len(GLYPHS))] == list(GLYPHS)
    assert spun(screen, 3).replace(GLYPHS[3], "·") == screen
    assert spun("● Done · it… is", 1) == "● Done · it… is"


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("· Ebbing… (1s · ↓ 30 tokens)", "· Ebbing… (13s · ↓ 30 tokens)"),
        ("· Ebbing… (running Stop hook · 2s · ↓ 3 tokens)", "· Ebbing… (running Stop hook · 14s · ↓ 3 tokens)"),
        ("· Ebbing… (running Stop hook · 2s)", "· Ebbing… (running Stop hook · 14s)"),
        ("✻ Brewed for 2s · done 7:21 PM", "✻ Brewed for 14s · done 9:05 AM"),
        ("● Waited for 2s · he said", "● Waited for 2s · he said"),
        ("· Ebbing…", "· Ebbing…"),
    ],
    ids=repr,
)
def test_the_screen_knows_of_the_time_that_was_added(recorded: str, shown: str) -> None:
    assert timed(recorded, 12, "9:05 AM") == shown
