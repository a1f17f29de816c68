"""Faults planted in a home that was well, found by the doctor, and mended where that can be."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services.cli.doctor import hooks, machine
from services.cli.doctor.command import examine, fix
from services.cli.doctor.finding import Finding, well
from services.cli.doctor.machine import PROXIES, ask
from services.cli.setup.command import Options, run_setup
from services.cli.setup.installer import Installer
from services.process.settings import load_settings
from services.process.tokens import Tokens, load_tokens
from tests.e2e.stack import Stack, free_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[4]
OLD = "2.1.100 (Claude Code)"


class Home:
    """A home in which setup was run, with programs of its own and no server."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch
        self.folder = folder
        self.data = folder / "data"
        self.settings = folder / ".claude" / "settings.json"
        self.config = folder / "config.toml"
        self.config.touch()
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.port, self.ws_port = free_port(), free_port()
        for name in [*PROXIES, *(name for name in os.environ if name.startswith(("QUESTMUX_", "TMUX", "CLAUDE_")))]:
            monkeypatch.delenv(name, raising=False)
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        self.program("claude", f"echo '{OLD}'")
        self.set_up()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "QUESTMUX_DATA_DIR": str(self.data),
            "QUESTMUX_RUNTIME_DIR": str(self.folder / "run"),
            "QUESTMUX_CONFIG": str(self.config),
            "QUESTMUX_API_PORT": str(self.port),
            "QUESTMUX_WS_PORT": str(self.ws_port),
            "QUESTMUX_TMUX_SOCKET": "questmux-test-none",
        }

    def set_up(self, **options: Any) -> None:
        run_setup(load_settings(), Options(is_sure=True, is_quiet=True, **options))

    def program(self, name: str, script: str) -> None:
        (self.bin / name).unlink(missing_ok=True)
        (self.bin / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.bin / name).chmod(0o755)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        words = (sys.executable, "-m", "services.cli.main", *words)
        return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    def findings(self) -> dict[str, Finding]:
        return {finding.name: finding for finding in examine(load_settings())}

    def fix(self) -> list[str]:
        return fix(load_settings())

    def tree(self) -> dict[str, tuple[int, bytes]]:
        """Every file below: its mode and content."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mode, path.read_bytes()) for path in files}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    return Home(tmp_path, monkeypatch)


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    settings = json.loads(file.read_text())
    change(settings)
    file.write_text(json.dumps(settings))


def older(settings: dict[str, Any]) -> None:
    settings["hooks"]["Stop"][0]["hooks"][0]["timeout"] = 5


def doubled(settings: dict[str, Any]) -> None:
    settings["hooks"]["Stop"] *= 2


def drafted(home: Home) -> None:
    draft = home.data / "spool" / "hook-1-1.part"
    draft.touch()
    os.utime(draft, (time.time() - 200_000,) * 2)


def torn(home: Home) -> None:
    (home.data / "questmux.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 8_000)
    (home.data / "questmux.db").chmod(0o600)


def crowded(home: Home) -> None:
    for number in range(1_001):
        (home.data / "spool" / f"hook-{number}-1.jsonl").touch()


def heavy(home: Home) -> None:
    with (home.data / "spool" / "events.jsonl").open("wb") as file:
        file.truncate(100 * 1024 * 1024)


def named_after_a_crash(home: Home) -> None:
    draft = home.data / ".token.abcdef0123456789"
    draft.touch(mode=0o600)
    os.utime(draft, (time.time() - 200_000,) * 2)


def from_the_future(home: Home) -> None:
    with closing(sqlite3.connect(home.data / "questmux.db")) as database, database:
        database.execute("CREATE TABLE events (seq INTEGER PRIMARY KEY, received_at INTEGER)")
        database.execute("INSERT INTO events VALUES (1, ?)", (int((time.time() + 86_400) * 1000),))
    (home.data / "questmux.db").chmod(0o600)


def over_http_elsewhere(home: Home) -> None:
    home.set_up(transport="http")
    edit(home.settings, lambda it: it["hooks"]["Stop"][0]["hooks"][0].update(url="http://127.0.0.1:1/event"))


def over_http_with_an_old_token(home: Home) -> None:
    home.set_up(transport="http")
    (home.data / "hook-token").write_text("another-one-of-a-person\n")
    run = load_settings()
    Installer(run, load_tokens(run)).write_script()


def same_tokens(home: Home) -> None:
    shutil.copy(home.data / "token", home.data / "hook-token")
    run = load_settings()
    both = (home.data / "token").read_text().strip()
    Installer(run, Tokens(full=both, hook=both)).write_script()


def mixed(settings: dict[str, Any]) -> None:
    settings["hooks"]["Stop"][0]["hooks"].insert(0, {"type": "http", "url": "http://127.0.0.1:1/theirs"})


WELL = {"server": "advice", "tmux server": "advice", "database": "advice"}
FAR = {"data folder"}
"""Without the data folder there is nothing else to look at."""
TOGETHER = {
    "tmux": ("tmux server", "control mode"),
    "control mode": ("tmux server",),
    "hooks": ("hooks allowed", "hook script", "hook call"),
    "hook script": ("hook call", "file modes"),
    "hook-token": ("hook script", "hooks"),
    "file modes": ("hook script",),
}
"""What changes with it."""
FAULTS: dict[str, tuple[Callable[[Home], object], str, str, bool]] = {
    "tmux too old": (lambda home: home.program("tmux", "echo tmux 3.1"), "tmux", "fail", False),
    "tmux broken": (lambda home: home.program("tmux", "exit 1"), "tmux", "fail", False),
    "no control mode": (
        lambda home: home.program("tmux", 'case "$*" in *-V*) echo tmux 3.4 ;; *-C*) exit 1 ;; *) echo "$0" ;; esac'),
        "control mode",
        "advice",
        False,
    ),
    "Claude Code is newer": (lambda home: home.program("claude", "echo 9.0.0"), "claude", "advice", False),
    "Claude Code fails": (lambda home: home.program("claude", "exit 3"), "claude", "advice", False),
    "no command line": (
        lambda home: home.patch.setenv("QUESTMUX_CLAUDE_COMMAND", "claude 'x"),
        "claude",
        "fail",
        False,
    ),
    "a proxy": (lambda home: home.patch.setenv("http_proxy", "http://proxy:1"), "proxy", "advice", False),
    "token open": (lambda home: (home.data / "token").chmod(0o644), "file modes", "fail", True),
    "data folder open": (lambda home: home.data.chmod(0o755), "file modes", "fail", True),
    "token missing": (lambda home: (home.data / "token").unlink(), "token", "fail", True),
    "token empty": (lambda home: (home.data / "hook-token").write_text(""), "hook-token", "fail", True),
    "database torn": (torn, "database", "fail", False),
    "events of tomorrow": (from_the_future, "database", "advice", False),
    "the same token twice": (same_tokens, "hook-token", "fail", False),
    "much waits": (heavy, "spool", "advice", False),
    "a draft of a token": (named_after_a_crash, "leftovers", "advice", True),
    "an address of earlier": (over_http_elsewhere, "hooks", "fail", True),
    "a token of earlier": (over_http_with_an_old_token, "hooks", "fail", True),
    "a neighbour in our entry": (lambda home: edit(home.settings, mixed), "hooks", "fail", True),
    "calls wait": (crowded, "spool", "advice", False),
    "a draft": (drafted, "leftovers", "advice", True),
    "no hooks": (lambda home: home.settings.unlink(), "hooks", "advice", False),
    "a hook of another release": (lambda home: edit(home.settings, older), "hooks", "fail", True),
    "hooks doubled": (lambda home: edit(home.settings, doubled), "hooks", "fail", True),
    "an event missing": (
        lambda home: edit(home.settings, lambda it: it["hooks"].pop("Stop")),
        "hooks",
        "advice",
        False,
    ),
    "settings are no JSON": (lambda home: home.settings.write_text("{"), "hooks", "fail", False),
    "hooks switched off": (
        lambda home: edit(home.settings, lambda it: it.update(disableAllHooks=True)),
        "hooks allowed",
        "fail",
        False,
    ),
    "script changed": (
        lambda home: (home.data / "questmux-hook").write_text("#!/bin/sh\n"),
        "hook script",
        "fail",
        True,
    ),
    "script gone": (lambda home: (home.data / "questmux-hook").unlink(), "hook script", "fail", True),
    "headers open": (lambda home: (home.data / "hook-headers").chmod(0o644), "hook script", "fail", True),
    "open to the network": (
        lambda home: home.patch.setenv("QUESTMUX_API_HOST", "0.0.0.0"),  # noqa: S104 - the fault
        "bind",
        "advice",
        False,
    ),
    "never ran": (lambda home: shutil.rmtree(home.data), "data folder", "advice", True),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_and_mended_where_that_can_be(home: Home, name: str) -> None:
    plant, at, grade, is_mended = FAULTS[name]
    before = home.findings()
    assert before.get(at, well(at, "")).grade == WELL.get(at, "pass"), before[at]
    plant(home)

    found = home.findings()

    assert found[at].grade == grade, found[at]
    assert found[at].mend or grade == "advice"
    if at not in FAR:
        changed = {name for name in found if name in before and found[name].grade != before[name].grade}
        assert changed <= {at, *TOGETHER.get(at, ())}
    home.fix()
    after = home.findings()
    assert (after.get(at, well(at, "")).grade == "pass") is is_mended, after.get(at)
    files = home.tree()
    assert home.fix() == []
    assert home.tree() == files


def test_a_port_of_another_program_is_a_fault(home: Home) -> None:
    with socket.create_server(("127.0.0.1", home.port)):
        found = home.findings()

    assert found[f"port {home.port}"].grade == "fail"


def test_nothing_is_wrong_where_nothing_is_and_a_second_fix_changes_nothing(home: Home) -> None:
    before = home.tree()
    done = home.run("doctor")
    assert done.returncode == 1, done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith("fail")]
    assert "\x1b" not in done.stdout
    assert home.tree() == before, "looking changes nothing"

    assert json.loads(home.run("doctor", "--fix", "--json").stdout)["mended"] == []
    assert home.tree() == before


def test_a_name_that_is_no_setting_is_one_sentence(home: Home) -> None:
    home.config.write_text("api_prot = 1\n")

    done = home.run("doctor")

    assert done.returncode == 2
    assert "config.toml has no setting 'api_prot'" in done.stderr


def test_files_of_the_person_in_the_data_folder_are_left_alone(home: Home) -> None:
    theirs = [home.data / ".notes.2024", home.data / ".tool.7z", home.data / ".token.7"]
    for path in theirs:
        path.touch(mode=0o600)
        os.utime(path, (time.time() - 200_000,) * 2)
    (home.data / ".setup.json.1").mkdir()
    os.utime(home.data / ".setup.json.1", (time.time() - 200_000,) * 2)

    assert home.findings()["leftovers"].grade == "pass"
    assert home.fix() == []
    assert all(path.exists() for path in theirs)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_told_and_left_alone(home: Home) -> None:
    record = home.data / "setup.json"
    os.chown(record, 12345, -1)
    record.chmod(0o640)

    found = home.findings()["owners"]
    home.fix()

    assert found.grade == "fail"
    assert str(record) in found.mend
    assert (record.stat().st_uid, record.stat().st_mode & 0o777) == (12345, 0o640)


def test_a_token_that_cannot_be_read_is_not_thrown_away(home: Home) -> None:
    (home.data / "token").write_bytes("schlüssel".encode())

    home.fix()

    assert (home.data / "token").read_bytes() == "schlüssel".encode()
    assert home.findings()["token"].grade == "fail"
    (home.data / "token").unlink()
    (home.data / "token").mkdir()
    assert home.fix() == [f"{home.data / 'token'} is closed to others"]
    assert home.findings()["token"].grade == "fail"


def test_hooks_over_http_stay_so_when_they_are_mended(home: Home) -> None:
    over_http_elsewhere(home)

    home.fix()

    assert home.findings()["hooks"].grade == "pass"
    assert json.loads(home.settings.read_text())["hooks"]["Stop"][0]["hooks"][0]["type"] == "http"


class Stranger(BaseHTTPRequestHandler):
    """Another program, which speaks JSON too."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"success": true}')

    def log_message(self, *_words: object) -> None:
        """It says nothing."""


def test_a_program_that_answers_like_many_do_is_not_taken_for_questmux(home: Home) -> None:
    with ThreadingHTTPServer(("127.0.0.1", home.port), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            found = home.findings()
        finally:
            server.shutdown()
            thread.join()

    assert found[f"port {home.port}"].grade == "fail"


def test_a_tmux_that_hangs_is_told_within_a_deadline(home: Home) -> None:
    home.patch.setattr(machine, "COMMAND_S", 2.0)
    home.program("tmux", 'case "$*" in -V) echo tmux 3.4 ;; *) sleep 60 & wait ;; esac')

    found = home.findings()["tmux server"]

    assert found.grade == "fail"
    assert "did not answer" in found.says


@pytest.fixture
def running(home: Home) -> Iterator[Stack]:
    stack = Stack(home.data)
    shutil.rmtree(stack.runtime_dir)
    stack.runtime_dir = home.folder / "run"
    stack.api_port, stack.ws_port = home.port, home.ws_port
    home.patch.setenv("QUESTMUX_TMUX_SOCKET", stack.tmux_socket)
    try:
        stack.start_all()
        stack.wait_ready()
        yield stack
    finally:
        stack.close(shows_logs=False)


def test_a_call_goes_all_the_way_and_leaves_no_session(home: Home, running: Stack) -> None:
    running.tmux("new-session", "-d", "-s", "work")
    pane, socket_path, pid = running.tmux(
        "display-message", "-p", "-t", "work", "#{pane_id} #{socket_path} #{pid}"
    ).split()
    home.patch.setenv("TMUX_PANE", pane)
    home.patch.setenv("TMUX", f"{socket_path},{pid},0")
    home.patch.setattr(hooks, "SLOW_MS", 20_000)

    wait_for_call(home, "pass", "by the script")
    wait_until(lambda: home.findings()["server"].grade == "pass", what="core answers the doctor in its half second")
    assert running.rows("SELECT DISTINCT name, pane_id FROM events WHERE source = 'hook'") == [("QuestmuxDoctor", None)]
    leaves_nothing(running)

    home.set_up(transport="http")
    wait_for_call(home, "pass", "over HTTP")
    assert home.findings()["hooks"].grade == "pass"
    leaves_nothing(running)

    home.set_up()
    edit(home.settings, mixed)
    wait_for_call(home, "pass", "by the script")  # A neighbour's hook is not ours to call.
    home.fix()

    home.program("curl", """echo '{"success":true}'""")
    home.patch.setattr(hooks, "TRIP_S", 3.0)
    wait_for_call(home, "fail", "did not arrive")  # It is believed when the log shows it.
    home.patch.setattr(hooks, "TRIP_S", 10.0)
    (home.bin / "curl").unlink()

    home.patch.setenv("QUESTMUX_API_HOST", "0.0.0.0")  # noqa: S104 - what may be set
    wait_until(lambda: home.findings()["server"].grade == "pass", what="it is asked at its loopback address")
    home.patch.setenv("QUESTMUX_API_HOST", "127.0.0.1")

    (home.folder / "run" / "api.sock").unlink()
    # Core looks there once a second: it may have taken the call when the doctor looks.
    wait_for_call(home, "fail", "came through the spool")
    running.kill("core")
    wait_until(lambda: home.findings()["server"].grade == "fail", 20, "the doctor sees that core is away")


def wait_for_call(home: Home, grade: str, says: str) -> None:
    """Until the doctor finds this of its call: it asks core, which may be late, only once."""

    def is_found() -> bool:
        found = home.findings()["hook call"]
        sys.stderr.write(f"{found}\n")
        return found.grade == grade and says in found.says

    wait_until(is_found, what=says)


def leaves_nothing(running: Stack) -> None:
    assert running.get("/api/sessions")["sessions"] == []
    assert running.get("/api/personas")["personas"] == []
    assert running.get("/api/projects")["projects"] == []
    assert running.rows("SELECT * FROM xp_ledger") == []


def test_another_tmux_than_that_of_the_settings_is_not_meant(home: Home) -> None:
    name = f"qm-test-{uuid.uuid4().hex[:8]}"
    words = ["tmux", "-L", name, "-f", "/dev/null"]
    subprocess.run([*words, "new-session", "-d"], check=True)
    try:
        asked = [*words, "display-message", "-p", "#{socket_path},#{pid},0"]
        home.patch.setenv("TMUX", subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
        home.patch.delenv("QUESTMUX_TMUX_SOCKET")
        home.patch.setenv("TMUX_TMPDIR", str(home.folder))
        assert home.findings()["tmux server"].grade == "advice", "the default server is none"
        home.patch.delenv("TMUX_TMPDIR")
        home.patch.setenv("QUESTMUX_TMUX_SOCKET", name)
        assert home.findings()["tmux server"].grade == "pass"
        assert home.findings()["control mode"].grade == "pass", ask(["tmux", "-L", name, "-C", "list-sessions"])
    finally:
        subprocess.run([*words, "kill-server"], check=True)
