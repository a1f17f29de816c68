from collections.abc import Callable, Iterator

import pytest

from tests.soak.size import LONG, SHORT, Size
from tests.soak.stage import Stage
from tests.soak.table import Row, lines_of

ROWS = pytest.StashKey[list[Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="tests/soak at full size: about ten minutes")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("soak")
        for line in lines_of(rows):
            terminalreporter.write_line(line)


@pytest.fixture
def size(request: pytest.FixtureRequest) -> Size:
    is_long = request.config.getoption("--long", default=False)
    return LONG if is_long else SHORT


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


Note = Callable[..., None]


@pytest.fixture
def note(request: pytest.FixtureRequest, size: Size) -> Note:
    """Put a figure into the table; one that is a matter of time is judged only in the long form."""

    def put(scenario: str, goal: str, measured: str, is_met: bool, *, is_time: bool = False) -> None:
        judged = None if is_time and not size.is_long else is_met
        row = Row(scenario=scenario, goal=goal, measured=measured, is_met=judged)
        request.config.stash.setdefault(ROWS, []).append(row)

    return put
