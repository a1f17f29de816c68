import time
from typing import Any

import msgspec
import pytest

from services.cli.message_line import _TELL, message_line
from services.cli.mirror import Mirror
from services.contract.entities import (
    Ask,
    Cursor,
    Evidence,
    KeptEvent,
    Pane,
    Process,
    Session,
    Status,
    StatusName,
    WaitingFor,
    Window,
)
from services.contract.errors import ErrorCode
from services.contract.game import Badge, Persona, Project, ProjectKind, Quest, QuestStatus
from services.contract.updates import (
    MESSAGES,
    AchievementUnlocked,
    Attention,
    Connected,
    Draining,
    ErrorMessage,
    EventKept,
    Lagged,
    Mark,
    Message,
    PaneRemoved,
    PaneUpdate,
    Personas,
    PersonaUpdate,
    Pong,
    ProjectUpdate,
    QuestUpdate,
    SessionRemoved,
    Sessions,
    SessionUpdate,
    Synced,
    TerminalDiff,
    TerminalOutput,
    Windows,
    XpGain,
)

TS = 1_800_000_000_000
CLOCK = time.strftime("%H:%M:%S", time.localtime(TS / 1000))
WORKING = Status(name=StatusName.WORKING, since=1)
WAITING = Status(name=StatusName.WAITING, since=2, waiting_for=WaitingFor.PERMISSION)
IDLE = Status(name=StatusName.IDLE, since=3, unseen=True)
PANE = Pane(
    id="%3",
    window_id="@1",
    index=0,
    active=True,
    title="t",
    command="zsh",
    cwd="/src",
    pid=1,
    width=80,
    height=24,
    dead=False,
    status=WORKING,
)
SESSION = Session(id="s1", status=WORKING, started_at=1, last_event_at=1, pane_id="%3")
WINDOW = Window(id="@1", tmux_session_id="$0", tmux_session="main", index=0, name="logs", active=True, layout="x")
PERSONA = Persona(
    id="p1",
    name="Amber Falcon",
    avatar="/api/avatars/p1.svg",
    level=5,
    xp=1020,
    next_level_xp=1500,
    tier="Apprentice",
    title="Apprentice Smith",
    energy=90,
    morale=70,
    streak_days=1,
    created_at=1,
    last_active_at=1,
)
PROJECT = Project(id="r1", name="shop", path="/src/shop", kind=ProjectKind.REPOSITORY, branch="main", level=2, xp=70)
QUEST = Quest(
    id="q1", title="Ship it", description="", status=QuestStatus.ACTIVE, created_at=1, changed_at=1, progress=50
)
BADGE = Badge(id="first", title="First Steps", rarity="common", unlocked_at=1)


def wire(message: Message) -> dict[str, Any]:
    """As it comes out of the WebSocket."""
    return {"type": message.type, "seq": 9, "ts": TS, "data": msgspec.to_builtins(message)}


def snapshot(message: Message) -> dict[str, Any]:
    whole = wire(message)
    del whole["seq"]
    return whole


@pytest.fixture
def had() -> Mirror:
    mirror = Mirror()
    mirror.apply(snapshot(Windows(windows=(WINDOW,), panes=(PANE,))))
    mirror.apply(snapshot(Sessions(sessions=(SESSION,))))
    return mirror


def told(message: Message, had: Mirror) -> str:
    line = message_line(wire(message), had)
    assert line.startswith(f"{CLOCK}  {message.type}")
    return line.removeprefix(f"{CLOCK}  {message.type}").strip()


def pane(**changes: Any) -> PaneUpdate:
    return PaneUpdate(pane=msgspec.structs.replace(PANE, **changes))


def session(**changes: Any) -> SessionUpdate:
    return SessionUpdate(session=msgspec.structs.replace(SESSION, **changes))


CONNECTED = Connected(client_id="c", epoch="e", heartbeat_s=30, resumed=False, why="too_old")
CURSOR = Cursor(x=0, y=0, visible=True)
EVENT = KeptEvent(
    seq=5, id="i", received_at=1, name="PermissionRequest", session_id="s1", pane_id="%3", payload=None, source="hook"
)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (CONNECTED, "a snapshot follows (too_old)"),
        (msgspec.structs.replace(CONNECTED, resumed=True), "what was missed follows"),
        (Synced(epoch="e", seq=7, cursor="c"), "all is here up to 7"),
        (Mark(cursor="c"), "a newer place to come back to"),
        (Windows(windows=(WINDOW,), panes=(PANE, PANE)), "1 windows, 2 panes"),
        (Windows(windows=(WINDOW,)), "1 windows"),
        (Windows(windows=(msgspec.structs.replace(WINDOW, name="x"),)), "@1 logs -> x"),
        (Windows(windows=(msgspec.structs.replace(WINDOW, id="@2", name="x"),)), "new @2 x, gone @1 logs"),
        (
            Sessions(sessions=(SESSION, SESSION, msgspec.structs.replace(SESSION, status=IDLE))),
            "3 sessions: 2 working, 1 idle",
        ),
        (Sessions(sessions=()), "0 sessions"),
        (Personas(personas=()), "0 personas"),
        (pane(), "%3 still working"),
        (pane(activity_at=5), "%3 still working"),
        (pane(status=WAITING), "%3 working -> waiting for permission"),
        (pane(status=None), "%3 working -> no status"),
        (pane(command="vim", dead=True), "%3 command vim, dead changed"),
        (pane(title=""), "%3 no title"),
        (pane(processes=(Process(pid=1, command="zsh"), Process(pid=2, command="vim"))), "%3 processes zsh vim"),
        (pane(id="%4"), "%4 new: working, zsh in /src"),
        (pane(title="x" * 61), "%3 title " + "x" * 59 + "…"),
        (PaneRemoved(pane_id="%3"), "%3 gone"),
        (session(status=WAITING, tool="Bash"), "s1 in %3 working -> waiting for permission, tool Bash"),
        (session(status=IDLE), "s1 in %3 working -> idle, unseen"),
        (session(status=Status(name=StatusName.ERROR, since=1, error="oops")), "s1 in %3 working -> error (oops)"),
        (
            session(
                status=msgspec.structs.replace(
                    WORKING, evidence=Evidence(source="hook", rule="Stop", at=1, event_id="e")
                )
            ),
            "s1 in %3 still working",
        ),
        (session(asks=Ask(tool_name="Bash", tool_input="{}")), "s1 in %3 asks Bash"),
        (session(asks=Ask()), "s1 in %3 asks a question"),
        (session(id="s2", pane_id=None), "s2 in no pane new: working"),
        (SessionRemoved(session_id="s1"), "s1 gone"),
        (
            Attention(session_id="s1", pane_id="%3", status=StatusName.WAITING, reason="permission"),
            "s1 in %3 waiting: permission",
        ),
        (XpGain(session_id="s1", amount=5, reason="prompt", total=15), "s1 +5 (prompt), 15 in all"),
        (
            PersonaUpdate(persona=PERSONA),
            "Amber Falcon, Apprentice Smith of level 5, 1020 XP",
        ),
        (ProjectUpdate(project=PROJECT), "shop on main, level 2, 70 XP"),
        (ProjectUpdate(project=msgspec.structs.replace(PROJECT, branch=None)), "shop, level 2, 70 XP"),
        (QuestUpdate(quest=QUEST), "Ship it: active, 50 %"),
        (AchievementUnlocked(persona_id="p1", badge=BADGE), "p1: First Steps (common)"),
        (EventKept(event=EVENT), "PermissionRequest of s1 in %3 (hook)"),
        (
            EventKept(event=msgspec.structs.replace(EVENT, session_id=None, pane_id=None, source="core")),
            "PermissionRequest (core)",
        ),
        (Lagged(dropped=2, replaced=3, upto=9), "too slow: 2 dropped, 3 replaced by newer ones; caught up to 9"),
        (ErrorMessage(code=ErrorCode.NOT_FOUND, message="no pane"), "not_found: no pane"),
        (Pong(), ""),
        (Draining(reconnect_in_ms=1_250, cursor="c"), "the gateway stops; back in 1.2 s"),
        (
            TerminalOutput(pane_id="%3", captured_at=1, width=8, height=2, cursor=CURSOR, lines=("a", "b")),
            "%3 2 lines",
        ),
        (TerminalDiff(pane_id="%3", captured_at=1, cursor=CURSOR, lines={1: "x"}), "%3 1 lines"),
    ],
    ids=repr,
)
def test_says_what_came(had: Mirror, message: Message, text: str) -> None:
    assert told(message, had) == text


def test_a_status_is_seen_and_disputed_and_no_more(had: Mirror) -> None:
    had.apply(wire(session(status=IDLE)))
    line = wire(session(status=msgspec.structs.replace(IDLE, unseen=False)))
    line["data"]["session"]["status"]["disputed_by"] = [{"source": "screen"}]
    assert message_line(line, had).endswith("s1 in %3 seen, disputed")

    had.apply(line)
    assert message_line(wire(session(status=IDLE)), had).endswith("s1 in %3 unseen, no more disputed")


def test_a_type_that_is_not_known_is_named(had: Mirror) -> None:
    comet = {"type": "co\x1bmet", "ts": TS, "data": {"tail": True}}

    assert message_line(comet, had) == f"{CLOCK}  co\ufffdmet"


def test_columns_stand_below_each_other(had: Mirror) -> None:
    lines = [message_line(wire(one), had) for one in (PaneRemoved(pane_id="%3"), SessionRemoved(session_id="%3"))]

    assert len({line.index("%3") for line in lines}) == 1


@pytest.mark.parametrize("in_colour", [False, True])
def test_nothing_that_others_wrote_drives_the_terminal(had: Mirror, in_colour: bool) -> None:
    hostile = "x\x1b]0;owned\x07\u202e"
    line = message_line(wire(pane(title=hostile)), had, in_colour=in_colour)

    assert "title x\ufffd]0;owned\ufffd\ufffd" in line
    assert line.count("\x1b") == (4 if in_colour else 0)


@pytest.mark.parametrize(
    ("message", "colour"),
    [
        (pane(status=WAITING), "33"),
        (session(status=IDLE), "32"),
        (Attention(session_id="s1", pane_id=None, status=StatusName.WAITING, reason="plan"), "1;33"),
        (CONNECTED, "32"),
        (Draining(reconnect_in_ms=1, cursor="c"), "31"),
    ],
    ids=lambda value: getattr(value, "type", value),
)
def test_a_terminal_gets_colours(had: Mirror, message: Message, colour: str) -> None:
    line = message_line(wire(message), had, in_colour=True)

    assert line.startswith(f"\x1b[2m{CLOCK}\x1b[0m  \x1b[{colour}m{message.type}")
    assert line.endswith("\x1b[0m")


def test_what_has_no_colour_has_no_escapes(had: Mirror) -> None:
    line = message_line(wire(PaneRemoved(pane_id="%3")), had, in_colour=True)

    assert line == f"\x1b[2m{CLOCK}\x1b[0m  pane_removed     %3 gone"


def test_every_type_that_can_come_and_says_something_is_told() -> None:
    silent = {"pong"}
    assert {kind.type for kind in MESSAGES} - _TELL.keys() == silent
