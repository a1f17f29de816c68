"""Which session each pane shows, in every way that sessions come, go and move."""

from typing import Any

from msgspec import structs

from services.contract.entities import Agent, Process, RegistryEntry, StatusName
from services.contract.requests import SeenPane
from services.core.sessions import SILENT_KEPT_MS
from services.core.state import SWEEP_EVERY
from tests.unit.core.making import OTHER_SERVER, SERVER, TMUX, Log, entry, hook, pane, reading, report, window

CLAUDE, NESTED, NEXT = 50, 60, 70
"""Pids."""


def agent(pane_id: str = "%1", pid: int = CLAUDE, **fields: Any) -> SeenPane:
    return pane(pane_id, agent=Agent(name="claude", pid=pid), processes=(Process(pid=pid, command="claude"),), **fields)


def here(status: str | None = "idle", at: int = 0, *, pane_id: str | None = "%1", **fields: Any) -> RegistryEntry:
    return entry(status, at, pane_id=pane_id, tmux_pid=None if pane_id is None else SERVER.pid, **fields)


def shown(log: Log, pane_id: str = "%1") -> str | None:
    seen = log.state.pane(pane_id)
    assert seen is not None
    return seen.session_id


def ended(log: Log, session_id: str) -> bool:
    return log.status(session_id).name is StatusName.ENDED


def running(session: str = "a", at: int = 1_000) -> Log:
    """A pane with an agent, whose session has had a turn; the registry knows it."""
    log = Log()
    log.see(report(agent(), at=at - 900))
    log.add(hook("UserPromptSubmit", at, session=session, pane="%1", tmux=TMUX))
    log.tell(here("busy", at, session=session), at=at)
    return log


def test_a_hook_header_binds() -> None:
    log = Log()
    log.see(report(pane("%1"), pane("%2")))
    log.add(hook("SessionStart", 10, session="a", pane="%2", tmux=TMUX))

    assert (shown(log, "%1"), shown(log, "%2")) == (None, "a")


def test_the_process_binds_a_session_whose_hooks_name_no_pane() -> None:
    log = Log()
    log.see(report(agent()))
    log.add(hook("UserPromptSubmit", 10, session="a"))
    assert shown(log) is None

    log.tell(here("busy", 20, session="a"), at=20)

    assert shown(log) == "a"
    session = log.state.session("a")
    assert session is not None
    assert (session.pane_id, session.pid) == ("%1", CLAUDE)


def test_the_registry_alone_makes_a_session() -> None:
    log = Log()
    log.see(report(agent()))
    log.tell(here("waiting", 20, session="a", waiting_for="permission prompt", kind="interactive", cwd="/w"), at=20)

    assert shown(log) == "a"
    session = log.state.session("a")
    assert session is not None
    assert (session.status.name, session.cwd, session.kind) == (StatusName.WAITING, "/w", "interactive")


def test_clear_gives_the_pane_to_the_new_session() -> None:
    log = running()
    log.add(hook("SessionEnd", 2_000, session="a", pane="%1", tmux=TMUX, reason="clear"))
    log.add(hook("SessionStart", 2_010, session="b", pane="%1", tmux=TMUX, source="clear"))
    log.tell(here("idle", 2_020, session="b"), at=2_030)

    assert shown(log) == "b"
    assert ended(log, "a")
    assert not ended(log, "b")


def test_clear_without_any_hook_is_told_by_the_registry() -> None:
    log = running()

    log.tell(here("idle", 9_000, session="b"), at=9_010)

    assert shown(log) == "b"
    assert ended(log, "a")


def test_a_pane_keeps_the_last_of_the_sessions_that_one_process_had() -> None:
    log = Log()
    log.see(report(agent()))
    log.tell(here("idle", 500, session="z", started_at=100), at=500)
    log.tell(here("idle", 9_000, session="b", started_at=100), at=9_010)

    log.tell(at=20_000, gone=[CLAUDE])
    log.see(report(pane("%1"), at=20_100))

    assert shown(log) == "b"
    assert ended(log, "b")


def test_resume_brings_an_ended_session_back() -> None:
    log = running()
    log.tell(here("idle", 3_000, session="b"), at=3_000)
    assert ended(log, "a")

    log.add(hook("SessionEnd", 9_000, session="b", pane="%1", tmux=TMUX, reason="resume"))
    log.add(hook("SessionStart", 9_010, session="a", pane="%1", tmux=TMUX, source="resume"))
    log.tell(here("idle", 9_020, session="a"), at=9_020)

    assert shown(log) == "a"
    assert (ended(log, "a"), ended(log, "b")) == (False, True)


def test_compact_changes_nothing() -> None:
    log = running()
    log.add(hook("PreCompact", 2_000, session="a", pane="%1", tmux=TMUX, trigger="auto"))
    log.add(hook("SessionStart", 2_100, session="a", pane="%1", tmux=TMUX, source="compact"))
    log.add(hook("PostCompact", 2_200, session="a", pane="%1", tmux=TMUX, trigger="auto"))

    assert shown(log) == "a"
    assert log.status("a").name is StatusName.WORKING
    assert len(log.state.sessions()) == 1


def test_a_fork_is_another_session_in_another_pane() -> None:
    log = running()
    log.see(report(agent(), agent("%2", NEXT), at=2_000))
    log.add(hook("SessionStart", 3_000, session="b", pane="%2", tmux=TMUX, source="fork"))
    log.tell(here("idle", 3_000, pid=NEXT, session="b", pane_id="%2"), at=3_000)

    assert (shown(log, "%1"), shown(log, "%2")) == ("a", "b")
    assert not ended(log, "a")


def test_a_nested_claude_does_not_take_the_pane() -> None:
    log = running()
    log.add(hook("SessionStart", 2_000, session="nested", pane="%1", tmux=TMUX))
    log.add(hook("UserPromptSubmit", 2_010, session="nested", pane="%1", tmux=TMUX))
    log.tell(here("busy", 2_020, pid=NESTED, session="nested", entrypoint="sdk-cli"), at=2_020)

    assert shown(log) == "a"
    nested = log.state.session("nested")
    assert nested is not None
    assert (nested.pane_id, nested.status.name) == ("%1", StatusName.WORKING)

    log.tell(at=3_000, gone=[NESTED])
    assert shown(log) == "a"
    assert ended(log, "nested")


def test_a_session_in_the_background_has_no_pane() -> None:
    log = Log()
    log.see(report(agent()))
    log.tell(here("busy", 10, pid=NEXT, session="bg", pane_id=None, kind="bg"), at=10)

    assert shown(log) is None
    session = log.state.session("bg")
    assert session is not None
    assert (session.pane_id, session.kind, session.status.name) == (None, "bg", StatusName.WORKING)
    log.tell(at=20, gone=[NEXT])
    assert ended(log, "bg")


def test_two_sessions_in_one_folder_keep_their_panes() -> None:
    log = Log()
    log.see(report(agent("%1", CLAUDE), agent("%2", NEXT)))
    log.tell(here("idle", 10, session="a", cwd="/w"), at=10)
    log.tell(here("busy", 10, pid=NEXT, session="b", pane_id="%2", cwd="/w"), at=10)

    assert (shown(log, "%1"), shown(log, "%2")) == ("a", "b")


def test_a_session_outside_tmux_lives_as_long_as_its_process() -> None:
    log = Log()
    log.add(hook("UserPromptSubmit", 10, session="a"))
    log.tell(here("busy", 20, session="a", pane_id=None), at=20)

    assert log.status("a").name is StatusName.WORKING
    log.tell(at=30_000, gone=[CLAUDE])
    assert ended(log, "a")
    evidence = log.status("a").evidence
    assert evidence is not None
    assert evidence.source == "registry"


def test_a_moved_pane_keeps_its_session() -> None:
    log = running()
    moved = agent(window_id="@7")

    log.see(report(moved, windows=[window("@7", tmux_session="other", tmux_session_id="$3")], at=5_000))

    assert shown(log) == "a"
    assert not ended(log, "a")


def test_a_process_that_is_in_another_pane_takes_its_session_along() -> None:
    log = running()
    log.see(report(pane("%1"), agent("%2"), at=5_000))
    log.tell(here("busy", 1_000, session="a", pane_id="%2"), at=5_010)

    assert (shown(log, "%1"), shown(log, "%2")) == (None, "a")


def test_a_respawned_pane_ends_its_session_and_shows_the_next() -> None:
    log = running()
    log.see(report(pane("%1", pid=200), at=5_000))
    log.tell(at=5_010, gone=[CLAUDE])
    assert ended(log, "a")

    log.see(report(agent(pid=NEXT), at=6_000))
    log.tell(here("idle", 6_000, pid=NEXT, session="b"), at=6_010)

    assert shown(log) == "b"


def test_an_agent_that_left_the_pane_has_ended_without_a_registry() -> None:
    log = Log()
    log.see(report(agent()))
    log.add(hook("UserPromptSubmit", 1_000, session="a", pane="%1", tmux=TMUX))

    log.see(report(pane("%1"), at=90_000))

    assert ended(log, "a")
    evidence = log.status("a").evidence
    assert evidence is not None
    assert evidence.source == "process"
    log.add(hook("UserPromptSubmit", 95_000, session="a", pane="%1", tmux=TMUX))
    assert not ended(log, "a"), "a later hook knows better"


def test_an_agent_that_is_seen_late_is_the_sessions() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(hook("SessionStart", 1_000, session="a", pane="%1", tmux=TMUX))
    log.see(report(agent(), at=1_500))

    assert not ended(log, "a")
    log.see(report(pane("%1"), at=9_000))
    assert ended(log, "a")


def test_another_agent_does_not_continue_the_session_of_the_one_before() -> None:
    log = Log()
    log.see(report(agent()))
    log.add(hook("UserPromptSubmit", 1_000, session="a", pane="%1", tmux=TMUX))

    log.see(report(agent(pid=NEXT), at=9_000))
    assert ended(log, "a")

    log.tell(reading(StatusName.IDLE, 9_500), at=9_500)
    seen = log.state.pane("%1")
    assert seen is not None
    assert (seen.session_id, seen.status and seen.status.name) == (None, StatusName.IDLE), "its screen tells of it"


def test_another_life_of_tmux_has_none_of_the_old_sessions() -> None:
    log = running()

    log.see(report(agent(pid=NEXT), at=5_000, server=OTHER_SERVER))

    assert shown(log) is None
    assert ended(log, "a")
    log.tell(
        entry("idle", 6_000, pid=NEXT, session="b", pane_id="%1", tmux_pid=OTHER_SERVER.pid), at=6_000, gone=[CLAUDE]
    )
    assert shown(log) == "b"


def test_a_process_below_another_tmux_server_is_in_no_pane_of_this_one() -> None:
    log = Log()
    log.see(report(agent()))
    log.tell(entry("idle", 10, session="a", pane_id="%1", tmux_pid=OTHER_SERVER.pid), at=10)

    assert shown(log) is None


def test_a_phantom_neither_takes_a_pane_nor_is_shown() -> None:
    log = running()
    log.add(hook("SessionStart", 2_000, session="phantom", pane="%1", tmux=TMUX))

    assert shown(log) == "a"
    assert log.state.session("phantom") is None
    assert [session.id for session in log.state.sessions()] == ["a"]
    log.add(hook("UserPromptSubmit", 3_000, session="phantom", pane="%1", tmux=TMUX))
    assert log.state.session("phantom") is not None, "it was none"


def test_a_new_session_that_has_done_nothing_is_shown_in_its_pane() -> None:
    log = Log()
    log.see(report(agent()))
    log.add(hook("SessionStart", 2_000, session="a", pane="%1", tmux=TMUX))

    assert shown(log) == "a"
    assert log.status("a").name is StatusName.IDLE
    assert [message.type for message in log.take()].count("session_update") == 1
    log.add(hook("SessionStart", 2_100, session="b", pane="%1", tmux=TMUX))
    assert [message.type for message in log.take()].count("session_removed") == 1
    assert [session.id for session in log.state.sessions()] == ["b"]


def test_a_replay_binds_the_same() -> None:
    log = running()
    log.add(hook("SessionStart", 2_000, session="b", pane="%1", tmux=TMUX))
    log.tell(here("idle", 3_000, session="b"), at=3_000)
    log.see(report(pane("%1"), at=5_000))
    log.settle(9_000)

    assert log.replayed().panes() == log.state.panes()
    assert log.replayed().sessions() == log.state.sessions()


def test_clients_hear_nothing_of_a_phantom_that_they_never_had() -> None:
    log = running()
    log.take()
    log.add(hook("SessionStart", 2_000, session="phantom", pane="%1", tmux=TMUX))

    assert [message.type for message in log.take()] == ["event"]


def test_a_session_that_was_resumed_by_another_process_ends_with_it() -> None:
    log = Log()
    log.see(report(agent()))
    log.add(hook("UserPromptSubmit", 1_000, session="a", pane="%1", tmux=TMUX))
    log.see(report(pane("%1"), at=9_000))
    log.see(report(agent(pid=NEXT), at=12_000))
    log.add(hook("SessionStart", 12_500, session="a", pane="%1", tmux=TMUX, source="resume"))
    session = log.state.session("a")
    assert session is not None
    assert session.pid == NEXT

    log.see(report(pane("%1"), at=20_000))

    assert ended(log, "a")


def test_a_pane_that_closes_ends_a_session_whose_clock_is_ahead() -> None:
    log = Log()
    log.see(report(agent()))
    prompt = hook("UserPromptSubmit", 1_000, session="a", pane="%1", tmux=TMUX)
    log.add(structs.replace(prompt, sent_at=600_000))

    log.see(report(at=5_000))

    assert ended(log, "a")


def test_a_reading_that_comes_after_the_agent_has_gone_says_nothing() -> None:
    log = running()
    log.see(report(pane("%1"), at=9_000))
    log.tell(reading(StatusName.WORKING, 8_990), at=9_010, gone=[CLAUDE])

    seen = log.state.pane("%1")
    assert seen is not None
    assert (seen.status and seen.status.name) is StatusName.ENDED


def test_many_sessions_that_ended_in_a_pane_cost_its_next_one_nothing() -> None:
    log = running("outer")
    for number in range(50):
        log.add(hook("UserPromptSubmit", 2_000 + number, session=f"s{number}", pane="%1", tmux=TMUX))
        log.add(hook("SessionEnd", 2_000 + number, session=f"s{number}", pane="%1", tmux=TMUX))
    log.take()

    log.add(hook("UserPromptSubmit", 9_000, session="next", pane="%1", tmux=TMUX))
    assert len(log.take()) <= 5
    log.see(report(at=9_500))
    assert len(log.take()) <= 10


def test_a_session_that_is_listed_is_not_forgotten_however_long_it_is_silent() -> None:
    log = running()
    log.add(*(hook("Noise", SILENT_KEPT_MS + 10_000, session=None) for _ in range(SWEEP_EVERY)))

    assert log.state.session("a") is not None
