import asyncio
import os
import stat
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import zmq

from services.bus import Bus, Client, Server
from services.bus.sockets import HEARTBEAT_MS, LINGER_MS, MAX_MESSAGE_BYTES, RECONNECT_MAX_MS
from services.contract.requests import Taken
from tests.integration.bus.serving import beat, serving


def in_a_forked_child(work: Callable[[], None]) -> bool:
    """Whether `work` ended well in a forked child."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child must end here, whatever it was
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


async def ask(bus: Bus, address: str, instance: str) -> str:
    client = Client(bus, address)
    try:
        return (await client.request(beat(instance), Taken, 10)).epoch
    finally:
        client.close()


def test_a_bus_refuses_to_be_used_after_a_fork(bus: Bus) -> None:
    def use() -> None:
        with pytest.raises(AssertionError, match="cannot cross a fork"):
            bus.socket(zmq.DEALER, 1)

    assert in_a_forked_child(use)


def test_a_child_that_leaves_its_parents_bus_does_not_harm_it(address: str) -> None:
    async def use(bus: Bus) -> str:
        client = Client(bus, address)
        before = (await client.request(beat("before"), Taken, 10)).epoch
        assert in_a_forked_child(bus.close)
        after = (await client.request(beat("after"), Taken, 10)).epoch
        client.close()
        return before + after

    with serving(address), Bus() as bus:
        assert asyncio.run(use(bus)) == "beforeafter"


def test_a_new_bus_in_a_forked_child_works_while_the_parents_goes_on(bus: Bus, address: str) -> None:
    def use_a_new_one() -> None:
        with Bus() as fresh:
            assert asyncio.run(ask(fresh, address, "child")) == "child"

    with serving(address):
        assert asyncio.run(ask(bus, address, "parent")) == "parent"
        assert in_a_forked_child(use_a_new_one)
        assert asyncio.run(ask(bus, address, "parent")) == "parent"


def test_only_the_owner_can_reach_a_socket(bus: Bus, address: str) -> None:
    before = os.umask(0)
    try:
        server = Server(bus, address)
        assert os.umask(0) == 0, "bind must give the umask back"
    finally:
        os.umask(before)

    assert stat.S_IMODE(Path(address.removeprefix("ipc://")).stat().st_mode) == 0o600
    server.close()


def test_every_limit_is_set(bus: Bus) -> None:
    socket = bus.socket(zmq.DEALER, 7)

    assert socket.getsockopt(zmq.SNDHWM) == socket.getsockopt(zmq.RCVHWM) == 7
    assert socket.getsockopt(zmq.LINGER) == LINGER_MS
    assert socket.getsockopt(zmq.MAXMSGSIZE) == MAX_MESSAGE_BYTES
    assert socket.getsockopt(zmq.HEARTBEAT_IVL) == HEARTBEAT_MS
    assert socket.getsockopt(zmq.RECONNECT_IVL_MAX) == RECONNECT_MAX_MS
    socket.close()


def test_closing_with_unsent_messages_ends_within_the_linger_time(address: str) -> None:
    bus = Bus()
    reader = bus.socket(zmq.ROUTER, 1)
    reader.bind(address)  # Never reads.
    writer = bus.socket(zmq.DEALER, 1_000)
    writer.connect(address)
    for _ in range(100):
        writer.send(b"x" * 100_000, zmq.DONTWAIT)
    writer.close()

    started = time.monotonic()
    bus.close()

    assert time.monotonic() - started < LINGER_MS / 1000 + 1.5
    assert reader.closed
