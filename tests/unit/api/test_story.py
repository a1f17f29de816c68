from typing import Any

import pytest

from services.api.story import narrative_text, report_text
from services.contract.entities import StatusName, WaitingFor
from services.contract.game import Project, ProjectKind
from services.contract.game_answers import DeedTold, Narrative, Part, Waiting, WorkReport

NOON = 1_798_196_400_000
"""25 December 2026, 11:00 UTC: noon in Berlin."""
DAY = 24 * 3600 * 1000


def report(**fields: Any) -> WorkReport:
    return WorkReport(since=NOON - DAY, until=NOON, time_zone="Europe/Berlin", **fields)


def test_a_quiet_time_says_so() -> None:
    assert report_text(report()) == (
        "# While you were away\n\n2026-12-24 12:00 to 2026-12-25 12:00: nothing happened.\n"
    )


def test_tells_totals_who_where_what_and_what_waits_for_you() -> None:
    waiting = Waiting(
        session_id="s1",
        pane_id="%3",
        status=StatusName.WAITING,
        waiting_for=WaitingFor.PLAN,
        since=NOON - 60_000,
        persona="Amber Falcon",
        project="shop",
    )
    told = (
        DeedTold(at=NOON - 5_000, kind="finished", persona="Amber Falcon", project="shop", text="All green."),
        DeedTold(at=NOON - 9_000, kind="commit", persona="Amber Falcon", project="shop", text="main"),
        DeedTold(at=NOON - 9_500, kind="a new kind"),
    )
    parts = (Part(id="p1", name="Amber Falcon", xp=40, finished=1, commits=1),)

    text = report_text(
        report(xp=40, finished=1, commits=1, waiting=(waiting,), personas=parts, projects=parts, told=told, is_cut=True)
    )

    assert text.splitlines()[2:] == [
        "2026-12-24 12:00 to 2026-12-25 12:00: 1 turn finished, 1 commit, 40 XP.",
        "",
        "## Waits for you",
        "",
        r"- Amber Falcon in %3 waits for plan since Fri 11:59 in shop",
        "",
        "## Who",
        "",
        "- **Amber Falcon**: 40 XP, 1 finished, 1 commit",
        "",
        "## Where",
        "",
        "- **Amber Falcon**: 40 XP, 1 finished, 1 commit",
        "",
        "## What",
        "",
        "- Fri 11:59 Amber Falcon finished in shop: All green.",
        "- Fri 11:59 Amber Falcon committed in shop: main",
        "- Fri 11:59 a new kind",
        "- and more before that",
    ]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("one\n# two\r\n- three", r"one \# two \- three"),
        ("<img src=x onerror=alert(1)>", r"\<img src=x onerror=alert\(1\)\>"),
        ("[click](javascript:x) `y` **z**", r"\[click\]\(javascript:x\) \`y\` \*\*z\*\*"),
        ("a\x1b[31mred\x00\u202eback", r"a \[31mred back"),
        ("x" * 400, "x" * 299 + "…"),
        ("&lt;b", r"\&lt;b"),
        ("https://a.example/x", r"https\://a.example/x"),
        ("http://a.example, ftp://b.example", r"http\://a.example, ftp\://b.example"),
        ("HTTP://A.EXAMPLE", r"HTTP\://A.EXAMPLE"),
        ("https:////a.example", r"https\:////a.example"),
        ("www.a.example and WWW.b.example", r"www\.a.example and WWW\.b.example"),
        ("me@a.example", "me\\@\u2060a.example"),
        ("mailto:me@a.example", "mailto:me\\@\u2060a.example"),
        ("me@.a.example me@-b.example", "me\\@\u2060.a.example me\\@\u2060\\-b.example"),
        ("@someone", "\\@\u2060someone"),
        ("at 9:30 @ home. Done: a/b", r"at 9:30 \@ home. Done: a/b"),
        ("a\u200eb\u200fc\u061cd", "a b c d"),
    ],
    ids=repr,
)
def test_what_an_agent_wrote_is_text_and_nothing_else(hostile: str, shown: str) -> None:
    told = (DeedTold(at=NOON, kind="finished", persona=hostile, project=hostile, text=hostile),)

    text = report_text(report(finished=1, told=told))

    assert text.splitlines()[-1] == f"- Fri 12:00 {shown} finished in {shown}: {shown}"


def test_a_project_tells_where_it_stands() -> None:
    project = Project(
        id="r1", name="my_shop", path="/x", kind=ProjectKind.REPOSITORY, branch="feat/a", dirty=3, level=2, xp=120
    )

    text = narrative_text(Narrative(project=project, report=report()))

    assert text.splitlines()[:3] == [r"# my\_shop", "", "level 2, 120 XP, on feat/a, 3 changed paths."]
