from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract import codec
from services.contract.codec import DecodeError
from services.contract.entities import Pane, Session, Status, StatusName, Window
from services.contract.game import Persona, Project, ProjectKind, Quest, QuestStatus
from services.contract.requests import Snapshot
from services.contract.updates import (
    Attention,
    Message,
    PaneRemoved,
    PaneUpdate,
    PersonaUpdate,
    ProjectUpdate,
    QuestUpdate,
    SessionRemoved,
    SessionUpdate,
    Windows,
)
from services.ws.replica import Replica

IDS = ("1", "2", "3")


def make_pane(pane_id: str, title: str = "") -> Pane:
    return Pane(
        id=pane_id,
        window_id="@1",
        index=0,
        active=True,
        title=title,
        command="sh",
        cwd="/",
        pid=1,
        width=80,
        height=24,
        dead=False,
    )


def make_session(session_id: str, name: StatusName = StatusName.IDLE) -> Session:
    return Session(id=session_id, status=Status(name=name, since=1), started_at=1, last_event_at=1)


def make_window(window_id: str, name: str = "w") -> Window:
    return Window(id=window_id, tmux_session_id="$0", tmux_session="main", index=0, name=name, active=True, layout="x")


def cursor(normal: int, high: int) -> str:
    return f"{normal}-{high}"


def make_persona(key: str, xp: int) -> Persona:
    return Persona(
        id=key,
        name=key,
        avatar="",
        level=1,
        xp=xp,
        next_level_xp=100,
        tier="",
        title="",
        energy=0,
        morale=0,
        streak_days=0,
        created_at=1,
        last_active_at=1,
    )


def make_project(key: str, xp: int) -> Project:
    return Project(id=key, name=key, path=key, kind=ProjectKind.FOLDER, xp=xp)


def make_quest(key: str, progress: int) -> Quest:
    return Quest(
        id=key, title=key, description="", status=QuestStatus.ACTIVE, created_at=1, changed_at=1, progress=progress
    )


def make_snapshot(epoch: str = "e", seq: int = 0, panes: Sequence[Pane] = ()) -> Snapshot:
    return Snapshot(epoch=epoch, seq=seq, windows=(), panes=tuple(panes), sessions=())


def apply(replica: Replica, *messages: Message) -> None:
    for message in messages:
        replica.apply(message.type, codec.wire_message(message, 1, replica.seq + 1))


def state_of(replica: Replica) -> dict[str, Any]:
    """What a client has after the snapshot: each message's data by type, lists of things in the order of their ids."""
    state: dict[str, Any] = {}
    for text in replica.snapshot(1, cursor):
        message = msgspec.json.decode(text)
        state[message["type"]] = {
            name: sorted(value, key=lambda thing: thing["id"]) if isinstance(value, list) else value
            for name, value in message["data"].items()
        }
    return state


messages = st.lists(
    st.one_of(
        st.builds(lambda i, t: PaneUpdate(pane=make_pane(i, t)), st.sampled_from(IDS), st.text(max_size=3)),
        st.builds(lambda i: PaneRemoved(pane_id=i), st.sampled_from(IDS)),
        st.builds(
            lambda i, n: SessionUpdate(session=make_session(i, n)), st.sampled_from(IDS), st.sampled_from(StatusName)
        ),
        st.builds(lambda i: SessionRemoved(session_id=i), st.sampled_from(IDS)),
        st.builds(
            lambda ids: Windows(windows=tuple(make_window(i) for i in ids)), st.lists(st.sampled_from(IDS), unique=True)
        ),
        st.builds(lambda i, n: QuestUpdate(quest=make_quest(i, n)), st.sampled_from(IDS), st.integers(0, 3)),
        st.builds(lambda i, n: ProjectUpdate(project=make_project(i, n)), st.sampled_from(IDS), st.integers(0, 3)),
        st.builds(lambda i, n: PersonaUpdate(persona=make_persona(i, n)), st.sampled_from(IDS), st.integers(0, 3)),
        st.builds(
            lambda i: Attention(session_id=i, pane_id=None, status=StatusName.IDLE, reason="finished"),
            st.sampled_from(IDS),
        ),
    ),
    max_size=20,
)


@given(messages, st.data())
def test_a_snapshot_and_later_updates_are_all_updates(updates: list[Message], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(updates)))
    whole, early = Replica(), Replica()
    whole.load(make_snapshot())
    apply(whole, *updates)
    early.load(make_snapshot())
    apply(early, *updates[:cut])
    parts = {msgspec.json.decode(text)["type"]: msgspec.json.decode(text)["data"] for text in early.snapshot(1, cursor)}
    late = Replica()
    late.load(
        msgspec.convert(
            {
                "epoch": parts["synced"]["epoch"],
                "seq": parts["synced"]["seq"],
                "windows": parts["windows"]["windows"],
                "panes": parts["windows"]["panes"],
                "sessions": parts["sessions"]["sessions"],
                "personas": parts["personas"]["personas"],
                "projects": parts["projects"]["projects"],
                "quests": parts["quests"]["quests"],
            },
            Snapshot,
        )
    )
    apply(late, *updates[cut:])
    assert state_of(late) == state_of(whole)
    assert (late.epoch, late.seq) == ("e", len(updates))


def test_is_ready_from_the_first_snapshot_on() -> None:
    replica = Replica()
    assert not replica.is_ready
    replica.load(make_snapshot())
    assert replica.is_ready


def test_the_snapshot_has_its_messages_in_order_and_its_place_last() -> None:
    replica = Replica()
    replica.load(make_snapshot(epoch="e7", seq=41))
    apply(replica, PaneUpdate(pane=make_pane("%1")))
    decoded = [msgspec.json.decode(text) for text in replica.snapshot(99, cursor)]
    kinds = [message["type"] for message in decoded]
    assert kinds == ["windows", "sessions", "personas", "projects", "quests", "synced"]
    assert decoded[-1] == {"type": "synced", "ts": 99, "data": {"epoch": "e7", "seq": 42, "cursor": "42-42"}}
    assert [pane["id"] for pane in decoded[0]["data"]["panes"]] == ["%1"]


def test_a_removed_pane_and_session_are_gone() -> None:
    replica = Replica()
    replica.load(make_snapshot())
    apply(replica, PaneUpdate(pane=make_pane("%1")), SessionUpdate(session=make_session("s")))
    assert len(state_of(replica)["sessions"]["sessions"]) == 1
    apply(replica, PaneRemoved(pane_id="%1"), SessionRemoved(session_id="s"))
    assert state_of(replica)["windows"] == {"windows": [], "panes": []}
    assert state_of(replica)["sessions"] == {"sessions": []}


def test_knows_which_panes_are_there() -> None:
    replica = Replica()
    replica.load(make_snapshot(panes=[make_pane("%1")]))
    apply(replica, PaneUpdate(pane=make_pane("%2")))
    assert [replica.has_pane(pane_id) for pane_id in ("%1", "%2", "%3")] == [True, True, False]
    apply(replica, PaneRemoved(pane_id="%1"))
    assert not replica.has_pane("%1")


def test_windows_replace_windows_and_panes_only_when_given() -> None:
    replica = Replica()
    replica.load(make_snapshot(panes=[make_pane("%1")]))
    apply(replica, Windows(windows=(make_window("@1"),)))
    assert [pane["id"] for pane in state_of(replica)["windows"]["panes"]] == ["%1"]
    apply(replica, Windows(windows=(make_window("@1"),), panes=(make_pane("%2"),)))
    assert [pane["id"] for pane in state_of(replica)["windows"]["panes"]] == ["%2"]


def test_loading_replaces_everything() -> None:
    replica = Replica()
    replica.load(make_snapshot("e1", 7, [make_pane("%1")]))
    replica.load(make_snapshot("e2", 3))
    assert state_of(replica)["windows"] == {"windows": [], "panes": []}
    assert (replica.epoch, replica.seq) == ("e2", 3)


def test_the_snapshot_is_made_once_until_the_next_update() -> None:
    replica = Replica()
    replica.load(make_snapshot())
    first = replica.snapshot(1, cursor)
    assert replica.snapshot(2, cursor) is first
    replica.apply("of_a_newer_core", b"{}")
    assert replica.snapshot(3, cursor) is not first


@pytest.mark.parametrize("payload", [b"{", b"[]", b'{"data":{"pane_id":1}}', b"\xff", b"[" * 100_000])
def test_a_broken_update_counts_and_changes_nothing(payload: bytes) -> None:
    replica = Replica()
    replica.load(make_snapshot(panes=[make_pane("%1")]))
    with pytest.raises(DecodeError, match="pane_removed"):
        replica.apply("pane_removed", payload)
    assert replica.seq == 1
    assert [pane["id"] for pane in state_of(replica)["windows"]["panes"]] == ["%1"]


def test_fields_of_a_newer_core_are_ignored() -> None:
    replica = Replica()
    replica.load(make_snapshot(panes=[make_pane("%1")]))
    replica.apply("pane_removed", b'{"type":"pane_removed","seq":1,"new":1,"data":{"pane_id":"%1","new":[]}}')
    assert state_of(replica)["windows"] == {"windows": [], "panes": []}
