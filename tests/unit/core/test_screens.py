import random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract.entities import Agent, Pane
from services.contract.events import NewEvent
from services.contract.orders import Attend
from services.contract.requests import ReportTmux, SeenScreen
from services.contract.updates import PaneRemoved, PaneUpdate
from services.core.screens import (
    ALL_PAST_SCREENS,
    BUSY,
    FORGET_MS,
    MAX_SCREENS,
    PAST_EVERY_MS,
    PAST_SCREENS,
    Screens,
)
from tests.unit.core.making import OTHER_SERVER, RUNS, TMUX, Log, hook, pane, recorded, report


def seen(pane_id: str, screen: bytes) -> SeenScreen:
    return SeenScreen(pane_id=pane_id, screen=screen)


def working(pane_id: str) -> Pane:
    log = Log()
    log.see(report(pane(pane_id)))
    log.add(hook("UserPromptSubmit", 1, pane=pane_id, tmux=TMUX))
    shown = log.state.pane(pane_id)
    assert shown is not None
    return shown


# Screens.


def test_screens_are_published_only_while_they_are_watched() -> None:
    screens = Screens()

    assert screens.take([seen("%1", b"one")], 0) == []
    assert screens.watch("ws", ["%1", "%2"], 0) == (b"one",)
    assert screens.take([seen("%1", b"two"), seen("%2", b"2"), seen("%3", b"3")], 0) == [("%1", b"two"), ("%2", b"2")]
    assert screens.watch("ws", [], 1) == ()
    assert screens.take([seen("%1", b"three")], 0) == []


def test_what_is_published_is_numbered_without_a_gap() -> None:
    screens = Screens()
    screens.watch("ws", ["%1"], 0)
    numbers = []
    for body in (b"a", b"b", b"c"):
        screens.take([seen("%2", body)], 0)
        if screens.take([seen("%1", body)], 0):
            numbers.append(screens.seq)

    assert numbers == [1, 2, 3]


def test_the_newest_screen_of_a_pane_counts() -> None:
    screens = Screens()
    screens.watch("ws", ["%1"], 0)

    assert screens.take([seen("%1", b"old"), seen("%1", b"new")], 0) == [("%1", b"new")]
    assert screens.watch("another", ["%1", "%1"], 0) == (b"new",)


def test_a_pane_that_goes_takes_its_screen_along() -> None:
    screens = Screens()
    screens.take([seen("%1", b"one"), seen("%2", b"two")], 0)

    screens.note([PaneRemoved(pane_id="%1")])

    assert screens.watch("ws", ["%1", "%2"], 0) == (b"two",)


def test_another_tmux_server_has_no_screens_yet() -> None:
    log, screens = Log(), Screens()
    log.see(report(pane("%1")))
    screens.note(log.take())
    screens.take([seen("%1", b"of the old life")], 0)

    log.see(report(pane("%1"), server=OTHER_SERVER))
    screens.note(log.take())

    assert screens.watch("ws", ["%1"], 0) == ()


def test_a_bounded_number_of_screens_is_kept() -> None:
    screens = Screens()
    screens.take([seen(f"%{number}", b"x") for number in range(MAX_SCREENS)], 0)
    screens.take([seen("%0", b"changed"), seen("%5000", b"new")], 0)

    kept = screens.watch("ws", [f"%{number}" for number in range(MAX_SCREENS)], 0)

    assert len(kept) == MAX_SCREENS - 1
    assert kept[0] == b"changed"
    assert screens.watch("ws", ["%1"], 0) == ()


# Past screens.


def with_agents(*pane_ids: str) -> Screens:
    log, screens = Log(), Screens()
    log.see(report(*(pane(pane_id, agent=Agent(name="claude", pid=7)) for pane_id in pane_ids)))
    screens.note(log.take())
    return screens


def test_the_last_screens_of_an_agent_are_kept() -> None:
    screens = with_agents("%1")
    for number in range(PAST_SCREENS + 5):
        screens.take([seen("%1", b"%d" % number)], number * PAST_EVERY_MS)

    assert screens.past("%1") == tuple(b"%d" % number for number in range(5, PAST_SCREENS + 5))


def test_of_screens_that_change_fast_the_last_of_each_half_second_is_kept() -> None:
    screens = with_agents("%1")
    for at in range(0, 2_000, 100):
        screens.take([seen("%1", b"%d" % at)], at)

    assert screens.past("%1") == (b"400", b"900", b"1400", b"1900")


def test_of_other_panes_only_the_newest_screen_is_known_until_they_are_watched() -> None:
    screens = with_agents("%1")
    screens.take([seen("%2", b"one")], 0)
    screens.take([seen("%2", b"two")], 1_000)
    assert screens.past("%2") == (b"two",)
    assert screens.past("%9") == ()

    screens.watch("ws", ["%2"], 1_000)
    screens.take([seen("%2", b"three")], 2_000)
    screens.take([seen("%2", b"four")], 3_000)

    assert screens.past("%2") == (b"three", b"four")


def test_what_is_seen_after_the_agent_left_comes_last() -> None:
    screens = with_agents("%1")
    screens.take([seen("%1", b"agent")], 0)
    log = Log()
    log.see(report(pane("%1")))
    screens.note(log.take())
    screens.take([seen("%1", b"shell")], 1_000)
    screens.take([seen("%1", b"shell again")], 2_000)

    assert screens.past("%1") == (b"agent", b"shell again")


def test_past_screens_go_with_their_pane() -> None:
    screens = with_agents("%1", "%2")
    screens.take([seen("%1", b"one"), seen("%2", b"two")], 0)

    screens.note([PaneRemoved(pane_id="%1")])
    assert (screens.past("%1"), screens.past("%2")) == ((), (b"two",))

    screens.take([seen("%1", b"another")], 1_000)
    screens.take([seen("%1", b"shell")], 2_000)
    assert screens.past("%1") == (b"shell",)


def test_of_all_past_screens_the_oldest_goes() -> None:
    names = [f"%{number}" for number in range(ALL_PAST_SCREENS // PAST_SCREENS + 10)]
    screens = with_agents(*names)
    for number in range(PAST_SCREENS):
        for name in names:
            screens.take([seen(name, b"%d" % number)], number * PAST_EVERY_MS)

    kept = [screens.past(name) for name in names]
    assert sum(map(len, kept)) == ALL_PAST_SCREENS
    assert {past[-1] for past in kept} == {b"11"}
    assert max(map(len, kept)) - min(map(len, kept)) <= 1


# Who watches.


def test_gateways_watch_together() -> None:
    screens = Screens()
    screens.watch("a", ["%2", "%1"], 0)
    screens.watch("b", ["%2", "%3"], 0)
    assert screens.attend().watched == ("%1", "%2", "%3")

    screens.watch("a", [], 1)

    assert screens.attend().watched == ("%2", "%3")


def test_a_gateway_says_all_that_it_watches() -> None:
    screens = Screens()
    screens.watch("a", ["%1"], 0)
    screens.watch("a", ["%2"], 1)

    assert screens.attend().watched == ("%2",)


def test_a_silent_gateway_is_forgotten() -> None:
    screens = Screens()
    screens.watch("silent", ["%1"], 0)
    screens.watch("alive", ["%2"], 0)
    screens.watch("alive", ["%2"], 5)

    screens.forget_silent(FORGET_MS - 1)
    assert screens.attend().watched == ("%1", "%2")

    screens.forget_silent(FORGET_MS)
    assert screens.attend().watched == ("%2",)


# What the poller is to attend to.


def test_panes_whose_sessions_work_or_wait_are_attended_to() -> None:
    screens = Screens()
    screens.note([PaneUpdate(pane=working("%1")), PaneUpdate(pane=working("%2"))])
    assert screens.attend() == Attend(working=("%1", "%2"))

    screens.note([PaneRemoved(pane_id="%1")])

    assert screens.attend() == Attend(working=("%2",))


def test_attention_that_stays_the_same_is_the_same_object() -> None:
    screens = Screens()
    screens.watch("ws", ["%1"], 0)
    screens.note([PaneUpdate(pane=working("%1"))])
    before = screens.attend()

    screens.watch("ws", ["%1"], 1)
    screens.note([PaneUpdate(pane=working("%1")), PaneRemoved(pane_id="%9")])
    screens.forget_silent(2)

    assert screens.attend() is before


@given(st.sampled_from(RUNS), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_who_works_is_followed_through_whatever_happens(run: str, batch: int, order: random.Random) -> None:
    steps: list[NewEvent | ReportTmux] = [
        *recorded(run),
        *recorded("commit"),
        report(pane("%0"), pane("%1", index=1)),
        report(pane("%1")),
        report(pane("%0"), server=OTHER_SERVER),
        report(pane("%0")),
    ]
    log, screens = Log(), Screens()
    log.see(report(pane("%0")))
    for number, step in enumerate(order.sample(steps, len(steps))):
        if isinstance(step, ReportTmux):
            log.see(step)
        else:
            log.add(step)
        if number % batch == 0:
            screens.note(log.take())
            busy = [p.id for p in log.state.panes() if p.status is not None and p.status.name in BUSY]
            assert screens.attend().working == tuple(sorted(busy))
