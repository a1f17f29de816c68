from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from services.contract.entities import Agent, Process
from services.poller.agents import Running
from services.poller.processes import MAX_DEPTH, MAX_PROCESSES, Below, PsTable, Trees, make_below, read_ps, walk

PS_OUTPUT = """\
  PID  PPID STAT NAME             ARGS
    1     0 Ss   launchd          /sbin/launchd
  100     1 Ss   tmux: server     tmux new -s main
  200   100 Ss+  -zsh             -zsh
  300   200 S+   claude           claude --resume  now
  250   300 Rl   node             /usr/bin/node /srv/server.js
  260   300 Z    sh               (sh)
  270   300 SNsl+ odd
 nonsense
"""


def process(pid: int, command: str) -> Running:
    return Running(pid=pid, command=command)


def test_the_nearest_processes_come_first() -> None:
    children = {50: [70, 10], 70: [5], 10: []}
    found = walk(50, lambda pid: (process(pid, f"c{pid}"), children.get(pid, [])))
    assert [running.pid for running in found] == [50, 70, 10, 5]
    assert found[0].command == "c50"


def test_they_are_told_by_pid_after_the_root() -> None:
    below = make_below([process(50, "bash"), process(70, "npm"), process(10, "vim"), process(5, "claude")])
    assert below.processes[0] == Process(pid=50, command="bash")
    assert [running.pid for running in below.processes] == [50, 5, 10, 70]
    assert below.agent == Agent(name="claude", pid=5)


def test_a_tree_that_is_the_same_is_not_judged_again() -> None:
    trees, command = Trees(), "bash"
    first = trees.see([1, 2], lambda pid: (process(pid, command), ()))
    assert trees.see([2], lambda pid: (process(pid, command), ()))[2] is first[2]
    command = "claude"
    assert trees.see([2], lambda pid: (process(pid, command), ()))[2].agent == Agent(name="claude", pid=2)


def test_a_root_that_vanished_has_nothing_below_it() -> None:
    assert Trees().see([1], lambda _: None) == {1: Below()}


def test_a_process_that_vanished_is_left_out_with_what_was_below_it() -> None:
    commands = {1: "sh", 3: "vim", 4: "below a vanished one"}
    children = {1: [2, 3], 2: [4]}
    found = walk(1, lambda pid: (process(pid, commands[pid]), children.get(pid, [])) if pid in commands else None)
    assert [process.pid for process in found] == [1, 3]


@given(width=st.integers(min_value=0, max_value=200))
def test_many_processes_are_bounded_and_the_nearest_are_kept(width: int) -> None:
    found = walk(1, lambda pid: (process(pid, ""), range(2, 2 + width) if pid == 1 else [pid + 1000]))
    assert len(found) <= MAX_PROCESSES
    assert {process.pid for process in found} >= set(range(1, min(2 + width, MAX_PROCESSES + 1)))


def test_a_deep_or_circular_tree_ends() -> None:
    assert len(walk(1, lambda pid: (process(pid, ""), [pid]))) == MAX_DEPTH + 1


def test_ps_lines_become_processes_and_children() -> None:
    processes, children = read_ps(PS_OUTPUT)
    assert processes[100] == Running(pid=100, command="tmux: server", argv=("tmux", "new", "-s", "main"))
    assert processes[300] == Running(pid=300, command="claude", argv=("claude", "--resume", "now"))
    assert processes[270] == Running(pid=270, command="odd")
    assert children[200] == [300]
    assert children[300] == [250, 270]
    assert len(processes) == 6


@given(output=st.text() | st.text().map(lambda tail: PS_OUTPUT + tail))
def test_whatever_ps_prints_is_read(output: str) -> None:
    processes, _ = read_ps(output)
    assert set(processes) >= ({1, 100, 200, 300, 250, 270} if output.startswith(PS_OUTPUT) else set())


def test_ps_runs_seldom_and_a_failed_one_keeps_what_was_seen() -> None:
    now = 100.0
    header = PS_OUTPUT.splitlines()[0]
    answers: Iterator[str | None] = iter([PS_OUTPUT, None, f"{header}\n  200   100 S    zsh              -zsh\n"])
    table = PsTable(lambda: next(answers), lambda: now)
    with_children = Below(
        (
            Process(pid=200, command="-zsh"),
            Process(pid=250, command="node"),
            Process(pid=270, command="odd"),
            Process(pid=300, command="claude"),
        ),
        Agent(name="claude", pid=300),
    )
    assert table.below([200, 999]) == {200: with_children, 999: Below()}
    now = 101.9
    assert table.below([200]) == {200: with_children}
    now = 102.0
    assert table.below([200]) == {200: with_children}
    now = 104.0
    assert table.below([200]) == {200: Below((Process(pid=200, command="zsh"),))}
