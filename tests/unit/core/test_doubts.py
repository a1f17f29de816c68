from services.contract.entities import Agent, Process, StatusName
from services.core.doubts import SILENT_MS
from tests.unit.core.making import SERVER, TMUX, Log, entry, hook, pane, reading, report

T = 100_000


def figures(log: Log, at: int) -> dict[str, int]:
    return {name: number for name, number in log.state.doubts(at).items() if number}


def agent_in_pane() -> Log:
    log = Log()
    log.see(report(pane("%1", agent=Agent(name="claude", pid=50), processes=(Process(pid=50, command="claude"),))))
    return log


def test_nothing_is_in_doubt_while_the_sources_agree() -> None:
    log = agent_in_pane()
    log.add(hook("UserPromptSubmit", T, pane="%1", tmux=TMUX))
    log.tell(entry("busy", T + 50, pane_id="%1", tmux_pid=SERVER.pid), reading(StatusName.WORKING, T + 60), at=T + 60)

    assert figures(log, T + 99_000) == {}
    assert log.state.doubts(T) == dict.fromkeys(log.state.doubts(T), 0)


def test_sources_that_disagree_and_what_was_corrected_are_counted() -> None:
    log = agent_in_pane()
    log.add(hook("UserPromptSubmit", T, pane="%1", tmux=TMUX))
    log.tell(entry("idle", T + 5_000, pane_id="%1", tmux_pid=SERVER.pid), at=T + 5_000)

    assert figures(log, T + 6_000) == {"disputed_sessions": 1, "corrections_total": 1}
    log.add(hook("Stop", T + 7_000, pane="%1", tmux=TMUX))
    assert figures(log, T + 8_000) == {"corrections_total": 1}


def test_hooks_that_say_nothing_while_the_agent_works_are_silent() -> None:
    log = agent_in_pane()
    log.tell(entry("busy", T, pane_id="%1", tmux_pid=SERVER.pid), at=T)

    assert figures(log, T + SILENT_MS - 1) == {}
    assert figures(log, T + SILENT_MS) == {"hooks_silent_panes": 1}
    log.add(hook("UserPromptSubmit", T + SILENT_MS, pane="%1", tmux=TMUX))
    assert figures(log, T + 99_000) == {}


def test_an_agent_whose_screen_alone_tells_of_it_is_silent_too() -> None:
    log = agent_in_pane()
    log.tell(reading(StatusName.WORKING, T), at=T)

    assert figures(log, T + SILENT_MS) == {"hooks_silent_panes": 1}


def test_hooks_that_were_heard_before_a_turn_without_any_are_silent() -> None:
    log = agent_in_pane()
    log.add(hook("UserPromptSubmit", T, pane="%1", tmux=TMUX), hook("Stop", T + 1_000, pane="%1", tmux=TMUX))
    log.tell(entry("busy", T + 5_000, pane_id="%1", tmux_pid=SERVER.pid), at=T + 5_010)

    assert "hooks_silent_panes" in figures(log, T + 5_000 + SILENT_MS)


def test_a_session_that_lives_needs_a_process() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(hook("UserPromptSubmit", T, pane="%1", tmux=TMUX))
    assert figures(log, T) == {"sessions_without_process": 1}

    log.tell(entry("busy", T + 50), at=T + 50)
    assert figures(log, T + 60) == {}
    log.tell(at=T + 9_000, gone=[50])
    assert figures(log, T + 9_000) == {}, "it has ended"
