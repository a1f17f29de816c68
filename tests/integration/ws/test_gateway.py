import asyncio
import http.client
import json
import socket
from typing import Any

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.contract.commands import MAX_CLIENT_MESSAGE_BYTES, CloseCode
from services.contract.settings import Settings
from services.contract.updates import PaneUpdate, SessionUpdate
from services.ws.allowance import BURST_MESSAGES
from services.ws.pace import MAX_WAITING_BYTES
from tests.integration.ws.conftest import JoinClient, StartGateway
from tests.integration.ws.core_side import CoreSide, make_pane, make_session
from tests.integration.ws.plain_client import (
    HOOK_TOKEN,
    TOKEN,
    close_code,
    dial,
    dial_deaf,
    read_to_end,
    receive,
    receive_until,
)
from tests.waiting import wait_until_async

OPEN_SEQUENCE = ["connected", "windows", "sessions", "personas", "projects", "quests", "synced"]


def hello(token: str) -> str:
    return json.dumps({"type": "hello", "data": {"token": token}})


async def get(port: int, path: str = "/", method: str = "GET", **headers: str) -> tuple[int, dict[str, Any]]:
    """A plain HTTP request: status and envelope."""

    def ask() -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        body: dict[str, Any] = json.loads(answer.read())
        connection.close()
        return answer.status, body

    return await asyncio.to_thread(ask)


async def refusal(port: int, **options: Any) -> tuple[int, dict[str, Any]]:
    """The answer to a WebSocket handshake that must fail: status and error."""
    with pytest.raises(InvalidStatus) as caught:
        await dial(port, **options)
    response = caught.value.response
    assert response.headers["Content-Type"] == "application/json"
    body = json.loads(response.body or b"")
    assert body["success"] is False
    return response.status_code, body["error"]


# Opening.


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("path", ["/", "/ws", "/ws?client=phone"])
async def test_gives_the_snapshot_and_synced_on_open(start_gateway: StartGateway, path: str) -> None:
    gateway = await start_gateway()
    async with await dial(gateway.port, path=path) as connection:
        messages = [await receive(connection) for _ in OPEN_SEQUENCE]
    assert [message["type"] for message in messages] == OPEN_SEQUENCE
    assert all(isinstance(message["ts"], int) and "seq" not in message for message in messages)
    connected, synced = messages[0]["data"], messages[-1]["data"]
    assert (connected["epoch"], connected["heartbeat_s"], connected["resumed"]) == ("epoch1", 30, False)
    assert (connected["why"], synced["epoch"], synced["seq"]) == ("new", "epoch1", 0)


async def test_updates_arrive_as_core_made_them(core: CoreSide, start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    async with await dial(gateway.port) as connection:
        await receive_until(connection, "synced")
        core.publish(PaneUpdate(pane=make_pane("%1", "é")))
        message = await receive(connection)
    assert (message["type"], message["seq"], message["data"]["pane"]["title"]) == ("pane_update", 1, "é")


@pytest.mark.usefixtures("core")
async def test_sets_the_socket_so_that_the_kernel_hides_little(start_gateway: StartGateway, join: JoinClient) -> None:
    gateway = await start_gateway()
    await join(gateway.port)
    (link,) = gateway.service.gateway.links()
    handle = link.transport.get_extra_info("socket")
    assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 16 * 1024
    assert link.transport.get_write_buffer_limits() == (16384, 65536)


# Who is let in.


@pytest.mark.usefixtures("core")
async def test_hello_with_the_token_lets_in(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    async with await dial(gateway.port, token=None) as connection:
        await connection.send(hello(TOKEN))
        assert (await receive(connection))["type"] == "connected"


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("token", ["wrong", HOOK_TOKEN, "", "é"])
async def test_another_token_in_the_header_does_not(start_gateway: StartGateway, token: str) -> None:
    gateway = await start_gateway()
    connection = await dial(gateway.port, headers={"Authorization": f"Bearer {token}"}, token=None)
    assert await close_code(connection) == CloseCode.UNAUTHORIZED


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize(
    "first",
    [hello("wrong"), hello(HOOK_TOKEN), hello(""), '{"type":"hello"}', '{"type":"ping"}', "no JSON", TOKEN.encode()],
)
async def test_another_first_message_does_not(start_gateway: StartGateway, first: str | bytes) -> None:
    gateway = await start_gateway()
    connection = await dial(gateway.port, token=None)
    await connection.send(first)
    with pytest.raises(ConnectionClosed):
        await receive(connection)
    assert connection.close_code == CloseCode.UNAUTHORIZED


@pytest.mark.usefixtures("core")
async def test_a_second_hello_does_not(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    connection = await dial(gateway.port, token=None)
    await connection.send('{"type":"ping"}')
    await connection.send(hello(TOKEN))
    with pytest.raises(ConnectionClosed):
        await receive(connection)
    assert connection.close_code == CloseCode.UNAUTHORIZED


@pytest.mark.usefixtures("core")
async def test_silence_does_not(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(auth_timeout_s=0.2)
    connection = await dial(gateway.port, token=None)
    assert await close_code(connection) == CloseCode.UNAUTHORIZED
    assert gateway.service.figures()["clients"] == 0


@pytest.mark.usefixtures("core")
async def test_nobody_gets_updates_before_being_let_in(core: CoreSide, start_gateway: StartGateway) -> None:
    gateway = await start_gateway(auth_timeout_s=0.3)
    connection = await dial(gateway.port, token=None)
    core.publish(PaneUpdate(pane=make_pane("%1")))
    with pytest.raises(ConnectionClosed):
        await receive(connection)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.nip.io:1", ""])
async def test_a_foreign_host_is_refused(start_gateway: StartGateway, host: str) -> None:
    gateway = await start_gateway()
    status, body = await get(gateway.port, Host=host)
    assert (status, body["error"]["code"]) == (403, "forbidden")


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:3000"])
async def test_a_page_of_a_foreign_origin_is_refused_even_with_the_token(
    start_gateway: StartGateway, origin: str
) -> None:
    gateway = await start_gateway()
    status, error = await refusal(gateway.port, headers={"Origin": origin})
    assert (status, error["code"]) == (403, "forbidden")


@pytest.mark.usefixtures("core")
async def test_pages_of_the_api_and_of_named_origins_are_let_in(
    settings: Settings, start_gateway: StartGateway
) -> None:
    own = msgspec.structs.replace(settings, allowed_origins=("https://quest.example",))
    gateway = await start_gateway(own)
    for origin in ("http://localhost:4011", "https://quest.example"):
        async with await dial(gateway.port, headers={"Origin": origin}) as connection:
            assert (await receive(connection))["type"] == "connected"


@pytest.mark.usefixtures("core")
async def test_another_path_is_404(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    status, error = await refusal(gateway.port, path="/events")
    assert (status, error["code"]) == (404, "not_found")


@pytest.mark.usefixtures("core")
async def test_what_is_no_websocket_gets_an_envelope_too(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    assert (await get(gateway.port))[0] == 426
    status, body = await get(gateway.port, method="DELETE")
    assert (status, body["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.usefixtures("core")
async def test_one_more_than_the_cap_gets_503(start_gateway: StartGateway) -> None:
    gateway = await start_gateway(max_connections=2)
    async with await dial(gateway.port) as first, await dial(gateway.port):
        assert (await refusal(gateway.port))[0] == 503
        await first.close()
        await wait_until_async(lambda: gateway.service.figures()["clients"] == 1, what="the first to be gone")
        async with await dial(gateway.port) as third:
            assert (await receive(third))["type"] == "connected"


# What clients say.


@pytest.mark.usefixtures("core")
async def test_a_ping_is_answered_with_its_data(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    async with await dial(gateway.port) as connection:
        await connection.send('{"type":"ping","data":{"n":[1,99999999999999999999]}}')
        pong = await receive_until(connection, "pong")
        await connection.send('{"type":"ping"}')
        empty = await receive_until(connection, "pong")
    assert pong["data"] == {"echo": {"n": [1, 99999999999999999999]}}
    assert empty["data"] == {"echo": None}


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('{"type":"dance"}', "invalid_field"),
        ("{}", "invalid_field"),
        ("no JSON", "bad_request"),
        ("", "bad_request"),
        (b"\x00\xff", "bad_request"),
        ('{"type":"ping","data":' + "[" * 60_000, "bad_request"),
        (hello(TOKEN), "conflict"),
    ],
)
async def test_anything_else_is_an_error_and_the_connection_stays(
    start_gateway: StartGateway, message: str | bytes, code: str
) -> None:
    gateway = await start_gateway()
    async with await dial(gateway.port) as connection:
        await connection.send(message)
        assert (await receive_until(connection, "error"))["data"]["code"] == code
        await connection.send('{"type":"ping"}')
        await receive_until(connection, "pong")


@pytest.mark.usefixtures("core")
async def test_a_message_over_the_limit_closes_with_1009(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    connection = await dial(gateway.port)
    await connection.send("x" * (MAX_CLIENT_MESSAGE_BYTES + 1))
    assert await close_code(connection) == 1009


@pytest.mark.usefixtures("core")
async def test_text_that_is_not_utf8_closes_with_1007(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    connection = await dial(gateway.port)
    await connection.send(b"\xff", text=True)
    assert await close_code(connection) == 1007


@pytest.mark.usefixtures("core")
async def test_too_many_messages_are_dropped_and_in_the_end_close(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    connection = await dial(gateway.port)
    await receive_until(connection, "synced")
    for _ in range(BURST_MESSAGES + 50):
        await connection.send('{"type":"ping"}')
    kinds = [(await receive(connection))["type"] for _ in range(BURST_MESSAGES + 50)]
    assert kinds.count("pong") >= BURST_MESSAGES
    assert "error" in kinds

    async def go_on() -> None:
        while True:
            await connection.send('{"type":"ping"}')
            await asyncio.sleep(0)

    flood = asyncio.create_task(go_on())
    assert await close_code(connection) == CloseCode.TOO_MANY
    with pytest.raises(ConnectionClosed):
        await flood


# Slow and silent clients.


async def test_a_client_that_never_reads_is_closed_and_others_get_everything_in_time(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway()
    others = [await join(gateway.port) for _ in range(3)]
    deaf = await dial_deaf(gateway.port)
    await wait_until_async(lambda: gateway.service.figures()["clients"] == 4, what="the deaf client")
    title = "x" * 20_000
    most_waiting = 0
    for number in range(200):
        core.publish(PaneUpdate(pane=make_pane("%1", f"{number} {title}")))
        await wait_until_async(lambda: all(other.is_at("epoch1", core.seq) for other in others), what="the others")
        for client in gateway.service.gateway.hub.clients:
            most_waiting = max(most_waiting, client.pace.waiting_bytes)
    await wait_until_async(lambda: gateway.service.figures()["clients"] == 3, what="the deaf client to be gone")
    assert gateway.service.figures()["dropped_clients_total"] == 1
    assert MAX_WAITING_BYTES / 2 < most_waiting < MAX_WAITING_BYTES + 50_000
    await wait_until_async(lambda: len(gateway.service.gateway.links()) == 3, what="its connection to be cut")
    deaf.close()


async def test_a_client_that_reads_again_in_time_sees_4008(core: CoreSide, start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    connection = await dial(gateway.port)
    await receive_until(connection, "synced")
    connection.transport.pause_reading()
    title = "x" * 20_000
    hub = gateway.service.gateway.hub

    def is_too_slow() -> bool:
        core.publish(*(PaneUpdate(pane=make_pane("%1", title)) for _ in range(5)))
        return any(client.pace.is_broken for client in hub.clients)

    await wait_until_async(is_too_slow, what="the client to be too slow")
    connection.transport.resume_reading()
    assert await close_code(connection) == CloseCode.TOO_SLOW


@pytest.mark.usefixtures("core")
async def test_a_client_that_sends_and_does_not_read_is_cut_off(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    deaf = await dial_deaf(gateway.port)
    pings = (b"\x89\xfd\x00\x00\x00\x00" + b"x" * 125) * 500

    async def go_on() -> None:
        while True:
            await asyncio.get_running_loop().sock_sendall(deaf, pings)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(go_on(), 20)
    deaf.close()
    await wait_until_async(lambda: gateway.service.figures()["clients"] == 0, what="the client to be gone")


@pytest.mark.usefixtures("core")
async def test_a_silent_client_is_closed_and_one_that_answers_stays(
    settings: Settings, start_gateway: StartGateway, join: JoinClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ws.pulse.Pulse.__init__.__defaults__", (2.0,))
    own = msgspec.structs.replace(settings, heartbeat_s=0.4)
    gateway = await start_gateway(own)
    client = await join(gateway.port)
    deaf = await dial_deaf(gateway.port)
    await wait_until_async(lambda: gateway.service.figures()["clients"] == 2, what="the deaf client")
    await wait_until_async(lambda: gateway.service.figures()["clients"] == 1, what="the deaf client to be gone")
    await wait_until_async(lambda: len(gateway.service.gateway.links()) == 1, what="its connection to be cut")
    assert not client.task.done()
    deaf.close()


# The end.


async def test_drains_with_a_delay_for_each_and_closes_1012(core: CoreSide, start_gateway: StartGateway) -> None:
    delays = iter([7, 11])
    gateway = await start_gateway(random_below=lambda _: next(delays))
    connections = [await dial(gateway.port) for _ in range(2)]
    for connection in connections:
        await receive_until(connection, "synced")
    core.publish(PaneUpdate(pane=make_pane("%1")))
    gateway.stop.set()
    draining = [(await receive_until(connection, "draining"))["data"]["reconnect_in_ms"] for connection in connections]
    assert sorted(draining) == [7, 11]
    for connection in connections:
        assert await close_code(connection) == CloseCode.RESTART
    await gateway.task


async def test_what_waits_is_sent_before_the_end(
    core: CoreSide, start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ws.gateway.DRAIN_STEP_WITHIN_S", 20.0)
    gateway = await start_gateway()
    connection = await dial(gateway.port)
    await receive_until(connection, "synced")
    connection.transport.pause_reading()
    title = "x" * 20_000
    (client,) = gateway.service.gateway.hub.clients
    core.publish(*(PaneUpdate(pane=make_pane("%1", title)) for _ in range(30)))
    await wait_until_async(lambda: client.is_paused, what="the client to be behind")
    core.publish(*(PaneUpdate(pane=make_pane("%1", title)) for _ in range(10)))
    await wait_until_async(lambda: client.pace.waiting_bytes > 100_000, what="something to wait")
    gateway.stop.set()
    await wait_until_async(lambda: not gateway.service.gateway.is_open, what="the end to begin")
    connection.transport.resume_reading()
    messages = await read_to_end(connection)
    assert [message["seq"] for message in messages if "seq" in message] == list(range(1, 41))
    assert connection.close_code == CloseCode.RESTART


# Coming back.


async def cursor_of(port: int) -> str:
    async with await dial(port) as connection:
        return str((await receive_until(connection, "synced"))["data"]["cursor"])


@pytest.mark.parametrize("way", ["query", "hello"])
@pytest.mark.parametrize("is_same", [True, False], ids=["the same gateway", "another gateway"])
async def test_one_that_comes_back_gets_what_it_missed(
    core: CoreSide, start_gateway: StartGateway, way: str, *, is_same: bool
) -> None:
    first = await start_gateway()
    cursor = await cursor_of(first.port)
    core.publish(
        PaneUpdate(pane=make_pane("%1", "old")),
        SessionUpdate(session=make_session("s1", "first")),
        SessionUpdate(session=make_session("s1", "second")),
        PaneUpdate(pane=make_pane("%1", "new")),
    )
    await wait_until_async(lambda: first.service.replica.seq == 4, what="the updates")
    second = first if is_same else await start_gateway()
    await wait_until_async(lambda: second.service.replica.seq == 4, what="the updates")

    if way == "query":
        connection = await dial(second.port, path=f"/?cursor={cursor}")
    else:
        connection = await dial(second.port, token=None)
        await connection.send(json.dumps({"type": "hello", "data": {"token": TOKEN, "resume": cursor}}))
    async with connection:
        messages = [await receive(connection) for _ in range(5)]
    assert [message["type"] for message in messages] == [
        "connected",
        "pane_update",
        "session_update",
        "pane_update",
        "synced",
    ]
    assert messages[0]["data"]["resumed"] is True
    assert messages[2]["data"]["session"]["prompt"] == "second"
    assert [message["seq"] for message in messages[1:4]] == [1, 3, 4]
    assert messages[4]["data"]["seq"] == 4


async def test_one_from_another_life_of_core_gets_a_snapshot(core: CoreSide, start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    cursor = await cursor_of(gateway.port)
    core.restart("epoch2")
    await wait_until_async(lambda: gateway.service.replica.epoch == "epoch2", what="the new epoch")

    async with await dial(gateway.port, path=f"/?cursor={cursor}") as connection:
        messages = [await receive(connection) for _ in OPEN_SEQUENCE]
    assert [message["type"] for message in messages] == OPEN_SEQUENCE
    assert (messages[0]["data"]["resumed"], messages[0]["data"]["why"]) == (False, "epoch")
