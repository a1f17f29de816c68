"""What the game costs: per event, per list, per year of a large ledger, per rebuild."""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from typing import Final

from msgspec import structs

from bench.tmux import Row
from services.contract.events import NewEvent
from services.contract.game import ProjectKind, Repository
from services.contract.game_answers import EarnerType
from services.contract.game_requests import GetPersonas, GetProjects, GetXp
from services.core.game.game import NOTHING, Effects
from services.core.game_answers import GameAnswers
from services.core.keeper import Keeper
from services.core.own_events import new_repository_reading
from services.core.rebuild import rebuild
from services.core.store import Store
from tests.unit.core.making import RUNS, hook, recorded

DAY_MS: Final = 86_400_000
NOW: Final = 1_795_600_000_000
EVENTS: Final = 20_000
BATCH: Final = 10
"""Events that one commit keeps, as under load."""
ROUNDS: Final = 3
REBUILT: Final = 100_000
PERSONAS: Final = 1_000
PROJECTS: Final = 500
AWARDS: Final = 1_000_000
READS: Final = 20


def game_rows(folder: Path) -> list[Row]:
    """Measure everything once, each on a database of its own."""
    return [_cost_row(folder), *_list_rows(folder), _year_row(folder), _rebuild_row(folder)]


def work() -> Iterator[NewEvent]:
    """The recordings over and over, each time as other work: a turn of everything that a hook can tell."""
    whole = [(event, json.loads(event.payload)) for run in RUNS for event in recorded(run)]
    folders = sorted({payload["cwd"] for _, payload in whole if "cwd" in payload})
    for path in folders:
        yield new_repository_reading(f"r-{path}", NOW, _reading(path))
    for round_ in count():
        late = round_ * 60_000
        for event, payload in whole:
            again = dict(payload)
            for name in ("tool_use_id", "prompt_id"):
                if name in again:
                    again[name] = f"{again[name]}-{round_}"
            yield structs.replace(
                event,
                id=f"{event.id}-{round_}",
                payload=json.dumps(again).encode(),
                received_at=event.received_at + late,
                sent_at=None if event.sent_at is None else event.sent_at + late,
            )


def _reading(path: str) -> Repository:
    return Repository(
        folder=path, path=path, kind=ProjectKind.REPOSITORY, file_id=f"1:{hash(path)}:2", name=path.rpartition("/")[2]
    )


def _cost_row(folder: Path) -> Row:
    events = list(islice(work(), EVENTS))
    whole, bare = (
        min(_seconds(folder / f"cost-{is_played}-{n}.db", events, is_played=is_played) for n in range(ROUNDS))
        for is_played in (True, False)
    )
    cost_us = (whole - bare) / EVENTS * 1_000_000
    return Row(
        "the game: core CPU per event, ledger and journal written",
        f"{cost_us:.0f} us of {whole / EVENTS * 1_000_000:.0f} us",
        "goal < 60 us",
    )


def _seconds(path: Path, events: list[NewEvent], *, is_played: bool) -> float:
    with closing(Store(path, NOW)) as store:
        keeper = Keeper(store)
        if not is_played:
            keeper.state.game.take_hook = _take_nothing  # type: ignore[method-assign,assignment]
        started = time.process_time()
        _append(store, keeper, events)
        return time.process_time() - started


def _take_nothing(*_: object) -> Effects:
    return NOTHING


def _append(store: Store, keeper: Keeper, events: list[NewEvent]) -> None:
    for first in range(0, len(events), BATCH):
        with store.transaction():
            keeper.append(events[first : first + BATCH], NOW + DAY_MS)
        keeper.state.take_updates()
    keeper.state.game.take_standings()


def _list_rows(folder: Path) -> list[Row]:
    with closing(Store(folder / "lists.db", NOW)) as store:
        keeper = Keeper(store)
        events: list[NewEvent] = []
        for number in range(PERSONAS):
            path = f"/w/{number % PROJECTS}"
            if number < PROJECTS:
                events.append(new_repository_reading(f"r-{path}", NOW, _reading(path)))
            events += [
                hook(
                    "PostToolUse",
                    NOW + call,
                    session=f"s{number}",
                    event_id=f"e{number}-{call}",
                    tool_name="Write",
                    tool_use_id=f"t{call}",
                    tool_input={"file_path": f"/w/{call}", "content": "x"},
                    cwd=path,
                )
                for call in range(3)
            ]
        _append(store, keeper, events)
        answers = GameAnswers(keeper.state, keeper.ledger)
        personas = _median_ms(lambda: answers.answer(GetPersonas(), NOW))
        projects = _median_ms(lambda: answers.answer(GetProjects(), NOW))
    return [
        Row(f"the game: a list of {PERSONAS:,} personas, in core", f"{personas:.1f} ms", "goal < 30 ms"),
        Row(f"the game: a list of {PROJECTS:,} projects, in core", f"{projects:.1f} ms", "goal < 30 ms"),
    ]


def _year_row(folder: Path) -> Row:
    with closing(Store(folder / "year.db", NOW)) as store:
        keeper = Keeper(store)
        with store.transaction():
            keeper.append([hook("PostToolUse", NOW, tool_name="Read", tool_use_id="t", cwd="/w")], NOW)
            persona = keeper.state.game.all_personas()[0]
            today = keeper.state.game.calendar.day_of(NOW)
            store.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                "INSERT INTO xp_ledger SELECT 'k' || i, i, ? - i, ? - i % 366, 's', "
                "CASE WHEN i % 4 = 0 THEN ? ELSE 'p' || i % 999 END, "
                "'r' || i % 500, NULL, 1 + i % 15, 'tool', '' FROM n",
                (AWARDS, NOW, today, persona.id),
            )
            keeper.ledger.sum_again()
        answers = GameAnswers(keeper.state, keeper.ledger)
        year = GetXp(earner=EarnerType.PERSONA, id=persona.id, days=366)
        took = _median_ms(lambda: answers.answer(year, NOW))
    return Row(f"the game: a year's timeline, {AWARDS:,} ledger rows", f"{took:.1f} ms", "goal < 20 ms")


def _rebuild_row(folder: Path) -> Row:
    with closing(Store(folder / "rebuild.db", NOW)) as store:
        keeper = Keeper(store)
        _append(store, keeper, list(islice(work(), REBUILT)))
        keeper.make_checkpoint(NOW)
        started = time.perf_counter()
        rebuilt = rebuild(store, NOW, _say_nothing, is_trial=True)
        took = time.perf_counter() - started
    outcome = "the same" if rebuilt.is_same else "NOT THE SAME"
    return Row(f"the game: a rebuild of {rebuilt.events:,} events", f"{took:.1f} s, {outcome}", "goal: the same")


def _say_nothing(_events: int) -> None:
    return


def _median_ms(act: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(READS):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)
