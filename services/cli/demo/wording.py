"""What is said in the demo in place of the laboratory's words, so that it reads like work. Pure.

Texts are replaced in hook bodies, registry files and screens alike; nothing else of a recording is changed.
"""

import json
import re
from collections.abc import Callable
from itertools import count
from typing import Final

FOLDER: Final = "/home/lab/shop"
"""Where the recorded agents worked."""
CLAUDE_DIR: Final = "/home/lab/.claude"
SLUG: Final = "-home-lab-shop"

SPOKEN: Final = (
    ("lab:bash please go", "build the app and tell me whether it works"),
    ("lab:edit please go", "write down what we decided about the rollout"),
    ("lab:question please go", "give the start page a button to sign up"),
    ("lab:plan please go", "plan how we move the sessions to the new table"),
    ("lab:long please go", "run the long migration on a copy of the data"),
    ("lab:fail please go", "look through the old export folder"),
    ("lab:commit please go", "commit what is there"),
    ("lab:agent please go", "have a helper count the documents"),
    ("lab:inner count the files", "count the documents in this folder"),
    ("lab:hello please go", "good morning, are you there?"),
    ("lab:reads please go", "read the README and see whether pytest is there"),
    ("lab:slow please go", "explain how the import works"),
    (
        "        tmux focus-events off · add 'set -g focus-events on' to ~/.tmux.conf and reattach for focus tracking",
        f"{'◐ medium · /effort':>108}",
    ),
    ("lab-plan-please-go", "move-the-sessions"),
    ("Hello from the lab.", "Good morning! What shall we do first?"),
    ("lab commit", "Add the first draft"),
    ("Making a file", "Building the app"),
    ("Make a file", "Build the app"),
    ("touch made && sleep 1", "make build"),
    ("python3 -c 'import time; time.sleep(60)'", "python3 tools/migrate.py --copy"),
    ("/nonexistent-dir", "/srv/old-export"),
)
"""What is said for the laboratory's prompts and commands, and for its advice on a tmux that nobody has here."""
TALK: Final = (
    *("this", "part", "will", "read", "each", "line", "from", "disk", "then"),
    *("sort", "them", "once", "more", "when", "they", "look", "fine"),
)
"""Words of four letters: a wrapped text of the recorded `word word word` stays as wide as it was."""
_WORD: Final = re.compile(r"\bword\b")
_ID: Final = re.compile(r"\b(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|toolu_[0-9a-f]{24}|a[0-9a-f]{16})\b")
"""Of a session, a prompt, a tool's call, and a subagent."""


def reworded(text: str) -> str:
    """A text of a recording with natural words."""
    for recorded, spoken in SPOKEN:
        text = text.replace(recorded, spoken)
    numbers = count()
    return _WORD.sub(lambda _: TALK[next(numbers) % len(TALK)], text)


def placed(text: str, folder: str, claude_dir: str) -> str:
    """A text of a recording as if it had been recorded in these folders."""
    if "lab" not in text:
        return text
    return (
        text.replace(CLAUDE_DIR, claude_dir).replace(SLUG, re.sub(r"[^A-Za-z0-9]", "-", folder)).replace(FOLDER, folder)
    )


def in_json(text: str) -> str:
    """A text as it stands within a string of JSON."""
    return json.dumps(text)[1:-1]


class Ids:
    """The ids of one turn: each that was recorded stands for one of its own, the same as long as the turn lasts."""

    def __init__(self, known: dict[str, str], new_hex: Callable[[], str]) -> None:
        """`new_hex` makes 32 random hexadecimal digits."""
        self._own = dict(known)
        self._new_hex = new_hex

    def own(self, recorded: str) -> str:
        """The id that stands for a recorded one."""
        if recorded not in self._own:
            self._own[recorded] = _like(recorded, self._new_hex())
        return self._own[recorded]

    def replaced(self, text: str) -> str:
        """A text with every recorded id replaced."""
        return _ID.sub(lambda found: self.own(found[0]), text)


def _like(recorded: str, digits: str) -> str:
    if recorded.startswith("toolu_"):
        return f"toolu_{digits[:24]}"
    if "-" not in recorded:
        return f"a{digits[:16]}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
