from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.mirror import Mirror

Json = dict[str, Any]


def message(kind: str, seq: int | None = None, /, **data: Any) -> Json:
    head: Json = {"type": kind, "ts": 1_800_000_000_000, "data": data}
    return head if seq is None else head | {"seq": seq}


def thing(key: str, version: int = 0) -> Json:
    return {"id": key, "version": version}


def connected(*, resumed: bool = False) -> Json:
    why = "resumed" if resumed else "new"
    return message("connected", client_id="c", epoch="e", heartbeat_s=30, resumed=resumed, why=why)


def snapshot(
    seq: int = 0,
    *,
    epoch: str = "e",
    windows: Iterable[Json] = (),
    panes: Iterable[Json] = (),
    sessions: Iterable[Json] = (),
) -> list[Json]:
    return [
        message("windows", windows=list(windows), panes=list(panes)),
        message("sessions", sessions=list(sessions)),
        message("personas", personas=[]),
        message("projects", projects=[]),
        message("quests", quests=[]),
        message("synced", epoch=epoch, seq=seq, cursor=f"{epoch}-{seq}"),
    ]


def mirror_of(*messages: Json) -> Mirror:
    mirror = Mirror()
    for one in messages:
        mirror.apply(one)
    return mirror


def state(mirror: Mirror) -> tuple[object, ...]:
    return mirror.windows, mirror.panes, mirror.sessions


@pytest.fixture
def mirror() -> Mirror:
    return mirror_of(
        connected(),
        *snapshot(7, windows=[thing("@1")], panes=[thing("%1"), thing("%2")], sessions=[thing("s1")]),
    )


def test_begins_with_nothing() -> None:
    mirror = Mirror()

    assert (mirror.epoch, mirror.seq, mirror.cursor, mirror.is_synced) == ("", -1, "", False)


def test_has_the_snapshot_once_it_is_complete(mirror: Mirror) -> None:
    assert state(mirror) == (
        [thing("@1")],
        {"%1": thing("%1"), "%2": thing("%2")},
        {"s1": thing("s1")},
    )
    assert (mirror.epoch, mirror.seq, mirror.cursor, mirror.is_synced) == ("e", 7, "e-7", True)


def test_updates_apply(mirror: Mirror) -> None:
    mirror.apply(message("pane_update", 8, pane=thing("%1", 1)))
    mirror.apply(message("pane_update", 9, pane=thing("%3")))
    mirror.apply(message("pane_removed", 10, pane_id="%2"))
    mirror.apply(message("session_update", 11, session=thing("s2")))
    mirror.apply(message("session_removed", 12, session_id="s1"))
    mirror.apply(message("windows", 13, windows=[thing("@2")], panes=None))

    assert state(mirror) == ([thing("@2")], {"%1": thing("%1", 1), "%3": thing("%3")}, {"s2": thing("s2")})
    assert (mirror.seq, mirror.is_synced) == (13, True)


@pytest.mark.parametrize("kind", ["pane_removed", "session_removed"])
def test_what_is_not_there_can_be_removed(mirror: Mirror, kind: str) -> None:
    before = state(mirror)

    mirror.apply(message(kind, 8, pane_id="%9", session_id="s9"))

    assert state(mirror) == before


def test_a_snapshot_on_an_open_connection_replaces_all(mirror: Mirror) -> None:
    again = snapshot(2, epoch="f", panes=[thing("%2", 5)])
    for index, one in enumerate(again):
        mirror.apply(one)
        assert mirror.is_synced == (index == len(again) - 1), one["type"]

    assert state(mirror) == ([], {"%2": thing("%2", 5)}, {})
    assert (mirror.epoch, mirror.seq, mirror.cursor) == ("f", 2, "f-2")


def test_a_resumed_connection_keeps_what_was_there_and_the_cursor(mirror: Mirror) -> None:
    before = state(mirror)

    mirror.apply(connected(resumed=True))

    assert (state(mirror), mirror.cursor, mirror.is_synced) == (before, "e-7", False)
    mirror.apply(message("pane_update", 9, pane=thing("%1", 4)))
    mirror.apply(message("synced", epoch="e", seq=12, cursor="e-12"))
    assert mirror.panes == {"%1": thing("%1", 4), "%2": thing("%2")}
    assert (mirror.seq, mirror.cursor, mirror.is_synced) == (12, "e-12", True)


def test_another_connection_shows_what_was_there_until_the_snapshot_but_forgets_the_cursor(mirror: Mirror) -> None:
    before = state(mirror)

    mirror.apply(connected())

    assert (state(mirror), mirror.cursor, mirror.is_synced) == (before, "", False)
    for one in snapshot(1):
        mirror.apply(one)
    assert state(mirror) == ([], {}, {})


def test_a_connection_cut_amid_its_snapshot_brings_no_cursor(mirror: Mirror) -> None:
    mirror.apply(connected())
    mirror.apply(snapshot()[0])

    assert mirror.cursor == ""


@pytest.mark.parametrize("kind", ["cursor", "draining"])
def test_keeps_the_newest_cursor(mirror: Mirror, kind: str) -> None:
    mirror.apply(message(kind, cursor="newer", reconnect_in_ms=5))

    assert (mirror.cursor, mirror.seq, mirror.is_synced) == ("newer", 7, True)


def test_while_behind_what_comes_last_is_the_newest_whatever_its_number(mirror: Mirror) -> None:
    mirror.apply(message("pane_update", 20, pane=thing("%1", 20)))
    mirror.apply(message("session_update", 15, session=thing("s1", 15)))

    assert mirror.sessions == {"s1": thing("s1", 15)}
    assert mirror.seq == 20
    mirror.apply(message("lagged", dropped=3, replaced=4, upto=22))
    mirror.apply(message("lagged", dropped=1, replaced=0, upto=30))
    assert (mirror.seq, mirror.dropped, mirror.replaced) == (30, 4, 4)


def test_what_is_not_known_is_ignored(mirror: Mirror) -> None:
    before = state(mirror)

    mirror.apply(message("comet", 8, tail=True))
    mirror.apply(message("pong", echo=None, more=1))
    mirror.apply(message("error", code="bad_request", message="no"))
    mirror.apply(message("event", 9, event={}))

    assert (state(mirror), mirror.seq) == (before, 9)


# Screens.


def output(pane_id: str = "%1", *lines: str) -> Json:
    cursor = {"x": 0, "y": 0, "visible": True}
    return message(
        "terminal_output", pane_id=pane_id, captured_at=1, width=9, height=len(lines), cursor=cursor, lines=list(lines)
    )


def test_a_screen_scrolls_and_then_takes_new_lines(mirror: Mirror) -> None:
    mirror.apply(output("%1", "a", "b", "c", "d"))
    diff = message("terminal_diff", pane_id="%1", captured_at=2, cursor={"x": 3}, scroll=2, lines={"0": "C", "3": "f"})
    mirror.apply(diff)

    screen = mirror.screens["%1"]
    assert screen["lines"] == ["C", "d", "", "f"]
    assert (screen["captured_at"], screen["cursor"], screen["width"], screen["height"]) == (2, {"x": 3}, 9, 4)


def test_a_change_of_a_screen_that_is_not_there_is_ignored(mirror: Mirror) -> None:
    mirror.apply(message("terminal_diff", pane_id="%1", captured_at=2, cursor={}, scroll=0, lines={"0": "x"}))

    assert mirror.screens == {}


def test_a_screen_goes_with_its_pane_and_with_the_connection(mirror: Mirror) -> None:
    for pane_id in ("%1", "%2", "%3"):
        mirror.apply(output(pane_id, "x"))
    mirror.apply(message("pane_removed", 8, pane_id="%2"))
    assert set(mirror.screens) == {"%1", "%3"}

    for one in snapshot(9, panes=[thing("%1")]):
        mirror.apply(one)
    assert set(mirror.screens) == {"%1"}

    mirror.apply(connected(resumed=True))
    assert mirror.screens == {}


# A model of the server: whatever it leaves out by its rules, the end is the same.

KEYS = ("1", "2", "3")
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["pane_update", "pane_removed", "session_update", "session_removed", "windows"]),
        st.sampled_from(KEYS),
    ),
    max_size=30,
)


def updates(changes: Sequence[tuple[str, str]]) -> list[Json]:
    made = []
    for seq, (kind, key) in enumerate(changes, 1):
        every: dict[str, Json] = {
            "pane_update": {"pane": thing(key, seq)},
            "pane_removed": {"pane_id": key},
            "session_update": {"session": thing(key, seq)},
            "session_removed": {"session_id": key},
            "windows": {"windows": [thing(key, seq)], "panes": None},
        }
        made.append(message(kind, seq, **every[kind]))
    return made


def key_of(update: Json) -> tuple[str, str]:
    data = update["data"]
    key = data["session"]["id"] if "session" in data else data.get("session_id", "")
    return update["type"].partition("_")[0], key


def thinned(missed: Sequence[Json]) -> list[Json]:
    """What a client that was behind gets: high priority first and all, then the newest of each key."""
    high = [one for one in missed if one["type"].startswith("pane_")]
    newest = {key_of(one): one for one in missed if not one["type"].startswith("pane_")}
    return [*high, *newest.values()]


def snapshot_of(mirror: Mirror, seq: int) -> list[Json]:
    return snapshot(seq, windows=mirror.windows, panes=mirror.panes.values(), sessions=mirror.sessions.values())


@given(CHANGES, st.integers(0, 30), st.integers(0, 30))
def test_snapshot_and_later_updates_are_all_updates(changes: list[tuple[str, str]], joined_at: int, ahead: int) -> None:
    every = updates(changes)
    whole = mirror_of(connected(), *snapshot(), *every)
    place = min(joined_at, len(every))
    before = mirror_of(*snapshot(), *every[:place])

    late = mirror_of(
        *snapshot(3, panes=[thing("old", ahead)]), connected(), *snapshot_of(before, place), *every[place:]
    )

    assert state(late) == state(whole)
    assert late.seq == len(every)


@given(CHANGES, st.integers(0, 30), st.integers(0, 30))
def test_who_was_behind_or_away_ends_with_the_same(changes: list[tuple[str, str]], first: int, second: int) -> None:
    every = updates(changes)
    low, high = sorted((min(first, len(every)), min(second, len(every))))
    whole = mirror_of(connected(), *snapshot(), *every)
    missed = thinned(every[low:high])

    behind = mirror_of(
        *snapshot(), *every[:low], *missed, message("lagged", dropped=0, replaced=1, upto=high), *every[high:]
    )
    away = mirror_of(
        *snapshot(),
        *every[:low],
        connected(resumed=True),
        *missed,
        message("synced", epoch="e", seq=high, cursor="c"),
        *every[high:],
    )

    assert state(behind) == state(away) == state(whole)
    assert behind.seq == away.seq == len(every)


@pytest.mark.parametrize("kind", ["persona", "project", "quest"])
def test_the_things_of_the_game_are_replaced_by_a_snapshot_and_one_by_one(kind: str) -> None:
    mirror = mirror_of(connected(), *snapshot(7))
    mirror.apply(message(f"{kind}s", **{f"{kind}s": [thing("a"), thing("b")]}))
    mirror.apply(message(f"{kind}_update", 8, **{kind: thing("b", 2)}))
    mirror.apply(message(f"{kind}_update", 9, **{kind: thing("c", 1)}))

    assert getattr(mirror, f"{kind}s") == {"a": thing("a"), "b": thing("b", 2), "c": thing("c", 1)}
    assert mirror.seq == 9
