"""How much of the wall's time this machine gave to its processes: what it took for itself is nobody's delay.

A busy disk can hold one `fsync` for two seconds, and a virtual machine can stand still. Tests that judge how soon
something follows count in the time of a thread that beats, and keeps each beat as core keeps an event.
"""

import os
import threading
import time
from bisect import bisect_right
from pathlib import Path
from typing import Final, Self

EVERY_S: Final = 0.02
MOST_S: Final = 0.1
"""However long it is from one beat to the next, it counts as no more than this."""
CLOSE_S: Final = 10.0


class Metronome:
    """Beats in the background until it is closed."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder`: on the disk that is judged with the machine, if one is."""
        self._path = None if folder is None else folder / "metronome"
        self._stop = threading.Event()
        self._wall = [time.time()]
        self._given = [0.0]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(CLOSE_S)
        assert not self._thread.is_alive(), "the metronome did not end"

    def _run(self) -> None:
        if self._path is None:
            while not self._stop.wait(EVERY_S):
                self.beat(time.time())
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not self._stop.wait(EVERY_S):
                os.pwrite(descriptor, b"beat", 0)
                os.fsync(descriptor)
                self.beat(time.time())
        finally:
            os.close(descriptor)

    def beat(self, at_s: float) -> None:
        """One more beat, at a time of the wall's clock."""
        passed_s = min(max(at_s - self._wall[-1], 0.0), MOST_S)
        self._given.append(self._given[-1] + passed_s)
        self._wall.append(at_s)

    def given_s(self, since_s: float, until_s: float) -> float:
        """How much time the machine gave between two times of the wall's clock."""
        return self._given_at(until_s) - self._given_at(since_s)

    def before(self, at_s: float, span_s: float) -> float:
        """The time of the wall's clock from which the machine gave `span_s` until `at_s`, or a little earlier.

        Before the first beat and after the last the wall's time counts.
        """
        wanted_s = self._given_at(at_s) - span_s
        if wanted_s < 0:
            return self._wall[0] + wanted_s
        if wanted_s >= self._given[-1]:
            return self._wall[-1] + wanted_s - self._given[-1]
        return self._wall[bisect_right(self._given, wanted_s) - 1]

    def _given_at(self, at_s: float) -> float:
        here = bisect_right(self._wall, at_s) - 1
        if here < 0:
            return at_s - self._wall[0]
        given_s = self._given[here] + at_s - self._wall[here]
        return given_s if here + 1 == len(self._wall) else min(given_s, self._given[here + 1])
