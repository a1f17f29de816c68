"""A program in a pane that draws the screens it is sent: `python player.py FIFO`, one JSON text a line."""

import json
import os
import sys
import tty
from pathlib import Path

from services.cli.demo.drawing import redrawn


def main(fifo: Path) -> None:
    """Draw until the writer closes, each screen whole."""
    tty.setraw(0)
    os.write(1, b"ready")
    with fifo.open(encoding="utf-8") as screens:
        for text in screens:
            left = redrawn("", json.loads(text))
            while left:
                left = left[os.write(1, left) :]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
