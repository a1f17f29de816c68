"""What slow, vanished and hostile clients get, and that others do not notice: real sockets, real bus."""

import asyncio
import contextlib
import gc
import json
import os
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from services.contract.commands import MAX_CLIENT_MESSAGE_BYTES, CloseCode
from services.contract.entities import KeptEvent, StatusName
from services.contract.settings import Settings
from services.contract.updates import Attention, EventKept, Message, PaneRemoved, PaneUpdate, SessionUpdate
from services.ws.client import Client
from services.ws.gateway import RECONNECT_SPREAD_MS
from services.ws.link import Link
from tests.integration.ws.conftest import JoinClient, Running, StartGateway
from tests.integration.ws.core_side import CoreSide, make_pane, make_session
from tests.integration.ws.plain_client import TOKEN, close_code, dial, dial_deaf, receive, receive_until
from tests.waiting import wait_until_async

KIB: Final = 1024
RECEIVE_BYTES: Final = 16 * KIB
KERNEL_BYTES: Final = 128 * KIB
"""What the two sockets may hold between them; in truth it is far less."""


def event(number: int) -> EventKept:
    kept = KeptEvent(seq=number, id=str(number), received_at=1, name="n", session_id=None, pane_id=None, payload=None)
    return EventKept(event=kept)


def session(key: str, number: int, size: int = 0) -> SessionUpdate:
    return SessionUpdate(session=make_session(key, f"{number} {'x' * size}"))


class Reader:
    """A client that takes as many bytes as it is told to, and no more."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._rest = bytearray()
        self._is_open = False
        self.read_bytes = 0
        self.messages: list[dict[str, Any]] = []
        self.places: list[int] = []
        """Of each message, how many bytes were read when it was whole."""
        self.closed: int | None = None

    def take(self, at_most: int = 64 * KIB) -> int:
        """Read what is there."""
        try:
            data = self._raw.recv(at_most)
        except BlockingIOError:
            return 0
        self.read_bytes += len(data)
        self._rest += data
        if not self._is_open:
            head, found, rest = self._rest.partition(b"\r\n\r\n")
            self._is_open = bool(found)
            self._rest = rest if found else head
        while self._is_open and self._take_frame():
            pass
        return len(data)

    def _take_frame(self) -> bool:
        if len(self._rest) < 2:
            return False
        size, start = self._rest[1], 2
        if size >= 126:
            start += 2 if size == 126 else 8
            if len(self._rest) < start:
                return False
            size = int.from_bytes(self._rest[2:start], "big")
        if len(self._rest) < start + size:
            return False
        opcode, payload = self._rest[0] & 15, bytes(self._rest[start : start + size])
        del self._rest[: start + size]
        if opcode == 1:
            self.messages.append(msgspec.json.decode(payload))
            self.places.append(self.read_bytes - len(self._rest))
        elif opcode == 8:
            self.closed = int.from_bytes(payload[:2], "big")
        return True

    async def take_until(self, kind: str, deadline_s: float = 20) -> None:
        def came() -> bool:
            self.take()
            return any(message["type"] == kind for message in self.messages)

        await wait_until_async(came, deadline_s, what=kind)

    def ping(self) -> None:
        with contextlib.suppress(OSError):
            self._raw.send(b"\x89\x80\x00\x00\x00\x00")

    def lagged(self) -> dict[str, Any]:
        """What it was told last of what it missed."""
        data: dict[str, Any] = [one["data"] for one in self.messages if one["type"] == "lagged"][-1]
        return data

    def updates(self, kind: str = "") -> list[dict[str, Any]]:
        return [one for one in self.messages if "seq" in one and kind in ("", one["type"])]

    def prompts(self) -> dict[str, str]:
        """Of each session the last prompt."""
        return {
            one["data"]["session"]["id"]: one["data"]["session"]["prompt"] for one in self.updates("session_update")
        }


ReadSlowly = Callable[[int], Awaitable[Reader]]


@pytest.fixture
async def read_slowly() -> AsyncIterator[ReadSlowly]:
    """Connect a client that reads when it is told to."""
    raws: list[socket.socket] = []

    async def join(port: int) -> Reader:
        raws.append(await dial_deaf(port))
        raws[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        return Reader(raws[-1])

    yield join
    for raw in raws:
        raw.close()


def living_clients() -> int:
    """Objects of clients that nothing but the collector could free are freed."""
    gc.collect()
    return sum(type(one) is Client for one in gc.get_objects())


async def attend(running: Running, reader: Reader) -> tuple[Client, Link]:
    """The reader's other side, once it has its snapshot."""
    await reader.take_until("synced")
    (client,) = running.service.gateway.hub.clients
    (link,) = running.service.gateway.links()
    return client, link


async def stall(core: CoreSide, client: Client, *keys: str, size: int = 1_000) -> int:
    """Publish sessions until the client, which does not read, is paused; how many."""
    published = 0
    while not client.is_paused:
        assert published < 2_000
        messages = [session(key, published, size) for key in keys]
        core.publish(*messages)
        published += len(messages)
        await asyncio.sleep(0)
    return published


def in_a_row(updates: Sequence[dict[str, Any]]) -> int:
    """How many come from the first on without a jump."""
    first = updates[0]["seq"]
    return next((n for n, one in enumerate(updates) if one["seq"] != first + n), len(updates))


# Slow ones.


async def test_who_did_not_read_gets_each_key_as_it_is_now_and_is_told_exactly_what_it_missed(
    core: CoreSide, start_gateway: StartGateway, read_slowly: ReadSlowly
) -> None:
    gateway = await start_gateway()
    reader = await read_slowly(gateway.port)
    client, _ = await attend(gateway, reader)
    keys = [f"k{n}" for n in range(20)]
    normal, low = await stall(core, client, "hot", *keys), 0
    for number in range(100):
        core.publish(*(session("hot", number * 20 + n, 200) for n in range(20)), session(keys[number % 20], number))
        core.publish(event(number))
        normal, low = normal + 21, low + 1
    await wait_until_async(lambda: gateway.service.replica.seq == core.seq, what="the gateway to have it all")
    began = reader.read_bytes
    await reader.take_until("lagged")

    updates = reader.updates("session_update")
    newest = next(
        n
        for n, one in enumerate(reader.messages)
        if one["type"] == "session_update" and one["data"]["session"]["prompt"].startswith("1999 ")
    )
    stale = reader.places[newest] - began
    assert stale < 400 * KIB
    row = in_a_row(reader.updates())
    backlog = Counter(one["data"]["session"]["id"] for one in updates[row:])
    assert backlog == dict.fromkeys(("hot", *keys), 1)
    lagged = reader.lagged()
    assert lagged["upto"] == core.seq
    assert lagged["replaced"] + len(updates) == normal
    assert lagged["dropped"] + len(reader.updates("event")) == low
    snapshot = gateway.service.replica._sessions
    assert reader.prompts() == {key: one.prompt for key, one in snapshot.items()}
    assert (client.dropped, client.replaced) == (lagged["dropped"], lagged["replaced"])
    core.publish(event(1))
    await wait_until_async(lambda: reader.take() and reader.updates()[-1]["seq"] == core.seq, what="the next update")
    print(f"{normal} normal: {row} older ones, {len(backlog)} newest ones, {stale} bytes before the newest; {lagged}")


async def test_it_is_paused_over_the_high_mark_until_it_is_under_the_low_one(
    core: CoreSide, start_gateway: StartGateway, read_slowly: ReadSlowly
) -> None:
    gateway = await start_gateway()
    reader = await read_slowly(gateway.port)
    client, link = await attend(gateway, reader)
    samples: list[int] = []
    for pauses in (1, 2, 3):
        await stall(core, client, "a", "b", size=500)
        assert client.pauses == pauses
        assert 64 * KIB < link.unsent_bytes < 64 * KIB + KERNEL_BYTES

        def follows() -> bool:
            assert not client.is_paused or link.unsent_bytes > 16 * KIB
            samples.append(link.unsent_bytes if client.is_paused else 0)
            reader.take(2 * KIB)
            return client.pace.is_following and not client.is_paused

        await wait_until_async(follows, 20, what="it to follow again")
        assert link.unsent_bytes < 64 * KIB
        assert client.pauses == pauses, "no flapping"
        await wait_until_async(lambda: not reader.take() and not link.unsent_bytes, what="it to have it all")
    held = sorted(sample for sample in samples if sample)
    assert held[0] < 64 * KIB, "under the high mark, and still paused"
    print(f"paused at {held[0]} to {held[-1]} bytes, {len(held)} samples")
    assert gateway.service.figures()["pauses_total"] == 3


async def test_what_must_be_sent_all_comes_in_order_after_a_pause(
    core: CoreSide, start_gateway: StartGateway, read_slowly: ReadSlowly
) -> None:
    gateway = await start_gateway()
    reader = await read_slowly(gateway.port)
    client, _ = await attend(gateway, reader)
    await stall(core, client, "a", "b")
    for start in range(0, 1_000, 50):
        alarms = [
            Attention(session_id="a", pane_id=None, status=StatusName.WAITING, reason=f"{number:0100}")
            for number in range(start, start + 50)
        ]
        core.publish(*alarms, event(start), session("a", start))
    await wait_until_async(lambda: gateway.service.replica.seq == core.seq, what="the gateway to have it all")
    waiting = client.pace.waiting_bytes
    assert 200_000 < waiting < 1024 * KIB
    await reader.take_until("lagged")

    assert [int(one["data"]["reason"]) for one in reader.updates("attention")] == list(range(1_000))
    first = next(n for n, one in enumerate(reader.messages) if one["type"] == "attention")
    after = [one["type"] for one in reader.messages[first:]]
    assert after[:1_000] == ["attention"] * 1_000
    assert set(after[1_000:]) - {"cursor"} == {"session_update", "lagged"}
    assert reader.lagged()["dropped"] == 20
    print(f"{waiting} bytes waited; {reader.lagged()}")


async def test_a_slow_reader_under_a_feed_that_is_faster_stays_and_no_key_starves(
    settings: Settings, core: CoreSide, start_gateway: StartGateway, read_slowly: ReadSlowly
) -> None:
    own = msgspec.structs.replace(settings, ws_pause_bytes=16 * KIB, ws_resume_bytes=4 * KIB)
    gateway = await start_gateway(own)
    reader = await read_slowly(gateway.port)
    client, link = await attend(gateway, reader)
    keys = [f"k{n}" for n in range(30)]

    def changes(turn: int) -> Sequence[Message]:
        return session("hot", turn, 300), session(keys[turn % len(keys)], turn, 300), event(turn)

    core.load(changes)
    end = time.monotonic() + 6
    while time.monotonic() < end:
        await asyncio.sleep(0.05)
        reader.take(1_500)
    core.load(None)
    slow_bytes, published = reader.read_bytes, core.seq
    assert client in gateway.service.gateway.hub.clients
    assert reader.closed is None
    assert client.pauses >= 1, "else it was not slower than the feed"

    def has_it_all() -> bool:
        newest = {key: one.prompt for key, one in gateway.service.replica._sessions.items()}
        is_sent = reader.take() == 0 and client.pace.is_following and link.unsent_bytes == 0
        return is_sent and reader.prompts() == newest

    await wait_until_async(has_it_all, 20, what="it to have it all")
    size = max(len(msgspec.json.encode(one)) for one in reader.updates("session_update")) + 10
    bound = 2 * (len(keys) + 1) * size + 2 * 16 * KIB + KERNEL_BYTES
    last: dict[str, int] = {}
    gaps: Counter[str] = Counter()
    for place, one in zip(reader.places, reader.messages, strict=True):
        if one["type"] == "session_update":
            key = one["data"]["session"]["id"]
            gaps[key] = max(gaps[key], place - last.get(key, 0))
            last[key] = place
    assert set(last) == {"hot", *keys}
    longest = max(*gaps.values(), *(reader.read_bytes - place for place in last.values()))
    assert longest < bound
    print(f"{published} updates; read {slow_bytes} bytes slowly; longest {longest} bytes between two of a key")


# Vanished ones.


@pytest.fixture
def swift(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A gateway that looks often, and gives up soon on who takes nothing."""
    monkeypatch.setattr("services.ws.client.STUCK_S", 0.5)
    return msgspec.structs.replace(settings, heartbeat_s=0.4)


@pytest.mark.parametrize("pings", [False, True], ids=["silent", "it sends pings"])
async def test_who_takes_nothing_at_all_is_cut_off_and_nothing_of_it_stays(
    core: CoreSide, start_gateway: StartGateway, swift: Settings, read_slowly: ReadSlowly, *, pings: bool
) -> None:
    own = msgspec.structs.replace(swift, heartbeat_s=30.0) if pings else swift
    gateway = await start_gateway(own)
    tasks, hub = len(asyncio.all_tasks()), gateway.service.gateway.hub
    reader = await read_slowly(gateway.port)
    client, _ = await attend(gateway, reader)
    await stall(core, client, "a", "b")
    del client, _

    def is_gone() -> bool:
        if pings and hub.clients:
            reader.ping()
        return not hub.clients

    await wait_until_async(is_gone, what="it to be cut off")
    await wait_until_async(lambda: not gateway.service.gateway.links(), what="its connection to be gone")
    await wait_until_async(lambda: len(asyncio.all_tasks()) == tasks, what="its tasks to be gone")
    await wait_until_async(lambda: not living_clients(), what="its memory to be free")
    assert gateway.service.figures()["buffered_bytes"] == 0


async def test_500_that_come_and_go_leave_nothing_behind(core: CoreSide, start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    hub = gateway.service.gateway.hub

    async def come_and_go(number: int) -> None:
        if number % 2:
            raw = await dial_deaf(gateway.port)
            raw.close()
            return
        connection = await dial(gateway.port)
        await receive(connection)
        if number % 4:
            connection.transport.abort()
        else:
            await connection.close()

    await come_and_go(0)
    await wait_until_async(lambda: not gateway.service.gateway.links(), what="the first to be gone")
    tasks, files = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are enough
    for start in range(0, 500, 20):
        await asyncio.gather(*(come_and_go(start + n) for n in range(20)))
        core.publish(session("a", start))
    await wait_until_async(lambda: not hub.clients and not gateway.service.gateway.links(), what="all to be gone")
    await wait_until_async(lambda: len(asyncio.all_tasks()) <= tasks, what="their tasks to be gone")
    await wait_until_async(lambda: len(os.listdir("/proc/self/fd")) <= files, what="their files")  # noqa: PTH208
    await wait_until_async(lambda: not living_clients(), what="their memory to be free")


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("how", ["header", "hello"])
async def test_the_headers_of_a_client_do_not_stay_in_memory(start_gateway: StartGateway, how: str) -> None:
    gateway = await start_gateway()
    connection = await dial(gateway.port, token=TOKEN if how == "header" else None)
    if how == "hello":
        await connection.send(json.dumps({"type": "hello", "data": {"token": TOKEN}}))
    await receive(connection)

    (link,) = gateway.service.gateway.links()
    assert link.request is not None
    assert (list(link.request.headers), link.response) == ([], None)
    await connection.send('{"type": "ping", "data": 1}')
    await receive_until(connection, "pong")
    await connection.close()
    assert connection.close_code == 1000


# Those who join amid a feed.

PANES_LIVE: Final = 25


def births_and_deaths(turn: int) -> Sequence[Message]:
    """Four updates: a pane is born and named, one changes, and the oldest is gone for ever."""
    return (
        PaneUpdate(pane=make_pane(f"%{turn}", "born")),
        PaneUpdate(pane=make_pane(f"%{turn}", f"{turn} named")),
        PaneUpdate(pane=make_pane("%0", str(turn))),
        PaneRemoved(pane_id=f"%{turn - PANES_LIVE}") if turn > PANES_LIVE else PaneRemoved(pane_id="%none"),
    )


def panes_at(seq: int) -> dict[str, str]:
    """The titles as they are after an update of that feed."""
    turns, more = divmod(seq, 4)
    panes = {f"%{turn}": f"{turn} named" for turn in range(max(1, turns - PANES_LIVE + 1), turns + 1)}
    if turns:
        panes["%0"] = str(turns)
    for message in births_and_deaths(turns + 1)[:more]:
        assert isinstance(message, PaneUpdate)
        panes[message.pane.id] = message.pane.title
    return panes


async def test_200_that_join_amid_1000_updates_a_second_have_the_truth_at_every_step(
    core: CoreSide, start_gateway: StartGateway
) -> None:
    gateway = await start_gateway()
    core.load(births_and_deaths)
    await wait_until_async(lambda: gateway.service.replica.seq > 4 * PANES_LIVE, what="the feed")

    async def join_and_check() -> int:
        panes: dict[str, str] = {}
        seq = checked = 0
        async with await dial(gateway.port) as connection:
            while checked < 40:
                message = await receive(connection)
                data = message["data"]
                match message["type"]:
                    case "windows":
                        panes = {pane["id"]: pane["title"] for pane in data["panes"]}
                    case "synced":
                        seq = data["seq"]
                        assert panes == panes_at(seq)
                    case "pane_update":
                        panes[data["pane"]["id"]] = data["pane"]["title"]
                    case "pane_removed":
                        panes.pop(data["pane_id"], None)
                    case _:
                        pass
                if "seq" in message:
                    assert message["seq"] == seq + 1, "no gap, and none twice"
                    seq, checked = seq + 1, checked + 1
                    assert panes == panes_at(seq)
        return checked

    began, first = time.monotonic(), core.seq
    checked = 0
    for _ in range(20):
        checked += sum(await asyncio.gather(*(join_and_check() for _ in range(10))))
    took, published = time.monotonic() - began, core.seq - first
    core.load(None)
    print(f"200 joins, {checked} states true, {published} updates in {took:.1f} s")


# The end of a gateway.


async def test_200_clients_of_a_gateway_that_stops_go_on_at_another(
    core: CoreSide, start_gateway: StartGateway
) -> None:
    first, second = await start_gateway(), await start_gateway()
    connections = [await dial(first.port) for _ in range(200)]
    for connection in connections:
        await receive_until(connection, "synced")
    core.publish(PaneUpdate(pane=make_pane("%1", "before")))
    await wait_until_async(lambda: first.service.replica.seq == second.service.replica.seq == 1, what="the update")
    first.stop.set()
    told = [(await receive_until(connection, "draining"))["data"] for connection in connections]
    for connection in connections:
        assert await close_code(connection) == CloseCode.RESTART
    core.publish(PaneUpdate(pane=make_pane("%1", "meanwhile")), event(1), PaneUpdate(pane=make_pane("%1", "after")))
    await wait_until_async(lambda: second.service.replica.seq == core.seq, what="the updates")
    delays = [one["reconnect_in_ms"] for one in told]
    assert all(0 <= delay < RECONNECT_SPREAD_MS for delay in delays)
    assert max(delays) - min(delays) > RECONNECT_SPREAD_MS / 2
    assert len(set(delays)) > 100

    async def come_back(cursor: str) -> list[Any]:
        async with await dial(second.port, path=f"/?cursor={cursor}") as connection:
            messages = [await receive(connection) for _ in range(4)]
        assert messages[0]["data"]["resumed"] is True
        return [message.get("seq") or message["type"] for message in messages]

    for start in range(0, 200, 20):
        streams = await asyncio.gather(*(come_back(one["cursor"]) for one in told[start : start + 20]))
        assert streams == [["connected", 2, 4, "synced"]] * 20
    assert second.service.figures()["resumed_total"] == 200
    print(f"delays {min(delays)} to {max(delays)} ms")


# Hostile ones.


@pytest.mark.usefixtures("core")
async def test_a_handshake_that_does_not_end_is_ended(
    start_gateway: StartGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ws.gateway.OPEN_WITHIN_S", 0.3)
    gateway = await start_gateway()
    loop = asyncio.get_running_loop()
    raw = socket.socket()
    raw.setblocking(False)
    await loop.sock_connect(raw, ("127.0.0.1", gateway.port))
    await loop.sock_sendall(raw, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")

    async def trickle() -> None:
        while True:
            await loop.sock_sendall(raw, b"x")
            await asyncio.sleep(0.05)

    with pytest.raises(ConnectionError):
        await asyncio.wait_for(trickle(), 30)
    raw.close()
    await wait_until_async(lambda: not gateway.service.gateway.links(), what="it to be gone")


@pytest.mark.usefixtures("core")
async def test_a_cursor_that_was_made_up_leads_to_a_snapshot(start_gateway: StartGateway) -> None:
    gateway = await start_gateway()
    async with await dial(gateway.port) as connection:
        cursor = str((await receive_until(connection, "synced"))["data"]["cursor"])
    forged = ("A" if cursor[0] != "A" else "B") + cursor[1:]
    for bad in (forged, "x", "%00", "A" * 4_000, cursor + cursor):
        async with await dial(gateway.port, path=f"/?cursor={bad}") as connection:
            connected = (await receive(connection))["data"]
            assert (connected["resumed"], connected["why"]) == (False, "unknown")
            await receive_until(connection, "synced")


async def test_who_behaves_does_not_notice_who_does_not(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway(auth_timeout_s=0.3)
    witnesses = [await join(gateway.port) for _ in range(3)]

    def changes(turn: int) -> Sequence[Message]:
        return (PaneUpdate(pane=make_pane(f"%{turn % 10}", str(turn))), event(turn))

    core.load(changes)

    async def say(message: str | bytes, *, times: int = 1, text: bool | None = None) -> int | None:
        connection = await dial(gateway.port)
        for _ in range(times):
            await connection.send(message, text=text)
        return await close_code(connection)

    async def mute() -> int | None:
        return await close_code(await dial(gateway.port, token=None))

    async def foreign() -> int | None:
        with pytest.raises(InvalidStatus) as caught:
            await dial(gateway.port, headers={"Origin": "http://evil.example"})
        return caught.value.response.status_code

    async def flood() -> int | None:
        connection = await dial(gateway.port)
        sending = [asyncio.create_task(connection.send('{"type":"ping"}')) for _ in range(1_000)]
        code = await close_code(connection)
        await asyncio.gather(*sending, return_exceptions=True)
        return code

    async def odd() -> int | None:
        async with await dial(gateway.port) as connection:
            for message in (b"\x00\x01", '{"type":"dance"}', json.dumps({"type": "hello", "data": {"token": TOKEN}})):
                await connection.send(message)
                await receive_until(connection, "error")
        return None

    async def half() -> int | None:
        raw = await dial_deaf(gateway.port)
        await asyncio.get_running_loop().sock_sendall(raw, b"\x81\xfe\xff\xff")
        raw.close()
        return None

    codes = await asyncio.gather(
        mute(),
        foreign(),
        say("x" * KIB * KIB),
        say(b"\xff", text=True),
        flood(),
        odd(),
        half(),
        say("x" * (MAX_CLIENT_MESSAGE_BYTES + 1)),
    )
    assert codes == [CloseCode.UNAUTHORIZED, 403, 1009, 1007, CloseCode.TOO_MANY, None, None, 1009]
    core.load(None)
    await wait_until_async(lambda: all(one.is_at("epoch1", core.seq) for one in witnesses), what="the last update")
    assert core.seq > 20
    assert all(one.panes == core.panes() for one in witnesses)
    assert all(one.updates == core.seq and len(one.syncs) == 1 for one in witnesses)
    await wait_until_async(lambda: gateway.service.figures()["clients"] == 3, what="the others to be gone")
