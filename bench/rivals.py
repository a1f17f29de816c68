"""The fan-out of `fanout` through other servers, each only where it is installed.

The same messages, clients and bursts; what counts is the CPU time of the server's process, its kernel calls included.
For a rival that is also the reading of what it is to send, which costs little beside 200 writes.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from bench.fanout import BURSTS, CLIENTS, MESSAGE_BYTES, MESSAGES, handshake, open_readers
from bench.tmux import Row
from tests.e2e.stack import free_port
from tests.waiting import wait_until

COUNT: Final = CLIENTS[0]
WARM_UP: Final = MESSAGES // 4
"""Of the messages before it counts: V8 compiles what it sees often."""
WITHIN_S: Final = 30.0
SCRIPT: Final = Path(__file__).with_name("rival_ws.mjs")
NOT_INSTALLED: Final = "not installed"
SUBJECT: Final = "q"
SUBSCRIPTION: Final = "1"


def rival_rows() -> list[Row]:
    """All measurements."""
    return [*_nats_rows(), *_ws_rows()]


def _nats_rows() -> list[Row]:
    program = shutil.which("nats-server", path=os.defpath + os.pathsep + "/usr/sbin" + os.pathsep + os.environ["PATH"])
    if program is None:
        return [Row("nats-server", NOT_INSTALLED, "")]
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    name = said.strip().replace(":", "")
    body = b"x" * MESSAGE_BYTES
    published = b"PUB %s %d\r\n%s\r\n" % (SUBJECT.encode(), MESSAGE_BYTES, body)
    received = b"MSG %s %s %d\r\n%s\r\n" % (SUBJECT.encode(), SUBSCRIPTION.encode(), MESSAGE_BYTES, body)
    hello = b'CONNECT {"verbose":false}\r\n'
    subscribe = f"SUB {SUBJECT} {SUBSCRIPTION}\r\n".encode()
    port = free_port()
    with _running([program, "-a", "127.0.0.1", "-p", str(port)]) as server:
        wait_until(lambda: _answers(port), WITHIN_S, "nats-server")
        with _Readers(port, hello + subscribe + b"PING\r\n", b"PONG\r\n") as readers, _connected(port) as feed:
            feed.sendall(hello)
            return list(_Rival(name, server.pid, feed, published, len(received), readers).rows())


def _ws_rows() -> list[Row]:
    node = shutil.which("node")
    if node is None:
        return [Row("ws of npm", NOT_INSTALLED, "")]
    with _running([node, str(SCRIPT), str(MESSAGE_BYTES)]) as server:
        said = server.stdout.readline().decode().split() if server.stdout else []
        if not said:
            return [Row("ws of npm", NOT_INSTALLED, "")]
        version, port, feed_port = said[0], int(said[1]), int(said[2])
        with _Readers(port, handshake(port), b"\r\n\r\n") as readers, _connected(feed_port) as feed:
            name = f"ws {version} of npm"
            return list(_Rival(name, server.pid, feed, b"x" * MESSAGE_BYTES, MESSAGE_BYTES + 4, readers).rows())


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _connected(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _answers(port: int) -> bool:
    with suppress(OSError), _connected(port):
        return True
    return False


class _Readers:
    """The clients. They read in this process: its CPU time does not count."""

    def __init__(self, port: int, greeting: bytes, answer: bytes) -> None:
        """Each has been answered when this returns."""
        self._room = bytearray(1 << 20)
        self._selector = open_readers(port, COUNT, greeting)
        self._sockets: list[socket.socket] = []
        for key in self._selector.get_map().values():
            if isinstance(key.fileobj, socket.socket):
                self._sockets.append(key.fileobj)
        for one in self._sockets:
            one.settimeout(WITHIN_S)
            heard = b""
            while not heard.endswith(answer):
                heard += one.recv(1 << 16)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for one in self._sockets:
            one.close()

    def read(self, size: int) -> None:
        """Wait until all of them together have had so many bytes more; a few that nats-server pings with count, too.

        Raises:
            AssertionError: they did not come.
        """
        while size > 0:
            ready = self._selector.select(WITHIN_S)
            for key, _ in ready:
                if isinstance(key.fileobj, socket.socket):
                    size -= key.fileobj.recv_into(self._room)
            if not ready:
                raise AssertionError(f"{size} bytes are missing")


class _Rival(NamedTuple):
    name: str
    pid: int
    feed: socket.socket
    message: bytes
    """As the feed takes it."""
    size: int
    """What one message has as a client gets it, bytes."""
    readers: _Readers

    def rows(self) -> Iterator[Row]:
        """One for each size of burst."""
        for burst in BURSTS:
            self._send(burst, WARM_UP)
            before = _cpu_s(self.pid)
            sent = self._send(burst, MESSAGES)
            rate = sent / (_cpu_s(self.pid) - before)
            what = f"{self.name}: fan-out to {COUNT} clients, bursts of {burst}, {MESSAGE_BYTES} bytes"
            yield Row(what, f"{rate:,.0f} messages/s/core", "")

    def _send(self, burst: int, total: int) -> int:
        """Burst by burst, the next when all have the last; how many messages, over all clients."""
        sent = 0
        while sent < total:
            self.feed.sendall(self.message * burst)
            self.readers.read(burst * COUNT * self.size)
            sent += burst * COUNT
        return sent


def _cpu_s(pid: int) -> float:
    """What a process has had of the processor, of all its threads, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9
