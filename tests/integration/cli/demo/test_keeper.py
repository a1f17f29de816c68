import os
import subprocess
import sys
from pathlib import Path

from services.cli.demo.stage import environment, make_stage
from services.contract.settings import Settings
from tests.e2e.stack import is_open
from tests.waiting import wait_until


def test_it_ends_with_whoever_holds_its_input_and_clears_the_stage(tmp_path: Path) -> None:
    stage = make_stage(Settings(data_dir=tmp_path, runtime_dir=tmp_path, claude_dir=tmp_path, rules_dir=tmp_path))
    words = [sys.executable, "-m", "services.cli.demo.keeper"]
    with subprocess.Popen(words, cwd=stage.folder, env=environment(stage), stdin=subprocess.PIPE) as keeper:
        wait_until(lambda: is_open(stage.api_port), 20, "the api")
        assert keeper.stdin is not None
        keeper.stdin.close()
        assert keeper.wait(15) == 0

    assert not stage.folder.exists()


def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "questmux-demo-x"
    folder.mkdir()
    (folder / "config.toml").write_text('api_port = "door"\n')
    with subprocess.Popen(
        [sys.executable, "-m", "services.cli.demo.keeper"],
        env=os.environ | {"QUESTMUX_CONFIG": str(folder / "config.toml")},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as keeper:
        assert keeper.wait(20) == 2
        assert keeper.stderr is not None
        assert keeper.stderr.read().splitlines() == ["QUESTMUX_API_PORT takes a port from 1 to 65535, not 'door'"]
    assert not folder.exists()
