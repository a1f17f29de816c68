from collections.abc import Iterable

import pytest

from services.contract.entities import Process
from services.poller.listing import ListingError
from services.poller.sight import NOTHING, PROCESSES_EVERY_S, Sight
from services.poller.tmux import NoTmuxServerError

SERVER = b"1 2 3.3a /s |\n"
SHELL = Process(pid=100, command="bash")


def pane(number: int, pid: int, *, dead: bool = False) -> bytes:
    return b"$0 @%d %%%d %d 0 1 1 %d %d 80 24 s w l t c /d |\n" % (number, number, number, dead, pid)


class FakeTmux:
    def __init__(self, output: bytes) -> None:
        self.output: bytes | None = output

    def list_all(self) -> bytes:
        if self.output is None:
            raise NoTmuxServerError("no server running")
        return self.output


class FakeProcesses:
    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.found: dict[int, tuple[Process, ...]] = {100: (SHELL,)}

    def below(self, roots: Iterable[int]) -> dict[int, tuple[Process, ...]]:
        self.reads.append(list(roots))
        return dict(self.found)


def test_shows_panes_with_their_processes() -> None:
    sight = Sight(FakeTmux(SERVER + pane(0, 100) + pane(1, 200)), FakeProcesses())
    view = sight.look(0.0)
    assert view.server is not None
    assert [(p.id, p.processes) for p in view.panes] == [("%0", (SHELL,)), ("%1", ())]


def test_an_unchanged_listing_reads_processes_seldom() -> None:
    processes = FakeProcesses()
    sight = Sight(FakeTmux(SERVER + pane(0, 100)), processes)
    first = sight.look(0.0)
    assert sight.look(PROCESSES_EVERY_S - 0.01) is first
    assert len(processes.reads) == 1
    assert sight.look(PROCESSES_EVERY_S) is first
    assert len(processes.reads) == 2


def test_processes_that_changed_show_although_the_listing_did_not() -> None:
    processes = FakeProcesses()
    sight = Sight(FakeTmux(SERVER + pane(0, 100)), processes)
    first = sight.look(0.0)
    child = Process(pid=101, command="sleep")
    processes.found = {100: (SHELL, child)}
    second = sight.look(PROCESSES_EVERY_S)
    assert second.panes[0].processes == (SHELL, child)
    assert second != first


def test_a_changed_listing_reads_processes_at_once() -> None:
    tmux, processes = FakeTmux(SERVER + pane(0, 100)), FakeProcesses()
    sight = Sight(tmux, processes)
    sight.look(0.0)
    tmux.output = SERVER + pane(0, 100) + pane(1, 100)
    assert len(sight.look(0.01).panes) == 2
    assert len(processes.reads) == 2


def test_the_pid_of_a_dead_pane_is_not_looked_up() -> None:
    processes = FakeProcesses()
    view = Sight(FakeTmux(SERVER + pane(0, 100, dead=True)), processes).look(0.0)
    assert processes.reads == [[]]
    assert view.panes[0].dead


def test_a_server_that_went_and_came_back_the_same_is_shown_again() -> None:
    tmux = FakeTmux(SERVER + pane(0, 100))
    sight = Sight(tmux, FakeProcesses())
    first = sight.look(0.0)
    tmux.output = None
    assert sight.look(0.1) is NOTHING
    tmux.output = SERVER + pane(0, 100)
    assert sight.look(0.2) == first


def test_a_broken_answer_changes_nothing() -> None:
    tmux = FakeTmux(SERVER + pane(0, 100))
    sight = Sight(tmux, FakeProcesses())
    first = sight.look(0.0)
    tmux.output = SERVER + b"half a"
    with pytest.raises(ListingError):
        sight.look(0.1)
    tmux.output = SERVER + pane(0, 100)
    assert sight.look(0.2) is first
