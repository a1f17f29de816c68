"""An honest game on real work: hooks go in, a real git is read, and personas, projects, quests and XP come out."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import ROOT, Answer, Stack
from tests.e2e.watcher import Watcher
from tests.waiting import wait_until

GIT_ENVIRONMENT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "PATH": "/usr/bin:/bin"}


class Agent:
    """A session that works in a folder, as its hooks tell."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.id = str(uuid.uuid4())
        self._calls = 0

    def hook(self, name: str, **fields: Any) -> None:
        body = {"hook_event_name": name, "session_id": self.id, "cwd": str(self._folder), **fields}
        self._stack.keep(body)

    def call(self, tool: str, given: dict[str, Any], response: dict[str, Any] | None = None) -> None:
        self._calls += 1
        self.hook(
            "PostToolUse",
            tool_name=tool,
            tool_input=given,
            tool_response=response or {},
            tool_use_id=f"toolu_{self.id}_{self._calls}",
        )

    def work(self) -> None:
        """One turn: an edit, a test, a commit."""
        self.hook("UserPromptSubmit", prompt="Fix it", prompt_id=f"turn-{self._calls}")
        self.call("Write", {"file_path": f"{self._folder}/shop.py", "content": "x"})
        self.call("Bash", {"command": "pytest -q"}, {"stdout": "1 passed", "stderr": "", "interrupted": False})
        commit = {"commit": {"sha": f"{self._calls:07x}", "branch": "main", "kind": "committed"}}
        self.call("Bash", {"command": "git commit -am fix"}, {"stdout": "", "gitOperation": commit})
        self.hook("Stop", last_assistant_message="I looked at it.\nFixed the till.")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], env=GIT_ENVIRONMENT, check=True, capture_output=True)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a changed file."""
    folder = tmp_path_factory.mktemp("home") / "shop"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "pyproject.toml").write_text("[project]\n")
    git(folder, "add", ".")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "one")
    (folder / "shop.py").write_text("x")
    return folder


@pytest.fixture(scope="module")
def stack(module_memory: Path) -> Iterator[Stack]:
    made = Stack(module_memory / "data")
    try:
        made.tmux("new-session", "-d", "-s", "work")
        made.start_all()
        made.wait_ready()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def agent(stack: Stack, shop: Path) -> Agent:
    """It has worked, and its project is known."""
    worker = Agent(stack, shop)
    worker.work()
    wait_until(lambda: stack.session(worker.id)["project_id"], deadline_s=20, what="the poller has read the folder")
    return worker


def known_projects(watcher: Watcher) -> set[str]:
    whole = [project["id"] for data in watcher.of("projects") for project in data["projects"]]
    return {*whole, *(data["project"]["id"] for data in watcher.of("project_update"))}


def send(stack: Stack, method: str, path: str, body: object) -> Answer:
    return stack.call(method, path, json.dumps(body).encode())


def test_work_becomes_a_persona_and_a_project(stack: Stack, agent: Agent, shop: Path) -> None:
    session = stack.session(agent.id)
    persona = stack.get(f"/api/personas/{session['persona_id']}")["persona"]
    project = stack.get(f"/api/projects/{session['project_id']}")["project"]

    assert persona["statistics"] | {"worked_ms": 0} == {
        **dict.fromkeys(persona["statistics"], 0),
        "prompts": 1,
        "turns": 1,
        "tools": 3,
        "edits": 1,
        "tests": 1,
        "commits": 1,
    }
    assert persona["xp"] == session["xp"] == project["xp"] == 3 * 1 + 3 + 5 + 15 + 5
    assert (project["name"], project["path"], project["kind"]) == ("shop", str(shop.resolve()), "repository")
    assert (project["branch"], project["dirty"], project["languages"]) == ("main", 1, ["python"])
    assert stack.call("GET", persona["avatar"]).body.startswith(b"<svg ")


def test_xp_is_in_the_ledger_by_rule_and_by_day(stack: Stack, agent: Agent) -> None:
    who = f"type=persona&id={stack.session(agent.id)['persona_id']}"

    summary = stack.get(f"/api/xp/summary?{who}")["summary"]
    days = stack.get(f"/api/xp/timeline?{who}&days=7")["days"]

    assert {one["rule"]: one["xp"] for one in summary["by_rule"]} == {
        "commit": 15,
        "test": 5,
        "turn": 5,
        "tool": 3,
        "edit": 3,
    }
    assert [one["xp"] for one in days][-2:] in ([0, 31], [31, 0])  # It may be past midnight now.
    assert stack.get("/api/xp/leaderboard?type=persona")["entries"][0]["rank"] == 1


def test_a_report_is_for_a_person_to_read(stack: Stack, agent: Agent) -> None:
    assert agent.id
    text = stack.call("GET", "/api/report?days=2&format=markdown").body.decode()
    project = stack.session(agent.id)["project_id"]
    story = stack.call("GET", f"/api/projects/{project}/narrative?days=2&format=markdown").body.decode()

    assert text.startswith("# While you were away\n")
    assert story.startswith("# shop\n")
    assert "1 turn finished" in story
    assert all("Fixed the till." in one for one in (text, story))


def test_clients_are_told_and_a_quest_follows_the_tasks(stack: Stack, tmp_path: Path) -> None:
    agent = Agent(stack, tmp_path)
    agent.work()
    project = wait_until(lambda: stack.session(agent.id)["project_id"], deadline_s=20, what="the folder was read")
    assert stack.get(f"/api/projects/{project}")["project"]["kind"] == "folder"
    with Watcher(stack.ws_port, stack.token) as watcher:
        watcher.wait(lambda: project in known_projects(watcher), "the project, at once or within a second")
        quest = send(
            stack, "POST", "/api/quests", {"title": "Sell more", "project_id": project, "follows_tasks": True}
        ).data["quest"]
        path = f"/api/quests/{quest['id']}"
        assert send(stack, "PATCH", path, {"status": "active"}).status == 200
        agent.hook("TaskCreated", task_id="1", task_subject="Paint the door")
        agent.hook("TaskCompleted", task_id="1", task_subject="Paint the door")

        watcher.wait(
            lambda: any(one["quest"]["progress"] == 100 for one in watcher.of("quest_update")), "the phase is done"
        )
        watcher.wait(lambda: any(one["amount"] == 20 for one in watcher.of("xp_gain")), "its XP")
        watcher.wait(lambda: watcher.of("persona_update") and watcher.of("project_update"), "who and where")
        assert watcher.broken == []

    refused = send(stack, "PATCH", path, {"status": "planned"})
    assert (refused.status, refused.code) == (409, "conflict")
    assert "completed" in refused.json["error"]["message"]
    before = stack.get(f"/api/projects/{project}")["project"]["xp"]
    assert send(stack, "PATCH", path, {"status": "completed"}).data["quest"]["status"] == "completed"
    assert stack.get(f"/api/projects/{project}")["project"]["xp"] == before + 50
    assert [one["id"] for one in stack.get(f"/api/quests?project={project}&status=completed")["quests"]] == [
        quest["id"]
    ]


def test_a_folder_that_is_not_there_is_no_lie(stack: Stack, tmp_path: Path) -> None:
    """What was done there counts for its persona; nobody makes up a project."""
    lost = Agent(stack, tmp_path / "gone")
    lost.work()

    session = stack.session(lost.id)
    assert session["project_id"] is None
    assert stack.get(f"/api/personas/{session['persona_id']}")["persona"]["xp"] == 31
    assert str(tmp_path) not in json.dumps(stack.get("/api/projects"))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/personas/nobody", 404),
        ("/api/personas/nobody/challenges", 404),
        ("/api/projects/nothing", 404),
        ("/api/projects/nothing/narrative", 404),
        (f"/api/quests/q{'0' * 32}", 404),
        ("/api/xp/summary?type=persona&id=nobody", 404),
        ("/api/xp/timeline?type=project&id=nothing&days=3", 404),
        ("/api/xp/timeline?type=project&id=nothing&days=-1", 422),
        ("/api/xp/timeline?type=project&id=nothing&days=99999999999999999999", 422),
        ("/api/report?days=-1", 422),
        ("/api/report?format=pdf", 422),
        ("/api/quests?status=lost", 422),
        (f"/api/avatars/{'x' * 129}.svg", 422),
    ],
)
def test_bad_input_is_refused(stack: Stack, path: str, status: int) -> None:
    assert stack.call("GET", path).status == status


def test_all_of_it_follows_from_the_log(stack: Stack, agent: Agent) -> None:
    """Core is stopped, everything is made again, and core shows what it showed before."""
    assert agent.id
    paths = ("/api/personas", "/api/projects", "/api/quests", "/api/sessions")
    stack.stop("core")
    command = [str(Path(sys.executable).parent / "questmux"), "rebuild"]
    run = subprocess.run(command, env=stack.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (run.returncode, "the same as before" in run.stdout, run.stderr) == (0, True, "")
    assert "not the same" not in run.stdout
    stack.start("core")
    stack.wait_ready()
    shown = {path: stack.get(path) for path in paths}
    stack.kill("core")
    stack.start("core")
    stack.wait_ready()

    assert {path: stack.get(path) for path in paths[:3]} == {path: shown[path] for path in paths[:3]}
