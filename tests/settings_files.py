"""Settings files of Claude Code as people have them, made by chance from a number: the same number, the same file."""

import json
import random
from collections.abc import Callable
from typing import Any, Final

COUNT: Final = 200
THEIRS: Final = {"matcher": "Bash", "hooks": [{"type": "command", "command": "echo 'ünïcode' \"quoted\" # {[,]}"}]}
ODD: Final[dict[int, bytes]] = {
    0: b"",
    1: b" \r\n\t",
    2: b"{}",
    3: b"{ }\n",
    4: b"\xef\xbb\xbf",
    5: b"\xef\xbb\xbf{\r\n}\r\n",
    6: b"// nothing yet\n",
    7: b'{"hooks": {}}',
    8: b'{\n  "hooks": { /* mine */ }\n}',
    9: b'{"hooks":{"Stop":[]},"hooks":{"Stop":[ ]}}',
    10: b'{"a": 1, "a": 2, "hooks": {"Stop": [], "Stop": [{"hooks": []}]}}',
    11: b'{"a":[1,2,],}',
    12: b'{\r  "old mac": true\r}\r',
}


def settings_file(number: int) -> bytes:
    """One file: with other people's hooks, comments, unknown keys, tabs, CRLF, BOM, no final newline, empty, huge."""
    if number in ODD:
        return ODD[number]
    chance = random.Random(number)  # noqa: S311 - the same files each time
    text = json.dumps(
        _settings(chance),
        indent=chance.choice([None, 1, 2, 4, "\t"]),
        ensure_ascii=chance.random() < 0.3,
        separators=chance.choice([None, (",", ":"), (" ,", " : ")]),
    )
    for change, share in _CHANGES:
        if chance.random() < share:
            text = change(text, chance)
    data = text.encode()
    return b"\xef\xbb\xbf" + data if chance.random() < 0.15 else data


def _settings(chance: random.Random) -> dict[str, Any]:
    parts: list[tuple[str, Any]] = [
        ("model", "opus"),
        ("permissions", {"allow": ["Bash(git diff:*)", "Read(//etc/**)"], "deny": []}),
        ("env", {"EMPTY": "", "TEXT": 'a // no comment /* nor this */ \\ " , ] }'}),
        ("unknown", [None, True, -1.5e3, [[]], {}, "\u2028 🜲"]),
        ("statusLine", {"type": "command", "command": "date"}),
    ]
    if chance.random() < 0.6:
        events = chance.sample(["Stop", "PreToolUse", "SessionEnd", "WorktreeCreate", "Made Up"], chance.randint(0, 4))
        parts.append(("hooks", {event: [THEIRS] * chance.randint(0, 3) for event in events}))
    if chance.random() < 0.05:
        parts.append(("huge", ["x" * 1000] * 1000))
    chance.shuffle(parts)
    return dict(parts[: chance.randint(0, len(parts))])


def _commented(text: str, chance: random.Random) -> str:
    """Comments at the ends of some lines, and a comma before some closing brackets."""
    lines = text.split("\n")
    for number, line in enumerate(lines[:-1]):
        if chance.random() < 0.3:
            is_last = lines[number + 1].strip()[:1] in "]}" and line[-1:] not in "[{,"
            comma = "," if is_last and chance.random() < 0.5 else ""
            lines[number] = line + comma + chance.choice([" // why, {and} [who]", "\t/* so */", ' /* "a": 1, */'])
    return "\n".join(lines)


def _with_head(text: str, _: random.Random) -> str:
    return f"// These are mine.\n/* {{ */\n\n{text}"


def _with_crlf(text: str, _: random.Random) -> str:
    return text.replace("\n", "\r\n")


def _with_end(text: str, chance: random.Random) -> str:
    return text + chance.choice(["\n", "\n\n", " ", "\n// the end"])


def _with_a_double(text: str, _: random.Random) -> str:
    return text[:-1].rstrip() + ', "model": "sonnet"}' if len(text) > 2 and text.rstrip()[-2:] != ",}" else text


_CHANGES: Final[list[tuple[Callable[[str, random.Random], str], float]]] = [
    (_with_a_double, 0.1),
    (_commented, 0.4),
    (_with_head, 0.1),
    (_with_crlf, 0.25),
    (_with_end, 0.6),
]
