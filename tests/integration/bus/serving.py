"""A server in a thread of its own, as core is a process of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.bus import Bus, Incoming, Server, wait_readable
from services.contract.requests import Beat, Taken
from services.process.clock import now_ms


def echo(server: Server, incoming: Incoming) -> None:
    """Answer a `Beat` with its own instance, so that every answer can be told from the others."""
    assert isinstance(incoming.request, Beat)
    server.reply(incoming, Taken(epoch=incoming.request.instance))


def beat(instance: str = "i") -> Beat:
    """A small request."""
    return Beat(service="ws", instance=instance, pid=1, interval_s=1.0)


@contextmanager
def serving(address: str, answer: Callable[[Server, Incoming], None] = echo) -> Iterator[Server]:
    """Serve in a thread. Read the server's counters only."""
    ready, stop = threading.Event(), threading.Event()
    servers: list[Server] = []
    failures: list[BaseException] = []

    def run() -> None:
        with Bus() as bus:
            server = Server(bus, address)
            servers.append(server)
            ready.set()
            try:
                while not stop.is_set():
                    wait_readable(server, [], 0.02)
                    for incoming in server.receive(now_ms()):
                        answer(server, incoming)
            except BaseException as exc:  # noqa: BLE001 - given to the test below
                failures.append(exc)
            finally:
                server.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30), "the server did not start"
    try:
        yield servers[0]
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]
