import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from services.contract.entities import Process
from services.poller.processes import ProcessReader, ProcFiles, PsTable, reader_for_this_machine, run_ps
from tests.waiting import wait_until

READERS: list[Callable[[], ProcessReader]] = [reader_for_this_machine, lambda: PsTable(run_ps, lambda: 0.0)]


@pytest.mark.parametrize("make_reader", READERS)
def test_finds_a_process_and_what_is_below_it(make_reader: Callable[[], ProcessReader]) -> None:
    script = "sleep 1000 & sleep 1000 & wait"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as shell:
        try:

            def found_commands() -> list[str]:
                return [process.command for process in make_reader().below([shell.pid])[shell.pid]]

            # Each sleep is a second `sh` for a moment.
            wait_until(lambda: found_commands() == ["sh", "sleep", "sleep"], what="two sleeps")
            found = make_reader().below([shell.pid])[shell.pid]
            assert found[0] == Process(pid=shell.pid, command="sh")
            assert found[1].pid < found[2].pid
        finally:
            os.killpg(shell.pid, 9)
    assert make_reader().below([shell.pid]) == {shell.pid: ()}


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs /proc")
def test_finds_a_child_that_another_thread_started() -> None:
    children: list[subprocess.Popen[bytes]] = []
    started, done = threading.Event(), threading.Event()

    def start() -> None:
        children.append(subprocess.Popen(["sleep", "1000"]))
        started.set()
        done.wait()

    thread = threading.Thread(target=start)
    thread.start()
    try:
        assert started.wait(10)
        found = ProcFiles().below([os.getpid()])[os.getpid()]
        assert children[0].pid in {process.pid for process in found}
    finally:
        done.set()
        thread.join()
        for child in children:
            child.kill()
            child.wait()


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs /proc")
def test_a_command_of_any_bytes_becomes_text() -> None:
    program = r"open('/proc/self/comm','wb').write(b'a\n\xff ) (b'); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert ProcFiles().below([process.pid])[process.pid] == (Process(pid=process.pid, command="a\n\\xff ) (b"),)
        process.communicate(b"\n")


@pytest.mark.parametrize("make_reader", READERS)
def test_a_process_that_ended_is_gone_before_its_parent_notices(make_reader: Callable[[], ProcessReader]) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 0 & exec sleep 1000"]) as parent:
        try:
            own = (Process(pid=parent.pid, command="sleep"),)
            wait_until(lambda: make_reader().below([parent.pid]) == {parent.pid: own}, what="no second sleep")
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
            assert not children.exists() or children.read_text(encoding="ascii")
        finally:
            parent.kill()
