"""What was measured, beside its goal."""

from collections.abc import Sequence

from msgspec import Struct


class Row(Struct, frozen=True, kw_only=True):
    """One figure."""

    scenario: str
    goal: str
    measured: str
    is_met: bool | None
    """None: not judged, since it was a matter of time in the short form."""


VERDICTS = {True: "met", False: "MISSED", None: "-"}
HEADING = ("scenario", "goal", "measured", "verdict")


def lines_of(rows: Sequence[Row]) -> list[str]:
    """The table as text."""
    cells = [HEADING, *((row.scenario, row.goal, row.measured, VERDICTS[row.is_met]) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
