"""A real Chromium without a window, driven over its DevTools protocol, and stopped whole as a sleeping machine does."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.stack import NO_PROXY, STOP_S
from tests.waiting import wait_until, wait_until_async

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS: Final = (
    "--headless=new",
    "--no-sandbox",  # Which root cannot have, and what is opened here is ours.
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-proxy-server",
    "--remote-debugging-port=0",
)


def find_chromium() -> str | None:
    """The program, if this machine has one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Chromium:
    """One browser with one page."""

    def __init__(self, program: str) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="qm-chromium-"))
        self._process = subprocess.Popen(
            [program, *OPTIONS, f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._calls = 0
        self._connection: ClientConnection | None = None

    async def open(self) -> None:
        """Wait until it runs, and attach to its page."""
        port_file = self._profile / "DevToolsActivePort"
        await wait_until_async(port_file.exists, 30, "Chromium listens")
        port = int((await wait_until_async(lambda: port_file.read_text().split(), what="its port"))[0])
        request = urllib.request.Request(f"http://127.0.0.1:{port}/json/list")
        pages = await wait_until_async(lambda: [p for p in fetch(request) if p["type"] == "page"], 30, "its page")
        self._connection = await connect(
            pages[0]["webSocketDebuggerUrl"], max_size=None, ping_interval=None, proxy=None
        )

    async def call(self, method: str, **params: Any) -> Any:
        """One command; its result. Events are passed over."""
        assert self._connection is not None
        self._calls += 1
        await self._connection.send(json.dumps({"id": self._calls, "method": method, "params": params}))
        while (answer := json.loads(await self._connection.recv())).get("id") != self._calls:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    async def value(self, expression: str) -> Any:
        """What a JavaScript expression gives in the page."""
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of this browser."""
        for pid in processes_of(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def close(self) -> None:
        """End it, and everything that it started."""
        pids = processes_of(self._process.pid)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(STOP_S)
        wait_until(lambda: not any(map(is_running, pids)), what="all of Chromium is gone")
        shutil.rmtree(self._profile, ignore_errors=True)


@asynccontextmanager
async def chromium(program: str) -> AsyncIterator[Chromium]:
    browser = Chromium(program)
    try:
        await browser.open()
        yield browser
    finally:
        browser.close()


def fetch(request: urllib.request.Request) -> Any:
    with NO_PROXY.open(request, timeout=10) as answer:
        return json.loads(answer.read())


def processes_of(leader: int) -> list[int]:
    """The processes of its session, and their descendants; the oldest first."""
    parents, found = {}, {leader}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(fields[1])
                if int(fields[3]) == leader:
                    found.add(int(folder.name))
    for pid, parent in sorted(parents.items()):
        if parent in found:
            found.add(pid)
    return sorted(found)


def is_running(pid: int) -> bool:
    """Whether it is there and no zombie, which its new parent has yet to clear away."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
