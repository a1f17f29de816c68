"""The window or pane that a path names. Pure."""

import re
from typing import Final

from services.contract.errors import ErrorCode, QuestmuxError

_PANE: Final = re.compile(r"%?([0-9]{1,9})")
_WINDOW: Final = re.compile(r"@?([0-9]{1,9})")


def read_pane_id(text: str) -> str:
    """A pane id of a path, which may leave out its `%`.

    Raises:
        QuestmuxError: it is none.
    """
    match = _PANE.fullmatch(text)
    if match is None:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, "pane_id is wrong: it takes %3, written %253, or 3")
    return f"%{match[1]}"


def read_window_id(text: str) -> str:
    """A window id of a path, which may leave out its `@`.

    Raises:
        QuestmuxError: it is none.
    """
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, "window_id is wrong: it takes @1, or 1")
    return f"@{match[1]}"
