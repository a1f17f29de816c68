"""Text that must fit into so many cells of a terminal. Pure.

Widths are Unicode's (UAX 11): wide and fullwidth characters take two cells, combining marks none, all others one. A
terminal may think otherwise of a few; whoever draws keeps lines from wrapping for their sake.
"""

import unicodedata
from typing import Final

from services.cli.printable import printable

ELLIPSIS: Final = "…"
WITHOUT_A_CELL: Final = frozenset({"Mn", "Me"})
EMOJI_STYLE: Final = "\ufe0f"
"""Asks for the colourful picture of the character before it, which some terminals draw in two cells and some in one."""


def one_line(text: str) -> str:
    """Text of others as one line that drives no terminal: any blanks and line ends become one blank."""
    return printable(" ".join(text.split())).replace(EMOJI_STYLE, "")


def cells(text: str) -> int:
    """How many cells a printable text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def cut(text: str, width: int) -> str:
    """As much of a printable text as has room, with an ellipsis when that is not all."""
    if cells(text) <= width:
        return text
    if width < 1:
        return ""
    left = width - 1
    end = 0
    for character in text:
        left -= _cells(character)
        if left < 0:
            break
        end += 1
    return text[:end].rstrip() + ELLIPSIS


def fitted(text: str, width: int) -> str:
    """The text in just so many cells: cut, or with blanks at its end."""
    short = cut(text, width)
    return short + " " * (width - cells(short))


def _cells(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in WITHOUT_A_CELL:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
