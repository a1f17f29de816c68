"""Text as data on tmux's command line, so that it means nothing to tmux. Pure.

Two readers stand between a word of ours and what tmux keeps. Checked in tmux 3.3a:

* The command line. A word that ends in `;` ends its command, unless a backslash stands before it: any word.
* Formats, where `#` begins something. Expanded are the names of `new-session` (`-s` and `-n`), `new-window`,
  `rename-window` and `rename-session`, the title of `select-pane`, and the folder (`-c`) of `new-session`,
  `new-window`, `split-window` and `respawn-pane`; each once. Not expanded are the words of a pane's own command, the
  values of `-e`, targets, and the names and contents of buffers.

No command but `display-message` reads `%H` and the like as the time. A word that begins with `-` is an option where one
may stand: put `--` before it.

Besides, tmux keeps names with backslash escapes, which `listing` undoes. It escapes what it is given by a rename and as
a session's name, but not the name of a new window: that one is to be given with its backslashes escaped.
"""

import re
from typing import Final

_HASHES: Final = re.compile(r"#+(?![#\[])")
"""A run of `#` that tmux would read. In one before `[`, which begins a style, tmux changes nothing."""


def argument(text: str) -> str:
    """A word that tmux takes as it is."""
    return f"{text[:-1]}\\;" if text.endswith(";") else text


def literal(text: str) -> str:
    """A word that tmux expands as a format."""
    return argument(_HASHES.sub(lambda run: 2 * run[0], text))


def new_name(text: str) -> str:
    """The name of a new window, for `-n` of `new-window` and `new-session`."""
    return literal(text.replace("\\", "\\\\"))
