"""What a client is told so that it shows a pane's newest screen: the whole, or what differs from what it has. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from services.contract.entities import Screen
from services.contract.updates import TerminalDiff, TerminalOutput

TRIED_SCROLLS: Final = 3
LINE_CHARS: Final = 3
"""What JSON adds to a line: quotes and a comma."""
ROW_CHARS: Final = 5
"""What a diff adds besides: the row's number, its quotes and a colon."""


def whole(screen: Screen) -> TerminalOutput:
    """The message that needs nothing before it."""
    return TerminalOutput(
        pane_id=screen.pane_id,
        captured_at=screen.captured_at,
        width=screen.width,
        height=screen.height,
        cursor=screen.cursor,
        lines=screen.lines,
    )


def diff_between(before: Screen, after: Screen) -> TerminalDiff | TerminalOutput | None:
    """The smaller of a diff and the whole; the whole when the size is another; None when both look the same."""
    if _shape(before) != _shape(after):
        return whole(after)
    if (before.lines, before.cursor) == (after.lines, after.cursor):
        return None
    scroll, rows = _least_change(before.lines, after.lines)
    if _chars(rows) >= sum(len(line) + LINE_CHARS for line in after.lines):
        return whole(after)
    return TerminalDiff(
        pane_id=after.pane_id, captured_at=after.captured_at, cursor=after.cursor, scroll=scroll, lines=rows
    )


def applied(lines: Sequence[str], diff: TerminalDiff) -> tuple[str, ...]:
    """The lines that a client has after a diff: it scrolls first, then replaces."""
    moved = _scrolled(lines, diff.scroll)
    for row, line in diff.lines.items():
        moved[row] = line
    return tuple(moved)


def _shape(screen: Screen) -> tuple[int, int, int]:
    return screen.width, screen.height, len(screen.lines)


def _least_change(before: Sequence[str], after: Sequence[str]) -> tuple[int, dict[int, str]]:
    """The scroll that leaves least to say, with the rows that are left to replace."""
    changes = [(scroll, _changed_rows(_scrolled(before, scroll), after)) for scroll in _scrolls(before, after)]
    return min(changes, key=lambda change: _chars(change[1]))


def _scrolls(before: Sequence[str], after: Sequence[str]) -> list[int]:
    """Those worth trying: none at all, and those that put most lines where they are now."""
    row_before = {line: row for row, line in enumerate(before) if line}
    moves = (row_before.get(line, row) - row for row, line in enumerate(after))
    votes = Counter(move for move in moves if move > 0)
    return [0, *(scroll for scroll, _ in votes.most_common(TRIED_SCROLLS))]


def _scrolled(lines: Sequence[str], scroll: int) -> list[str]:
    return [*lines[scroll:], *[""] * scroll]


def _changed_rows(before: Sequence[str], after: Sequence[str]) -> dict[int, str]:
    return {row: new for row, (old, new) in enumerate(zip(before, after, strict=True)) if old != new}


def _chars(rows: Mapping[int, str]) -> int:
    return sum(len(line) + LINE_CHARS + ROW_CHARS for line in rows.values())
