import os
import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).parent / "questmux"


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("QUESTMUX_")}
    return subprocess.run(
        [COMMAND, *words], env={**clean, **environment}, capture_output=True, text=True, timeout=30, check=False
    )


def test_help_names_the_commands() -> None:
    answer = run("--help")

    assert answer.returncode == 0
    assert "up" in answer.stdout


def test_an_unknown_command_is_refused() -> None:
    assert run("fly").returncode == 2


def test_a_bad_setting_is_one_sentence(tmp_path: Path) -> None:
    answer = run("up", QUESTMUX_DATA_DIR=str(tmp_path), QUESTMUX_RUNTIME_DIR=str(tmp_path), QUESTMUX_API_PORT="door")

    assert answer.returncode == 2
    assert answer.stderr.splitlines() == ["questmux: QUESTMUX_API_PORT takes a port from 1 to 65535, not 'door'"]


def test_asking_before_the_first_start_is_one_sentence(tmp_path: Path) -> None:
    answer = run("explain", "%3", QUESTMUX_DATA_DIR=str(tmp_path / "data"), QUESTMUX_RUNTIME_DIR=str(tmp_path))

    assert answer.returncode == 2
    assert answer.stderr.splitlines() == [
        f"questmux: there is no token in {tmp_path / 'data'}: start it with `questmux up` first"
    ]
    assert not (tmp_path / "data").exists(), "looking changes nothing"
