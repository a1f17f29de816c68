"""Tells in which panes a person has typed a line: the programs there write their pane's id into one pipe."""

import os
from pathlib import Path
from typing import Final, Self

READ_BYTES: Final = 4_096


class Typed:
    """Reads the pipe, and keeps it open so that writers never wait for long."""

    def __init__(self, pipe: Path) -> None:
        # For writing too: without a writer the pipe would be at its end all the time.
        self._pipe = os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._pipe)

    def panes(self) -> set[str]:
        """The ids of those since the last call; a cut one is none."""
        try:
            read = os.read(self._pipe, READ_BYTES)
        except BlockingIOError:
            return set()
        return set(read.decode(errors="replace").split())
