"""The context and every socket's limits. Make a `Bus` after fork, close it in `finally`."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import zmq

REQUESTS_HWM: Final = 1_000
"""Requests and replies that wait for one peer; over it a send fails, it never blocks."""
UPDATES_HWM: Final = 10_000
"""Batches that wait for one subscriber; over it they are dropped, and the subscriber repairs the gap."""
JOIN: Final = b"\xffjoin:"
"""Begins a subscriber's own topic, by which the publisher welcomes it; no update begins so."""
MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
LINGER_MS: Final = 200
"""How long a closing socket tries to get its last messages out."""
HEARTBEAT_MS: Final = 2_000
HEARTBEAT_TIMEOUT_MS: Final = 6_000
RECONNECT_MS: Final = 20
RECONNECT_MAX_MS: Final = 500
"""A restarted peer is found again within this time."""


class AddressTakenError(Exception):
    """Another process serves at this address."""


class Bus:
    """One process's end of the bus."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.setsockopt(zmq.MAX_SOCKETS, 64)

    def socket(self, kind: int, hwm: int) -> zmq.Socket[bytes]:
        """A socket with this house's limits, neither bound nor connected."""
        if os.getpid() != self._pid:
            raise AssertionError("a Bus cannot cross a fork: make it in the process that uses it")
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, LINGER_MS)
        socket.setsockopt(zmq.SNDHWM, hwm)
        socket.setsockopt(zmq.RCVHWM, hwm)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        return socket

    def close(self) -> None:
        """Close what is left and end the context; waits for `LINGER_MS` at the most."""
        self._context.destroy(linger=LINGER_MS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


# Plain integers: pyzmq's own constants are enum members, and joining two of them costs more than sending a frame.
_NOW: Final = int(zmq.DONTWAIT)
_NOW_AND_MORE: Final = int(zmq.DONTWAIT) | int(zmq.SNDMORE)


def send(socket: zmq.Socket[bytes], frames: Sequence[bytes]) -> None:
    """Send one message without waiting.

    Raises:
        zmq.ZMQError: it cannot be sent now; nothing of it was.
    """
    for frame in frames[:-1]:
        socket.send(frame, _NOW_AND_MORE)
    socket.send(frames[-1], _NOW)


def bind(socket: zmq.Socket[bytes], address: str) -> None:
    """Bind, for the owner only; a socket that cannot be bound is closed.

    The caller holds a lock on the address: a second bind to `ipc://` silently steals it.

    Raises:
        AddressTakenError: the address is in use.
    """
    mask = os.umask(0o177)
    try:
        socket.bind(address)
    except zmq.ZMQError as exc:
        socket.close()
        raise AddressTakenError(f"{address}: {exc}") from exc
    finally:
        os.umask(mask)
