from typing import Any

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.contract.commands import MAX_WATCHED
from services.contract.entities import Screen
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.updates import TerminalDiff
from services.ws.screens import Screens
from services.ws.terminal import applied
from services.ws.view import View
from tests.unit.ws.screen import body_of, make_screen

LINES = tuple(f"line {number}" for number in range(24))


class Parts:
    """A view on the panes %0 to %99, and the count of its wakings."""

    def __init__(self) -> None:
        self.woken = 0
        self.screens = Screens(bytes, lambda pane_id: len(pane_id) <= 3)
        self.view = View(self.screens, self._wake)
        self.number = 0

    def _wake(self) -> None:
        self.woken += 1

    def show(self, *lines: str, pane_id: str = "%1") -> None:
        self.number += 1
        self.screens.put(body_of(make_screen([*LINES, *lines], pane_id=pane_id, at=self.number)), self.number)

    def take(self, up_to_bytes: int = 100_000) -> list[dict[str, Any]]:
        return [msgspec.json.decode(frame) for frame in self.view.take(up_to_bytes, 7)]

    def taken(self, up_to_bytes: int = 100_000) -> list[tuple[str, str]]:
        """Type and pane of what is taken."""
        return [(message["type"], message["data"]["pane_id"]) for message in self.take(up_to_bytes)]


@pytest.fixture
def parts() -> Parts:
    return Parts()


def test_the_whole_screen_comes_first_and_then_what_changes(parts: Parts) -> None:
    parts.view.watch("%1")
    assert not parts.view.has_news
    parts.show("a")
    (output,) = parts.take()
    assert (output["type"], output["ts"], "seq" in output) == ("terminal_output", 7, False)
    assert output["data"]["lines"] == [*LINES, "a"]
    assert not parts.view.has_news

    parts.show("b")
    assert parts.view.has_news
    (diff,) = parts.take()
    assert (diff["type"], "seq" in diff) == ("terminal_diff", False)
    assert diff["data"] == {
        "pane_id": "%1",
        "captured_at": 2,
        "cursor": {"x": 0, "y": 0, "visible": True},
        "scroll": 0,
        "lines": {"24": "b"},
    }
    assert parts.screens.sent == 2


def test_of_many_screens_only_the_newest_is_told_against_what_was_handed_over(parts: Parts) -> None:
    parts.view.watch("%1")
    parts.show("a")
    parts.take()
    for number in range(1_000):
        parts.show(str(number))
    (diff,) = parts.take()

    assert diff["data"]["lines"] == {"24": "999"}
    assert parts.take() == []


def test_what_looks_the_same_again_is_not_told(parts: Parts) -> None:
    parts.view.watch("%1")
    parts.show("a")
    parts.take()
    parts.show("b")
    parts.show("a")

    assert parts.take() == []
    assert not parts.view.has_news


def test_watching_again_gives_the_whole_again(parts: Parts) -> None:
    parts.view.watch("%1")
    parts.show("a")
    parts.take()
    parts.view.watch("%1")
    assert parts.view.has_news
    assert parts.taken() == [("terminal_output", "%1")]


def test_who_watches_later_gets_the_whole_at_once_and_shares_the_diffs(parts: Parts) -> None:
    parts.view.watch("%1")
    parts.show("a")
    parts.take()
    late = View(parts.screens, lambda: None)
    late.watch("%1")
    assert late.has_news
    late.take(100_000, 1)
    parts.show("b")

    assert late.take(100_000, 1)[0] is parts.view.take(100_000, 1)[0]


def test_what_is_not_watched_any_more_is_not_told(parts: Parts) -> None:
    parts.view.watch("%1")
    parts.show("a")
    parts.view.unwatch("%1")
    parts.view.unwatch("%1")
    parts.view.unwatch("%2")

    assert parts.take() == []
    assert parts.screens.pane_ids == ()


def test_a_pane_that_is_gone_is_watched_no_more(parts: Parts) -> None:
    for pane_id in ("%1", "%2"):
        parts.view.watch(pane_id)
    parts.show("a")
    parts.screens.drop("%1")
    parts.show("a", pane_id="%2")
    assert parts.taken() == [("terminal_output", "%2")]

    parts.view.watch("%1")
    assert parts.screens.pane_ids == ("%2", "%1")


def test_one_pane_too_many_is_refused_and_the_others_stay(parts: Parts) -> None:
    for number in range(MAX_WATCHED):
        parts.view.watch(f"%{number}")
    with pytest.raises(QuestmuxError) as caught:
        parts.view.watch(f"%{MAX_WATCHED}")
    assert caught.value.problem.code is ErrorCode.TOO_MANY_REQUESTS
    parts.view.watch("%0")
    assert len(parts.screens.pane_ids) == MAX_WATCHED

    parts.view.unwatch("%0")
    parts.view.watch(f"%{MAX_WATCHED}")
    assert len(parts.screens.pane_ids) == MAX_WATCHED


def test_an_unknown_pane_is_refused(parts: Parts) -> None:
    with pytest.raises(QuestmuxError) as caught:
        parts.view.watch("%100")
    assert caught.value.problem.code is ErrorCode.NOT_FOUND
    assert not parts.view.has_news


def test_closing_lets_go_of_everything(parts: Parts) -> None:
    for pane_id in ("%1", "%2"):
        parts.view.watch(pane_id)
    parts.view.close()
    assert parts.screens.pane_ids == ()
    assert not parts.view.has_news


def test_news_wake_and_so_does_watching(parts: Parts) -> None:
    parts.view.watch("%1")
    assert parts.woken == 1
    parts.show("a")
    assert parts.woken == 2
    parts.show("a", pane_id="%2")
    assert parts.woken == 2


def test_takes_no_more_than_asked_for_but_one_at_least_and_no_pane_waits_for_ever(parts: Parts) -> None:
    for number in range(4):
        parts.view.watch(f"%{number}")
    order = []
    for turn in range(8):
        for number in range(4):
            parts.show(str(turn), pane_id=f"%{number}")
        (message,) = parts.taken(up_to_bytes=1)
        order.append(message[1])

    assert order == ["%0", "%1", "%2", "%3"] * 2
    assert len(parts.taken()) == 3


class ViewModel(RuleBasedStateMachine):
    """Clients that take when they like: each has what core showed as soon as it has taken all."""

    PANES = ("%1", "%2", "%3")

    def __init__(self) -> None:
        super().__init__()
        self.screens = Screens(bytes, self.PANES.__contains__)
        self.views = [View(self.screens, lambda: None) for _ in range(2)]
        self.shown: dict[str, Screen] = {}
        self.watched: list[dict[str, tuple[str, ...] | None]] = [{}, {}]
        self.number = 0

    @rule(pane_id=st.sampled_from(PANES), lines=st.lists(st.sampled_from(["", "a", "b", "c" * 20]), max_size=6))
    def show(self, pane_id: str, lines: list[str]) -> None:
        self.number += 1
        screen = make_screen(lines, pane_id=pane_id, at=self.number)
        self.screens.put(body_of(screen), self.number)
        if any(pane_id in watched for watched in self.watched):
            self.shown[pane_id] = screen

    @rule(client=st.integers(0, 1), pane_id=st.sampled_from(PANES))
    def watch(self, client: int, pane_id: str) -> None:
        self.views[client].watch(pane_id)
        self.watched[client][pane_id] = None

    @rule(client=st.integers(0, 1), pane_id=st.sampled_from(PANES))
    def unwatch(self, client: int, pane_id: str) -> None:
        self.views[client].unwatch(pane_id)
        self.watched[client].pop(pane_id, None)
        self._forget_unwatched()

    @rule(pane_id=st.sampled_from(PANES))
    def drop(self, pane_id: str) -> None:
        self.screens.drop(pane_id)
        for watched in self.watched:
            watched.pop(pane_id, None)
        self._forget_unwatched()

    def _forget_unwatched(self) -> None:
        for pane_id in self.PANES:
            if not any(pane_id in watched for watched in self.watched):
                self.shown.pop(pane_id, None)

    @rule(client=st.integers(0, 1), room=st.integers(0, 600))
    def take(self, client: int, room: int) -> None:
        had_news = self.views[client].has_news
        frames = self.views[client].take(room, 1)
        assert had_news or not frames
        assert len(frames) <= 1 or sum(map(len, frames)) <= room
        for frame in frames:
            self._show_to(client, msgspec.json.decode(frame))

    def _show_to(self, client: int, message: dict[str, Any]) -> None:
        pane_id = message["data"]["pane_id"]
        had = self.watched[client][pane_id]
        if message["type"] == "terminal_output":
            self.watched[client][pane_id] = tuple(message["data"]["lines"])
        else:
            assert had is not None
            self.watched[client][pane_id] = applied(had, msgspec.convert(message["data"], TerminalDiff, strict=False))

    @precondition(lambda self: not any(view.has_news for view in self.views))
    @invariant()
    def all_is_shown(self) -> None:
        for watched in self.watched:
            for pane_id, lines in watched.items():
                shown = self.shown.get(pane_id)
                assert lines == (shown and shown.lines)

    @invariant()
    def watches_what_is_watched(self) -> None:
        assert set(self.screens.pane_ids) == {pane_id for watched in self.watched for pane_id in watched}


TestViewModel = ViewModel.TestCase
