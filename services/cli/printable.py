"""Text of others, made safe to print. Pure."""

import json
from typing import Any


def printable(line: str) -> str:
    """What a screen or a payload brought in must not drive the person's terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)


def json_line(value: Any) -> str:  # noqa: ANN401 - JSON
    """A value as one line of JSON with every unprintable character escaped, so that it reads back as the same value."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
