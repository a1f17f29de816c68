"""The example page in a real browser: put to sleep and woken it shows the newest state at once, and nothing false."""

import asyncio
import functools
import http.server
import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from msgspec import Struct, convert

from tests.e2e.chromium import Chromium, chromium, find_chromium
from tests.e2e.stack import ROOT, Stack
from tests.waiting import DEADLINE_S, wait_until_async

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="the page is tried in Chromium: apt install chromium")

SLEEP_S: Final = 4.0
"""How long a page sleeps in these tests, which is longer than it takes to notice; to a phone a minute is nothing."""
EVENTS: Final = 400
NEWEST_LIMIT_S: Final = 5.0
"""As in test_kill: the design wants one second, which is printed; a loaded machine may take this many."""
GRACE_S: Final = 0.5
"""A page that is woken shows what it last showed until its script runs."""
WATCHED_S: Final = 3.0
PROMPT_CHARS: Final = 3_500
SHOWN_CHARS: Final = 80

SAMPLE_EVERY_S: Final = 0.02

SCRIPT: Final = """
var seen = [], told = [];
function shown() {
  return {
    at: Date.now(),
    line: document.getElementById("line").textContent,
    rows: Object.fromEntries([...document.querySelectorAll("tr")].map(
      row => [row.dataset.id, [...row.cells].map(cell => cell.textContent)])),
  };
}
new MutationObserver(changes => {
  seen.push(shown());
  for (const item of changes.flatMap(change => [...change.addedNodes]))
    if (item.nodeName === "LI") told.push(item.lastChild.textContent);
}).observe(document.body, {subtree: true, childList: true, characterData: true});
"""
"""Notes whatever the page shows, however shortly, and what it tells."""


class Sample(Struct, frozen=True):
    """What the page showed at a moment, in milliseconds since 1970."""

    at: float
    line: str
    rows: dict[str, list[str]]

    @property
    def is_live(self) -> bool:
        return self.line == "live"

    def shows(self, truth: dict[str, tuple[str, str]]) -> bool:
        return {key: tuple(cells[1:]) for key, cells in self.rows.items()} == truth


class QuietFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def origin() -> Iterator[str]:
    """Where the page is served."""
    handler = functools.partial(QuietFiles, directory=str(ROOT / "docs/examples"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def stack(memory: Path, origin: str) -> Iterator[Stack]:
    running = Stack(memory / "data", QUESTMUX_ALLOWED_ORIGINS=origin)
    try:
        running.start_all()
        running.wait_ready()
        yield running
    finally:
        running.close()


@pytest.fixture
async def browser() -> AsyncIterator[Chromium]:
    assert PROGRAM is not None
    async with chromium(PROGRAM) as opened:
        yield opened


async def sample(browser: Chromium) -> Sample:
    return convert(await browser.value("shown()"), Sample)


async def open_page(browser: Chromium, stack: Stack, origin: str, token: str | None = None) -> None:
    words = {"address": f"ws://127.0.0.1:{stack.ws_port}/", "token": stack.token if token is None else token}
    await browser.call("Page.enable")
    await browser.call("Page.navigate", url=f"{origin}/page.html#{urlencode(words)}")
    await wait_until_async(
        functools.partial(browser.value, "document.readyState === 'complete' && !!document.getElementById('line')"),
        20,
        "the page",
    )
    await browser.value(SCRIPT)


async def go_live(browser: Chromium, stack: Stack, origin: str) -> None:
    """Open the page, and let one session finish under its eyes; to be told again if the page comes back at once."""
    await open_page(browser, stack, origin)
    await wait_for_line(browser, "live")
    await asyncio.to_thread(stack.post_event, {"hook_event_name": "Stop", "session_id": "early"})
    await wait_until_async(functools.partial(browser.value, "told.length > 0"), what="it to be told")


async def wait_for_line(browser: Chromium, line: str, within_s: float = DEADLINE_S) -> None:
    async def is_there() -> bool:
        return (await sample(browser)).line == line

    await wait_until_async(is_there, within_s, f"the page says {line}")


def post(stack: Stack, number: int) -> None:
    """Every session changes its status with every event of its own."""
    name = "UserPromptSubmit" if number // 40 % 2 else "Stop"
    body = {
        "hook_event_name": name,
        "session_id": f"s{number % 40}",
        "prompt": f"prompt {number} ".ljust(PROMPT_CHARS, "x"),
    }
    assert stack.post_event(body).status in {200, 202}


def truth_of(stack: Stack) -> dict[str, tuple[str, str]]:
    """What a page must show of each session: status and the beginning of the prompt."""
    stack.wait_for_spool()
    return {
        session["id"]: (session["status"]["name"], (session["prompt"] or "")[:SHOWN_CHARS].strip())
        for session in stack.get("/api/sessions")["sessions"]
    }


async def check_the_waking(browser: Chromium, stack: Stack, wake: Callable[[], Awaitable[Any]]) -> None:
    """Wake the page, look at it all the time, and change one thing more.

    While it slept each of 40 sessions finished, and is at work again.
    """
    truth = await asyncio.to_thread(truth_of, stack)
    woken_at = time.time() * 1000
    await wake()
    woken = time.monotonic()
    newest_after_s, is_true = 99.0, False
    while (passed := time.monotonic() - woken) < WATCHED_S or (passed < NEWEST_LIMIT_S and not is_true):
        now = await sample(browser)
        is_true = now.is_live and now.shows(truth)
        newest_after_s = min(newest_after_s, passed if is_true else 99)
        assert is_true or not now.is_live or passed < GRACE_S, "live, and not the newest"
        await asyncio.sleep(SAMPLE_EVERY_S)
    assert is_true
    seen = shown_since(convert(await browser.value("seen"), list[Sample]), woken_at)
    print(f"live and newest after {newest_after_s:.2f} s; on the way {[one.line for one in seen][:8]}")
    assert newest_after_s <= NEWEST_LIMIT_S
    assert not [one.line for one in seen if one.is_live and not one.shows(truth)], "live, and not the newest"

    assert await browser.value("told") == ["early: finished"], "what no longer holds, or once more what it has told"

    await asyncio.to_thread(post, stack, EVENTS)
    later = await asyncio.to_thread(truth_of, stack)
    assert later != truth

    async def is_newest() -> bool:
        now = await sample(browser)
        return now.is_live and now.shows(later)

    await wait_until_async(is_newest, what="what changes after it")
    await wait_until_async(functools.partial(browser.value, "told.length > 1"), what="what happens after it to be told")
    assert await browser.value("told") == ["early: finished", "s0: finished"]


def shown_since(seen: list[Sample], woken_at: float) -> list[Sample]:
    """What the page showed after it was woken; not what it showed before, and was stopped while it noted it."""
    before = [one for one in seen if one.at < woken_at]
    since = seen[len(before) :]
    last = before[-1]
    was_noting = bool(since) and (since[0].line, since[0].rows) == (last.line, last.rows)
    return since[was_noting:]


async def change_much(stack: Stack) -> None:
    """Far more than a connection holds, and then time goes by."""
    began = time.monotonic()
    for number in range(EVENTS):
        await asyncio.to_thread(post, stack, number)
    await asyncio.sleep(max(0.0, SLEEP_S - (time.monotonic() - began)))


def pauses(stack: Stack) -> int:
    return sum(client["pauses"] for client in stack.get("/api/clients")["clients"])


@pytest.mark.timeout(60 + 3 * SLEEP_S)
@pytest.mark.parametrize("meanwhile", ["the gateway waits for it", "the gateway is another"])
async def test_a_machine_that_slept(browser: Chromium, stack: Stack, origin: str, meanwhile: str) -> None:
    await go_live(browser, stack, origin)
    browser.signal(signal.SIGSTOP)
    await change_much(stack)
    if meanwhile == "the gateway is another":
        stack.kill("ws")
        stack.start("ws")
        await asyncio.to_thread(stack.wait_ready)
    else:
        await wait_until_async(lambda: pauses(stack) > 0, what="the gateway holds back")

    async def wake() -> None:
        browser.signal(signal.SIGCONT)

    await check_the_waking(browser, stack, wake)


@pytest.mark.timeout(60 + 3 * SLEEP_S)
async def test_a_page_that_the_browser_froze(browser: Chromium, stack: Stack, origin: str) -> None:
    await go_live(browser, stack, origin)
    await browser.call("Page.setWebLifecycleState", state="frozen")
    await change_much(stack)
    assert not (await sample(browser)).is_live

    await check_the_waking(browser, stack, functools.partial(browser.call, "Page.setWebLifecycleState", state="active"))


async def test_sleep_between_a_message_and_its_showing_is_noticed(browser: Chromium, stack: Stack, origin: str) -> None:
    await open_page(browser, stack, origin)
    await wait_for_line(browser, "live")
    said = await browser.value("""new Promise(done => {
        hear({type: "session_removed", seq: state.place + 1, data: {session_id: "nobody"}});
        setTimeout(() => done(document.getElementById("line").textContent));
        lookedAt -= 60000;
    })""")

    assert said == "connecting…"
    await wait_for_line(browser, "live")


async def test_it_is_not_called_live_before_it_is_drawn(browser: Chromium, stack: Stack, origin: str) -> None:
    await open_page(browser, stack, origin)
    await wait_for_line(browser, "live")
    said = await browser.value("""(() => {
        state.isWhole = false;
        showLine();
        hear({type: "synced", data: {epoch: state.epoch, seq: state.place, cursor: state.cursor}});
        tick();
        return document.getElementById("line").textContent;
    })()""")

    assert said == "connecting…"
    await wait_for_line(browser, "live")


async def test_a_gateway_that_hangs_is_noticed(browser: Chromium, stack: Stack, origin: str) -> None:
    await open_page(browser, stack, origin)
    await wait_for_line(browser, "live")
    stack.stop_for_a_while("ws")
    try:
        await wait_for_line(browser, "no answer…")
        await asyncio.to_thread(post, stack, 0)
    finally:
        stack.go_on("ws")
    await wait_for_line(browser, "live")

    truth = await asyncio.to_thread(truth_of, stack)
    assert truth

    async def is_newest() -> bool:
        return (await sample(browser)).shows(truth)

    await wait_until_async(is_newest, what="the newest")


async def test_panes_are_shown_as_tmux_has_them(browser: Chromium, stack: Stack, origin: str) -> None:
    await open_page(browser, stack, origin)
    stack.tmux("new-session", "-d", "-s", "work", "-n", "<b>first</b>")
    stack.tmux("new-window", "-t", "work", "-n", "second")

    async def places() -> list[str]:
        return [cells[0] for cells in (await sample(browser)).rows.values()]

    async def are_shown(*expected: str) -> bool:
        return await places() == list(expected)

    await wait_until_async(functools.partial(are_shown, "work:<b>first</b>", "work:second"), what="both panes")
    stack.tmux("kill-window", "-t", "work:second")
    await wait_until_async(functools.partial(are_shown, "work:<b>first</b>"), what="one of them")


async def test_a_wrong_token_is_said_and_not_tried_again(browser: Chromium, stack: Stack, origin: str) -> None:
    await open_page(browser, stack, origin, token="wrong")  # noqa: S106 - that is the test
    await wait_for_line(browser, "the gateway does not take this token")
    assert await browser.value("[socket, nextTry !== null && refusal !== '']") == [None, False]


async def test_what_overtakes_something_older_is_not_yet_the_newest(
    browser: Chromium, stack: Stack, origin: str
) -> None:
    await open_page(browser, stack, origin)
    await wait_for_line(browser, "live")
    said = await browser.value("""(() => {
        const said = [], hears = (type, seq, data) => { hear({type, seq, data}); said.push(line()); };
        const next = state.place + 1, gone = {session_id: "nobody"};
        hears("session_removed", next + 2, gone);
        hears("session_removed", next, gone);
        hears("session_removed", next + 1, gone);
        hears("session_removed", next + 5, gone);
        hears("lagged", undefined, {dropped: 1, replaced: 2, upto: next + 6});
        hears("session_removed", next + 7, gone);
        return said;
    })()""")

    assert said == ["catching up…", "catching up…", "live", "catching up…", "live", "live"]
