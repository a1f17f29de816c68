from collections.abc import Iterable

from services.contract.entities import Agent
from services.poller.presence import STARTING_S, Presence
from services.poller.processes import Below
from services.poller.target import PaneFacts

PANE = PaneFacts(id="%1", pid=100, is_dead=False, in_mode=False, input_off=False, tty="")


class FakeProcesses:
    def __init__(self) -> None:
        self.agent: Agent | None = None

    def below(self, roots: Iterable[int]) -> dict[int, Below]:
        return dict.fromkeys(roots, Below(agent=self.agent))


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_an_agent_is_there_while_its_process_is() -> None:
    processes = FakeProcesses()
    presence = Presence(processes, Clock())
    assert not presence.has_agent(PANE)
    processes.agent = Agent(name="claude", pid=101)
    assert presence.has_agent(PANE)
    processes.agent = None
    assert not presence.has_agent(PANE)


def test_one_that_was_started_is_waited_for_until_it_came_or_time_is_over() -> None:
    processes, clock = FakeProcesses(), Clock()
    presence = Presence(processes, clock)
    presence.expect("%1")
    assert presence.has_agent(PANE)
    clock.now += STARTING_S
    assert not presence.has_agent(PANE)

    presence.expect("%1")
    processes.agent = Agent(name="claude", pid=101)
    assert presence.has_agent(PANE)
    processes.agent = None
    assert not presence.has_agent(PANE), "it came, and went"
