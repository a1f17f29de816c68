import json
from typing import Any

import pytest
from msgspec import structs

from services.contract.actions import ActionRecord
from services.contract.answers import CoreHealth, Peer
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import NewEvent
from services.contract.requests import GetActions, GetEvents, GetPanes, GetSessions, Listing
from services.core import answers
from services.core.answers import MAX_PAGE
from services.core.state import EVENT_PAYLOAD_BYTES
from tests.unit.core.making import TMUX, Log, hook, pane, report


class Pages:
    """A log that gives at most `most` events at once, as the store does with large ones."""

    def __init__(self, count: int, most: int = 10_000, **payload: Any) -> None:
        self._events = [(seq, hook("Stop", seq, **payload)) for seq in range(1, count + 1)]
        self._most = most

    def events_after(self, seq: int, limit: int) -> list[tuple[int, NewEvent]]:
        return self._events[max(seq, 0) :][: min(limit, self._most)]


def data(listing: Listing) -> Any:
    return json.loads(listing.data)


@pytest.fixture
def log() -> Log:
    log = Log()
    log.see(report(pane("%1"), pane("%2", index=1), pane("%3", "@1")))
    log.add(hook("UserPromptSubmit", 1, pane="%2", tmux=TMUX), hook("Stop", 2, session="elsewhere"))
    return log


def test_windows_have_their_panes_and_the_sessions_in_them(log: Log) -> None:
    answer = data(answers.windows(log.state))

    assert [(w["id"], [p["id"] for p in w["panes"]]) for w in answer["windows"]] == [
        ("@0", ["%1", "%2"]),
        ("@1", ["%3"]),
    ]
    assert answer["windows"][0]["pane_ids"] == ["%1", "%2"]
    assert [session["id"] for session in answer["sessions"]] == ["s1"]


def test_panes_all_or_one(log: Log) -> None:
    assert [p["id"] for p in data(answers.panes(log.state, GetPanes()))["panes"]] == ["%1", "%2", "%3"]
    one = data(answers.panes(log.state, GetPanes(id="%2")))["pane"]
    assert (one["session_id"], one["status"]["name"]) == ("s1", "working")


def test_sessions_all_or_one(log: Log) -> None:
    assert [s["id"] for s in data(answers.sessions(log.state, GetSessions()))["sessions"]] == ["s1", "elsewhere"]
    assert data(answers.sessions(log.state, GetSessions(id="s1")))["session"]["pane_id"] == "%2"


def test_what_is_not_there_is_not_found(log: Log) -> None:
    with pytest.raises(QuestmuxError, match="no pane %9") as no_pane:
        answers.panes(log.state, GetPanes(id="%9"))
    with pytest.raises(QuestmuxError, match="no session x") as no_session:
        answers.sessions(log.state, GetSessions(id="x"))

    assert {no_pane.value.problem.code, no_session.value.problem.code} == {ErrorCode.NOT_FOUND}


@pytest.mark.parametrize(
    ("after", "limit", "seqs", "next_after", "has_more"),
    [
        (0, 2, [1, 2], 2, True),
        (2, 2, [3, 4], 4, True),
        (4, 2, [5], 5, False),
        (3, 2, [4, 5], 5, False),
        (5, 2, [], 5, False),
        (99, 2, [], 99, False),
        (0, 0, [1], 1, True),
        (0, -5, [1], 1, True),
    ],
)
def test_pages_of_the_log(after: int, limit: int, seqs: list[int], next_after: int, *, has_more: bool) -> None:
    page = data(answers.events(Pages(5), GetEvents(after=after, limit=limit)))

    assert [event["seq"] for event in page["events"]] == seqs
    assert (page["next_after"], page["has_more"]) == (next_after, has_more)


def test_a_page_that_ends_early_is_not_the_last() -> None:
    page = data(answers.events(Pages(5, most=2), GetEvents(after=0, limit=5)))

    assert (page["next_after"], page["has_more"]) == (2, True)


def test_a_page_is_bounded_whatever_is_asked() -> None:
    page = data(answers.events(Pages(MAX_PAGE + 1), GetEvents(after=0, limit=10**9)))

    assert len(page["events"]) == MAX_PAGE


def test_a_page_has_whole_payloads() -> None:
    text = "x" * EVENT_PAYLOAD_BYTES

    page = data(answers.events(Pages(1, text=text), GetEvents(after=0, limit=1)))

    assert page["events"][0]["payload"]["text"] == text


class Rows:
    """An audit that answers with as many rows as it was asked for."""

    def actions(self, limit: int) -> list[ActionRecord]:
        first = ActionRecord(id="a0", at=0, who="me", action="close_pane", target="%1", body="{}")
        return [structs.replace(first, id=f"a{number}") for number in range(limit)]


@pytest.mark.parametrize(("limit", "rows"), [(2, 2), (0, 1), (-5, 1), (10**9, MAX_PAGE)])
def test_the_audit_is_a_bounded_list(limit: int, rows: int) -> None:
    commands = data(answers.actions(Rows(), GetActions(limit=limit)))["commands"]

    assert len(commands) == rows
    assert commands[0] == {
        "id": "a0",
        "at": 0,
        "who": "me",
        "action": "close_pane",
        "target": "%1",
        "body": "{}",
        "finished_at": None,
        "result": None,
        "message": None,
    }


def test_health_is_cores_figures_beside_the_others() -> None:
    core = CoreHealth(
        epoch="e",
        update_seq=1,
        event_seq=2,
        uptime_s=3,
        last_event_at=None,
        event_age_ms=None,
        events_kept=4,
        sessions=5,
        panes=6,
        database_bytes=7,
        wal_bytes=8,
        free_disk_bytes=9,
        spool_bytes=10,
        figures={"x_total": 1},
    )
    peer = Peer(instance="a", pid=1, alive=True, age_ms=1, lag=None, figures={})

    answer = data(answers.health(core, {"ws": [peer]}))

    assert answer["core"]["event_seq"] == 2
    assert answer["services"]["ws"][0]["alive"] is True
