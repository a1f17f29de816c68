"""Schemathesis asks the running stack what its own document promises, and what it does not."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.waiting import wait_until

WINDOWS = 5
RUN_S = 25
"""Fuzzing and stateful testing end then; the phases before take some seconds more."""
EXAMPLES = 25
RUNS_PROGRAMS = ("create_window", "new_claude")
"""They run what they are given, and nobody knows what schemathesis makes up; `tests/integration/api/test_fuzz.py`
asks for them where nothing is run."""
CONFIG = """
# All checks are on unless one is named here.
# It takes an id for the next request from any answer that has a field of that name, and a null `pane_id` for the id
# "None", which is then rightly refused. The other phases make this check.
[phases.stateful.checks]
positive_data_acceptance.enabled = false

# Of ids that are made up hardly one is there: these act on what the fixture made, where none harms another.
[[operations]]
include-operation-id = ["prompt", "refresh", "read_screen"]
parameters = { pane_id = "1" }

[[operations]]
include-operation-id = ["dismiss", "report"]
parameters = { pane_id = "2" }

[[operations]]
include-operation-id = "signal"
parameters = { pane_id = "0" }

[[operations]]
include-operation-id = "close_pane"
parameters = { pane_id = "3" }

[[operations]]
include-operation-id = "rename_window"
parameters = { window_id = "1" }

[[operations]]
include-operation-id = "close_window"
parameters = { window_id = "4" }

# A project that is made up is not there, which is rightly refused; the phases before them move a quest anywhere.
[[operations]]
include-operation-id = ["create_quest", "change_quest", "change_phase"]
checks.positive_data_acceptance.enabled = false

# A folder that is made up is not there, which is rightly refused.
[[operations]]
include-operation-id = "new_pane"
parameters = { window_id = "1" }
checks.positive_data_acceptance.enabled = false
"""


@pytest.fixture(scope="module")
def running(module_memory: Path) -> Iterator[Stack]:
    """One stack with something in it, for this file."""
    stack = Stack(module_memory / "data")
    try:
        stack.start_all()
        stack.wait_ready()
        start_tmux(stack)
        stack.post_event({"hook_event_name": "SessionStart", "session_id": "known"}, {"X-Tmux-Pane": "%2"})
        wait_until(lambda: len(stack.get("/api/panes")["panes"]) == WINDOWS, what="the panes are seen")
        wait_until(lambda: stack.get("/api/panes/2")["pane"]["session_id"], what="a session is in its pane")
        yield stack
    finally:
        stack.close()


def start_tmux(stack: Stack) -> None:
    """Windows in which nothing runs what is typed: `cat` stands where a shell would, also in new panes."""
    cat = shutil.which("cat")
    assert cat is not None
    size = ("-x", "160", "-y", "100")  # With room for new panes.
    stack.tmux(
        "start-server", ";", "set-option", "-g", "default-shell", cat, ";", "new-session", "-d", *size, "-s", "work"
    )
    for _ in range(WINDOWS - 1):
        stack.tmux("new-window", "-d", "-t", "work:")
    programs = ("list-panes", "-a", "-F", "#{pane_current_command}")
    wait_until(lambda: stack.tmux(*programs).split() == ["cat"] * WINDOWS, what="no pane runs a shell")


def test_every_answer_is_as_the_document_says(running: Stack, tmp_path: Path) -> None:
    st = Path(sys.executable).with_name("st")
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    run = subprocess.run(
        [
            st,
            "--config-file",
            config,
            "run",
            f"http://127.0.0.1:{running.api_port}/openapi.json",
            "--header",
            f"Authorization: Bearer {running.token}",
            "--max-examples",
            str(EXAMPLES),
            "--max-time",
            str(RUN_S),
            "--seed",
            "1",
            *(word for name in RUNS_PROGRAMS for word in ("--exclude-operation-id", name)),
            "--continue-on-failure",
            "--generation-database",
            "none",
            "--exclude-checks",
            "not_a_server_error",  # Core or tmux may be late where the machine stands still: the log tells of a 500.
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
    assert '"level": "error"' not in running.log("api")
    assert running.figures()["status"] == "ok"
