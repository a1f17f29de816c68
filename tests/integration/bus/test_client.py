import asyncio
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import zmq

from services.bus import Bus, Client, Incoming, Server, UnavailableError
from services.bus.server import OK
from services.bus.sockets import REQUESTS_HWM
from services.contract import codec
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.orders import LookSoon
from services.contract.requests import Beat, Listing, Taken
from services.process.clock import now_ms
from tests.integration.bus.serving import beat, echo, serving
from tests.metronome import Metronome
from tests.waiting import wait_until, wait_until_async

SERVER = """
import sys
from services.bus import Bus, Server, wait_readable
from tests.integration.bus.serving import echo
from services.process.clock import now_ms

with Bus() as bus:
    server = Server(bus, sys.argv[1])
    print("ready", flush=True)
    while True:
        wait_readable(server, [], 1)
        for incoming in server.receive(now_ms()):
            echo(server, incoming)
"""


@contextmanager
def server_process(address: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen([sys.executable, "-c", SERVER, address], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@contextmanager
def asking(bus: Bus, address: str, on_order: Callable[[bytes], None] | None = None) -> Iterator[Client]:
    client = Client(bus, address, on_order)
    try:
        yield client
    finally:
        client.close()


async def test_an_answer_comes_back(bus: Bus, address: str) -> None:
    with serving(address), asking(bus, address) as client:
        assert await client.request(beat("a"), Taken, 5) == Taken(epoch="a")


async def test_an_error_comes_back_as_an_error(bus: Bus, address: str) -> None:
    def refuse(server: Server, incoming: Incoming) -> None:
        server.fail(incoming, Problem(code=ErrorCode.CONFLICT, message="a dialog is open"))

    with (
        serving(address, refuse),
        asking(bus, address) as client,
        pytest.raises(QuestmuxError, match="a dialog is open") as failure,
    ):
        await client.request(beat(), Taken, 5)

    assert failure.value.problem.code is ErrorCode.CONFLICT
    assert not isinstance(failure.value, UnavailableError)


async def test_an_answer_of_another_kind_is_an_internal_error(bus: Bus, address: str) -> None:
    with (
        serving(address),
        asking(bus, address) as client,
        pytest.raises(QuestmuxError, match="cannot be read") as failure,
    ):
        await client.request(beat(), Listing, 5)

    assert failure.value.problem.code is ErrorCode.INTERNAL


async def test_each_of_a_thousand_concurrent_requests_gets_its_own_answer(bus: Bus, address: str) -> None:
    held: list[Incoming] = []

    def answer_in_reverse(server: Server, incoming: Incoming) -> None:
        held.append(incoming)
        if len(held) == 1000:
            for one in reversed(held):
                echo(server, one)

    with serving(address, answer_in_reverse), asking(bus, address) as client:
        answers = await asyncio.gather(*(client.request(beat(str(i)), Taken, 10) for i in range(1000)))

    assert [answer.epoch for answer in answers] == [str(i) for i in range(1000)]


async def test_nobody_there_fails_at_once_when_asked_not_to_wait(bus: Bus, address: str) -> None:
    with asking(bus, address) as client:
        started = time.monotonic()
        with pytest.raises(UnavailableError) as failure:
            await client.request(beat(), Taken, 30, wait=False)

    assert time.monotonic() - started < 10
    assert failure.value.problem.code is ErrorCode.CORE_UNAVAILABLE


async def test_nobody_there_fails_within_the_time_otherwise(bus: Bus, address: str) -> None:
    with asking(bus, address) as client:
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            await client.request(beat(), Taken, 0.2)

    assert 0.2 <= time.monotonic() - started < 10


async def test_a_server_that_comes_within_the_time_is_waited_for(bus: Bus, address: str) -> None:
    with asking(bus, address) as client:
        request = asyncio.create_task(client.request(beat("late"), Taken, 10))
        await asyncio.sleep(0)
        assert not request.done()
        with serving(address):
            assert (await request).epoch == "late"


async def test_a_peer_that_never_answers_is_given_up_in_time(bus: Bus, address: str) -> None:
    with serving(address, lambda _server, _incoming: None), asking(bus, address) as client:
        started = time.monotonic()
        with pytest.raises(UnavailableError, match=r"within 0\.2 s"):
            await client.request(beat(), Taken, 0.2)

    assert time.monotonic() - started < 10


async def test_an_answer_to_one_who_gave_up_is_ignored(
    bus: Bus, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    held: list[Incoming] = []

    def answer_the_first_after_the_second(server: Server, incoming: Incoming) -> None:
        held.append(incoming)
        if len(held) == 2:
            echo(server, held[0])
            echo(server, held[1])

    with serving(address, answer_the_first_after_the_second), asking(bus, address) as client:
        first = asyncio.create_task(client.request(beat("first"), Taken, 30))
        await wait_until_async(lambda: held, what="the first request")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await client.request(beat("second"), Taken, 10)).epoch == "second"

    assert "failed" not in caplog.text


async def test_an_asker_that_is_cancelled_leaves_nothing_behind(bus: Bus, address: str) -> None:
    with serving(address, lambda _server, _incoming: None), asking(bus, address) as client:
        request = asyncio.create_task(client.request(beat(), Taken, 30))
        await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

        assert not client._waiting


async def test_a_killed_server_is_found_again_within_two_seconds(bus: Bus, address: str) -> None:
    with asking(bus, address) as client:
        with server_process(address) as process:
            await client.request(beat(), Taken, 10)
            process.send_signal(signal.SIGKILL)
            process.wait()

        async def fails_at_once() -> bool:
            try:
                await client.request(beat(), Taken, 0.2, wait=False)
            except UnavailableError as exc:
                return "not there" in str(exc)
            return False

        await wait_until_async(fails_at_once, what="the client to notice that the server is gone")
        with pytest.raises(UnavailableError):
            await client.request(beat(), Taken, 0.2)

        with server_process(address), Metronome() as metronome:
            back_at = time.time()
            assert (await client.request(beat("again"), Taken, 10)).epoch == "again"
            assert metronome.given_s(back_at, time.time()) < 2


async def test_a_restarted_client_is_answered(address: str) -> None:
    with serving(address) as server:
        for life in ("first", "second"):
            with Bus() as bus, asking(bus, address) as client:
                assert (await client.request(beat(life), Taken, 10)).epoch == life

    assert server.bad_requests == server.dropped_replies == 0


async def test_a_full_queue_fails_in_time_and_holds_a_bounded_number(bus: Bus, address: str) -> None:
    server = Server(bus, address)  # Does not read.
    with asking(bus, address) as client:
        started = time.monotonic()
        answers = await asyncio.gather(
            *(client.request(beat("x" * 10_000), Taken, 2) for _ in range(3_000)), return_exceptions=True
        )
        assert time.monotonic() - started < 20
        assert all(isinstance(answer, UnavailableError) for answer in answers)
        assert not client._waiting

        with pytest.raises(UnavailableError, match="not there"):
            await client.request(beat(), Taken, 30, wait=False)

        def serves() -> bool:
            for incoming in server.receive(now_ms()):
                echo(server, incoming)
            return last.done()

        last = asyncio.create_task(client.request(beat("last"), Taken, 10))  # Arrives after all that was queued.
        await wait_until_async(serves, what="the server to work off what was queued")
        assert (await last).epoch == "last"
    assert REQUESTS_HWM < server.expired_requests < 2 * REQUESTS_HWM + 200  # Both ends, and what the kernel holds.
    server.close()


async def test_a_request_that_finds_no_room_does_not_hide_anothers_answer(bus: Bus, address: str) -> None:
    """A failed send takes the descriptor's one signal that an answer is there."""
    router = bus.socket(zmq.ROUTER, 1)
    router.bind(address)
    with asking(bus, address) as client:
        waiting = asyncio.create_task(client.request(beat("first"), Taken, 60))
        await wait_until_async(lambda: router.poll(0), what="the first request")
        peer, _, number, *_ = router.recv_multipart()
        refused = 0
        while refused < 20:  # Fill every queue on the way; none is read any more.
            refused = 0 if client._try_send([b"x" * 100_000]) else refused + 1
            await asyncio.sleep(0.001)

        router.send_multipart([peer, number, OK, codec.encode(Taken(epoch="first"))])
        assert select.select([client._pump._descriptor], [], [], 5)[0], "no signal"
        looks_at = time.monotonic() + 0.01  # A send looks at its mailbox at most once in a millisecond.
        wait_until(lambda: time.monotonic() > looks_at)
        with pytest.raises(UnavailableError, match="not there"):
            await client.request(beat("second"), Taken, 60, wait=False)

        assert (await waiting).epoch == "first"
    router.close()


async def test_a_closed_client_cancels_who_waits_and_refuses_who_comes(bus: Bus, address: str) -> None:
    with serving(address, lambda _server, _incoming: None), asking(bus, address) as client:
        asked = asyncio.create_task(client.request(beat(), Taken, 30))
        await wait_until_async(lambda: len(client._waiting) == 1, what="the request to be sent")
        client.close()

        with pytest.raises(asyncio.CancelledError):
            await asked
        with pytest.raises(UnavailableError, match="stopped asking"):
            await client.request(beat(), Taken, 30)


async def test_a_client_closed_while_one_waits_for_a_server_cancels_that_one(bus: Bus, address: str) -> None:
    with asking(bus, address) as client:
        asked = asyncio.create_task(client.request(beat(), Taken, 30))
        await wait_until_async(lambda: len(client._waiting) == 1, what="the request to begin")
        client.close()

        with pytest.raises(asyncio.CancelledError):
            await asked


async def test_the_last_answer_of_a_server_that_parts_is_read(bus: Bus, address: str) -> None:
    is_answered = threading.Event()

    def serve_one() -> None:
        with Bus() as servers_bus:
            server = Server(servers_bus, address)
            (incoming,) = wait_until(lambda: server.receive(now_ms()), what="the request")
            echo(server, incoming)
            is_answered.set()
            server.part()

    thread = threading.Thread(target=serve_one)
    thread.start()
    with asking(bus, address) as client:
        request = asyncio.create_task(client.request(beat("last"), Taken, 10))
        await asyncio.to_thread(is_answered.wait)
        assert (await request).epoch == "last"
    thread.join()


# Orders.


def look(pane_id: str) -> LookSoon:
    return LookSoon(panes=(pane_id,))


def order_and_echo(server: Server, incoming: Incoming) -> None:
    """Order the asker to look at what its request is named by, then answer; and once more, if it is there still."""
    assert isinstance(incoming.request, Beat)
    assert server.order(incoming.peer, look(f"{incoming.request.instance}-before"))
    echo(server, incoming)
    server.order(incoming.peer, look(f"{incoming.request.instance}-after"))


async def test_orders_and_answers_do_not_mix(bus: Bus, address: str) -> None:
    orders: list[bytes] = []
    names = [str(number) for number in range(200)]
    with serving(address, order_and_echo), asking(bus, address, orders.append) as client:
        answers = await asyncio.gather(*(client.request(beat(name), Taken, 10) for name in names))
        await wait_until_async(lambda: len(orders) == 400, what="all orders")

    assert [answer.epoch for answer in answers] == names
    expected = [codec.encode(look(f"{name}-{when}")) for name in names for when in ("before", "after")]
    assert sorted(orders) == sorted(expected)


async def test_an_order_comes_without_being_asked_for(bus: Bus, address: str) -> None:
    orders: list[bytes] = []
    peers: list[Incoming] = []

    def order_the_first(server: Server, incoming: Incoming) -> None:
        peers.append(incoming)
        echo(server, incoming)
        if len(peers) == 2:
            server.order(peers[0].peer, look("%1"))

    with (
        serving(address, order_the_first),
        asking(bus, address, orders.append) as client,
        asking(bus, address) as other,
    ):
        await client.request(beat("first"), Taken, 10)
        await other.request(beat("second"), Taken, 10)
        await wait_until_async(lambda: orders, what="the order")

    assert [codec.decode_order(body) for body in orders] == [look("%1")]


async def test_a_client_that_takes_no_orders_drops_them(
    bus: Bus, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(address, order_and_echo), asking(bus, address) as client:
        for name in ("a", "b"):
            assert (await client.request(beat(name), Taken, 10)).epoch == name

    assert "failed" not in caplog.text


async def test_an_order_that_its_handler_trips_over_stops_nothing(
    bus: Bus, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    orders: list[bytes] = []

    def take(body: bytes) -> None:
        orders.append(body)
        if len(orders) == 1:
            raise ValueError("bad order")

    with serving(address, order_and_echo), asking(bus, address, take) as client:
        assert (await client.request(beat("a"), Taken, 10)).epoch == "a"
        await wait_until_async(lambda: len(orders) == 2, what="the second order")
        assert (await client.request(beat("b"), Taken, 10)).epoch == "b"

    assert "message handler failed" in caplog.text


def test_measured_round_trips_one_in_flight(bus: Bus, address: str, runner: asyncio.Runner) -> None:
    count = 3_000

    async def ask() -> float:
        with asking(bus, address) as client:
            await client.request(beat(), Taken, 10)
            started = time.perf_counter()
            for _ in range(count):
                await client.request(beat(), Taken, 10)
            return time.perf_counter() - started

    with server_process(address):
        took = runner.run(ask())

    print(f"\n{count / took:,.0f} requests/s, one client, one in flight, {took / count * 1e6:.0f} us each")
