"""What the API's tests do not reach: sessions by id, shells, folders that are no folders, tmux's refusals."""

from functools import partial
from pathlib import Path

import pytest

from services.contract.actions import CreateWindow, NewClaude, NewPane, RenameWindow
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller.tmux import NoSuchTargetError, Tmux, TmuxFailedError
from services.poller.windows import Windows
from tests.integration.poller.stage import TmuxStage
from tests.waiting import wait_until


@pytest.fixture
def windows(tmux: TmuxStage, folder: Path) -> Windows:
    return Windows(Tmux(str(tmux.socket)), "echo claude", folder)


def code_of(refused: pytest.ExceptionInfo[QuestmuxError]) -> ErrorCode:
    return refused.value.problem.code


def test_a_session_is_found_by_its_name_as_tmux_keeps_it_or_by_its_id(tmux: TmuxStage, windows: Windows) -> None:
    tmux.start("a.b:c")
    for wanted in ("a.b:c", "a_b_c", "$0"):
        windows.create(CreateWindow(session=wanted, command="sleep 1000"))
    with pytest.raises(QuestmuxError) as refused:
        windows.create(CreateWindow(session="$7", command="sleep 1000"))

    assert code_of(refused) is ErrorCode.NOT_FOUND
    listed = tmux.run("list-windows", "-a", "-F", "#{session_id} #{session_name} #{window_id}").splitlines()
    assert listed == [f"$0 a_b_c @{number}" for number in range(4)]


def test_without_a_session_the_one_used_last_gets_the_window(tmux: TmuxStage, windows: Windows) -> None:
    tmux.start("first")
    tmux.run("new-session", "-d", "-s", "second", "sh")
    expected = tmux.run("display-message", "-p", "#{session_id}")
    made = windows.create(CreateWindow())

    assert tmux.run("display-message", "-p", "-t", made.window_id, "#{session_id}") == expected


def test_a_first_window_opens_in_the_persons_home_and_a_later_one_where_the_session_does(
    tmux: TmuxStage, windows: Windows, folder: Path
) -> None:
    (folder / "work").mkdir()
    first = windows.create(CreateWindow(command="sleep 1000"))
    second = windows.create(CreateWindow(session="new", cwd="~/work", command="sleep 1000"))
    third = windows.create(CreateWindow(session="new", command="sleep 1000"))

    def paths() -> list[str]:
        made = (first, second, third)
        return [tmux.run("display-message", "-p", "-t", one.pane_id, "#{pane_current_path}") for one in made]

    expected = [str(folder), str(folder / "work"), str(folder / "work")]
    wait_until(lambda: paths() == expected, what="each in its folder, once its program has begun")


@pytest.mark.parametrize("cwd", ["/no/such", "~/no/such", "~root", "/etc/passwd", f"/{'x' * 300}"])
def test_a_folder_that_is_none_is_refused_before_anything_is_made(tmux: TmuxStage, windows: Windows, cwd: str) -> None:
    tmux.start()
    for call in (
        partial(windows.create, CreateWindow(cwd=cwd)),
        partial(windows.new_pane, "@0", NewPane(cwd=cwd)),
        partial(windows.new_claude, "@0", NewClaude(cwd=cwd)),
    ):
        with pytest.raises(QuestmuxError) as refused:
            call()
        assert code_of(refused) is ErrorCode.INVALID_FIELD
    assert tmux.run("list-panes", "-a", "-F", "#{pane_id}") == "%0"


def test_the_windows_name_may_be_in_use_in_another_session_and_once_in_its_own(
    tmux: TmuxStage, windows: Windows
) -> None:
    tmux.start("first")
    tmux.run("rename-window", "-t", "@0", "one")
    windows.create(CreateWindow(session="second", window_name="one", command="sleep 1000"))
    tmux.run("link-window", "-s", "@0", "-t", "second:5")  # Now the second session has two of that name.

    with pytest.raises(QuestmuxError) as refused:
        windows.rename("@0", RenameWindow(window_name="one"))
    assert code_of(refused) is ErrorCode.CONFLICT
    assert windows.rename("@0", RenameWindow(window_name="two")).name == "two"


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh", "/bin/false"])
def test_claude_runs_in_the_persons_shell_or_in_a_plain_one(
    tmux: TmuxStage, windows: Windows, folder: Path, shell: str
) -> None:
    tmux.start()
    tmux.run("set-environment", "-g", "HOME", str(folder))  # What a person's shell starts with may take its time.
    tmux.run("set-option", "-g", "default-shell", shell)
    made = windows.new_claude("@0", NewClaude(prompt="say 'this' $HOME"))

    wait_until(
        lambda: "claude -- say 'this' $HOME" in tmux.run("capture-pane", "-p", "-t", made.pane_id), what="claude"
    )
    used = "sh" if shell == "/bin/false" else shell.rpartition("/")[2]
    wait_until(
        lambda: tmux.run("display-message", "-p", "-t", made.pane_id, "#{pane_current_command}") == used,
        what="a shell after it",
    )


def test_what_is_not_there_is_said(tmux: TmuxStage, windows: Windows) -> None:
    tmux.start()
    with pytest.raises(NoSuchTargetError):
        windows.close("@9")
    with pytest.raises(NoSuchTargetError):
        windows.close_pane("%9")
    for call in (
        partial(windows.rename, "@9", RenameWindow(window_name="x")),
        partial(windows.new_pane, "@9", NewPane()),
    ):
        with pytest.raises(QuestmuxError) as refused:
            call()
        assert code_of(refused) is ErrorCode.NOT_FOUND


def test_a_command_too_long_for_tmux_is_refused_and_nothing_is_made(tmux: TmuxStage, windows: Windows) -> None:
    tmux.start()
    with pytest.raises(TmuxFailedError):
        windows.create(CreateWindow(command="x" * 20_000))
    assert tmux.run("list-windows", "-a", "-F", "#{window_id}") == "@0"
