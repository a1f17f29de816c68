import json
import random
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack, structs

from services.contract.entities import Agent, Status, StatusName
from services.contract.events import NewEvent
from services.contract.requests import ReportTmux
from services.contract.updates import (
    Attention,
    EventKept,
    Message,
    PaneRemoved,
    PaneUpdate,
    SessionRemoved,
    SessionUpdate,
    Windows,
    XpGain,
)
from services.core.own_events import new_tmux_event
from services.core.sessions import ENDED_KEPT_MS, SILENT_KEPT_MS
from services.core.state import EVENT_PAYLOAD_BYTES, SWEEP_EVERY, Dump, State
from services.core.timeline import WINDOW
from services.core.views import kept_event
from tests.unit.core.making import (
    OTHER_SERVER,
    RUNS,
    SERVER,
    TMUX,
    Log,
    changes,
    dismissal,
    hook,
    pane,
    recorded,
    report,
    window,
)

OTHER_TMUX = f"{OTHER_SERVER.socket},{OTHER_SERVER.pid},0"


def tool(name: str, at: int, call: str = "c1", session: str = "s1", **fields: str) -> NewEvent:
    return hook(name, at, session=session, tool_name="Bash", tool_input={"c": call}, tool_use_id=call, **fields)


def kinds(messages: list[Message]) -> list[str]:
    return [message.type for message in messages]


def session_in(log: Log, pane_id: str) -> str | None:
    shown = log.state.pane(pane_id)
    assert shown is not None
    return shown.session_id


def copy_of(dump: Dump) -> Dump:
    return msgpack.decode(msgpack.encode(dump), type=Dump)


# Sessions in panes.


def test_a_session_is_in_the_pane_that_its_hooks_name() -> None:
    log = Log()
    log.see(report(pane("%1"), pane("%2", index=1)))

    log.add(hook("UserPromptSubmit", 5, pane="%2", tmux=TMUX))

    shown = log.state.pane("%2")
    assert shown is not None
    assert shown.session_id == "s1"
    assert shown.status is not None
    assert shown.status.name is StatusName.WORKING
    assert session_in(log, "%1") is None


def test_a_session_may_come_before_its_pane_is_seen() -> None:
    log = Log()
    log.add(hook("UserPromptSubmit", 5, pane="%2", tmux=TMUX))

    log.see(report(pane("%2")))

    assert session_in(log, "%2") == "s1"


CLEARED = [
    hook("Stop", 10, session="old", pane="%1", tmux=TMUX),
    hook("SessionEnd", 20, session="old", pane="%1", tmux=TMUX, reason="clear"),
    hook("SessionStart", 21, session="new", pane="%1", tmux=TMUX, source="clear"),
]


@pytest.mark.parametrize("order", list(permutations(CLEARED)), ids=lambda order: "-".join(e.name for e in order))
def test_after_a_clear_the_new_session_is_in_the_pane_whatever_came_first(order: tuple[NewEvent, ...]) -> None:
    log = Log()
    log.see(report(pane("%1")))

    log.add(*order)

    assert session_in(log, "%1") == "new"
    old = log.state.session("old")
    assert old is not None
    assert old.status.name is StatusName.ENDED


def test_a_pane_shows_its_ended_session_until_another_begins() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(hook("SessionEnd", 20, session="old", pane="%1", tmux=TMUX))
    assert session_in(log, "%1") == "old"

    log.add(hook("SessionStart", 21, session="new", pane="%1", tmux=TMUX))

    assert session_in(log, "%1") == "new"


def test_a_session_started_within_a_sessions_command_has_the_pane_while_it_lives() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(tool("PreToolUse", 10, session="outer", pane="%1", tmux=TMUX))

    log.add(hook("UserPromptSubmit", 20, session="nested", pane="%1", tmux=TMUX))
    assert session_in(log, "%1") == "nested"

    log.add(hook("SessionEnd", 30, session="nested", pane="%1", tmux=TMUX))
    assert session_in(log, "%1") == "outer"


def test_a_pane_of_another_life_of_the_server_is_another_pane() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(hook("UserPromptSubmit", 5, pane="%1", tmux=TMUX))
    log.take()

    log.see(report(pane("%1"), at=9, server=OTHER_SERVER))

    assert session_in(log, "%1") is None
    ended = log.state.session("s1")
    assert ended is not None
    assert (ended.status.name, ended.pane_id) == (StatusName.ENDED, "%1")
    assert kinds(log.take())[:3] == ["windows", "pane_removed", "pane_update"]


def test_also_for_a_session_that_did_not_name_its_server() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(hook("UserPromptSubmit", 5, pane="%1"))

    log.see(report(pane("%1"), at=9, server=OTHER_SERVER))

    assert session_in(log, "%1") is None


def test_a_session_of_the_new_life_outlives_the_old_ones_panes() -> None:
    log = Log()
    log.see(report(pane("%1")))

    log.add(hook("UserPromptSubmit", 5, pane="%1", tmux=OTHER_TMUX))
    assert session_in(log, "%1") is None
    log.see(report(pane("%1"), at=9, server=OTHER_SERVER))

    assert session_in(log, "%1") == "s1"
    session = log.state.session("s1")
    assert session is not None
    assert session.status.name is StatusName.WORKING


def test_a_session_ends_with_its_pane_and_lives_in_another() -> None:
    log = Log()
    log.see(report(pane("%1"), pane("%2")))
    log.add(hook("UserPromptSubmit", 5, pane="%1", tmux=TMUX))
    log.see(report(pane("%2"), at=9))
    ended = log.state.session("s1")
    assert ended is not None
    assert ended.status.name is StatusName.ENDED

    log.add(hook("SessionStart", 20_000, pane="%2", tmux=TMUX, source="resume"))

    assert session_in(log, "%2") == "s1"


def test_a_session_that_moved_leaves_its_pane() -> None:
    log = Log()
    log.see(report(pane("%1"), pane("%2")))
    log.add(hook("UserPromptSubmit", 5, pane="%1", tmux=TMUX))
    log.take()

    log.add(hook("UserPromptSubmit", 6, pane="%2", tmux=TMUX))

    assert session_in(log, "%1") is None
    assert session_in(log, "%2") == "s1"
    assert {m.pane.id for m in log.take() if isinstance(m, PaneUpdate)} == {"%1", "%2"}


def test_an_earlier_start_that_comes_late_gives_the_pane_back() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(hook("UserPromptSubmit", 20, session="a", pane="%1", tmux=TMUX))
    log.add(hook("UserPromptSubmit", 30, session="b", pane="%1", tmux=TMUX))
    log.take()

    log.add(hook("Notification", 10, session="b"))

    assert session_in(log, "%1") == "a"
    assert "pane_update" in kinds(log.take())


# Dismissals.


def status_in(log: Log, session: str = "s1") -> Status:
    shown = log.state.session(session)
    assert shown is not None
    return shown.status


def test_a_dismissal_changes_the_session_and_its_pane_and_calls_nobody() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(hook("StopFailure", 5, pane="%1", tmux=TMUX, error="overloaded"))
    log.take()

    log.add(dismissal(at=9))

    assert (status_in(log).name, status_in(log).error) == (StatusName.IDLE, None)
    assert kinds(log.take()) == ["pane_update", "session_update", "event"]
    assert session_in(log, "%1") == "s1"


def test_a_dismissal_is_in_none_of_the_sessions_counters() -> None:
    log = Log()
    log.add(hook("Stop", 5))
    before = log.state.session("s1")
    assert before is not None

    log.add(dismissal(at=9_000))

    after = log.state.session("s1")
    assert after == structs.replace(before, status=structs.replace(before.status, unseen=False))
    assert log.awards == {}


def test_a_dismissal_of_a_session_that_is_not_there_is_only_kept() -> None:
    log = Log()

    log.add(dismissal(session="gone"))

    assert log.state.sessions() == ()
    assert kinds(log.take()) == ["event"]


@pytest.mark.parametrize("skew", [-600_000, 0, 600_000], ids=["behind", "right", "ahead"])
def test_a_dismissal_is_timed_by_the_sessions_own_clock(skew: int) -> None:
    """Else a clock that is ahead would put it before what it dismisses, one that is behind after what comes next."""
    log = Log()
    start = 1_000_000
    log.add(structs.replace(hook("StopFailure", start), sent_at=start + skew))

    assert log.state.clock_of("s1", start + 2_000) == start + skew + 2_000
    log.add(dismissal(at=start + 2_000, session_at=log.state.clock_of("s1", start + 2_000)))
    assert status_in(log).name is StatusName.IDLE

    log.add(structs.replace(hook("Stop", start + 3_000), sent_at=start + skew + 3_000))
    assert status_in(log).unseen


# Counters and awards.


def test_events_are_counted_and_those_too_late_too() -> None:
    log = Log()
    log.add(*(tool("PostToolUse", 1_000 + n, f"c{n}") for n in range(WINDOW + 1)))

    log.add(hook("SessionEnd", 5))

    session = log.state.session("s1")
    assert session is not None
    assert (session.events, session.late_events) == (WINDOW + 2, 1)
    assert session.status.name is StatusName.WORKING
    assert (session.started_at, session.last_event_at) == (5, 1_000 + WINDOW)


def test_a_call_is_awarded_once_however_often_it_is_told() -> None:
    log = Log()

    log.add(tool("PostToolUse", 1), tool("PostToolUse", 2), tool("PostToolUse", 3, session="s2"))

    assert [(s.id, s.xp) for s in log.state.sessions()] == [("s1", 1), ("s2", 1)]
    gains = [m for m in log.take() if isinstance(m, XpGain)]
    assert [(gain.session_id, gain.amount, gain.total) for gain in gains] == [("s1", 1, 1), ("s2", 1, 1)]


def test_an_event_without_a_session_is_only_kept() -> None:
    log = Log()

    log.add(hook("ConfigChange", 1, session=None))

    assert log.state.sessions() == ()
    assert kinds(log.take()) == ["event"]


# Updates.


def test_each_thing_is_told_once_as_it_is_now() -> None:
    log = Log()
    log.see(report(pane("%1"), windows=[window()]))
    log.add(hook("UserPromptSubmit", 1, pane="%1", tmux=TMUX), tool("PreToolUse", 2), tool("PostToolUse", 3))

    messages = log.take()

    assert kinds(messages) == [
        "windows",
        "pane_update",
        "session_update",
        "event",
        "event",
        "event",
        "event",
        "xp_gain",
    ]
    update = next(m for m in messages if isinstance(m, SessionUpdate))
    assert update.session == log.state.session("s1")
    assert log.take() == []


def test_a_pane_is_not_told_again_when_it_shows_the_same() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(hook("Stop", 1, pane="%1", tmux=TMUX))
    log.take()

    log.add(hook("MessageDisplay", 2, pane="%1", tmux=TMUX, delta="x"))

    assert kinds(log.take()) == ["session_update", "event"]


def test_a_title_is_no_event_but_an_update() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.take()

    log.see(report(pane("%1", title="✳ thinking", command="claude")))

    assert len(log.events) == 1
    messages = log.take()
    assert kinds(messages) == ["pane_update"]
    assert isinstance(messages[0], PaneUpdate)
    assert (messages[0].pane.title, messages[0].pane.command) == ("✳ thinking", "claude")


def test_a_layout_is_no_event_but_an_update() -> None:
    log = Log()
    log.see(report(pane("%1"), windows=[window()]))
    log.take()

    log.see(report(pane("%1"), windows=[window(layout="other")]))

    assert len(log.events) == 1
    assert kinds(log.take()) == ["windows"]


def test_a_pane_that_moves_changes_the_windows() -> None:
    log = Log()
    log.see(report(pane("%1"), pane("%2", index=1)))
    log.take()
    view = log.state.view_of(report(pane("%2"), pane("%1", index=1)))
    assert view is not None
    change = log.state.tmux_change(view)
    assert change is not None

    log.add(new_tmux_event("t", 1, change))

    windows = [m for m in log.take() if isinstance(m, Windows)]
    assert [one.pane_ids for message in windows for one in message.windows] == [("%2", "%1")]


def test_a_pane_that_comes_and_goes_unseen_is_only_removed() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.take()

    log.see(report(pane("%1"), pane("%2", index=1)))
    log.see(report(pane("%1")))

    messages = log.take()
    assert [m.pane_id for m in messages if isinstance(m, PaneRemoved)] == ["%2"]
    assert "%2" not in {m.pane.id for m in messages if isinstance(m, PaneUpdate)}


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([tool("PermissionRequest", 1)], ("waiting", "permission")),
        ([hook("StopFailure", 1, error="overloaded")], ("error", "overloaded")),
        ([hook("UserPromptSubmit", 1), hook("Stop", 2)], ("idle", "finished")),
        ([hook("SessionStart", 1)], None),
        ([hook("UserPromptSubmit", 1)], None),
        ([hook("SessionEnd", 1)], None),
    ],
)
def test_a_person_is_told_when_a_session_wants_them(events: list[NewEvent], told: tuple[str, str] | None) -> None:
    log = Log()
    log.add(*events)

    attention = [(m.status.value, m.reason) for m in log.take() if isinstance(m, Attention)]

    assert attention == ([] if told is None else [told])


def test_a_turn_that_begins_and_ends_within_one_batch_is_told() -> None:
    log = Log()
    log.add(hook("UserPromptSubmit", 1), hook("Stop", 2))
    log.take()

    log.add(hook("UserPromptSubmit", 3), hook("Stop", 4))
    assert "attention" in kinds(log.take())

    log.add(hook("Notification", 5, notification_type="idle_prompt"), tool("PostToolUse", 6))
    assert "attention" not in kinds(log.take())


def test_a_large_payload_is_left_out_of_the_stream() -> None:
    small, large = hook("Stop", 1), hook("Stop", 2, text="x" * EVENT_PAYLOAD_BYTES)
    log = Log()
    log.add(small, large)

    payloads = [m.event.payload for m in log.take() if isinstance(m, EventKept)]

    assert [None if raw is None else bytes(raw) for raw in payloads] == [small.payload, None]
    assert kept_event(2, large, 2**62).payload is not None


def test_forgotten_updates_are_told_to_nobody() -> None:
    log = Log()
    log.see(report(pane("%1")))
    log.add(tool("PostToolUse", 1, pane="%1"))
    log.see(report(at=2))

    log.state.forget_updates()

    assert log.take() == []


# The sweep.


def swept(*events: NewEvent, now: int) -> tuple[State, list[Message]]:
    """The state and its updates after events and, at `now`, the event that sweeps."""
    state = State()
    for seq, event in enumerate(events, 1):
        state.apply(seq, event, lambda _key, _seq: True)
    state.forget_updates()
    state.apply(SWEEP_EVERY, hook("Stop", now, session="now"), lambda _key, _seq: True)
    return state, state.take_updates()


def test_an_ended_session_leaves_after_its_time() -> None:
    ended = (hook("Stop", 1_000), hook("SessionEnd", 1_000))

    early, _ = swept(*ended, now=1_000 + ENDED_KEPT_MS - 1)
    late, messages = swept(*ended, now=1_000 + ENDED_KEPT_MS)

    assert early.session("s1") is not None
    assert late.session("s1") is None
    assert [m.session_id for m in messages if isinstance(m, SessionRemoved)] == ["s1"]
    assert [m.session.id for m in messages if isinstance(m, SessionUpdate)] == ["now"]


def test_a_silent_session_leaves_too() -> None:
    working = hook("UserPromptSubmit", 1_000)

    assert swept(working, now=1_000 + SILENT_KEPT_MS - 1)[0].session("s1") is not None
    assert swept(working, now=1_000 + SILENT_KEPT_MS)[0].session("s1") is None


def test_the_pane_of_a_swept_session_is_told() -> None:
    log = Log()
    log.see(report(pane("%1")))
    first = log.events[0]

    state, messages = swept(first, hook("SessionEnd", 1_000, pane="%1", tmux=TMUX), now=1_000 + ENDED_KEPT_MS)

    shown = state.pane("%1")
    assert shown is not None
    assert shown.session_id is None
    assert [m.pane.id for m in messages if isinstance(m, PaneUpdate)] == ["%1"]


# Changes of reports.


def numbered(seen: ReportTmux, revision: int) -> ReportTmux:
    return structs.replace(seen, revision=revision)


def test_changes_are_of_the_report_taken_last() -> None:
    first, second = numbered(report(pane("%1")), 7), numbered(report(pane("%1"), pane("%2")), 8)
    log = Log()

    assert log.state.view_of(changes(first, second)) is None, "a new core has none"
    log.see(first)
    assert log.state.view_of(structs.replace(changes(first, second), after=6)) is None
    assert log.state.view_of(structs.replace(changes(first, second), server=OTHER_SERVER)) is None
    log.see(changes(first, second))

    assert [shown.id for shown in log.state.panes()] == ["%1", "%2"]
    assert log.state.view_of(changes(first, second)) is None, "taken already"


def test_a_report_that_is_not_taken_leaves_nothing_behind() -> None:
    log = Log()
    log.see(numbered(report(pane("%1", title="a")), 7))
    log.take()
    before = log.state.panes()

    log.state.view_of(structs.replace(report(pane("%1", title="b")), after=5, gone=("%1",)))

    assert log.state.panes() == before
    assert log.take() == []


def test_the_activity_is_shown_and_not_logged() -> None:
    log = Log()
    log.see(report(pane("%1", agent=Agent(name="claude", pid=7))))
    log.take()

    log.see(report(pane("%1", agent=Agent(name="claude", pid=7), activity_at=20_000)))

    shown = log.state.pane("%1")
    assert shown is not None
    assert (shown.agent, shown.activity_at) == (Agent(name="claude", pid=7), 20_000)
    assert len(log.events) == 1
    assert kinds(log.take()) == ["pane_update"]


def test_what_tmux_shows_is_known_by_its_ids() -> None:
    log = Log()
    assert log.state.server is None

    log.see(report(pane("%1", "@7")))

    assert (log.state.has_pane("%1"), log.state.has_pane("%2")) == (True, False)
    assert (log.state.has_window("@7"), log.state.has_window("@8")) == (True, False)
    assert log.state.server == SERVER


SEEN = st.builds(
    lambda places, titles, windows, server: report(
        *(
            pane(pane_id, windows[where % len(windows)], n, title=titles[n])
            for n, (pane_id, where) in enumerate(places.items())
        ),
        server=server,
        windows=[window(window_id) for window_id in windows],
    ),
    st.dictionaries(st.sampled_from(["%1", "%2", "%3", "%4"]), st.integers(0, 2), max_size=4),
    st.lists(st.sampled_from("ab"), min_size=4, max_size=4),
    st.permutations(["@0", "@1", "@2"]),
    st.sampled_from([SERVER, SERVER, SERVER, OTHER_SERVER]),
)


@given(st.lists(SEEN, min_size=1, max_size=8), st.lists(st.booleans(), min_size=8, max_size=8))
@settings(max_examples=60)
def test_a_whole_report_and_changes_are_the_same_state_as_whole_reports(
    reports: list[ReportTmux], whole: list[bool]
) -> None:
    told, plain = Log(), Log()
    before: ReportTmux | None = None
    for revision, seen in enumerate(reports):
        now = numbered(seen, revision)
        is_whole = before is None or whole[revision] or before.server != now.server
        told.see(now if is_whole or before is None else changes(before, now))
        plain.see(now)
        before = now

        assert told.state.windows() == plain.state.windows()
        assert told.state.panes() == plain.state.panes()
        assert kinds(told.take()) == kinds(plain.take())
    assert told.state.dump() == plain.state.dump()
    assert msgpack.encode(told.replayed().dump()) == msgpack.encode(told.state.dump())


# Replay.


def steps(run: str) -> list[NewEvent | ReportTmux]:
    """A recording amid what tmux does."""
    layouts = [
        report(pane("%0")),
        report(pane("%0"), pane("%1", index=1)),
        report(pane("%0", title="busy"), pane("%1", index=1)),
        report(pane("%1", index=0)),
        report(pane("%0"), server=OTHER_SERVER),
        report(server=None),
    ]
    dismissals = [dismissal(e.id, session=e.session_id or "", at=e.at) for e in recorded(run)[3::7]]
    return [*recorded(run), *layouts, *dismissals]


@given(st.sampled_from(RUNS), st.sampled_from(RUNS), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_a_replay_gives_the_state_again(run: str, other: str, order: random.Random) -> None:
    mixed = [*steps(run), *recorded(other)]
    log = Log()
    for step in order.sample(mixed, len(mixed)):
        if isinstance(step, ReportTmux):
            log.see(step)
        else:
            log.add(step)

    replayed = log.replayed()

    assert replayed.dump() == log.state.dump()
    assert msgpack.encode(replayed.dump()) == msgpack.encode(log.state.dump())
    assert State(copy_of(log.state.dump())).sessions() == log.state.sessions()


@given(st.sampled_from(RUNS), st.integers(0, 20), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_a_checkpoint_and_the_later_events_give_the_state_again(run: str, at: int, order: random.Random) -> None:
    events = order.sample(recorded(run), len(recorded(run)))
    log = Log()
    log.see(report(pane("%0")))
    log.add(*events[:at])
    restored = State(copy_of(log.state.dump()))

    log.add(*events[at:])
    for seq, event in enumerate(log.events[at + 1 :], at + 2):
        restored.apply(seq, event, log.is_first)

    assert restored.dump() == log.state.dump()
    assert restored.panes() == log.state.panes()


def test_what_the_log_leaves_out_is_not_dumped() -> None:
    log = Log()
    log.see(report(pane("%1")))
    before = msgpack.encode(log.state.dump())

    log.see(report(pane("%1", title="x", width=200)))

    assert msgpack.encode(log.state.dump()) == before


@pytest.mark.parametrize("run", RUNS)
def test_a_recorded_session_is_in_its_pane(run: str) -> None:
    log = Log()
    log.see(report(pane("%0"), server=SERVER))

    log.add(*recorded(run))

    last = json.loads(recorded(run)[-1].payload)["session_id"]
    assert session_in(log, "%0") == last
    assert all(session.status.name is StatusName.ENDED for session in log.state.sessions())
