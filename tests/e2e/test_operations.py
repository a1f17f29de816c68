"""The commands of docs/operations.md, word for word, on a running server under load."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.process.life import EXIT_OK
from tests.e2e.stack import ROOT, Stack
from tests.waiting import wait_until

EVENTS = 300


def commands(heading: str) -> str:
    """The first shell block below a heading of the document."""
    document = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n.*?^```sh\n(.*?)^```", document, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


@pytest.fixture
def restored(memory: Path) -> Iterator[Stack]:
    made = Stack(memory / "restored")
    try:
        yield made
    finally:
        made.close(shows_logs=False)


def shell(script: str, data: Path, backup: Path, stack: Stack) -> None:
    environment = stack.environment | {"DATA": str(data), "BACKUP": str(backup)}
    subprocess.run(["sh", "-eu", "-c", script], env=environment, check=True, timeout=60)


def test_a_copy_of_a_running_server_has_all_that_was_acknowledged(
    stack: Stack, restored: Stack, tmp_path: Path
) -> None:
    acknowledged: list[int] = []
    copied = threading.Event()

    def work() -> None:
        for number in range(EVENTS):
            body = {"hook_event_name": "UserPromptSubmit", "session_id": f"s-{number % 7}", "prompt": str(number)}
            if stack.post_event(body).status == 200:
                acknowledged.append(number)
            if copied.is_set() and number > EVENTS // 2:
                return

    worker = threading.Thread(target=work)
    worker.start()
    try:
        wait_until(lambda: len(acknowledged) >= EVENTS // 10, what="some events are acknowledged")
        before = list(acknowledged)
        shell(commands("Back up while it runs"), stack.data_dir, tmp_path / "backup", stack)
    finally:
        copied.set()
        worker.join(30)

    shell(commands("Restore, or move to another machine"), restored.data_dir, tmp_path / "backup", restored)
    check = subprocess.run(
        ["questmux", "rebuild", "--check"], env=restored.environment, capture_output=True, text=True, check=False
    )
    assert check.returncode == EXIT_OK, check.stderr
    restored.start_all()
    restored.wait_ready()

    rows = restored.rows("SELECT payload FROM events WHERE name = 'UserPromptSubmit'")
    assert set(before) <= {int(json.loads(row[0])["prompt"]) for row in rows}
    assert restored.token == stack.token
    assert restored.session("s-0")["id"] == "s-0"
