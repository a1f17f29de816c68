"""Where a new pane goes, so that every pane of the window stays usable. Pure."""

import re
from typing import Final

from msgspec import Struct

MAX_PANES: Final = 8
"""Of one window: more are too small to work in on any screen."""
MIN_WIDTH: Final = 40
MIN_HEIGHT: Final = 8
"""Of each half of a split pane, in cells: Claude Code's dialogs fit."""
CELL_RATIO: Final = 2
"""A cell is about twice as high as wide."""

_LEAF: Final = re.compile(r"(\d+)x(\d+),\d+,\d+,(\d+)(?![x\d])")


class Split(Struct, frozen=True):
    """A pane to split, and how."""

    pane_id: str
    is_side_by_side: bool


class NoRoomError(Exception):
    """The window has no room for one more pane; the message says why."""


def choose_split(layout: str) -> Split:
    """The largest pane that can be halved, along its longer side; `layout` is tmux's `window_layout`.

    Splitting the largest leaves a person's own arrangement as it is.

    Raises:
        NoRoomError: the window is full.
    """
    panes = [(int(width), int(height), f"%{number}") for width, height, number in _LEAF.findall(layout)]
    if len(panes) >= MAX_PANES:
        raise NoRoomError(f"the window has {len(panes)} panes already; open another window")
    for width, height, pane_id in sorted(panes, key=lambda pane: -pane[0] * pane[1]):
        fits_beside = width >= 2 * MIN_WIDTH + 1
        fits_below = height >= 2 * MIN_HEIGHT + 1
        if fits_beside and (width >= CELL_RATIO * height or not fits_below):
            return Split(pane_id, is_side_by_side=True)
        if fits_below:
            return Split(pane_id, is_side_by_side=False)
    raise NoRoomError(f"no pane of the window can be halved into {MIN_WIDTH}x{MIN_HEIGHT} cells; open another window")
