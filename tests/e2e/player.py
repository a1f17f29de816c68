"""A program in a pane that draws the screens it is sent: `python player.py FIFO`, one JSON text a line."""

import json
import os
import sys
import tty
from pathlib import Path

CLEAR = "\x1b[?25l\x1b[?7l\x1b[H\x1b[2J"


def main(fifo: Path) -> None:
    """Draw until the writer closes; never scrolls, so that the last row can be filled."""
    tty.setraw(0)
    os.write(1, b"ready")
    with fifo.open(encoding="utf-8") as screens:
        for text in screens:
            rows = json.loads(text).split("\n")
            drawn = CLEAR + "".join(f"\x1b[{number};1H{row}" for number, row in enumerate(rows, 1))
            left = drawn.encode()
            while left:
                left = left[os.write(1, left) :]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
