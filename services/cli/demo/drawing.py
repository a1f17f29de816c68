"""What is written to a terminal so that it shows a screen, and what of a recorded screen depends on the time. Pure."""

import re
from typing import Final

RESET: Final = "\x1b[?25l\x1b[?7l\x1b[H\x1b[2J"
"""No cursor, no wrapping, nothing there: the last row can be filled, and nothing ever scrolls."""
GLYPHS: Final = "·✢*✶✻✽✻✶*✢"
"""The spinner of Claude Code 2.1.330, in the order of the recordings."""
_SPINNER: Final = re.compile(r"^[·✢✳∗*✶✻✽](?= \w+…)", re.MULTILINE)  # noqa: RUF001 - as they are drawn
_WORKED: Final = re.compile(r"(?:(?<=\()|(?<=hook · )|(?<=hooks · )|(?<=for ))(\d+)s(?= ·|\))")
_DONE_AT: Final = re.compile(r"(?<=· done )\d+:\d\d [AP]M")


def redrawn(before: str, after: str) -> bytes:
    """What makes one screen of another: the rows that differ; all of it after an empty one."""
    old, new = rows_of(before) if before else [], rows_of(after)
    rows = [
        f"\x1b[{number};1H\x1b[2K{row}"
        for number, row in enumerate(new, 1)
        if number > len(old) or row != old[number - 1]
    ]
    if not old:
        return (RESET + "".join(rows)).encode()
    rows += [f"\x1b[{number};1H\x1b[2K" for number in range(len(new) + 1, len(old) + 1)]
    return "".join(rows).encode()


def clipped(screen: str, columns: int, rows: int) -> str:
    """What of a screen is seen in a smaller pane: the beginnings of its last rows."""
    return "\n".join(row[:columns] for row in rows_of(screen)[-rows:])


def rows_of(screen: str) -> list[str]:
    """Its rows; a recorded one ends with a line's end, after which there is no other row."""
    return screen.removesuffix("\n").split("\n")


def spun(screen: str, number: int) -> str:
    """The screen with the spinner's next glyph; the same without a spinner."""
    return _SPINNER.sub(GLYPHS[number % len(GLYPHS)], screen, count=1)


def timed(screen: str, held_s: int, clock: str) -> str:
    """The screen of work that took so much longer, and ended at this time, as `7:21 PM`."""
    if _SPINNER.search(screen) is None and "· done " not in screen:
        return screen
    return _DONE_AT.sub(clock, _WORKED.sub(lambda found: f"{int(found[1]) + held_s}s", screen))
