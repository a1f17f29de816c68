"""A screen without its colours. Pure."""

import re
from typing import Final

import msgspec

from services.contract.entities import Screen

_SGR: Final = re.compile(r"\x1b\[[0-9;:]*m")


def without_colors(screen: Screen) -> Screen:
    """The screen's text alone; blanks that only a colour had made visible go with it."""
    lines = tuple(_SGR.sub("", line).rstrip(" ") for line in screen.lines)
    return msgspec.structs.replace(screen, lines=lines)
