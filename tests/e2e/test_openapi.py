"""Schemathesis asks the running stack what its own document promises, and what it does not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import Stack

RUN_S = 60
EXAMPLES = 25


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One stack with something in it, for this file."""
    stack = Stack(tmp_path_factory.mktemp("openapi") / "data")
    try:
        stack.start_all()
        stack.wait_ready()
        stack.post_event({"hook_event_name": "SessionStart", "session_id": "known", "cwd": "/tmp"})
        yield stack
    finally:
        stack.close()


def test_every_answer_is_as_the_document_says(running: Stack, tmp_path: Path) -> None:
    st = Path(sys.executable).with_name("st")
    run = subprocess.run(
        [
            st, "run", f"http://127.0.0.1:{running.api_port}/openapi.json",
            "--header", f"Authorization: Bearer {running.token}",
            "--checks", "all",
            "--max-examples", str(EXAMPLES),
            "--max-time", str(RUN_S // 2),
            "--seed", "1",
            "--continue-on-failure",
            "--generation-database", "none",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=2 * RUN_S,
        check=False,
    )

    assert run.returncode == 0, run.stdout[-8_000:] + run.stderr[-2_000:]
    assert running.health().data["status"] == "ok"
