"""A program in a pane that writes down every byte it is given. `python reader.py FILE [paste]`.

With `paste` it asks its terminal for bracketed pastes, as Claude Code and shells do.
"""

import os
import sys
import tty
from pathlib import Path


def main(target: Path, *, asks_for_pastes: bool) -> None:
    """Read until the terminal closes."""
    tty.setraw(0)
    if asks_for_pastes:
        os.write(1, b"\x1b[?2004h")
    with target.open("ab", buffering=0) as file:
        os.write(1, b"ready\r\n")
        while data := os.read(0, 65_536):
            file.write(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]), asks_for_pastes="paste" in sys.argv)
