"""The script itself, run by the shells that people have, beside a real server and beside none."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.cli.setup.hook_script import MAX_WAITING
from services.cli.setup.installer import Installer
from services.contract.events import NewEvent
from services.contract.settings import Folders, Settings, read_settings
from services.contract.spool import decode_line
from services.process.settings import make_folders
from services.process.tokens import load_tokens
from tests.e2e.stack import Stack
from tests.waiting import wait_until

SHELLS = [words for words in (["sh"], ["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(words[0])]
TMUX = {"TMUX_PANE": "%3", "TMUX": "/tmp/tmux-1000/default,4242,0"}  # noqa: S108 - as tmux sets it
STOP = {"hook_event_name": "Stop", "session_id": "s-1", "cwd": "/home/lab/shop"}


def installed(settings: Settings) -> Path:
    make_folders(settings)
    Installer(settings, load_tokens(settings)).write_script()
    return settings.hook_script


def run(
    script: Path, body: bytes, environment: Mapping[str, str] = TMUX, words: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    line = [*words, str(script)]
    environment = {"PATH": os.environ["PATH"], "http_proxy": "http://127.0.0.1:9", **environment}
    return subprocess.run(line, input=body, env=environment, capture_output=True, timeout=20, check=False)


def waiting(settings: Settings) -> list[NewEvent]:
    return [decode_line(path.read_bytes()) for path in sorted(settings.spool_dir.glob("hook-*.jsonl"))]


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_without_a_server_a_call_waits_in_the_spool(settings: Settings, shell: list[str]) -> None:
    script = installed(settings)
    before = time.time_ns() // 1_000_000

    done = run(script, json.dumps(STOP).encode() + b"\n", words=shell)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    [event] = waiting(settings)
    assert (event.name, event.session_id, event.pane_id, event.tmux) == ("Stop", "s-1", "%3", TMUX["TMUX"])
    assert json.loads(event.payload) == STOP
    assert event.sent_at == event.received_at
    assert before <= (event.sent_at or 0) <= time.time_ns() // 1_000_000
    assert [path.name for path in settings.spool_dir.iterdir() if path.suffix == ".part"] == []
    assert next(settings.spool_dir.glob("hook-*")).stat().st_mode & 0o777 == 0o600


def test_a_body_of_several_lines_is_one_line_with_every_character(settings: Settings) -> None:
    body = {**STOP, "text": "a\nb\t\\n 'quoted' \"double\" $HOME `id` %s é \U0001f600 \u2028" * 2_000}

    run(installed(settings), json.dumps(body, indent=2, ensure_ascii=False).encode())

    [event] = waiting(settings)
    assert json.loads(event.payload) == body


@pytest.mark.parametrize(
    ("environment", "pane", "tmux"),
    [
        ({}, None, None),
        ({"TMUX_PANE": '%1","id":"forged', "TMUX": 'x"y'}, None, None),
        ({"TMUX_PANE": "%1\r\nX-Event-Id: forged", "TMUX": "a\nb"}, None, None),
        ({"TMUX_PANE": "%12", "TMUX": "/home/me/my sockets/work,1,2"}, "%12", "/home/me/my sockets/work,1,2"),
        ({"TMUX_PANE": "$(touch x)", "TMUX": "`id`"}, None, None),
    ],
    ids=repr,
)
def test_what_tmux_cannot_have_set_is_left_out(
    settings: Settings, environment: dict[str, str], pane: str | None, tmux: str | None
) -> None:
    run(installed(settings), json.dumps(STOP).encode(), environment)

    [event] = waiting(settings)
    assert (event.pane_id, event.tmux) == (pane, tmux)


def test_without_curl_it_works_through_the_spool(settings: Settings, tmp_path: Path) -> None:
    script = installed(settings)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("date", "cat", "tr", "mv", "sh"):
        (programs / name).symlink_to(shutil.which(name) or "")
    script.write_text(script.read_text().replace("PATH=${PATH:+$PATH:}/usr/bin:/bin", ""))

    with listening(settings, b"never asked"):
        done = run(script, json.dumps(STOP).encode(), {"PATH": str(programs)})

    assert done.returncode == 0
    assert len(waiting(settings)) == 1


@pytest.mark.parametrize("said", ["1795650571", "1795650571N", "1795650571%N"])
def test_where_date_knows_no_nanoseconds_the_time_is_right(settings: Settings, tmp_path: Path, said: str) -> None:
    script = installed(settings)
    for name, answer in {
        "date": f'case "$1" in *N) echo {said} ;; *) echo 1795650571 ;; esac',
        "perl": "exit 1",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{answer}\n")
        (tmp_path / name).chmod(0o755)

    run(script, json.dumps(STOP).encode(), {"PATH": f"{tmp_path}:{os.environ['PATH']}"})

    [event] = waiting(settings)
    assert event.sent_at == event.received_at == 1_795_650_571_000


def test_nothing_on_stdin_is_no_call(settings: Settings) -> None:
    assert run(installed(settings), b"").returncode == 0
    assert waiting(settings) == []


def test_with_its_folder_gone_it_is_silent(settings: Settings) -> None:
    script = installed(settings)
    shutil.rmtree(settings.spool_dir)

    done = run(script, json.dumps(STOP).encode())

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_full_spool_takes_no_more(settings: Settings) -> None:
    script = installed(settings)
    script.write_text(script.read_text().replace(f"full={MAX_WAITING}", "full=2"))
    for _ in range(3):
        assert run(script, json.dumps(STOP).encode()).returncode == 0

    assert len(waiting(settings)) == 2


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"no HTTP at all"], ids=repr
)
def test_an_answer_that_is_not_ours_is_none(settings: Settings, answer: bytes) -> None:
    script = installed(settings)

    with listening(settings, answer):
        run(script, json.dumps(STOP).encode())

    assert len(waiting(settings)) == 1


def test_a_server_that_never_answers_costs_two_seconds_and_no_event(settings: Settings) -> None:
    script = installed(settings)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(settings.api_socket))
        server.listen()
        began = time.monotonic()
        run(script, json.dumps(STOP).encode())

    assert 1.5 < time.monotonic() - began < 10
    assert len(waiting(settings)) == 1


def test_a_call_that_is_told_to_end_is_kept_first(settings: Settings) -> None:
    script = installed(settings)
    with subprocess.Popen([script], stdin=subprocess.PIPE, env={"PATH": os.environ["PATH"], **TMUX}) as process:
        assert process.stdin is not None
        wait_until(lambda: ignores(process.pid, signal.SIGTERM), what="the script ignores SIGTERM")
        process.terminate()
        process.communicate(json.dumps(STOP).encode(), timeout=20)

    assert process.returncode == 0
    assert len(waiting(settings)) == 1


def test_calls_side_by_side_have_ids_of_their_own(settings: Settings) -> None:
    script = installed(settings)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: run(script, json.dumps({**STOP, "number": number}).encode()), range(40)))

    events = waiting(settings)
    assert len({event.id for event in events}) == 40
    assert {json.loads(event.payload)["number"] for event in events} == set(range(40))


@pytest.fixture(scope="module")
def stack(module_memory: Path) -> Iterator[Stack]:
    running = Stack(module_memory / "data")
    try:
        running.start_all()
        running.wait_ready()
        yield running
    finally:
        running.close(shows_logs=False)


def settings_of(stack: Stack) -> Settings:
    home = stack.data_dir.parent
    folders = Folders(data=stack.data_dir, runtime=stack.runtime_dir, config=home, home=home)
    return read_settings({}, {}, folders)


def test_a_running_server_has_it_at_once_with_its_id_time_and_pane(stack: Stack) -> None:
    settings = settings_of(stack)
    done = run(installed(settings), json.dumps({**STOP, "session_id": "at-once"}).encode(), words=SHELLS[0])

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert waiting(settings) == []
    [(event_id, sent_at, pane_id)] = stack.rows(
        "SELECT id, sent_at, pane_id FROM events WHERE session_id = ?", "at-once"
    )
    assert event_id.startswith("hook-")
    assert abs(sent_at - time.time() * 1000) < 20_000
    assert pane_id == "%3"


def test_what_waited_is_there_once_after_the_next_start(stack: Stack) -> None:
    settings = settings_of(stack)
    script = installed(settings)
    for name in stack.commands:
        stack.stop(name)
    for number in range(30):
        run(script, json.dumps({**STOP, "session_id": "waited", "number": number}).encode(), words=SHELLS[0])
    assert len(waiting(settings)) == 30
    doubled = next(settings.spool_dir.glob("hook-*.jsonl"))
    shutil.copy(doubled, doubled.with_name("hook-9999999999999999999-1.jsonl"))

    stack.start_all()
    stack.wait_ready()

    wait_until(lambda: waiting(settings) == [], 20, "core takes what waits")
    rows = stack.rows("SELECT payload FROM events WHERE session_id = ? ORDER BY seq", "waited")
    assert [json.loads(row[0])["number"] for row in rows] == list(range(30))


def ignores(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn"))
    return bool(int(mask, 16) >> (number - 1) & 1)


class listening:  # noqa: N801 - reads as a word in `with`
    """Somebody on the api's socket who takes one call and says what they were told to."""

    def __init__(self, settings: Settings, answer: bytes) -> None:
        self._answer = answer
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(settings.api_socket))
        self._server.listen()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> None:
        self._pool.submit(self._serve)

    def _serve(self) -> None:
        call, _ = self._server.accept()
        with call:
            call.recv(1 << 16)
            call.sendall(self._answer)

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._pool.shutdown()
