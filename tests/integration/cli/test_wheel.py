"""The package as `pipx install .` and `uv tool install .` make it: complete, outside the source tree."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.e2e.stack import free_port, is_open
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]
DATA = (
    "cli/procfile",
    "cli/setup/questmux-hook.sh",
    "cli/demo/recordings/edit_yes/hooks.jsonl",
    "poller/rules/claude.toml",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel, made from a copy of what git knows, for a build leaves files behind."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    words = [
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(folder),
        "./source",
    ]
    subprocess.run([sys.executable, *words], cwd=folder, check=True)
    [wheel] = folder.glob("questmux-*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "installed")
    shutil.rmtree(folder / "source")
    return folder / "installed"


@pytest.mark.parametrize("name", DATA)
def test_what_is_not_python_is_there_too(installed: Path, name: str) -> None:
    assert (installed / "services" / name).is_file()


def test_it_starts_sets_up_and_ends_outside_the_source_tree(installed: Path, tmp_path: Path) -> None:
    api_port, ws_port = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(installed),
        "QUESTMUX_RUNTIME_DIR": str(tmp_path / "run"),
        "QUESTMUX_TMUX_SOCKET": "questmux-test-none",
        "QUESTMUX_API_PORT": str(api_port),
        "QUESTMUX_WS_PORT": str(ws_port),
    }
    words = [sys.executable, "-m", "services.cli.main"]
    where = subprocess.run(
        [sys.executable, "-c", "import services; print(services.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert where.startswith(str(installed))

    setup = subprocess.run(
        [*words, "setup", "--yes"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    with subprocess.Popen(
        [*words, "up", "--quiet"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        wait_until(lambda: is_open(api_port) and is_open(ws_port), 30, "both ports are open")
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=20)

    assert "Hooks for 20 events" in setup.stdout
    assert process.returncode == 0
    assert "stopped" in printed
