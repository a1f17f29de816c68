"""`questmux demo` as a stranger runs it: all alive soon, nothing of theirs touched, nothing left."""

import json
import signal
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from tests.e2e.stack import NO_PROXY
from tests.e2e.watcher import Watcher
from tests.integration.cli.demo.running_demo import ENDS_S, RunningDemo

ALIVE_S = 60
"""It is ten where nothing else is done, see `make bench`; here it is printed."""
AGENTS = 12


def get(demo: RunningDemo, path: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{demo.api_port}{path}", headers={"Authorization": f"Bearer {demo.token}"}
    )
    with NO_PROXY.open(request, timeout=5) as answer:
        return json.loads(answer.read())["data"]


def test_everything_is_alive_soon_and_gone_after_ctrl_c(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".claude").mkdir(parents=True)
    (home / ".claude" / "settings.json").write_text("{}")
    started = time.monotonic()

    with RunningDemo(home, AGENTS) as demo, Watcher(demo.ws_port, demo.token) as watcher:

        def seen() -> Counter[str]:
            return Counter(
                pane["status"]["name"] for pane in list(watcher.panes.values()) if pane["status"] is not None
            )

        def is_alive() -> bool:
            return sum(seen().values()) >= AGENTS and {"working", "waiting", "idle"} <= seen().keys()

        watcher.wait(is_alive, f"agents of all kinds, not {seen()}", ALIVE_S)
        print(f"alive after {time.monotonic() - started:.1f} s")
        watcher.wait(lambda: any(one["xp"] for one in get(demo, "/api/personas")["personas"]), "a persona earns XP")
        watcher.wait(lambda: "error" in seen(), "an agent fails")
        projects = {one["name"]: one["branch"] for one in get(demo, "/api/projects")["projects"]}
        asked = [one["asks"] for one in list(watcher.sessions.values()) if one["status"]["name"] == "waiting"]

        assert watcher.broken == []
        assert {pane["agent"]["name"] for pane in list(watcher.panes.values())} == {"claude"}
        assert any(asked)
        assert projects["api-gateway"] == "rate-limits"
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(ENDS_S) == 0

    assert demo.left() == []
    assert sorted(path.relative_to(home) for path in home.rglob("*")) == [
        Path(".claude"),
        Path(".claude/settings.json"),
    ]
