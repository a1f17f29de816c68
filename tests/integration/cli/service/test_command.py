"""`questmux service` as a person runs it, beside a systemctl that writes down what it is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
SYSTEMCTL = """#!/bin/sh
echo "$*" >>"$HOME/told"
case "$*" in
*is-active*) [ -e "$HOME/running" ] ;;
*restart*) touch "$HOME/running" ;;
*disable*) rm -f "$HOME/running" ;;
esac
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")


class Home:
    """An empty home with a systemctl of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unit = folder / ".config" / "systemd" / "user" / "questmux.service"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.put(SYSTEMCTL)

    def put(self, script: str) -> None:
        (self.bin / "systemctl").write_text(script)
        (self.bin / "systemctl").chmod(0o755)

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(self.folder), "PATH": f"{self.bin}:{os.environ['PATH']}", **settings}
        words = (sys.executable, "-m", "services.cli.main", "service", *words)
        return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def told(self) -> list[str]:
        file = self.folder / "told"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_in_looked_at_and_out_again(home: Home) -> None:
    assert home.run("status").stdout == "Not installed: questmux service install\n"
    done = home.run("install", QUESTMUX_API_PORT="5011")
    assert done.returncode == 0, done.stderr
    assert "journalctl --user -u questmux" in done.stdout
    assert 'Environment="QUESTMUX_API_PORT=5011"' in home.unit.read_text()
    assert home.unit.stat().st_mode & 0o777 == 0o600
    assert home.told() == [
        "--user daemon-reload",
        "--user enable questmux.service",
        "--user restart questmux.service",
    ]
    status = home.run("status", QUESTMUX_API_PORT="5011")
    assert status.returncode == 0
    assert "It runs, and starts with your session." in status.stdout
    assert "written by another release or with other settings" in home.run("status").stdout

    out = home.run("uninstall")

    assert out.returncode == 0
    assert not home.unit.exists()
    assert home.told()[-1] == "--user disable --now questmux.service"
    assert home.run("uninstall").stdout == "Not installed.\n"


def test_again_it_is_written_anew_and_started_anew(home: Home) -> None:
    home.run("install")
    home.run("install", QUESTMUX_API_PORT="5011")

    assert home.told().count("--user restart questmux.service") == 2
    assert 'QUESTMUX_API_PORT=5011"' in home.unit.read_text()


def test_where_systemd_cannot_be_reached_it_says_what_to_do_later(home: Home) -> None:
    home.put("#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n")

    done = home.run("install")

    assert done.returncode == 1
    assert "Failed to connect to bus: No medium found" in done.stdout
    assert "systemctl --user restart questmux.service" in done.stdout
    assert home.unit.exists()


def test_it_can_be_read_before(home: Home) -> None:
    done = home.run("install", "--print")

    assert done.stdout.startswith(f"# {home.unit}\n# Written by `questmux service install`")
    assert not home.unit.exists()
    assert home.told() == []


def test_what_is_not_ours_is_refused_in_one_sentence(home: Home) -> None:
    home.unit.parent.mkdir(parents=True)
    home.unit.write_text("[Service]\n")

    for words in (("install",), ("uninstall",), ("status",)):
        done = home.run(*words)
        assert done.returncode == 2
        assert done.stderr == f"questmux: {home.unit} was not written by Questmux and is left as it is\n"
    assert home.unit.read_text() == "[Service]\n"
