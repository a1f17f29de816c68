from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from services.contract.entities import Process
from services.poller.processes import MAX_DEPTH, MAX_PROCESSES, PsTable, read_ps, walk

PS_OUTPUT = """\
    1     0 Ss   /sbin/launchd
  100     1 Ss   tmux: server
  200   100 Ss+  -zsh
  300   200 S+   /Applications/My Tool/claude code
  250   300 Rl   node
  260   300 Z    sh
 nonsense
"""


def test_own_process_comes_first_then_descendants_by_pid() -> None:
    children = {50: [70, 10], 70: [5], 10: []}
    found = walk(50, lambda pid: (f"c{pid}", children.get(pid, [])))
    assert [process.pid for process in found] == [50, 5, 10, 70]
    assert found[0] == Process(pid=50, command="c50")


def test_a_process_that_vanished_is_left_out_with_what_was_below_it() -> None:
    commands = {1: "sh", 3: "vim", 4: "below a vanished one"}
    children = {1: [2, 3], 2: [4]}
    found = walk(1, lambda pid: (commands[pid], children.get(pid, [])) if pid in commands else None)
    assert [process.pid for process in found] == [1, 3]


def test_a_root_that_vanished_has_no_processes() -> None:
    assert walk(1, lambda _: None) == ()


@given(width=st.integers(min_value=0, max_value=200))
def test_many_processes_are_bounded_and_the_nearest_are_kept(width: int) -> None:
    found = walk(1, lambda pid: (str(pid), range(2, 2 + width) if pid == 1 else [pid + 1000]))
    assert len(found) <= MAX_PROCESSES
    assert {process.pid for process in found} >= set(range(1, min(2 + width, MAX_PROCESSES + 1)))


def test_a_deep_or_circular_tree_ends() -> None:
    assert len(walk(1, lambda pid: (str(pid), [pid]))) == MAX_DEPTH + 1


def test_ps_lines_become_commands_and_children() -> None:
    commands, children = read_ps(PS_OUTPUT)
    assert commands[300] == "claude code"
    assert commands[100] == "tmux: server"
    assert children[200] == [300]
    assert len(commands) == 5


def test_ps_runs_seldom_and_a_failed_one_keeps_what_was_seen() -> None:
    now = 100.0
    answers: Iterator[str | None] = iter([PS_OUTPUT, None, "200 100 S -zsh\n"])
    table = PsTable(lambda: next(answers), lambda: now)
    with_children = (
        Process(pid=200, command="-zsh"),
        Process(pid=250, command="node"),
        Process(pid=300, command="claude code"),
    )
    assert table.below([200, 999]) == {200: with_children, 999: ()}
    now = 101.9
    assert table.below([200]) == {200: with_children}
    now = 102.0
    assert table.below([200]) == {200: with_children}
    now = 104.0
    assert table.below([200]) == {200: with_children[:1]}
