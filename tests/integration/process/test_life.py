"""Real processes: only they have signals and exit codes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.process.life import EXIT_NOW, EXIT_OK, EXIT_USAGE
from tests.waiting import wait_until

POLLING = """
import select, sys
from services.process.life import StopSignal, start

def run(settings):
    stop = StopSignal()
    print("ready", flush=True)
    while not stop.is_set:
        select.select([stop], [], [])
    print("stopping", flush=True)
    {then}
    stop.close()

start("core", run)
"""
ASYNCIO = """
import asyncio, sys, time
import uvloop
from services.process.life import start, stop_event

async def main():
    stop = stop_event(asyncio.get_running_loop())
    print("ready", flush=True)
    {first}
    await stop.wait()
    print("stopping", flush=True)
    {then}

start("ws", lambda settings: asyncio.Runner(loop_factory={loop}).run(main()))
"""
FAILING = """
from services.process.life import CannotStartError, start

def run(settings):
    raise {problem}

start("core", run)
"""
HANG = "import time; time.sleep(60)"
LOOPS = ["asyncio.new_event_loop", "uvloop.new_event_loop"]
PROGRAMS = [
    pytest.param(POLLING, {}, id="polling"),
    *(pytest.param(ASYNCIO, {"loop": loop, "first": ""}, id=loop) for loop in LOOPS),
]
Started = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    processes: list[subprocess.Popen[str]] = []

    def start(program: str, environ: dict[str, str] | None = None, **parts: str) -> "subprocess.Popen[str]":
        text = program.format(**parts) if parts else program
        places = {"QUESTMUX_DATA_DIR": str(tmp_path / "data"), "QUESTMUX_RUNTIME_DIR": str(tmp_path / "run")}
        process = subprocess.Popen(
            [sys.executable, "-c", text],
            env=os.environ | places | (environ or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        with process:
            process.kill()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def errors(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("program", "parts"), PROGRAMS)
def test_one_signal_ends_the_process_well(
    started: Started, program: str, parts: dict[str, str], number: signal.Signals
) -> None:
    process = started(program, then="pass", **parts)
    assert line(process) == "ready"

    process.send_signal(number)

    assert line(process) == "stopping"
    assert process.wait(10) == EXIT_OK
    said = json.loads(errors(process))
    assert (said["message"], said["signal"]) == ("stop asked for", number.name)


@pytest.mark.parametrize(("program", "parts"), PROGRAMS)
def test_a_second_signal_ends_a_process_that_hangs_while_it_stops(
    started: Started, program: str, parts: dict[str, str]
) -> None:
    process = started(program, then=HANG, **parts)
    assert line(process) == "ready"
    process.terminate()
    assert line(process) == "stopping"

    process.terminate()

    assert process.wait(10) == EXIT_NOW
    assert "Traceback" not in errors(process)


@pytest.mark.parametrize("loop", LOOPS)
def test_two_signals_end_a_process_whose_loop_hangs(started: Started, loop: str) -> None:
    process = started(ASYNCIO, loop=loop, first=HANG, then="pass")
    assert line(process) == "ready"
    process.terminate()

    def has_ended() -> bool:
        process.terminate()  # One that comes before the first was taken is the same signal.
        return process.poll() is not None

    wait_until(has_ended, what="the process to end")

    assert process.returncode == EXIT_NOW


def test_a_setting_that_cannot_be_used_is_one_sentence_and_code_2(started: Started) -> None:
    process = started(POLLING, {"QUESTMUX_API_PORT": "http"}, then="pass")

    assert process.wait(20) == EXIT_USAGE
    assert errors(process) == "questmux core: QUESTMUX_API_PORT takes a port from 1 to 65535, not 'http'\n"


def test_a_folder_that_cannot_be_used_is_one_sentence_and_code_2(started: Started, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    process = started(POLLING, then="pass")

    assert process.wait(20) == EXIT_USAGE
    said = errors(process)
    assert said.startswith(f"questmux core: {tmp_path / 'data'} cannot be used: ")
    assert said.count("\n") == 1


def test_a_service_that_cannot_start_is_one_sentence_and_code_2(started: Started) -> None:
    process = started(FAILING, problem="CannotStartError('another core is running')")

    assert process.wait(20) == EXIT_USAGE
    assert errors(process) == "questmux core: another core is running\n"


def test_a_defect_is_no_good_end(started: Started) -> None:
    process = started(FAILING, problem="ZeroDivisionError")

    assert process.wait(20) not in {EXIT_OK, EXIT_USAGE}
    assert "Traceback" in errors(process)


def test_settled_memory_is_not_looked_at_again() -> None:
    text = (
        "import gc; from services.process.life import settle_memory; settle_memory(); print(gc.get_freeze_count() > 0)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30, check=True)

    assert done.stdout == "True\n"
