import asyncio
import io
import os
import re
import signal
import time
from pathlib import Path

from honcho.printer import Printer

from services.cli.up import Supervisor, find_procfile, repeated
from services.contract.settings import Settings
from tests.waiting import wait_until_async


def settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder, api_port=1, ws_port=1)


async def supervise(lines: dict[str, str], folder: Path) -> tuple[asyncio.Task[None], io.StringIO]:
    printed = io.StringIO()
    supervisor = Supervisor(lines, Printer(printed), quiet=False)
    return asyncio.create_task(supervisor.run(settings(folder), "token")), printed


async def test_restarts_what_died_with_a_growing_pause_and_leaves_the_others(tmp_path: Path) -> None:
    lives = tmp_path / "lives"
    task, printed = await supervise(
        {"lives": f"echo $$ >> {lives}; exec sleep 1000", "dies": "echo last words; exit 3"}, tmp_path
    )
    await wait_until_async(lambda: printed.getvalue().count("dies ended (exit 3)") >= 3, what="three restarts")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(task, 10)

    pauses = re.findall(r"dies ended \(exit 3\); it starts again in ([0-9.]+) s", printed.getvalue())
    assert pauses[:3] == ["0.2", "0.4", "0.8"]
    assert "last words" in printed.getvalue()
    assert len(lives.read_text().split()) == 1
    assert printed.getvalue().rstrip().endswith("stopped")


async def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    stubborn = f"trap '' TERM; touch {ready}; while :; do sleep 0.1; done"
    task, _ = await supervise({"first": "exec sleep 1000", "stubborn": stubborn}, tmp_path)
    await wait_until_async(ready.exists, what="the stubborn one runs")
    started = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.wait_for(task, 10)

    assert time.monotonic() - started < 4


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class ClosedOutput(io.StringIO):
    """A terminal or a pipe that is gone: `make run | tee log`, and Ctrl-C has ended tee."""

    is_gone = False

    def write(self, text: str) -> int:
        if self.is_gone:
            raise BrokenPipeError
        return super().write(text)


async def test_ends_everything_also_when_nobody_reads_what_it_says(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    output = ClosedOutput()
    line = f"echo $$ >> {pids}; echo started; while :; do echo on; sleep 0.05; done"
    supervisor = Supervisor({"first": line, "second": line}, Printer(output), quiet=False)
    task = asyncio.create_task(supervisor.run(settings(tmp_path), "token"))
    await wait_until_async(lambda: output.getvalue().count("started") == 2, what="both lines")
    output.is_gone = True
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.wait_for(task, 10)

    assert not [pid for pid in map(int, pids.read_text().split()) if is_alive(pid)]


def test_finds_the_procfile_of_the_source_tree() -> None:
    lines = find_procfile().read_text().splitlines()

    assert [line.partition(":")[0] for line in lines] == ["core", "poller", "ws", "api"]


def test_a_line_that_runs_more_than_once_is_numbered_in_its_place() -> None:
    lines = {"core": "a", "ws": "b", "api": "c"}

    assert repeated(lines, "ws", 1) == lines
    assert list(repeated(lines, "ws", 2).items()) == [("core", "a"), ("ws.1", "b"), ("ws.2", "b"), ("api", "c")]
