"""Screens for tests."""

from collections.abc import Sequence

from services.contract import codec
from services.contract.entities import Cursor, Screen


def make_screen(
    lines: Sequence[str] = ("",), *, pane_id: str = "%1", at: int = 1, width: int = 80, cursor: int = 0
) -> Screen:
    return Screen(
        pane_id=pane_id,
        captured_at=at,
        width=width,
        height=len(lines),
        cursor=Cursor(x=cursor, y=0, visible=True),
        lines=tuple(lines),
    )


def body_of(screen: Screen) -> bytes:
    """As core sends it."""
    return codec.encode(screen)
