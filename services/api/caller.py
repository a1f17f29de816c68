"""Who asks for a command, as the audit names them. Pure."""

from typing import Final

MAX_CALLER_CHARS: Final = 200


def name_caller(address: str, user_agent: str | None) -> str:
    """The client's address and User-Agent on one line, without what a log or terminal would not show as it is."""
    text = address if user_agent is None else f"{address} {user_agent}"
    return "".join(char for char in text if char.isprintable())[:MAX_CALLER_CHARS].strip()
