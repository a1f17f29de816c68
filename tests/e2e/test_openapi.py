"""Schemathesis asks the running stack what its own document promises, and what it does not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack
from tests.waiting import wait_until

RUN_S = 25
"""Fuzzing and stateful testing end then; the phases before take some seconds more."""
EXAMPLES = 25
CONFIG = """
# All checks are on unless one is named here.
# It takes an id for the next request from any answer that has a field of that name, and a null `pane_id` for the id
# "None", which is then rightly refused. The other phases make this check.
[phases.stateful.checks]
positive_data_acceptance.enabled = false
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack with something in it, for this file."""
    stack = Stack(tmp_path_factory.mktemp("openapi") / "data")
    try:
        stack.start_all()
        stack.wait_ready()
        stack.post_event({"hook_event_name": "SessionStart", "session_id": "known"})
        stack.tmux("new-session", "-d", "-s", "work")
        wait_until(lambda: stack.get("/api/panes")["panes"], what="the pane is seen")
        yield stack
    finally:
        stack.close()


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
            "--continue-on-failure",
            "--generation-database",
            "none",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
    assert running.health().data["status"] == "ok"
