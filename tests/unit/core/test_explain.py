from typing import Any

from services.contract.answers import Bound, Explanation
from services.contract.entities import Agent, Process, StatusName
from services.contract.requests import SeenPane
from tests.unit.core.making import SERVER, TMUX, Log, entry, hook, pane, reading, report


def agent(**fields: Any) -> SeenPane:
    return pane("%1", agent=Agent(name="claude", pid=50), processes=(Process(pid=50, command="claude"),), **fields)


def explained(log: Log, pane_id: str = "%1") -> Explanation:
    found = log.state.explanation(pane_id)
    assert found is not None
    return found


def test_a_pane_that_tmux_does_not_show_has_none() -> None:
    assert Log().state.explanation("%1") is None


def test_a_bare_pane_has_nothing_to_tell() -> None:
    log = Log()
    log.see(report(pane("%1")))

    assert explained(log) == Explanation(
        pane_id="%1",
        agent=None,
        session_id=None,
        status=None,
        claims=(),
        review_at=None,
        last_hook_at=None,
        sessions=(),
        transitions=(),
    )


def test_an_agent_without_a_session_has_its_screen() -> None:
    log = Log()
    log.see(report(agent()))
    log.tell(reading(StatusName.WAITING, 20), at=20)

    found = explained(log)

    assert (found.session_id, found.status and found.status.name) == (None, StatusName.WAITING)
    assert [(claim.source, claim.says) for claim in found.claims] == [("screen", StatusName.WAITING)]


def test_every_source_is_told_also_the_one_that_is_not_believed() -> None:
    log = Log()
    log.see(report(agent()))
    log.add(hook("UserPromptSubmit", 1_000, session="old", pane="%1", tmux=TMUX))
    log.add(hook("SessionEnd", 2_000, session="old", pane="%1", tmux=TMUX))
    log.add(hook("UserPromptSubmit", 3_000, pane="%1", tmux=TMUX))
    log.tell(entry("busy", 3_050, pane_id="%1", tmux_pid=SERVER.pid), reading(StatusName.WORKING, 3_100), at=3_100)
    log.tell(entry("idle", 3_200, pane_id="%1", tmux_pid=SERVER.pid), at=3_200)

    found = explained(log)

    assert [(claim.source, claim.says, claim.at) for claim in found.claims] == [
        ("hook", StatusName.WORKING, 3_000),
        ("registry", StatusName.IDLE, 3_200),
        ("screen", StatusName.WORKING, 3_100),
    ]
    assert found.status is not None
    assert found.status.name is StatusName.WORKING
    assert found.review_at == 3_300
    assert (found.agent, found.last_hook_at) == (Agent(name="claude", pid=50), 3_000)
    assert found.sessions == (
        Bound(session_id="old", status=StatusName.ENDED, is_shown=False, by="hook", pid=50),
        Bound(session_id="s1", status=StatusName.WORKING, is_shown=True, by="registry", pid=50),
    )


def test_the_last_changes_come_first() -> None:
    log = Log()
    log.see(report(agent()))
    log.add(hook("UserPromptSubmit", 1_000, pane="%1", tmux=TMUX), hook("Stop", 2_000, pane="%1", tmux=TMUX))

    assert [(change.name, change.rule) for change in explained(log).transitions] == [
        (StatusName.IDLE, "Stop"),
        (StatusName.WORKING, "UserPromptSubmit"),
    ]


def test_a_process_that_has_gone_is_a_claim() -> None:
    log = Log()
    log.see(report(agent()))
    log.add(hook("UserPromptSubmit", 1_000, pane="%1", tmux=TMUX))
    log.see(report(pane("%1"), at=90_000))

    assert [(claim.source, claim.says) for claim in explained(log).claims] == [
        ("hook", StatusName.WORKING),
        ("process", StatusName.ENDED),
    ]
