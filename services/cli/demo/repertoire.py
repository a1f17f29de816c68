"""All that agents can play, and what each of them does with it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from services.cli.demo.cast import FAILING, RUNS, Seat, parts
from services.cli.demo.recordings import read_recording
from services.cli.demo.score import Step, Turn, make_clearing, make_opening, make_turn, stretched

CLEARED_S: Final = 1.5
"""From /clear to the next prompt on the input line."""
CLEAR_RUN: Final = "clear"


class Repertoire:
    """The recordings as turns, read once."""

    def __init__(self, folder: Path) -> None:
        self.turns: Mapping[str, Turn] = {
            run: make_turn(read_recording(folder, run), fails=run in FAILING) for run in RUNS
        }
        clear = read_recording(folder, CLEAR_RUN)
        self._opening, self._clearing = make_opening(clear), make_clearing(clear)

    def performance(self, seat: Seat) -> Iterator[tuple[float, Step]]:
        """What an agent does, without end: seconds from the start of the demo, and the step.

        Each turn is a session of its own, after a /clear, so that the agent's persona goes on.
        """
        yield from ((seat.enters_s + step.t, step) for step in self._opening)
        begins_s, is_first = max(seat.begins_s, seat.enters_s), True
        for part in parts(seat):
            if not is_first:
                yield from ((begins_s + step.t, step) for step in self._clearing)
                begins_s += CLEARED_S
            last_s = 0.0
            for step in stretched(self.turns[part.run], part.holds):
                last_s = step.t
                yield begins_s + step.t, step
            begins_s, is_first = begins_s + last_s + part.rest_s, False
