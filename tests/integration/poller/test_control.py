"""One control client on a real tmux server, beside a person's own client."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from services.poller import control as control_module
from services.poller.control import Control, ControlError, DetachedError
from services.poller.control_stream import Notice
from tests.integration.poller.stage import TmuxStage
from tests.waiting import wait_until_async


class Ears:
    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.ends = 0

    def end(self) -> None:
        self.ends += 1

    def heard(self, name: str) -> list[Notice]:
        return [notice for notice in self.notices if notice.name == name]


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
async def control(tmux: TmuxStage, ears: Ears) -> AsyncIterator[Control]:
    tmux.start()
    client = await Control.attach(str(tmux.socket), "$0", ears.notices.append, ears.end)
    yield client
    await client.close()


async def test_answers_each_question_with_its_own_answer(control: Control) -> None:
    answers = await asyncio.gather(*(control.ask(f"display-message -p 'answer {number}'") for number in range(200)))

    assert [answer.blocks for answer in answers] == [(f"answer {number}".encode(),) for number in range(200)]


async def test_a_question_of_several_commands_has_an_answer_of_as_many_blocks(control: Control) -> None:
    answer = await control.ask("display-message -p one", "display-message -p two", "list-panes -F '#{pane_id}'")

    assert answer.blocks == (b"one", b"two", b"%0")


async def test_a_command_that_fails_says_why_and_the_next_one_works(control: Control) -> None:
    failed = await control.ask("capture-pane -p -t %99")

    assert failed.error == "can't find pane: %99"
    assert (await control.ask("display-message -p on")).blocks == (b"on",)


async def test_a_screen_that_imitates_the_protocol_is_only_a_screen(tmux: TmuxStage, control: Control) -> None:
    lines = [f"%end {time} {number} 1" for time in (1, 2) for number in range(10)] + ["%exit", "%begin 1 2 1"]
    for line in lines:
        tmux.run("send-keys", "-t", "%0", "-l", "--", f": {line}\n")
    await wait_until_async(lambda: lines[-1] in tmux.run("capture-pane", "-p", "-t", "%0"), what="the lines")

    answer = await control.ask("display-message -p meta", "capture-pane -p -t %0")

    assert b": %exit" in answer.blocks[1]
    assert control.is_open


async def test_a_new_window_is_told_in_any_session(tmux: TmuxStage, control: Control, ears: Ears) -> None:
    assert control.is_open
    tmux.run("new-session", "-d", "-s", "other")
    tmux.run("new-window", "-d", "-t", "other:")
    tmux.run("new-window", "-d", "-t", "main:")

    await wait_until_async(lambda: ears.heard("window-add"), what="the window in its own session")
    await wait_until_async(lambda: len(ears.heard("unlinked-window-add")) >= 2, what="the windows in the other")


async def test_output_comes_only_when_asked_for(tmux: TmuxStage, control: Control, ears: Ears) -> None:
    tmux.run("send-keys", "-t", "%0", "echo quiet", "Enter")
    await wait_until_async(lambda: "\nquiet" in tmux.run("capture-pane", "-p", "-t", "%0"), what="the echo")
    await control.ask("display-message -p sync")
    assert not ears.heard("extended-output")

    await control.ask("refresh-client -f '!no-output'")
    tmux.run("send-keys", "-t", "%0", "echo loud", "Enter")
    await wait_until_async(lambda: ears.heard("extended-output"), what="output")
    assert ears.heard("extended-output")[0].first == "%0"


async def test_closing_detaches_and_leaves_everything_as_it_was(tmux: TmuxStage, ears: Ears) -> None:
    tmux.start()
    before = tmux.run("list-windows", "-a", "-F", "#{window_id} #{window_width}x#{window_height} #{window_layout}")
    client = await Control.attach(str(tmux.socket), "$0", ears.notices.append, ears.end)
    assert tmux.run("list-clients").count("\n") == 0
    during = tmux.run("list-windows", "-a", "-F", "#{window_id} #{window_width}x#{window_height} #{window_layout}")
    await client.close()

    assert before == during
    assert ears.ends == 1
    await wait_until_async(lambda: not tmux.run("list-clients"), what="no client")
    with pytest.raises(ControlError):
        await client.ask("display-message -p late")
    client.tell("display-message -p late")


async def test_brings_no_environment_of_its_own(tmux: TmuxStage, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    tmux.start()
    tmux.run("set-environment", "SSH_AUTH_SOCK", "/theirs")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/ours")  # One of those that attaching updates.
    client = await Control.attach(str(tmux.socket), "$0", ears.notices.append, ears.end)

    assert tmux.run("show-environment", "SSH_AUTH_SOCK") == "SSH_AUTH_SOCK=/theirs"
    await client.close()


async def test_who_waits_is_told_when_the_server_ends(tmux: TmuxStage, control: Control, ears: Ears) -> None:
    pid = tmux.pid()
    os.kill(pid, signal.SIGSTOP)
    question = asyncio.create_task(control.ask("display-message -p x"))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)

    with pytest.raises(ControlError):
        await question
    assert not control.is_open
    await wait_until_async(lambda: ears.ends, what="the end")


async def test_a_server_that_hangs_is_given_up(
    tmux: TmuxStage, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "ASK_S", 0.2)
    pid = tmux.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ControlError, match="within"):
            await control.ask("display-message -p x")
        assert not control.is_open
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_server_that_hangs_while_attaching_is_given_up_and_leaves_no_client(
    tmux: TmuxStage, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "ATTACH_S", 0.2)
    pid = tmux.start()
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(ControlError, match="did not attach"):
            await Control.attach(str(tmux.socket), "$0", ears.notices.append, ears.end)
    finally:
        os.kill(pid, signal.SIGCONT)

    await wait_until_async(lambda: not tmux.run("list-clients"), what="no client")
    assert ears.ends == 1


async def test_closing_does_not_wait_for_a_server_that_hangs(tmux: TmuxStage, control: Control) -> None:
    pid = tmux.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        for _ in range(2_000):  # More than the pipe holds.
            control.tell(f"display-message -p {'x' * 100}")
        await asyncio.wait_for(control.close(), 3)
        await asyncio.wait_for(control.close(), 3)
        assert not control.is_open
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_session_that_is_not_there_is_said(tmux: TmuxStage, ears: Ears) -> None:
    tmux.start()
    with pytest.raises(ControlError, match="find session") as refused:
        await Control.attach(str(tmux.socket), "$77", ears.notices.append, ears.end)
    assert not isinstance(refused.value, DetachedError), "it would be tried again at once, for ever"


async def test_no_server_and_no_tmux_are_said(tmux: TmuxStage, ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ControlError):
        await Control.attach(str(tmux.socket), "$0", ears.notices.append, ears.end)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ControlError, match="could not be started"):
        await Control.attach(str(tmux.socket), "$0", ears.notices.append, ears.end)


async def test_one_that_a_person_detaches_ends(tmux: TmuxStage, control: Control, ears: Ears) -> None:
    tmux.run("detach-client", "-s", "main")

    await wait_until_async(lambda: ears.ends == 1, what="the end")
    assert not control.is_open
    with suppress(ControlError):
        await control.ask("display-message -p x")
