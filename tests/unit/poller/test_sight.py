from collections.abc import Iterable

import pytest

from services.contract.entities import Agent, Process
from services.poller.listing import ListingError
from services.poller.processes import Below
from services.poller.sight import NOTHING, PROCESSES_EVERY_S, Sight

SERVER = b"1 2 3.3a /s |\n"
SHELL = Process(pid=100, command="bash")
AGENT = Agent(name="claude", pid=101)


def pane(number: int, pid: int, *, dead: bool = False, activity: int = 1_005) -> bytes:
    return b"$0 @%d %%%d %d 0 1 1 %d %d 80 24 %d s w l t c /d |\n" % (number, number, number, dead, pid, activity)


class FakeProcesses:
    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.found: dict[int, Below] = {100: Below(processes=(SHELL,), agent=None)}

    def below(self, roots: Iterable[int]) -> dict[int, Below]:
        self.reads.append(list(roots))
        return dict(self.found)


def test_shows_panes_with_their_processes_and_agent() -> None:
    processes = FakeProcesses()
    processes.found[200] = Below(processes=(SHELL,), agent=AGENT)
    view = Sight(processes).take(SERVER + pane(0, 100) + pane(1, 200) + pane(2, 300), 0.0)

    assert view.server is not None
    assert [(p.id, p.processes, p.agent) for p in view.panes] == [
        ("%0", (SHELL,), None),
        ("%1", (SHELL,), AGENT),
        ("%2", (), None),
    ]


def test_an_unchanged_listing_reads_processes_seldom() -> None:
    processes = FakeProcesses()
    sight = Sight(processes)
    first = sight.take(SERVER + pane(0, 100), 0.0)
    assert sight.take(SERVER + pane(0, 100), PROCESSES_EVERY_S - 0.01) is first
    assert len(processes.reads) == 1
    assert sight.take(SERVER + pane(0, 100), PROCESSES_EVERY_S) is first
    assert len(processes.reads) == 2


def test_output_alone_is_no_news_but_is_known() -> None:
    processes = FakeProcesses()
    sight = Sight(processes)
    first = sight.take(SERVER + pane(0, 100, activity=1_005), 0.0)
    again = sight.take(SERVER + pane(0, 100, activity=1_009), 0.1)

    assert again is first
    assert first.panes[0].activity_at == 1_000_000
    assert sight.activity == {"%0": 1_009}
    assert len(processes.reads) == 1
    assert sight.take(SERVER + pane(0, 100, activity=1_010), 0.2).panes[0].activity_at == 1_010_000


def test_processes_that_changed_show_although_the_listing_did_not() -> None:
    processes = FakeProcesses()
    sight = Sight(processes)
    first = sight.take(SERVER + pane(0, 100), 0.0)
    processes.found = {100: Below(processes=(SHELL, Process(pid=101, command="sleep")), agent=None)}
    second = sight.take(SERVER + pane(0, 100), PROCESSES_EVERY_S)

    assert second is not first
    assert [process.command for process in second.panes[0].processes] == ["bash", "sleep"]


def test_a_changed_listing_reads_processes_at_once() -> None:
    processes = FakeProcesses()
    sight = Sight(processes)
    sight.take(SERVER + pane(0, 100), 0.0)
    view = sight.take(SERVER + pane(0, 100) + pane(1, 200), 0.01)

    assert len(view.panes) == 2
    assert processes.reads[-1] == [100, 200]


def test_a_dead_panes_pid_is_nobodys() -> None:
    processes = FakeProcesses()
    view = Sight(processes).take(SERVER + pane(0, 100, dead=True), 0.0)

    assert processes.reads == [[]]
    assert view.panes[0].processes == ()


def test_no_server_is_nothing_and_the_next_look_reads_all() -> None:
    processes = FakeProcesses()
    sight = Sight(processes)
    sight.take(SERVER + pane(0, 100), 0.0)
    assert sight.take_nothing() is NOTHING
    assert sight.activity == {}

    assert len(sight.take(SERVER + pane(0, 100), 0.01).panes) == 1
    assert len(processes.reads) == 2


def test_what_cannot_be_read_is_said_and_the_last_view_stays() -> None:
    sight = Sight(FakeProcesses())
    first = sight.take(SERVER + pane(0, 100), 0.0)
    with pytest.raises(ListingError):
        sight.take(b"rubbish", 0.1)

    assert sight.take(SERVER + pane(0, 100), 0.2) is first
