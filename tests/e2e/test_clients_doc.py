"""The clients of docs/clients.md run as they stand there, and go on after the gateway was killed."""

import asyncio
import functools
import http.server
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest

from tests.e2e.chromium import chromium, find_chromium
from tests.e2e.stack import ROOT, STOP_S, Stack
from tests.waiting import wait_until, wait_until_async

DOCUMENT: Final = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
FILES: Final = {text.split("\n", 1)[0].split()[1]: text for language, text in BLOCKS if language in {"python", "js"}}
SHELL: Final = [text for language, text in BLOCKS if language == "sh"]
MOST_LINES: Final = 80
SECRET_FREE: Final = re.compile(r"Bearer [^%]")

PAGE: Final = """<!doctype html><meta charset="utf-8"><script>
const lines = [];
console.log = text => lines.push(text);
</script><script type="module" src="alarm.mjs"></script>"""


def node_with_websocket() -> list[str] | None:
    """The command of a Node whose WebSocket is built in, if this machine has one."""
    program = shutil.which("node")
    for options in ([], ["--experimental-websocket"]):
        if program is not None:
            asked = [program, *options, "--no-warnings", "-p", "typeof WebSocket"]
            if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == "function":
                return [program, *options, "--no-warnings"]
    return None


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document's files, each under the name that its first line says."""
    path = tmp_path_factory.mktemp("clients")
    for name, text in FILES.items():
        (path / name).write_text(text, encoding="utf-8")
    (path / "page.html").write_text(PAGE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def origin(folder: Path) -> Iterator[str]:
    """Where a browser finds them."""
    handler = functools.partial(QuietFiles, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def stack(module_memory: Path, origin: str) -> Iterator[Stack]:
    """One for the whole file, with one pane: a shell."""
    running = Stack(module_memory / "data", QUESTMUX_ALLOWED_ORIGINS=origin)
    try:
        running.tmux("new-session", "-d", "-s", "desk", "-x", "80", "-y", "24", "exec env -i PS1='> ' /bin/sh")
        running.start_all()
        running.wait_ready()
        wait_until(lambda: running.get("/api/panes")["panes"], what="the pane is seen")
        yield running
    finally:
        running.close()


def environment(stack: Stack) -> dict[str, str]:
    """What the document tells a reader to set."""
    return stack.environment | {
        "QM_API": f"http://127.0.0.1:{stack.api_port}",
        "QM_WS": f"ws://127.0.0.1:{stack.ws_port}/",
        "QM_TOKEN": stack.token,
    }


def finish(stack: Stack, session_id: str, pane: str = "%0") -> None:
    """A session begins and finishes: worth one call."""
    for name in ("UserPromptSubmit", "Stop"):
        answer = stack.post_event({"hook_event_name": name, "session_id": session_id}, {"X-Tmux-Pane": pane})
        assert answer.status in {200, 202}


def revive(stack: Stack) -> None:
    """Kill the gateway, and start another."""
    stack.kill("ws")
    stack.start("ws")


# The document itself.


def test_every_example_is_short_enough_to_read() -> None:
    assert set(FILES) == {"follow.py", "alarm.py", "follow.mjs", "alarm.mjs"}
    assert len(SHELL) == 5
    assert all(text.count("\n") <= MOST_LINES for _, text in BLOCKS)


def test_no_example_puts_a_token_where_ps_shows_it() -> None:
    assert not [text for text in SHELL if SECRET_FREE.search(text)]


# curl.


def run_shell(stack: Stack, *blocks: str) -> list[str]:
    """What the last block prints, line by line: the answers have no newline of their own."""
    text = "".join(blocks[:-1]) + "echo; echo ---\n" + blocks[-1]
    run = subprocess.run(
        ["/bin/sh", "-eu", "-c", text], env=environment(stack), capture_output=True, text=True, check=False, timeout=20
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.split("---\n")[1].replace('}{"success"', '}\n{"success"').split("\n")


def answers(stack: Stack, *blocks: str) -> list[Any]:
    """The last two that the last block gets; none when core was too late for one of them."""
    said = [json.loads(line) for line in run_shell(stack, *blocks)[-2:]]
    return said if all(one["success"] and "queued" not in one["data"] for one in said) else []


def test_curl_asks_for_health_and_panes(stack: Stack) -> None:
    health, panes = wait_until(lambda: answers(stack, SHELL[1]), what="core to answer")

    assert health["data"]["status"] == "ok"
    assert [pane["id"] for pane in panes["data"]["panes"]] == ["%0"]


def test_curl_posts_an_event(stack: Stack) -> None:
    run_shell(stack, SHELL[1], SHELL[2])
    posted, session = wait_until(lambda: answers(stack, SHELL[1], SHELL[2]), what="it is kept")

    assert posted["data"]["seq"] > 0
    assert session["data"]["session"]["events"] == 1, "sent twice with one id, it is one event"
    assert session["data"]["session"]["status"]["name"] == "idle"


def test_curl_types_and_reads(stack: Stack) -> None:
    typed, screen = wait_until(lambda: answers(stack, SHELL[1], 'json="$json"\n', SHELL[3]), what="core to answer")

    assert typed["data"]["submitted"] is True
    assert len(screen["data"]["screen"]["lines"]) == screen["data"]["screen"]["height"]
    wait_until(
        lambda: "echo hello from curl" in "\n".join(stack.get("/api/panes/0/screen?colors=false")["screen"]["lines"]),
        what="what was typed",
    )
    wait_until(
        lambda: "hello from curl" in stack.get("/api/panes/0/screen?colors=false")["screen"]["lines"],
        what="the shell has run it",
    )


def test_curl_pages_through_the_log(stack: Stack) -> None:
    finish(stack, "paged", "")
    stack.wait_for_spool()
    pages = [json.loads(line) for line in run_shell(stack, SHELL[1], SHELL[4]) if line]

    seqs = [event["seq"] for page in pages for event in page["data"]["events"]]
    assert len(pages) > 1
    assert seqs == sorted(set(seqs))
    assert "paged" in {event["session_id"] for page in pages for event in page["data"]["events"]}


# Those that follow.


@contextmanager
def running(command: list[str], folder: Path, environ: dict[str, str]) -> Iterator[Callable[[], list[str]]]:
    """A program that goes on; gives what it has printed so far."""
    output = folder / f"{command[-1]}.out"
    with output.open("wb") as file:
        program = subprocess.Popen(command, cwd=folder, env=environ, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield lambda: output.read_text(encoding="utf-8").splitlines()
        assert program.poll() is None, output.read_text(encoding="utf-8")
    finally:
        program.kill()
        program.wait(STOP_S)


def check_that_it_follows(stack: Stack, lines: Callable[[], list[str]], name: str) -> None:
    wait_until(lambda: len(lines()) == 2, 20, "it has the state")
    assert lines()[0] == "snapshot (new)"
    assert re.fullmatch(r"1 panes, \d+ sessions", lines()[1])
    finish(stack, f"{name}-1")
    wait_until(lambda: lines()[2:] == [f"{name}-1 in %0: idle, finished"], what="it tells")

    revive(stack)
    finish(stack, f"{name}-2")
    wait_until(lambda: f"{name}-2 in %0: idle, finished" in lines(), 20, "it tells what it missed")

    assert lines()[3] == "resumed", "a cursor spares the snapshot"
    assert len([line for line in lines() if "finished" in line]) == 2, "each is told once"


def test_python_follows_and_comes_back(stack: Stack, folder: Path) -> None:
    with running([sys.executable, "alarm.py"], folder, environment(stack)) as lines:
        check_that_it_follows(stack, lines, "python")


def test_python_ends_when_its_token_is_refused(stack: Stack, folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "alarm.py"],
        cwd=folder,
        env=environment(stack) | {"QM_TOKEN": "wrong"},
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )

    assert run.returncode == 1
    assert "4401" in run.stderr


def test_python_waits_as_long_as_a_gateway_that_stops_says(stack: Stack, folder: Path) -> None:
    with running([sys.executable, "alarm.py"], folder, environment(stack)) as lines:
        wait_until(lambda: len(lines()) == 2, 20, "it has the state")
        assert stack.stop("ws", signal.SIGTERM) == 0
        stack.start("ws")
        wait_until(lambda: lines()[2:3] == ["resumed"], 20, "it is back")


@pytest.mark.skipif(node_with_websocket() is None, reason="no node with a WebSocket; the browser runs the same files")
def test_node_follows_and_comes_back(stack: Stack, folder: Path) -> None:
    command = node_with_websocket()
    assert command is not None
    with running([*command, "alarm.mjs"], folder, environment(stack)) as lines:
        check_that_it_follows(stack, lines, "node")


@pytest.mark.skipif(find_chromium() is None, reason="the page is tried in Chromium: apt install chromium")
async def test_a_browser_follows_and_comes_back(stack: Stack, origin: str) -> None:
    program = find_chromium()
    assert program is not None
    loop = asyncio.get_running_loop()
    async with chromium(program) as browser:

        def lines() -> list[str]:
            asked = asyncio.run_coroutine_threadsafe(browser.value("lines"), loop)
            return list(asked.result(STOP_S))

        words = {name: environment(stack)[name] for name in ("QM_WS", "QM_TOKEN")}
        await browser.call("Page.navigate", url=f"{origin}/page.html#{urlencode(words)}")
        await wait_until_async(
            lambda: browser.value("typeof lines === 'object' && document.readyState === 'complete'"), 20, "the page"
        )
        await asyncio.to_thread(check_that_it_follows, stack, lines, "browser")
