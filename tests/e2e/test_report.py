"""A report of a pane, made by the real services, and what is not in it."""

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.poller.screen_rules import parse_rules, read_screen
from tests.e2e.recordings import registry, screens
from tests.e2e.replay import Actor, Step, stage
from tests.e2e.stack import Answer, Stack
from tests.waiting import wait_until

RULES = Path(__file__).parents[2] / "services" / "poller" / "rules" / "claude.toml"
PLANTED = {
    "token": "sk-ant-api03-Zq8vKcW",
    "path": "/srv/acme/billing/ledger.py",
    "mail": "jane.doe@acme.example",
    "name": "Hildegard Knef",
    "password": "hunter2",
    "code": "def settle_invoice(amount):",
    "wide": "\u898b\u7a4d\u66f8",
}
TRACES = ("Zq8vKcW", "acme", "ledger", "jane", "Hildegard", "Knef", "hunter2", "settle", "invoice", "\u898b", "lab")
NOTE = "it says idle\nbut it waits"


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory, module_memory: Path) -> Iterator[tuple[Stack, Actor]]:
    """An agent whose dialog is open, and which tells secrets wherever it can."""
    folder = tmp_path_factory.mktemp("report")
    stack = Stack(module_memory / "data", QUESTMUX_CLAUDE_DIR=str(folder / "claude"))
    try:
        stage(stack, folder)
        stack.start_all()
        stack.wait_ready()
        actor = Actor(stack, folder, "acting", None)
        tell_secrets(actor)
        wait_until(lambda: status_of(stack, actor) == "waiting", 20, "the dialog")
        wait_until(lambda: stack.get("/api/sessions")["sessions"][0]["kind"], 20, "the registry")
        yield stack, actor
        actor.play(Step(0, 0, "acting", "end", None), 0)
    finally:
        stack.close()


def tell_secrets(actor: Actor) -> None:
    """A turn up to a dialog, by hooks, registry and screen."""
    began_s = time.time()
    record = next(row.record for row in reversed(registry("bash_yes")) if (row.record or {}).get("status") == "waiting")
    assert record is not None
    session = record["sessionId"]
    everything = " ".join(PLANTED.values())
    call: dict[str, Any] = {
        "tool_name": "Bash",
        "tool_use_id": "toolu_1",
        "tool_input": {"command": everything, "description": everything, PLANTED["mail"]: PLANTED},
    }
    asking = next(drawn.text for drawn in screens("bash_yes") if "Do you want to proceed?" in drawn.text)
    steps = [
        ("hook", {"hook_event_name": "SessionStart", "source": "startup", "cwd": PLANTED["path"]}),
        ("hook", {"hook_event_name": "UserPromptSubmit", "prompt": everything, "transcript_path": PLANTED["path"]}),
        ("hook", {"hook_event_name": "PostToolUse", "tool_response": {"stdout": PLANTED, "x": [everything]}, **call}),
        ("hook", {"hook_event_name": "PreToolUse", **call}),
        ("hook", {"hook_event_name": "PermissionRequest", **call}),
        ("hook", {"hook_event_name": "SubagentStop", "agent_id": "a1", "last_assistant_message": everything}),
        ("screen", f"{everything}\n\n{asking}"),
        ("registry", {**record, "cwd": PLANTED["path"], "name": PLANTED["name"]}),
    ]
    for number, (kind, value) in enumerate(steps):
        body = {"session_id": session, **value} if kind == "hook" and isinstance(value, dict) else value
        actor.play(Step(0, number, "acting", kind, body), began_s)


def status_of(stack: Stack, actor: Actor) -> str | None:
    pane = stack.get(f"/api/panes/{actor.pane_id[1:]}")["pane"]
    return None if pane["status"] is None else pane["status"]["name"]


def report(stack: Stack, pane: str, headers: dict[str, str] | None = None, /, **body: Any) -> Answer:
    return stack.call("POST", f"/api/panes/{pane.removeprefix('%')}/report", json.dumps(body).encode(), headers)


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def test_a_report_tells_how_it_was_and_no_secret(acting: tuple[Stack, Actor]) -> None:
    stack, actor = acting
    pane = actor.pane_id[1:]
    wait_until(lambda: "proceed" in str(stack.get(f"/api/panes/{pane}/screen")), 20, "the screen")

    answer = report(stack, pane, note=NOTE)

    assert answer.status == 201, answer.body
    folder = Path(answer.data["folder"])
    assert folder.parent == stack.data_dir / "reports"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    counts = [len(lines(folder, f"{name}.jsonl")) for name in ("hooks", "registry", "screens")]
    assert counts == [answer.data[name] for name in ("hooks", "registry", "screens")]
    assert counts[0] == 6
    assert counts[1] >= 1
    assert [line["body"]["hook_event_name"] for line in lines(folder, "hooks.jsonl")][:2] == [
        "SessionStart",
        "UserPromptSubmit",
    ]
    assert lines(folder, "registry.jsonl")[-1]["record"]["waitingFor"] == "permission prompt"
    assert json.loads((folder / "explanation.json").read_text())["status"]["waiting_for"] == "permission"
    assert "> it says idle\n> but it waits\n" in (folder / "README.md").read_text()
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not [trace for trace in (*PLANTED.values(), *TRACES) if trace in text], path.name
    print(f"report: {sum(path.stat().st_size for path in folder.iterdir())} bytes, {counts}")


def test_the_screen_of_a_report_can_still_be_read(acting: tuple[Stack, Actor]) -> None:
    stack, actor = acting
    rules = parse_rules(RULES.read_text(encoding="utf-8"), RULES.name)

    def reads() -> bool:
        folder = Path(report(stack, actor.pane_id).data["folder"])
        drawn = lines(folder, "screens.jsonl")
        reading = read_screen(rules, "%0", 0, drawn[-1]["screen"].split("\n")) if drawn else None
        return reading is not None and reading.rule == "claude/permission"

    wait_until(reads, 20, "a report with the dialog's screen")


def test_a_report_is_in_the_audit_and_made_once(acting: tuple[Stack, Actor]) -> None:
    stack, actor = acting
    headers = {"X-Command-Id": "report-once"}

    first, second = (report(stack, actor.pane_id, headers, note=NOTE) for _ in range(2))

    assert first.data == second.data
    row = next(one for one in stack.get("/api/commands")["commands"] if one["id"] == "report-once")
    assert (row["action"], row["target"], row["result"]) == ("report", actor.pane_id, "ok")
    assert json.loads(row["body"]) == {"note": NOTE}


@pytest.mark.parametrize(
    ("pane", "body", "status", "message"),
    [
        ("999", {}, 404, "there is no pane %999"),
        ("x", {}, 422, "pane_id"),
        ("", {"note": "n" * 3_000}, 422, "note is wrong"),
        ("", {"note": "n\x1b[A"}, 422, "note is wrong"),
        ("", {"note": 5}, 422, "note is wrong"),
        ("", {"text": "it waits"}, 422, "text is unknown"),
    ],
    ids=repr,
)
def test_what_cannot_be_reported_is_told(
    acting: tuple[Stack, Actor], pane: str, body: dict[str, Any], status: int, message: str
) -> None:
    stack, actor = acting
    before = set((stack.data_dir / "reports").glob("*"))

    answer = report(stack, pane or actor.pane_id, **body)

    assert answer.status == status
    assert message in answer.json["error"]["message"]
    assert set((stack.data_dir / "reports").glob("*")) == before


def test_a_report_needs_the_token(acting: tuple[Stack, Actor]) -> None:
    stack, actor = acting

    assert report(stack, actor.pane_id, {"Authorization": ""}).status == 401
    assert report(stack, actor.pane_id, {"Authorization": f"Bearer {stack.hook_token}"}).status == 403
