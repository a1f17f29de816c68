import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from services.cli.demo.command import run_demo
from services.contract.settings import Settings
from services.process.life import CannotStartError
from tests.integration.cli.demo.running_demo import ENDS_S, RunningDemo
from tests.waiting import wait_until


def kill_the_demo(demo: RunningDemo) -> None:
    demo.process.kill()


def kill_its_questmux(demo: RunningDemo) -> None:
    os.kill(demo.keeper_pid, signal.SIGKILL)


def end_its_tmux(demo: RunningDemo) -> None:
    subprocess.run(["tmux", "-S", str(demo.folder / "tmux"), "kill-server"], check=True)


def close_its_terminal(demo: RunningDemo) -> None:
    demo.process.send_signal(signal.SIGHUP)


@pytest.mark.parametrize(
    ("act", "code", "reason"),
    [
        (close_its_terminal, 0, "stopped"),
        (end_its_tmux, 0, "its tmux server has ended"),
        (kill_its_questmux, 0, "Questmux has ended"),
        (kill_the_demo, -signal.SIGKILL, ""),
    ],
    ids=["SIGHUP", "tmux ends", "Questmux is killed", "the demo is killed"],
)
def test_leaves_nothing_however_it_ends(
    act: Callable[[RunningDemo], None], code: int, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    with RunningDemo(tmp_path / "home", agents=2) as demo:
        assert len(demo.pids) >= 8
        act(demo)
        assert demo.process.wait(ENDS_S) == code
        if code == 0:
            wait_until(lambda: not demo.left(), 2, "the last processes have ended")
            assert demo.err.splitlines()[-1] == f"questmux demo: {reason}; nothing of the demo is left"
        wait_until(lambda: not demo.left(), ENDS_S, "the keeper clears the stage")


def settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, runtime_dir=folder, claude_dir=folder, rules_dir=folder)


@pytest.mark.parametrize("agents", [0, 51])
def test_takes_as_many_agents_as_a_person_can_look_at(agents: int, tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match="takes 1 to 50 agents, not"):
        run_demo(settings(tmp_path), agents=agents)


def test_without_tmux_it_says_so_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with pytest.raises(CannotStartError, match="needs tmux, which is not installed"):
        run_demo(settings(tmp_path))
    assert list(tmp_path.iterdir()) == []
