import json
import time
from pathlib import Path
from typing import Any

import pytest

from services.contract import codec
from services.contract.actions import Report
from services.contract.entities import Agent, Cursor, Screen
from services.contract.errors import ErrorCode
from services.contract.requests import ReportScreens, ReportSigns, SeenScreen, Taken
from services.core.report_desk import EVENTS
from services.core.report_files import MAX_REPORTS
from services.process.clock import now_ms
from tests.integration.core.fake_poller import Asker, FakePoller, peers_of, run
from tests.integration.core.running import RunningCore
from tests.integration.core.test_action_desk import audit, problem_of
from tests.unit.core.making import SERVER, TMUX, entry, hook, pane, report

TOLD = "hunter2 of /srv/acme"


async def shows(poller: FakePoller, pane_id: str, text: str) -> None:
    """A screen that changed."""
    cursor = Cursor(x=0, y=0, visible=True)
    lines = tuple(text.split("\n"))
    screen = Screen(pane_id=pane_id, captured_at=now_ms(), width=80, height=24, cursor=cursor, lines=lines)
    seen = SeenScreen(pane_id=pane_id, screen=codec.encode(screen))
    await poller.ask(ReportScreens(screens=(seen,)), Taken)


async def works(asker: Asker, poller: FakePoller, session: str = "s1", pane_id: str = "%1") -> None:
    """An agent in a pane, by all its sources."""
    agent = Agent(name="claude", pid=50)
    await poller.reports(report(pane("%1", agent=agent), pane("%2", index=1), at=now_ms()))
    at = now_ms()
    await asker.append(
        hook("SessionStart", at, session=session, pane=pane_id, tmux=TMUX, source="startup"),
        hook("UserPromptSubmit", at + 1, session=session, pane=pane_id, tmux=TMUX, prompt=TOLD),
    )
    known = entry("busy", at, session=session, pane_id=pane_id, tmux_pid=SERVER.pid, cwd=TOLD, version="2.1.330")
    await poller.ask(ReportSigns(at=at, registry=(known,), is_whole=True), Taken)


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def secrets_in(reports: Path) -> set[str]:
    """What of the secret stands in the one report that there is."""
    (folder,) = reports.iterdir()
    return {word for word in ("hunter2", "acme") for path in folder.iterdir() if word in path.read_text()}


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


async def test_a_report_has_what_was_seen_in_the_pane_and_nothing_of_what_it_says(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await works(asker, poller)
        await asker.append(hook("Stop", now_ms(), session="another", pane="%2", tmux=TMUX))
        await shows(poller, "%1", f"● {TOLD}\n (esc to interrupt)")

        data = await asker.data(run(Report(note="it is idle")))
        again = await asker.data(run(Report(note="it is idle")))
        figures = await asker.figures()

    folder = Path(data["folder"])
    assert data == again == {"pane_id": "%1", "folder": str(folder), "hooks": 2, "registry": 1, "screens": 1}
    assert folder.parent == started.data_dir / "reports"
    assert [line["body"]["hook_event_name"] for line in lines(folder, "hooks.jsonl")] == [
        "SessionStart",
        "UserPromptSubmit",
    ]
    assert lines(folder, "registry.jsonl")[0]["record"]["status"] == "busy"
    assert lines(folder, "screens.jsonl")[0]["screen"] == "● xxxxxx0 xx /xxx/xxxx\n (esc to interrupt)"
    explanation = json.loads((folder / "explanation.json").read_text())
    assert explanation["status"]["name"] == "working"
    assert explanation["session_id"] == lines(folder, "hooks.jsonl")[0]["body"]["session_id"] != "s1"
    assert "> it is idle\n" in (folder / "README.md").read_text()
    assert "- Claude Code: 2.1.330\n" in (folder / "README.md").read_text()
    assert secrets_in(started.data_dir / "reports") == set()
    (row,) = audit(started)
    assert (row["action"], row["target"], row["result"]) == ("report", "%1", "ok")
    assert json.loads(row["body"]) == {"note": "it is idle"}
    assert (figures["actions_total"], figures["actions_failed_total"]) == (1, 0)


async def test_a_pane_without_an_agent_can_be_reported_too(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")

        data = await asker.data(run(Report()))

    assert (data["hooks"], data["registry"], data["screens"]) == (0, 0, 0)


async def test_a_screen_that_cannot_be_read_is_left_out(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")
        await poller.ask(ReportScreens(screens=(SeenScreen(pane_id="%1", screen=b"\xc1"),)), Taken)

        assert (await asker.data(run(Report())))["screens"] == 0


async def test_only_the_last_of_the_log_is_in_a_report(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await works(asker, poller)
        await asker.append(hook("PreToolUse", now_ms(), session="s1"))
        await asker.append(*(hook("Notification", now_ms(), session="another") for _ in range(EVENTS - 2)))
        await asker.append(hook("Stop", now_ms(), session="s1"))

        data = await asker.data(run(Report()))

    names = [line["body"]["hook_event_name"] for line in lines(Path(data["folder"]), "hooks.jsonl")]
    assert names == ["PreToolUse", "Stop"]
    assert data["registry"] == 0


async def test_large_hooks_keep_core_busy_for_a_moment_only(started: RunningCore) -> None:
    with peers_of(started) as (asker, poller):
        await works(asker, poller)
        for _ in range(60):
            texts = {f"part{n}": "word " * 20_000 for n in range(9)}
            await asker.append(hook("PostToolUse", now_ms(), session="s1", tool_name="Read", tool_response=texts))
        took: list[float] = []
        for number in range(3):
            began_s = time.monotonic()
            data = await asker.data(run(Report(), action_id=f"r{number}"))
            took.append(time.monotonic() - began_s)

    size = size_of(Path(data["folder"]))
    print(f"report of large hooks: {data['hooks']} hooks, {size} bytes, {min(took):.2f} s")
    assert size < 4 * 1024 * 1024
    assert data["hooks"] < 60
    assert min(took) < 2


async def test_a_hundred_reports_are_enough(started: RunningCore) -> None:
    folder = started.data_dir / "reports"
    for number in range(MAX_REPORTS):
        (folder / str(number)).mkdir(parents=True)
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")

        problem = await problem_of(asker, run(Report()))
        (folder / "7").rmdir()
        await asker.data(run(Report(), action_id="a2"))

    assert problem.code is ErrorCode.CONFLICT
    assert problem.message == f"{MAX_REPORTS} reports are kept already: delete some of {folder}"
    assert [row["result"] for row in audit(started)] == ["conflict", "ok"]


@pytest.mark.parametrize("kind", ["file", "link"])
async def test_a_folder_that_cannot_be_used_is_told(started: RunningCore, kind: str, tmp_path: Path) -> None:
    folder = started.data_dir / "reports"
    if kind == "file":
        folder.touch()
    else:
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    with peers_of(started) as (asker, poller):
        await poller.sees("%1")

        problem = await problem_of(asker, run(Report()))
        assert (await asker.figures())["actions_failed_total"] == 1

    assert problem.code is ErrorCode.CORE_UNAVAILABLE
    assert problem.message == f"the report could not be kept in {folder}: Not a directory"
