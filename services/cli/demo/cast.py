"""Who plays what, where and when in the demo. Pure."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from services.cli.demo.score import Holds

MAX_AGENTS: Final = 50
ASKERS: Final = ("bash_yes", "question_terminal", "plan_yes", "edit_yes", "remote_allow")
"""Runs that ask the person something."""
MIXED: Final = (
    *("slow", "commit", "bash_yes", "agent", "interrupt", "edit_yes"),
    *("clear", "question_terminal", "commit", "plan_yes", "remote_allow"),
)
FAILING: Final = ("fail",)
RUNS: Final = tuple(dict.fromkeys((*MIXED, *ASKERS, *FAILING)))
GOLDEN: Final = 0.618
"""Multiples of it spread evenly between two whole numbers, however many there are."""
FIRST_S: Final = 1.2
"""From the entrance of the first agent to its first prompt."""
EARLY_S: Final = 2.0
LATE_S: Final = 24.0
FAILED_S: Final = 40.0
"""How long a failed turn stays as it is."""
_ASK_EVERY, _FAIL_AT, _GROUP = 4, (2, 9), 12


class Project(Struct, frozen=True):
    """A project of the demo."""

    name: str
    branch: str
    file: str
    text: str


PROJECTS: Final = (
    Project("shop", "main", "shop.py", "def total(cart: list[int]) -> int:\n    return sum(cart)\n"),
    Project("api-gateway", "rate-limits", "main.go", "package main\n\nfunc main() {}\n"),
    Project("mobile-app", "dark-mode", "App.tsx", "export const App = () => null;\n"),
    Project("billing", "invoices-v2", "invoice.rb", "class Invoice\nend\n"),
    Project("docs-site", "main", "index.md", "# Welcome\n"),
    Project("infra", "new-cluster", "main.tf", "terraform {}\n"),
)


class Seat(Struct, frozen=True, kw_only=True):
    """One agent's place."""

    number: int
    project: Project
    runs: tuple[str, ...]
    enters_s: float
    """When its session starts."""
    begins_s: float
    """When its first turn does."""

    @property
    def name(self) -> str:
        """Its tmux window's."""
        return f"{self.project.name}-{self.number + 1}"


class Part(Struct, frozen=True, kw_only=True):
    """One turn of an agent, and the quiet time after it."""

    run: str
    holds: Holds
    rest_s: float


def seats(agents: int, *, eager: bool = True) -> list[Seat]:
    """The places of so many agents. When they are eager, half of them begin at once, so that there is much to see."""
    return [
        Seat(
            number=number,
            project=PROJECTS[number % len(PROJECTS)],
            runs=_runs(number),
            enters_s=_spread(number),
            begins_s=_begins_s(number, eager=eager),
        )
        for number in range(agents)
    ]


def parts(seat: Seat) -> Iterator[Part]:
    """What an agent plays, without end. The first turn comes to the point at once."""
    turn = 0
    while True:
        share = _spread(seat.number * 7 + turn * 3)
        is_failing = seat.runs is FAILING
        yield Part(
            run=seat.runs[turn % len(seat.runs)],
            holds=Holds(
                think_s=1.0 if turn == 0 else 3 + 6 * share,
                ask_s=(24 if seat.number % _ASK_EVERY == 0 else 12) + 16 * _spread(seat.number + turn),
                work_s=3.0 if is_failing else 6 + 14 * (1 - share),
            ),
            rest_s=FAILED_S if is_failing else 8 + 16 * share,
        )
        turn += 1


def _runs(number: int) -> tuple[str, ...]:
    if number % _GROUP in _FAIL_AT:
        return FAILING
    runs = ASKERS if number % _ASK_EVERY == 0 else MIXED
    first = number % len(runs)
    return (*runs[first:], *runs[:first])


def _begins_s(number: int, *, eager: bool) -> float:
    if number % _GROUP == _FAIL_AT[1]:  # The two that fail take turns: one of them has always failed.
        return FIRST_S + FAILED_S / 2
    is_early = eager and number % 2 == 0
    return FIRST_S + _spread(number, 2) * (EARLY_S if is_early else LATE_S)


def _spread(number: int, times: int = 1) -> float:
    return number * GOLDEN * times % 1
