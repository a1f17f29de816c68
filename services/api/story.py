"""The report and the narrative as Markdown. Pure.

What agents wrote is hostile text: each is one line, without control characters, and nothing in it is Markdown, HTML or
a link, which GitHub's Markdown makes of addresses by itself.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from services.contract.game_answers import DeedTold, Narrative, Part, Waiting, WorkReport

TEXT_CHARS: Final = 300
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$@-]|:(?=//)|(?<=www)\.)", re.IGNORECASE)
_MAIL: Final = re.compile(r"@(?=\S)")
"""GitHub's renderer, cmark-gfm, looks for mail addresses when the backslashes are gone already."""
_WORD_JOINER: Final = "\u2060"
"""Not seen, and no part of an address."""
_KIND: Final = {
    "finished": "finished",
    "failed": "**failed**",
    "commit": "committed",
    "push": "pushed",
    "pull_request": "opened a pull request",
    "test": "tests passed",
    "quest": "quest",
    "achievement": "unlocked",
}


def report_text(report: WorkReport) -> str:
    """What happened, for a person to read."""
    return "\n".join(["# While you were away", "", *_body(report)]) + "\n"


def narrative_text(narrative: Narrative) -> str:
    """The story of a project."""
    project = narrative.project
    facts = [f"level {project.level}", f"{project.xp} XP"]
    if project.branch is not None:
        facts.append(f"on {_shown(project.branch)}")
    if project.dirty:
        facts.append(f"{project.dirty} changed paths")
    head = [f"# {_shown(project.name)}", "", ", ".join(facts) + ".", ""]
    return "\n".join([*head, *_body(narrative.report)]) + "\n"


def _body(report: WorkReport) -> Iterable[str]:
    zone = ZoneInfo(report.time_zone)
    yield f"{_clock(report.since, zone, days=True)} to {_clock(report.until, zone, days=True)}: {_totals(report)}."
    if report.waiting:
        yield from ("", "## Waits for you", "", *(_waiting(one, zone) for one in report.waiting))
    if report.personas:
        yield from ("", "## Who", "", *map(_part, report.personas))
    if report.projects:
        yield from ("", "## Where", "", *map(_part, report.projects))
    if report.told:
        yield from ("", "## What", "", *(_told(one, zone) for one in report.told))
        if report.is_cut:
            yield "- and more before that"


def _totals(report: WorkReport) -> str:
    counts = (
        (report.finished, "turn{s} finished"),
        (report.failed, "failed"),
        (report.commits, "commit{s}"),
        (report.files, "file{s} edited"),
        (report.tests, "test run{s} passed"),
        (report.xp, "XP"),
    )
    return _counted(counts) or "nothing happened"


def _waiting(one: Waiting, zone: ZoneInfo) -> str:
    what = f"waits for {one.waiting_for}" if one.waiting_for is not None else f"is {one.status}, unseen"
    place = "" if one.pane_id is None else f" in {_shown(one.pane_id)}"
    who = _shown(one.persona or one.session_id)
    return f"- {who}{place} {what} since {_clock(one.since, zone)}{_in(one.project)}"


def _part(part: Part) -> str:
    counts = (
        (part.xp, "XP"),
        (part.finished, "finished"),
        (part.failed, "failed"),
        (part.commits, "commit{s}"),
        (part.tests, "test run{s}"),
    )
    return f"- **{_shown(part.name)}**: {_counted(counts) or 'nothing'}"


def _counted(counts: Iterable[tuple[int, str]]) -> str:
    return ", ".join(f"{count} {word.format(s='' if count == 1 else 's')}" for count, word in counts if count)


def _told(one: DeedTold, zone: ZoneInfo) -> str:
    who = f" {_shown(one.persona)}" if one.persona else ""
    text = f": {_shown(one.text)}" if one.text else ""
    return f"- {_clock(one.at, zone)}{who} {_KIND.get(one.kind, _shown(one.kind))}{_in(one.project)}{text}"


def _in(project: str | None) -> str:
    return "" if project is None else f" in {_shown(project)}"


def _shown(text: str) -> str:
    line = _CONTROL.sub(" ", text).strip()
    line = line if len(line) <= TEXT_CHARS else line[: TEXT_CHARS - 1] + "\u2026"
    return _MAIL.sub(f"@{_WORD_JOINER}", _MARKUP.sub(r"\\\1", line))


def _clock(at: int, zone: ZoneInfo, *, days: bool = False) -> str:
    moment = datetime.fromtimestamp(at / 1000, zone)
    return moment.strftime("%Y-%m-%d %H:%M" if days else "%a %H:%M")
