import time
from typing import Any

import pytest

from services.cli.explain import explained

NOW_S = 1_800_000_000.0
SINCE = int(NOW_S * 1000) - 125_000


def at(ms: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(ms / 1000))


def explanation(**changes: Any) -> dict[str, Any]:
    claim = {"source": "screen", "rule": "claude/idle", "says": "idle", "at": SINCE + 9_000, "waiting_for": None}
    hook = {"source": "hook", "rule": "PermissionRequest", "says": "waiting", "at": SINCE, "waiting_for": "permission"}
    return {
        "pane_id": "%3",
        "agent": {"name": "claude", "pid": 42},
        "session_id": "s1",
        "status": {
            "name": "waiting",
            "waiting_for": "permission",
            "since": SINCE,
            "evidence": {"source": "hook", "rule": "PermissionRequest", "at": SINCE, "event_id": "e"},
            "disputed_by": [claim],
        },
        "claims": [hook, claim],
        "review_at": SINCE + 10_000,
        "last_hook_at": SINCE,
        "sessions": [
            {"session_id": "s0", "status": "ended", "is_shown": False, "by": "hook", "pid": None},
            {"session_id": "s1", "status": "waiting", "is_shown": True, "by": "registry", "pid": 42},
        ],
        "transitions": [
            {
                "at": SINCE,
                "name": "waiting",
                "waiting_for": "permission",
                "source": "hook",
                "rule": "PermissionRequest",
                "corrected": False,
            },
            {
                "at": SINCE - 1_000,
                "name": "idle",
                "waiting_for": None,
                "source": "registry",
                "rule": "idle",
                "corrected": True,
            },
        ],
        **changes,
    }


def test_says_what_holds_and_why_and_what_does_not_agree() -> None:
    assert explained(explanation(), NOW_S).splitlines() == [
        f"%3  waiting for permission, since {at(SINCE)} (2 min)",
        "  because of the hook: PermissionRequest",
        "  session s1",
        "  agent in the process tree: claude, pid 42",
        "",
        "what each source says now",
        f"  hook    waiting for permission  {at(SINCE)}  PermissionRequest",
        f"  screen  idle                    {at(SINCE + 9_000)}  claude/idle  DISAGREES",
        f"  the one that disagrees is believed from {at(SINCE + 10_000)} on",
        "",
        "sessions in this pane",
        "     s0  ended    by hook",
        "  *  s1  waiting  by registry, pid 42",
        "",
        "changes, the newest first",
        f"  {at(SINCE)}  waiting for permission  hook      PermissionRequest",
        f"  {at(SINCE - 1_000)}  idle                    registry  idle  CORRECTED another source",
    ]


def test_a_pane_without_anything() -> None:
    bare = explanation(agent=None, session_id=None, status=None, claims=[], review_at=None, sessions=[], transitions=[])

    assert explained(bare, NOW_S).splitlines() == [
        "%3  no session",
        "  agent in the process tree: none",
        "",
        "what each source says now",
        "  none",
    ]


@pytest.mark.parametrize(("age_s", "text"), [(5, "5 s"), (59.9, "59 s"), (60, "1 min"), (9_000, "2.5 h"), (-3, "0 s")])
def test_an_age_is_told_in_the_unit_that_fits(age_s: float, text: str) -> None:
    assert f"({text})" in explained(explanation(), SINCE / 1000 + age_s)


def test_nothing_that_a_screen_brought_in_drives_the_terminal() -> None:
    hostile = explanation()
    hostile["claims"][1]["rule"] = "x\x1b]0;owned\x07\u202e"

    text = explained(hostile, NOW_S)

    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "x\ufffd]0;owned\ufffd\ufffd" in text
