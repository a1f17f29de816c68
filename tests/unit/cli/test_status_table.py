import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.cell_text import cells
from services.cli.mirror import Mirror
from services.cli.status_table import (
    Row,
    age_text,
    head_line,
    named_panes,
    pane_changes,
    state_of,
    status_table,
    table_rows,
)

NOW_MS = 1_800_000_000_000
PAINT = re.compile(r"\x1b\[[0-9;]*m")


def status(name: str, age_s: int = 5, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "since": NOW_MS - age_s * 1000,
        "waiting_for": None,
        "unseen": False,
        "error": None,
        "background_tasks": 0,
        "evidence": None,
        "disputed_by": [],
        **changes,
    }


def pane(pane_id: str, its: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    return {
        "id": pane_id,
        "window_id": "@1",
        "command": "bash",
        "cwd": "/home/lab/shop",
        "agent": None,
        "session_id": None if its is None else f"s{pane_id}",
        "status": its,
        **changes,
    }


def asks(**changes: Any) -> dict[str, Any]:
    return {"tool_name": None, "tool_input": None, "questions": [], "plan": None, **changes}


def state(*panes: dict[str, Any], sessions: dict[str, dict[str, Any]] | None = None) -> Mirror:
    """All panes in one window; `sessions` says more of those of a pane."""
    told = sessions or {}
    window = {"id": "@1", "tmux_session": "work", "name": "api", "panes": list(panes)}
    known = [
        {"id": one["session_id"], "persona_id": None, "project_id": None, "cwd": None, **told.get(one["id"], {})}
        for one in panes
        if one["session_id"]
    ]
    return state_of(
        {"windows": [window], "sessions": known},
        {"personas": [{"id": "p1", "name": "Fleet Tiger"}]},
        {"projects": [{"id": "q1", "name": "questmux"}]},
    )


def row(its: dict[str, Any] | None, **session: Any) -> Row:
    (only,) = table_rows(state(pane("%1", its), sessions={"%1": session}))
    return only


def table(made: Mirror, width: int = 120, **more: Any) -> list[str]:
    options: dict[str, Any] = {"shows_all": False, "in_colour": False, **more}
    return [line.rstrip() for line in status_table(table_rows(made), NOW_MS, width, **options)]


WAITING = pane("%3", status("waiting", 90, waiting_for="permission"))
SESSION = {"persona_id": "p1", "project_id": "q1", "asks": asks(tool_name="Bash", tool_input='{"command": "make"}')}


# What a row says.


def test_a_row_says_where_who_what_and_since_when() -> None:
    assert table(state(WAITING, sessions={"%3": SESSION})) == [
        "PANE  STATUS              PLACE     WHO          PROJECT   ASKED".ljust(117) + "AGE",
        "%3    waiting permission  work:api  Fleet Tiger  questmux  Bash: make".ljust(118) + "1m",
        "1 waiting",
    ]


@pytest.mark.parametrize(
    ("its", "said"),
    [
        (status("waiting", waiting_for="question"), "waiting question"),
        (status("idle", unseen=True), "idle unseen"),
        (status("idle", background_tasks=2), "idle +2"),
        (status("working", disputed_by=[{}]), "working ?"),
        (None, "-"),
    ],
    ids=repr,
)
def test_the_status_has_its_marks(its: dict[str, Any] | None, said: str) -> None:
    assert row(its).status == said


@pytest.mark.parametrize(
    ("dialog", "said"),
    [
        (asks(tool_name="Bash", tool_input='{"description": "d", "command": "rm -rf x"}'), "Bash: rm -rf x"),
        (asks(tool_name="Write", tool_input='{"file_path": "/a", "content": "..."}'), "Write: /a"),
        (asks(tool_name="Odd", tool_input='{"n": 1}'), 'Odd: {"n": 1}'),
        (asks(tool_name="Odd", tool_input='{"command": 1}'), 'Odd: {"command": 1}'),
        (asks(tool_name="Cut", tool_input='{"command": "a long o'), 'Cut: {"command": "a long o'),
        (asks(tool_name="List", tool_input="[1]"), "List: [1]"),
        (asks(tool_name="ExitPlanMode", tool_input="{}"), "ExitPlanMode"),
        (asks(tool_name="ExitPlanMode", plan="# Plan\n\n1. Go"), "# Plan 1. Go"),
        (
            asks(questions=[{"question": "Which?", "options": [{"label": "Red"}, {"label": "Blue"}]}]),
            "Which? (Red / Blue)",
        ),
        (asks(questions=[{"question": "Name?", "options": []}]), "Name?"),
        (None, ""),
    ],
    ids=repr,
)
def test_a_dialog_is_told_in_a_line(dialog: dict[str, Any] | None, said: str) -> None:
    assert row(status("waiting", waiting_for="permission"), asks=dialog).asked == said


@pytest.mark.parametrize(
    ("its", "session", "said"),
    [
        (status("waiting", waiting_for="input"), {"last_message": "Go on?"}, "Go on?"),
        (status("error", error="rate_limit"), {"last_message": "x"}, "rate_limit"),
        (status("working"), {"prompt": "mend it", "tool": "Bash"}, "Bash: mend it"),
        (status("working"), {"prompt": "mend it", "tool": None}, "mend it"),
        (status("idle"), {"prompt": "mend it", "last_message": "It is\nmended."}, "It is mended."),
        (status("idle"), {"prompt": "mend it", "last_message": None}, "mend it"),
        (None, {}, "bash"),
    ],
    ids=repr,
)
def test_whatever_is_most_to_the_point_is_told(its: dict[str, Any] | None, session: dict[str, Any], said: str) -> None:
    assert row(its, **session).asked == said


@pytest.mark.parametrize(
    ("session", "cwd", "said"),
    [
        ({"project_id": "q1"}, "/x", "questmux"),
        ({"project_id": "unknown"}, "/a/b/", "b"),
        ({"cwd": "/c/d"}, "/a/b", "d"),
        ({}, "/", "/"),
        ({}, "", ""),
    ],
    ids=repr,
)
def test_the_project_is_named_else_the_folder(session: dict[str, Any], cwd: str, said: str) -> None:
    (only,) = table_rows(state(pane("%1", status("idle"), cwd=cwd), sessions={"%1": session}))

    assert only.project == said


def test_a_pane_whose_window_or_session_is_not_known_is_shown_all_the_same() -> None:
    alone = Mirror()
    alone.panes = {"%1": pane("%1", status("idle"))}

    (only,) = table_rows(alone)

    assert (only.place, only.who, only.asked) == ("@1", "", "")


# The order, and what is only counted.


def test_those_that_need_a_person_come_first_and_the_oldest_of_them_before() -> None:
    made = state(
        pane("%1", status("idle", 900)),
        pane("%2", status("working", 5)),
        pane("%3", status("working", 50)),
        pane("%4", status("idle", unseen=True)),
        pane("%5", status("waiting", 5, waiting_for="plan")),
        pane("%6", status("error")),
        pane("%7", status("waiting", 50, waiting_for="plan")),
        pane("%8", status("unknown"), agent={"name": "claude", "pid": 1}),
        pane("%9", None, agent={"name": "claude", "pid": 1}),
    )

    assert [one.pane_id for one in table_rows(made)] == ["%7", "%5", "%6", "%4", "%2", "%3", "%1", "%8", "%9"]


def test_panes_without_an_agent_are_counted_unless_all_are_wanted() -> None:
    made = state(WAITING, pane("%4", None), pane("%5", status("ended")))

    assert table(made)[2:] == ["1 waiting, 2 without an agent (--all)"]
    assert [line.split()[0] for line in table(made, shows_all=True)[1:-1]] == ["%3", "%4", "%5"]
    assert table(made, shows_all=True)[-1] == "1 waiting, 1 ended, 1 without an agent"


def test_an_agent_that_nothing_tells_of_is_an_agent() -> None:
    made = state(pane("%1", None, agent={"name": "claude", "pid": 1}))

    assert table(made)[-1] == "1 unknown"


def test_no_pane_at_all_is_a_sentence() -> None:
    assert table(state()) == ["no panes: tmux does not run here, or nobody has looked yet"]


# Lines that fit.


def test_a_small_terminal_has_more_lines_for_each_pane() -> None:
    made = state(WAITING, sessions={"%3": SESSION})

    assert table(made, 70) == [
        "%3      waiting permission  work:api  Fleet Tiger  questmux         1m",
        "        Bash: make",
        "1 waiting",
    ]
    assert table(made, 40) == [
        "%3      work:api                      1m",
        "        waiting permission  Fleet Tiger…",
        "        Bash: make",
        "1 waiting",
    ]


@pytest.mark.parametrize(("width", "height", "shown"), [(120, 6, 3), (120, 7, 5), (70, 7, 2), (40, 8, 2), (40, 2, 0)])
def test_what_has_no_room_is_counted(width: int, height: int, shown: int) -> None:
    made = state(
        *(pane(f"%{number}", status("idle")) for number in range(5)),
        sessions={f"%{number}": {"last_message": "Done."} for number in range(5)},
    )
    lines = table(made, width, height=height)

    assert len(lines) <= height
    assert sum(line.startswith("%") for line in lines) == shown
    assert (f"... and {5 - shown} more" in lines) == (shown < 5)
    assert lines[-1] == "5 idle"


HOSTILE = st.text(st.characters())


@given(
    HOSTILE,
    st.integers(0, 200),
    st.none() | st.integers(0, 12),
    st.booleans(),
    st.sampled_from(["waiting", "error", "idle", "later_word"]),
)
def test_no_text_leaves_its_place_or_drives_the_terminal(
    text: str, width: int, height: int | None, in_colour: bool, name: str
) -> None:
    one = pane(text or "%", status(name, error=text), command=text, cwd=text)
    made = state(one, sessions={one["id"]: {"last_message": text, "prompt": text, "asks": asks(plan=text)}})
    made.windows = [made.windows[0] | {"name": text, "tmux_session": text}]

    lines = status_table(table_rows(made), NOW_MS, width, height=height, shows_all=True, in_colour=in_colour)

    assert height is None or len(lines) <= height
    for line in lines:
        plain = PAINT.sub("", line) if in_colour else line
        assert plain.isprintable()
        assert cells(plain) <= max(width, 30)


def test_columns_stand_below_each_other_with_wide_characters() -> None:
    made = state(WAITING, pane("%4", status("idle")), sessions={"%4": {"last_message": "猫" * 90}})
    made.windows = [made.windows[0] | {"name": "猫猫"}]

    lines = status_table(table_rows(made), NOW_MS, 120, shows_all=False, in_colour=False)

    assert {cells(line) for line in lines[:-1]} == {120}


def test_colours_are_there_only_when_asked_for() -> None:
    made = state(WAITING, pane("%4", status("error")), pane("%5", status("unknown")))
    coloured = table(made, in_colour=True)

    assert "\x1b[1;33mwaiting permission\x1b[0m" in coloured[1]
    assert "\x1b[1;31merror             \x1b[0m" in coloured[2]
    assert [PAINT.sub("", line) for line in coloured] == table(made)


def test_two_hundred_panes_have_a_line_each() -> None:
    made = state(*(pane(f"%{number}", status("working")) for number in range(200)))

    assert len(table(made)) == 202


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0s"), (0, "0s"), (59.9, "59s"), (60, "1m"), (3_599, "59m"), (3_600, "1h"), (86_400, "1d"), (8.6e6, "99d")],
)
def test_an_age_is_short(seconds: float, said: str) -> None:
    assert age_text(seconds) == said


# Live.


def test_the_head_says_what_time_is_shown_when_it_is_not_live() -> None:
    assert head_line("", "14:03:22", 0, 80, in_colour=False) == "live"
    assert head_line("core is \x1baway", "14:03:22", 12, 80, in_colour=False) == (
        "as of 14:03:22, 12s ago: core is \ufffdaway"
    )
    assert cells(head_line("x" * 90, "14:03:22", 12, 40, in_colour=False)) == 40


def test_panes_are_named_in_the_order_of_tmux() -> None:
    made = state(pane("%9", None), WAITING, sessions={"%3": SESSION})
    made.panes = {"%3": made.panes["%3"], "%9": made.panes["%9"]}

    assert named_panes(made) == [pane("%9", None) | {"persona": None}, WAITING | {"persona": "Fleet Tiger"}]


def test_what_changed_is_told_pane_by_pane() -> None:
    one, two, other = ({"id": "%1", "n": 1}, {"id": "%2", "n": 1}, {"id": "%2", "n": 2})

    assert pane_changes([], [one, two]) == [{"pane": one}, {"pane": two}]
    assert pane_changes([one, two], [one, other]) == [{"pane": other}]
    assert pane_changes([one, two], [two]) == [{"removed": "%1"}]
    assert pane_changes([one, two], [one, two]) == []
