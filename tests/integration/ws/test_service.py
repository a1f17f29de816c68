import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from services.contract.commands import CloseCode
from services.contract.settings import Settings
from services.contract.updates import PaneUpdate
from services.process.tokens import load_tokens
from tests.integration.ws.conftest import StartGateway
from tests.integration.ws.core_side import CoreSide, make_pane
from tests.integration.ws.plain_client import PlainClient, close_code, dial, dial_deaf, receive_until
from tests.waiting import wait_until_async

ROOT = Path(__file__).parents[3]
StartProcess = Callable[..., Awaitable[Process]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """With a free port."""
    with socket.create_server(("127.0.0.1", 0)) as finder:
        return msgspec.structs.replace(settings, ws_port=finder.getsockname()[1])


@pytest.fixture
def token(settings: Settings) -> str:
    return load_tokens(settings).full


@pytest.fixture
async def start_process(settings: Settings) -> AsyncIterator[StartProcess]:
    started: list[Process] = []

    async def start(own: Settings = settings) -> Process:
        ours = {
            "DATA_DIR": own.data_dir,
            "RUNTIME_DIR": own.runtime_dir,
            "WS_PORT": own.ws_port,
            "CONFIG": "",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith("QUESTMUX_")}
        environ = kept | {f"QUESTMUX_{name}": str(value) for name, value in ours.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.ws", cwd=ROOT, env=environ, stderr=PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def join(settings: Settings, token: str) -> PlainClient:
    """Connect as soon as the process is there."""

    async def try_to() -> PlainClient | None:
        try:
            return PlainClient(await dial(settings.ws_port, token=token))
        except OSError:
            return None

    client = await wait_until_async(try_to, deadline_s=20, what="the process to accept")
    assert client is not None
    await wait_until_async(lambda: client.syncs, what="synced")
    return client


async def test_sigterm_drains_and_ends_with_0(
    core: CoreSide, settings: Settings, token: str, start_process: StartProcess
) -> None:
    process = await start_process()
    client = await join(settings, token)
    other = await dial(settings.ws_port, token=token)
    waiting = await dial(settings.ws_port, token=None)
    await receive_until(other, "synced")
    core.publish(PaneUpdate(pane=make_pane("%1")))
    await wait_until_async(lambda: client.is_at("epoch1", 1), what="the update")
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    draining = await receive_until(other, "draining")
    assert 0 <= draining["data"]["reconnect_in_ms"] <= 2_000
    assert await close_code(other) == CloseCode.RESTART
    assert await close_code(waiting) == CloseCode.RESTART
    await client.task
    assert (client.kinds[-1], client.connection.close_code, client.faults) == ("draining", CloseCode.RESTART, [])
    assert await asyncio.wait_for(process.wait(), 30) == 0
    assert time.monotonic() - began < 5


async def fill_deaf_client(core: CoreSide, settings: Settings, token: str) -> socket.socket:
    """A client that does not read and for which much waits, less than what would close it."""
    deaf = await dial_deaf(settings.ws_port, token)
    client = await join(settings, token)
    for _ in range(30):
        core.publish(PaneUpdate(pane=make_pane("%1", "x" * 20_000)))
    await wait_until_async(lambda: client.is_at("epoch1", core.seq), what="the updates")
    await client.close()
    return deaf


async def test_sigterm_ends_in_time_though_a_client_does_not_read(
    core: CoreSide, settings: Settings, token: str, start_process: StartProcess
) -> None:
    process = await start_process()
    await (await join(settings, token)).close()
    deaf = await fill_deaf_client(core, settings, token)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 20) == 0
    assert time.monotonic() - began < 10
    deaf.close()


async def test_a_second_sigterm_ends_at_once(
    core: CoreSide, settings: Settings, token: str, start_process: StartProcess
) -> None:
    process = await start_process()
    client = await join(settings, token)
    deaf = await fill_deaf_client(core, settings, token)
    process.send_signal(signal.SIGTERM)
    await wait_until_async(lambda: "draining" in client.kinds, what="draining")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 1
    deaf.close()
    await client.close()


async def test_a_port_in_use_is_said_in_one_sentence(settings: Settings, start_process: StartProcess) -> None:
    with socket.create_server(("127.0.0.1", settings.ws_port)):
        process = await start_process()
        _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 2
    assert f"127.0.0.1:{settings.ws_port} is in use" in said.decode()
    assert "Traceback" not in said.decode()


# Several at one port.


def of_another_installation(settings: Settings) -> Settings:
    folder = settings.runtime_dir / "other"
    return msgspec.structs.replace(settings, data_dir=folder, runtime_dir=folder)


def serving(core: CoreSide) -> dict[int, int]:
    """The clients of each gateway process by its id, as its last beat says."""
    return {beat.pid: int(beat.figures["clients"]) for beat in tuple(core.beats)}


async def wait_until_serving(core: CoreSide, *processes: Process) -> None:
    await wait_until_async(
        lambda: {process.pid for process in processes} <= serving(core).keys(), 20, "all gateways to beat"
    )


async def test_two_at_one_port_both_get_clients_and_one_that_ends_leaves_the_other(
    core: CoreSide, settings: Settings, token: str, start_process: StartProcess
) -> None:
    first, second = await start_process(), await start_process()
    await wait_until_serving(core, first, second)
    clients = [await join(settings, token) for _ in range(40)]
    await wait_until_async(lambda: sum(serving(core).values()) == 40, what="all to be counted")
    assert all(serving(core).values()), "one got none"

    core.publish(PaneUpdate(pane=make_pane("%1")))
    await wait_until_async(lambda: all(client.is_at("epoch1", 1) for client in clients), what="the update everywhere")
    left_with = serving(core)[second.pid]
    first.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(first.wait(), 30) == 0
    await wait_until_async(
        lambda: sum(not client.task.done() for client in clients) == left_with, what="its own clients to be gone"
    )
    clients += [await join(settings, token) for _ in range(10)]
    third = await start_process()
    await wait_until_serving(core, third)
    assert second.returncode is third.returncode is None
    for client in clients:
        await client.close()
        assert client.faults == []


@pytest.mark.usefixtures("core")
async def test_a_second_installation_at_the_port_is_told_so(
    settings: Settings, token: str, start_process: StartProcess
) -> None:
    first = await start_process()
    await (await join(settings, token)).close()
    stranger = await start_process(of_another_installation(settings))
    _, said = await asyncio.wait_for(stranger.communicate(), 20)
    assert (stranger.returncode, first.returncode) == (2, None)
    assert f"127.0.0.1:{settings.ws_port} is in use" in said.decode()


async def test_of_two_installations_that_start_at_once_one_has_the_port(
    settings: Settings, start_process: StartProcess
) -> None:
    other = of_another_installation(settings)
    ours = [await start_process() for _ in range(3)]
    theirs = [await start_process(other) for _ in range(3)]
    groups = {tuple(sorted(process.pid for process in group)) for group in (ours, theirs)}

    def ended() -> tuple[int, ...]:
        return tuple(sorted(process.pid for process in (*ours, *theirs) if process.returncode is not None))

    await wait_until_async(lambda: ended() in groups, 60, "the processes of one installation to end")
    assert {process.returncode for process in (*ours, *theirs)} == {2, None}


@pytest.mark.usefixtures("core")
async def test_who_has_connected_when_it_stops_is_not_cut_off_without_an_answer(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n\r\n".encode()
    waiting = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(20)]
    for one in waiting:  # The gateway is in this very loop: it has not accepted them yet.
        one.sendall(request)
        one.setblocking(False)
    gateway.stop.set()
    loop = asyncio.get_running_loop()
    answers = [await asyncio.wait_for(loop.sock_recv(one, 12), 30) for one in waiting]
    assert {answer[:9] for answer in answers} == {b"HTTP/1.1 "}
    for one in waiting:
        one.close()


async def test_ends_with_0_when_core_never_came(settings: Settings, token: str, start_process: StartProcess) -> None:
    process = await start_process()
    connection = None

    async def try_to() -> bool:
        nonlocal connection
        try:
            connection = await dial(settings.ws_port, token=token)
        except OSError:
            return False
        return True

    await wait_until_async(try_to, deadline_s=20, what="the process to accept")
    assert connection is not None
    assert (await receive_until(connection, "connected"))["data"]["epoch"] == ""
    process.send_signal(signal.SIGTERM)
    assert await close_code(connection) == CloseCode.RESTART
    assert await asyncio.wait_for(process.wait(), 30) == 0
    said = (await process.communicate())[1].decode()
    assert "Traceback" not in said
    assert token not in said
