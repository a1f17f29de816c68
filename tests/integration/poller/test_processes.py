import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from services.contract.entities import Agent, Process
from services.poller import processes
from services.poller.processes import Below, ProcessReader, ProcFiles, PsTable, reader_for_this_machine, run_ps
from tests.waiting import wait_until

READERS: list[Callable[[], ProcessReader]] = [reader_for_this_machine, lambda: PsTable(run_ps, lambda: 0.0)]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow `ps` is."""
    monkeypatch.setattr(processes, "PS_TIMEOUT_S", 20.0)


@pytest.mark.parametrize("make_reader", READERS)
def test_finds_a_process_and_what_is_below_it(make_reader: Callable[[], ProcessReader]) -> None:
    script = "sleep 1000 & sleep 1000 & wait"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as shell:
        try:

            def found_commands() -> list[str]:
                return [process.command for process in make_reader().below([shell.pid])[shell.pid].processes]

            # Each sleep is a second `sh` for a moment.
            wait_until(lambda: found_commands() == ["sh", "sleep", "sleep"], what="two sleeps")
            found = make_reader().below([shell.pid])[shell.pid].processes
            assert found[0] == Process(pid=shell.pid, command="sh")
            assert found[1].pid < found[2].pid
        finally:
            os.killpg(shell.pid, 9)
    assert make_reader().below([shell.pid]) == {shell.pid: Below()}


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
        found = ProcFiles().below([os.getpid()])[os.getpid()].processes
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
        (found,) = ProcFiles().below([process.pid])[process.pid].processes
        assert found == Process(pid=process.pid, command="a\n\\xff ) (b")
        process.communicate(b"\n")


@pytest.mark.parametrize("make_reader", READERS)
def test_a_process_that_ended_is_gone_before_its_parent_notices(make_reader: Callable[[], ProcessReader]) -> None:
    with subprocess.Popen(["sh", "-c", "sleep 0 & exec sleep 1000"]) as parent:
        try:
            own = Below((Process(pid=parent.pid, command="sleep"),))
            wait_until(lambda: make_reader().below([parent.pid]) == {parent.pid: own}, what="no second sleep")
            children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
            assert not children.exists() or children.read_text(encoding="ascii")
        finally:
            parent.kill()


@pytest.mark.parametrize("make_reader", READERS)
def test_finds_the_agent_that_a_script_starts(make_reader: Callable[[], ProcessReader], tmp_path: Path) -> None:
    script = tmp_path / "claude"
    script.write_text("read line\n", encoding="ascii")
    line = ["sh", "-c", f"sh -e {script}; true"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, start_new_session=True) as shell:
        try:
            reader = make_reader()
            found = wait_until(lambda: make_reader().below([shell.pid])[shell.pid].agent, what="the agent")
            assert found is not None
            assert found.name == "claude"
            assert found.pid != shell.pid
            assert reader.below([shell.pid])[shell.pid].agent == found
        finally:
            shell.communicate()


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs /proc")
def test_notices_a_shell_that_becomes_the_agent_and_keeps_its_name(tmp_path: Path) -> None:
    script = tmp_path / "claude"
    script.write_text("read line\n", encoding="ascii")
    reader = ProcFiles()
    with subprocess.Popen(["sh", "-c", f"read line; exec sh {script}"], stdin=subprocess.PIPE) as shell:
        assert shell.stdin is not None
        assert reader.below([shell.pid]) == {shell.pid: Below((Process(pid=shell.pid, command="sh"),))}
        shell.stdin.write(b"\n")
        shell.stdin.flush()
        wait_until(lambda: reader.below([shell.pid])[shell.pid].agent == Agent(name="claude", pid=shell.pid))
        shell.communicate()


@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs /proc")
def test_what_a_known_process_runs_is_not_read_again() -> None:
    reader = ProcFiles()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin is not None
        assert cat.stdout is not None
        cat.stdin.write(b"it runs\n")
        cat.stdin.flush()
        cat.stdout.readline()
        before, known = reader.below([cat.pid]), reader._known[cat.pid]
        assert reader.below([cat.pid])[cat.pid] is before[cat.pid]
        assert reader._known[cat.pid] is known
        cat.communicate()
    assert reader.below([cat.pid]) == {cat.pid: Below()}
    assert reader._known == {}
