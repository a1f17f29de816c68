import asyncio
from itertools import pairwise
from typing import Any

from services.contract.entities import (
    Agent,
    Cursor,
    Process,
    Screen,
    StatusName,
    TmuxServer,
)
from services.contract.requests import Look, ReportSigns, SeenPane
from services.poller.core_link import CoreLink
from services.poller.sight import View
from services.poller.sign_desk import DOUBT_MS, SignDesk
from tests.unit.core.making import entry, pane
from tests.unit.poller.fake_core import FakeCore
from tests.unit.poller.fake_signs import FirstLine, Folder

SERVER = TmuxServer(socket="/s", pid=7, started_at=1, version="3.5a")


class Parts:
    def __init__(self) -> None:
        self.core, self.folder, self.rules = FakeCore(), Folder(), FirstLine()
        self.desk = SignDesk(self.folder, self.rules, CoreLink(self.core), lambda: 123)

    @property
    def reports(self) -> list[ReportSigns]:
        return self.core.of(ReportSigns)


def agent(pane_id: str = "%1", pid: int = 50, **fields: Any) -> SeenPane:
    processes = (Process(pid=1, command="sh"), Process(pid=pid, command="claude"))
    return pane(pane_id, agent=Agent(name="claude", pid=pid), processes=processes, **fields)


def view(*panes: SeenPane) -> View:
    return View(server=SERVER, panes=panes)


def screen(word: str, at: int, pane_id: str = "%1") -> Screen:
    cursor = Cursor(x=0, y=0, visible=True)
    return Screen(pane_id=pane_id, captured_at=at, width=8, height=2, cursor=cursor, lines=(word, ""))


async def test_the_first_report_is_whole_and_the_next_tell_changes() -> None:
    parts = Parts()
    parts.folder.put(entry("busy"), entry("idle", pid=60, session="s2"))

    await parts.desk.look(view())
    parts.folder.put(entry("idle"))
    await parts.desk.look(view())
    await parts.desk.look(view())

    first, second = parts.reports
    assert (first.at, first.is_whole, first.gone) == (123, True, ())
    assert first.registry == (entry("busy"), entry("idle", pid=60, session="s2"))
    assert (second.is_whole, second.registry, second.gone) == (False, (entry("idle"),), (60,))
    assert parts.desk.reports == 2


async def test_an_empty_registry_is_told_once() -> None:
    parts = Parts()
    await parts.desk.look(view())
    await parts.desk.look(view())

    assert [(one.is_whole, one.registry) for one in parts.reports] == [(True, ())]


async def test_the_pane_is_where_the_process_is_and_nothing_else() -> None:
    parts = Parts()
    parts.folder.put(entry("busy", pid=50), entry("busy", pid=60, session="s2"))

    changed = await parts.desk.look(view(agent("%3", 50), pane("%4")))

    assert changed == ("%3",)
    assert [(one.pane_id, one.tmux_pid) for one in parts.reports[-1].registry] == [("%3", 7), (None, None)]
    assert parts.desk.registered == {"%3"}
    assert await parts.desk.look(view(agent("%5", 50))) == ("%5",), "it was moved"
    assert await parts.desk.look(View()) == ()
    assert [one.pane_id for one in parts.reports[-1].registry] == [None]


async def test_a_screen_is_told_when_it_means_something_else() -> None:
    parts = Parts()
    await parts.desk.look(view(agent()))

    await parts.desk.read([screen("working", 10)])
    await parts.desk.read([screen("working", 20)])
    await parts.desk.read([screen("idle", 10 + DOUBT_MS)])

    told = [(one.says, one.captured_at) for report in parts.reports for one in report.readings]
    assert told == [(StatusName.WORKING, 10), (StatusName.IDLE, 10 + DOUBT_MS)]


async def test_a_screen_that_flips_is_told_no_more_than_some_times_a_second() -> None:
    parts = Parts()
    await parts.desk.look(view(agent()))
    again = [await parts.desk.read([screen(("working", "idle")[at % 2], 40 * at)]) for at in range(50)]

    told = [one.captured_at for report in parts.reports for one in report.readings]
    assert len(told) <= 2_000 // DOUBT_MS
    assert all(later - earlier >= DOUBT_MS for earlier, later in pairwise(told))
    assert ("%1",) in again, "it is looked at once more"


async def test_nothing_but_a_whole_report_makes_core_know_all_again() -> None:
    parts = Parts()
    parts.folder.put(entry("busy"))
    await parts.desk.look(view(agent()))
    parts.desk.forget()
    await parts.desk.read([screen("working", 10)])

    await parts.desk.look(view(agent()))

    assert parts.reports[-1].is_whole


async def test_a_core_that_became_another_one_meanwhile_is_told_all() -> None:
    parts = Parts()
    looking = asyncio.create_task(parts.desk.look(view(agent())))
    await asyncio.sleep(0)
    parts.desk.forget()
    await looking

    await parts.desk.look(view(agent()))

    assert [report.is_whole for report in parts.reports] == [True, True]


async def test_what_core_refused_is_read_again() -> None:
    parts = Parts()
    await parts.desk.look(view(agent()))
    parts.core.is_there = False

    assert await parts.desk.read([screen("working", 10)]) == ("%1",)


async def test_other_rules_have_all_agents_panes_looked_at() -> None:
    parts = Parts()
    await parts.desk.look(view(agent("%1"), pane("%2")))
    parts.rules.version = 2

    assert await parts.desk.look(view(agent("%1"), pane("%2"))) == ("%1",)
    assert await parts.desk.look(view(agent("%1"), pane("%2"))) == ()


async def test_only_an_agents_screen_is_read() -> None:
    parts = Parts()
    await parts.desk.look(view(agent("%1"), pane("%2")))

    await parts.desk.read([screen("working", 10, "%2"), screen("working", 10, "%9")])

    assert [report for report in parts.reports if report.readings] == []


async def test_a_screen_that_no_rule_knows_is_looked_at_again_before_it_is_told() -> None:
    parts = Parts()
    await parts.desk.look(view(agent()))
    await parts.desk.read([screen("working", 10)])

    assert await parts.desk.read([screen("half dr", 20)]) == ("%1",)
    assert await parts.desk.read([screen("half dr", 20 + DOUBT_MS - 1)]) == ("%1",)
    assert len(parts.reports) == 2
    assert await parts.desk.read([screen("half dr", 20 + DOUBT_MS)]) == ()
    assert parts.reports[-1].readings[0].says is StatusName.UNKNOWN
    assert await parts.desk.read([screen("half dr", 99_000)]) == ()
    assert len(parts.reports) == 3


async def test_a_screen_that_was_half_drawn_changes_nothing() -> None:
    parts = Parts()
    await parts.desk.look(view(agent()))
    await parts.desk.read([screen("working", 10)])
    await parts.desk.read([screen("half dr", 20)])

    assert await parts.desk.read([screen("working", 30)]) == ()
    assert await parts.desk.read([screen("half dr", 9_000)]) == ("%1",), "the doubt begins anew"
    assert len(parts.reports) == 2


async def test_the_same_screen_is_read_again_by_other_rules() -> None:
    parts = Parts()
    await parts.desk.look(view(agent()))
    await parts.desk.read([screen("dreaming", 10)])
    parts.rules.reads.clear()
    await parts.desk.read([screen("idle", 11)])
    await parts.desk.read([screen("idle", 12)])
    parts.rules.version = 2
    await parts.desk.read([screen("idle", 13)])

    assert parts.rules.reads == [11, 13]


async def test_all_is_told_again_to_a_core_that_did_not_take_it_or_is_another() -> None:
    parts = Parts()
    parts.folder.put(entry("busy"))
    await parts.desk.look(view(agent()))
    await parts.desk.read([screen("working", 10)])
    parts.core.is_there = False
    await parts.desk.read([screen("idle", 20)])
    parts.core.is_there = True

    await parts.desk.look(view(agent()))
    await parts.desk.read([screen("idle", 20)])

    assert [(one.is_whole, len(one.registry), len(one.readings)) for one in parts.reports[-2:]] == [
        (True, 1, 0),
        (False, 0, 1),
    ]
    parts.desk.forget()
    await parts.desk.look(view(agent()))
    assert parts.reports[-1].is_whole


async def test_a_pane_without_its_agent_is_forgotten() -> None:
    parts = Parts()
    await parts.desk.look(view(agent()))
    await parts.desk.read([screen("idle", 10)])
    await parts.desk.look(view(pane("%1")))
    await parts.desk.look(view(agent(pid=70)))

    await parts.desk.read([screen("idle", 20)])

    assert [one.captured_at for report in parts.reports for one in report.readings] == [10, 20]


async def test_a_person_is_told_once_for_each_key_and_only_in_an_agents_pane() -> None:
    parts = Parts()
    await parts.desk.look(view(agent("%1"), pane("%2")))

    await parts.desk.saw({"%1": 50, "%2": 50})
    await parts.desk.saw({"%1": 50})
    await parts.desk.saw({"%1": 51})
    await parts.desk.saw({})

    assert [report.looks for report in parts.reports if report.looks] == [
        (Look(pane_id="%1", at=50_999),),
        (Look(pane_id="%1", at=51_999),),
    ]
