"""The observer on a real tmux server, in control mode and by plain calls."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from services.poller import control as control_module
from services.poller.control import Control
from services.poller.front import panes_in_front
from services.poller.listing import read_listing
from services.poller.observer import Observer
from services.poller.tmux import NoTmuxServerError, Tmux, TmuxHungError
from tests.integration.poller.stage import TmuxStage
from tests.waiting import wait_until, wait_until_async


class Heard:
    def __init__(self) -> None:
        self.changes = 0
        self.panes: list[str] = []

    def change(self) -> None:
        self.changes += 1


@pytest.fixture
def heard() -> Heard:
    return Heard()


def make_observer(tmux: TmuxStage, heard: Heard, *, use_control: bool, timeout_s: float = 2.0) -> Observer:
    return Observer(
        Tmux(str(tmux.socket), timeout_s),
        use_control=use_control,
        on_change=heard.change,
        on_output=heard.panes.append,
    )


@pytest.fixture(params=[True, False], ids=["control", "plain"])
async def observer(request: pytest.FixtureRequest, tmux: TmuxStage, heard: Heard) -> AsyncIterator[Observer]:
    tmux.start()
    made = make_observer(tmux, heard, use_control=request.param)
    await made.connect(str(tmux.socket))
    assert made.is_control == request.param
    yield made
    await made.close()


@pytest.fixture
async def control(tmux: TmuxStage, heard: Heard) -> AsyncIterator[Observer]:
    tmux.start()
    made = make_observer(tmux, heard, use_control=True)
    await made.connect(str(tmux.socket))
    assert made.is_control
    yield made
    await made.close()


async def test_both_ways_list_the_same(tmux: TmuxStage, heard: Heard, control: Observer) -> None:
    tmux.run("new-window", "-d", "-n", "né 😀 \\ ; | '\"", "cat")
    tmux.run("new-session", "-d", "-s", "other: x.y", "cat")
    plain = make_observer(tmux, heard, use_control=False)

    async def are_the_same() -> bool:
        return read_listing(await control.list_all()) == read_listing(await plain.list_all())

    await wait_until_async(are_the_same, what="both to list the same, once the windows have begun")


async def test_captures_what_panes_show(tmux: TmuxStage, observer: Observer) -> None:
    tmux.run("new-window", "-d", "printf '\\033[31mred\\033[0m é😀\\n\\nend'; exec sleep 60")
    await wait_until_async(lambda: "end" in tmux.run("capture-pane", "-p", "-t", "%1"), what="the text")

    found = await observer.capture(["%1", "%0"])

    assert set(found) == {"%0", "%1"}
    assert found["%1"].meta == "%1 100 30 3 2 1 0"
    lines = found["%1"].text.split(b"\n")
    assert len(lines) == 30
    assert lines[:3] == ["\x1b[31mred\x1b[39m é😀".encode(), b"", b"end"]


async def test_a_pane_that_is_gone_is_left_out(observer: Observer) -> None:
    assert set(await observer.capture(["%0", "%9"])) == {"%0"}
    assert await observer.capture(["%9"]) == {}
    assert await observer.capture([]) == {}


async def test_a_screen_that_shows_a_capture_of_itself_is_told_apart(tmux: TmuxStage, observer: Observer) -> None:
    tmux.run("new-window", "-d", "printf '%%1 100 30 0 0 1 0\\nx\\n'; exec sleep 60")
    await wait_until_async(lambda: "x" in tmux.run("capture-pane", "-p", "-t", "%1"), what="the text")

    found = await observer.capture(["%1", "%0"])

    assert found["%1"].text.startswith(b"%1 100 30 0 0 1 0\nx\n")


async def test_no_server_is_said_either_way(tmux: TmuxStage, observer: Observer) -> None:
    tmux.kill()
    await wait_until_async(lambda: not observer.is_control, what="the end of the control client")

    with pytest.raises(NoTmuxServerError):
        await observer.list_all()
    with pytest.raises(NoTmuxServerError):
        await observer.capture(["%0"])


async def test_a_new_window_wakes_the_poller(tmux: TmuxStage, control: Observer, heard: Heard) -> None:
    before = heard.changes
    tmux.run("new-window", "-d", "-t", "main:")

    await wait_until_async(lambda: heard.changes > before, what="a change")
    assert control.is_control


async def test_output_of_watched_panes_is_told_and_of_no_others(
    tmux: TmuxStage, control: Observer, heard: Heard
) -> None:
    tmux.run("new-window", "-d", "-t", "main:", "sh")
    tmux.run("new-session", "-d", "-s", "other", "sh")
    panes = {"%0": "$0", "%1": "$0", "%2": "$1"}
    await wait_until_async(
        lambda: all(tmux.run("capture-pane", "-p", "-t", pane_id).strip() for pane_id in panes), what="their prompts"
    )
    await control.listen({"%1": "$0", "%2": "$1"}, panes)
    assert [control.hears(pane_id) for pane_id in panes] == [False, True, True]
    await control.capture(["%1", "%2"])
    heard.panes.clear()

    for pane_id in panes:
        tmux.run("send-keys", "-t", pane_id, "echo output", "Enter")
    await wait_until_async(lambda: {"%1", "%2"} <= set(heard.panes), what="output of both")
    assert "%0" not in heard.panes

    await control.listen({}, panes)
    heard.panes.clear()
    for pane_id in panes:
        tmux.run("send-keys", "-t", pane_id, "echo more", "Enter")
    await wait_until_async(lambda: "\nmore" in tmux.run("capture-pane", "-p", "-t", "%2"), what="the echo")
    await control.list_all()
    assert heard.panes == []
    assert len(tmux.run("list-clients").splitlines()) == 1


async def test_a_flood_is_told_once_for_each_capture(tmux: TmuxStage, control: Observer, heard: Heard) -> None:
    tmux.run("new-window", "-d", "-t", "main:", "yes")
    await wait_until_async(lambda: tmux.run("capture-pane", "-p", "-t", "%1").startswith("y"), what="the flood")
    await control.listen({"%1": "$0"}, {"%0": "$0", "%1": "$0"})
    rounds = 10
    for _ in range(rounds):
        heard.panes.clear()
        found = await control.capture(["%1"])
        assert found["%1"].text.startswith(b"y\n")
        await wait_until_async(lambda: "%1" in heard.panes, what="more output")
        # tmux takes our pause between two of its reads: a few notices come before it.
        await control.list_all()
        assert len(heard.panes) < 100
    assert control.is_control


async def test_a_watched_pane_is_not_held_up_when_we_stall(tmux: TmuxStage, control: Observer) -> None:
    """Nobody else is attached: clients that take no output must not stop the program."""
    tmux.run("new-window", "-d", "-t", "main:", "sh -c 'i=0; while :; do i=$((i+1)); echo line $i; done'")
    await control.listen({"%1": "$0"}, {"%0": "$0", "%1": "$0"})
    for client in control._clients():
        assert client._transport is not None
        cast("asyncio.ReadTransport", client._transport.get_pipe_transport(1)).pause_reading()

    def line() -> int:
        return max(
            map(int, re.findall(r"^line (\d+)$", tmux.run("capture-pane", "-p", "-t", "%1"), re.MULTILINE)), default=0
        )

    # 100,000 lines are more than a megabyte, and more than pipes and buffers hold.
    goal = line() + 100_000
    await wait_until_async(lambda: line() > goal, 30, "the program going on")


def hang_for(pid: int, seconds: float) -> None:
    os.kill(pid, signal.SIGSTOP)
    asyncio.get_running_loop().call_later(seconds, os.kill, pid, signal.SIGCONT)


async def test_plain_calls_go_on_when_control_mode_is_wedged(
    tmux: TmuxStage, control: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "ASK_S", 0.2)
    hang_for(tmux.pid(), 0.5)

    assert read_listing(await control.list_all()).panes
    assert not control.is_control
    assert control.control_failures == 1
    await control.connect(str(tmux.socket))
    assert not control.is_control, "it is tried again at once"
    assert set(await control.capture(["%0"])) == {"%0"}


async def test_control_mode_is_used_again_after_a_while(
    tmux: TmuxStage, control: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "ASK_S", 0.2)
    control._retry_s = 0.1
    hang_for(tmux.pid(), 0.5)
    await control.list_all()
    assert not control.is_control

    async def connected() -> bool:
        await control.connect(str(tmux.socket))
        return control.is_control

    await wait_until_async(connected, what="control mode")


async def test_a_hung_server_is_said_and_leaves_no_client(
    tmux: TmuxStage, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "ASK_S", 0.2)
    pid = tmux.start()
    observer = make_observer(tmux, heard, use_control=True, timeout_s=0.3)
    await observer.connect(str(tmux.socket))
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TmuxHungError):
            await observer.list_all()
    finally:
        os.kill(pid, signal.SIGCONT)
    await observer.close()
    await wait_until_async(lambda: not tmux.run("list-clients"), what="no client")


async def test_follows_when_its_session_is_closed(tmux: TmuxStage, control: Observer) -> None:
    tmux.run("new-session", "-d", "-s", "other", "sh")
    tmux.run("kill-session", "-t", "=main")
    await wait_until_async(lambda: not control.is_control, what="the end of the control client")
    control._attached_at -= 10  # As after a longer life.
    await control.connect(str(tmux.socket))

    assert control.is_control
    assert [pane.id for pane in read_listing(await control.list_all()).panes] == ["%1"]


async def test_a_session_that_is_closed_while_it_is_asked_is_no_failure(tmux: TmuxStage, control: Observer) -> None:
    tmux.run("new-session", "-d", "-s", "other", "sh")
    assert control._home is not None
    control._home.tell("kill-session -t =main")  # Before the question, on the same way.

    assert [pane.id for pane in read_listing(await control.list_all()).panes] == ["%1"]
    await wait_until_async(lambda: not control.is_control, what="the end of the control client")
    assert control.control_failures == 0


async def test_a_client_that_tmux_ends_at_once_is_not_tried_again_and_again(tmux: TmuxStage, control: Observer) -> None:
    tmux.run("detach-client", "-s", "main")
    await wait_until_async(lambda: not control.is_control, what="the end")
    control._attached_at = asyncio.get_running_loop().time()  # However long that took.
    await control.connect(str(tmux.socket))

    assert not control.is_control
    assert control.control_failures == 1


@pytest.mark.parametrize("option", ["exit-unattached", "destroy-unattached"])
async def test_never_attaches_where_leaving_would_end_something(tmux: TmuxStage, heard: Heard, option: str) -> None:
    tmux.start()
    person = await Control.attach(str(tmux.socket), "$0", lambda _: None)
    tmux.run("set-option", "-g", option, "on")
    observer = make_observer(tmux, heard, use_control=True)
    await observer.connect(str(tmux.socket))

    assert not observer.is_control
    assert set(await observer.capture(["%0"])) == {"%0"}
    tmux.run("set-option", "-g", option, "off")
    await person.close()


@pytest.mark.parametrize("command", ["display-message", "list-panes", "capture-pane", "refresh-client"])
async def test_somebodys_hooks_on_our_commands_change_nothing(
    tmux: TmuxStage, control: Observer, heard: Heard, command: str
) -> None:
    tmux.run("set-hook", "-g", f"after-{command}", "set-option -g @x 1 ; display-message -p 'from a hook'")
    await control.listen({"%0": "$0"}, {"%0": "$0"})

    for _ in range(3):
        assert [pane.id for pane in read_listing(await control.list_all()).panes] == ["%0"]
        assert (await control.capture(["%0"]))["%0"].meta.startswith("%0 100 30 ")
    tmux.run("send-keys", "-t", "%0", "echo output", "Enter")
    await wait_until_async(lambda: "%0" in heard.panes, what="output")
    assert control.is_control
    assert control.control_failures == 0


async def test_many_panes_are_captured_by_plain_calls_too(tmux: TmuxStage, heard: Heard) -> None:
    tmux.start()
    for _ in range(99):
        tmux.run("new-window", "-d", "cat")
    pane_ids = [f"%{number}" for number in range(100)]

    assert set(await make_observer(tmux, heard, use_control=False).capture(pane_ids)) == set(pane_ids)


async def test_an_ear_that_fails_leaves_the_home_alone(tmux: TmuxStage, control: Observer) -> None:
    await control.listen({"%0": "$0"}, {"%0": "$0"})
    ear = control._ears["$0"]
    ear.kill()

    assert set(await control.capture(["%0"])) == {"%0"}
    assert control.is_control
    assert not control.hears("%0")
    assert control.control_failures == 0
    assert tmux.pid()


async def test_the_session_used_last_is_the_same_after_us(tmux: TmuxStage, heard: Heard) -> None:
    tmux.start("first")
    await asyncio.to_thread(wait_for_next_second)
    tmux.run("new-session", "-d", "-s", "second", "sh")
    assert tmux.run("display-message", "-p", "#{session_name}") == "second"
    await asyncio.to_thread(wait_for_next_second)
    observer = make_observer(tmux, heard, use_control=True)
    await observer.connect(str(tmux.socket))
    assert "first" in tmux.run("list-clients")
    await observer.close()

    assert tmux.run("display-message", "-p", "#{session_name}") == "second"


def wait_for_next_second() -> None:
    """tmux tells when a session was used in whole seconds."""
    began = int(time.time())
    wait_until(lambda: int(time.time()) > began, what="the next second")


async def test_persons_are_listed_with_the_pane_in_front_and_programs_are_not(
    observer: Observer, tmux: TmuxStage, tmp_path: Path
) -> None:
    assert panes_in_front(await observer.list_clients()) == {}
    outer = TmuxStage(tmp_path / "outer.sock")
    began = int(time.time())
    outer.run("new-session", "-d", "-x", "90", "-y", "20", f"env -u TMUX tmux -u -S {tmux.socket} attach")
    try:

        async def front() -> dict[str, int]:
            return panes_in_front(await observer.list_clients())

        await wait_until_async(front, what="a person")
        [(pane_id, at)] = (await front()).items()
    finally:
        outer.kill()

    assert pane_id == tmux.run("display-message", "-p", "#{pane_id}")
    assert began - 1 <= at <= time.time()
