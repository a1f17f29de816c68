"""What a query asks for: numbers and switches, within bounds and given once."""

import re
from collections.abc import Sequence
from typing import Final

from falcon.asgi import Request

from services.contract.errors import ErrorCode, QuestmuxError

MAX_NUMBER: Final = 2**53 - 1
"""What every client can read and write exactly."""
ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_SWITCH: Final = {"true": True, "false": False}


def read_number(req: Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number of the query.

    Raises:
        QuestmuxError: it is none, given twice, or out of bounds.
    """
    given = req.get_param_as_list(name)
    if given is None:
        return default
    text = given[0] if len(given) == 1 else ""
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(MAX_NUMBER)) and low <= int(text) <= high):
        raise QuestmuxError(ErrorCode.INVALID_FIELD, f"{name} is wrong: it takes a whole number from {low} to {high}")
    return int(text)


def read_word(req: Request, name: str, words: Sequence[str], default: str | None = None) -> str:
    """One of some words of the query.

    Raises:
        QuestmuxError: it is none of them, given twice, or missing without a default.
    """
    given = req.get_param_as_list(name)
    if given is None and default is not None:
        return default
    if given is None or len(given) != 1 or given[0] not in words:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, f"{name} is wrong: it takes {' or '.join(words)}")
    return given[0]


def read_id(req: Request, name: str) -> str:
    """An id of the query.

    Raises:
        QuestmuxError: it is missing, given twice, or no id.
    """
    given = req.get_param_as_list(name) or [""]
    if len(given) != 1 or ID.fullmatch(given[0]) is None:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, f"{name} is wrong: it takes the id of one")
    return given[0]


def read_switch(req: Request, name: str, *, default: bool) -> bool:
    """A `true` or `false` of the query.

    Raises:
        QuestmuxError: it is neither, or given twice.
    """
    given = req.get_param_as_list(name)
    if given is None:
        return default
    if len(given) != 1 or given[0] not in _SWITCH:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, f"{name} is wrong: it takes true or false")
    return _SWITCH[given[0]]
