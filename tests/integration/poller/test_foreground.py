"""Real process groups in a real tmux pane, as `/proc` and as `ps` tell of them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from services.contract.entities import Process
from services.poller import foreground
from services.poller.foreground import (
    ForbiddenGroupError,
    Foreground,
    GroupGoneError,
    Member,
    Table,
    foreground_of,
    read_proc,
    read_ps,
    send,
    table_of_this_machine,
)
from tests.integration.poller.stage import TmuxStage
from tests.waiting import wait_until


@pytest.fixture(params=[table_of_this_machine(), read_ps], ids=lambda table: table.__name__)
def table(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(foreground, "PS_TIMEOUT_S", 20.0)
    found: Table = request.param
    return found


@pytest.fixture
def pane(tmux: TmuxStage) -> int:
    """The pid of a shell that a person could type into."""
    tmux.start()
    return int(tmux.run("display-message", "-p", "-t", "main:", "#{pane_pid}"))


@pytest.fixture
def stranger() -> Iterator[int]:
    """A process group of a session of its own, without a terminal."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        yield process.pid
        process.kill()


def run_in_pane(tmux: TmuxStage, line: str) -> None:
    tmux.run("send-keys", "-t", "main:", "-l", line)
    tmux.run("send-keys", "-t", "main:", "Enter")


def wait_for(pane: int, table: Table, *commands: str) -> Foreground:
    """The foreground, once exactly these have it."""

    def look() -> Foreground | None:
        found = foreground_of(pane, table)
        return found if found and sorted(process.command for process in found.processes) == sorted(commands) else None

    found = wait_until(look, what=f"{commands} in the foreground")
    assert found is not None
    return found


def test_at_its_prompt_the_shell_has_the_terminal(pane: int, table: Table) -> None:
    assert wait_for(pane, table, "sh") == Foreground(pane, (Process(pid=pane, command="sh"),))


def test_what_a_shell_waits_for_has_the_terminal_and_not_what_it_left_behind(
    tmux: TmuxStage, pane: int, table: Table
) -> None:
    run_in_pane(tmux, "sleep 30 & sleep 1000 | cat")
    found = wait_for(pane, table, "sleep", "cat")
    assert found.process_group != pane
    assert found.process_group in {process.pid for process in found.processes}


def test_a_signal_reaches_the_whole_group_and_leaves_the_shell(tmux: TmuxStage, pane: int, table: Table) -> None:
    run_in_pane(tmux, "sleep 1000 | sleep 1000")
    group = wait_for(pane, table, "sleep", "sleep").process_group
    send(pane, group, signal.SIGTERM, table)
    assert wait_for(pane, table, "sh").process_group == pane
    with pytest.raises(GroupGoneError):
        send(pane, group, signal.SIGTERM, table)


def test_without_a_terminal_nobody_has_it(stranger: int, table: Table) -> None:
    assert foreground_of(stranger, table) is None


def test_a_process_that_ended_has_no_foreground(table: Table) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert foreground_of(process.pid, table) is None
    with pytest.raises(GroupGoneError):
        send(process.pid, process.pid, signal.SIGTERM, table)


def test_a_process_that_its_parent_has_not_noticed_to_have_ended_is_no_member(table: Table) -> None:
    with subprocess.Popen(["true"], start_new_session=True) as process:
        wait_until(lambda: process.pid not in {member.pid for member in table()}, what="its end")
        with pytest.raises(GroupGoneError):
            send(os.getpid(), process.pid, signal.SIGTERM, table)


@pytest.mark.parametrize("group", [1, 0, -1, -1000])
def test_no_group_at_all_is_refused(pane: int, group: int) -> None:
    with pytest.raises(ForbiddenGroupError):
        send(pane, group, signal.SIGTERM)


def test_our_own_group_is_refused() -> None:
    with pytest.raises(ForbiddenGroupError):
        send(os.getpid(), os.getpgrp(), signal.SIGTERM)


def test_another_sessions_group_is_refused(pane: int, stranger: int, table: Table) -> None:
    with pytest.raises(ForbiddenGroupError):
        send(pane, stranger, signal.SIGTERM, table)
    os.kill(stranger, 0)


def test_another_panes_group_is_refused(tmux: TmuxStage, pane: int, table: Table) -> None:
    other = int(tmux.run("split-window", "-d", "-P", "-F", "#{pane_pid}", "-t", "main:", "cat"))
    group = wait_for(other, table, "cat").process_group
    with pytest.raises(ForbiddenGroupError):
        send(pane, group, signal.SIGTERM, table)
    assert wait_for(other, table, "cat").process_group == group


def test_a_group_that_ends_between_the_look_and_the_signal_is_gone(pane: int) -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()

    def outdated() -> list[Member]:
        return [Member(pane, process.pid, process.pid, "sh")]

    with pytest.raises(GroupGoneError):
        send(pane, process.pid, signal.SIGTERM, outdated)


def test_ps_that_cannot_be_run_tells_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert read_ps() == []


@pytest.mark.skipif(table_of_this_machine() is not read_proc, reason="needs /proc")
def test_a_name_may_hold_anything(table: Table) -> None:
    program = "open('/proc/self/comm','wb').write(b'x) S 1 (2 3'); print(flush=True); input()"
    line = [sys.executable, "-c", program]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (found,) = (member for member in table() if member.pid == process.pid)
        assert found.command == "x) S 1 (2 3"
        assert found.group == process.pid
        assert found.foreground <= 0
        process.communicate(b"\n")
