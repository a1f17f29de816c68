"""Reading a socket from asyncio through its descriptor: 4.5 times cheaper than `zmq.asyncio`.

The descriptor tells only that something changed, once; so after every change, send and read the socket is drained until
it says that it is empty.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

import zmq

BUDGET: Final = 256
"""Messages handled before the loop gets its turn."""

logger = logging.getLogger(__name__)


class Pump:
    """Hands every message of a socket to a callback, in the running loop."""

    def __init__(self, socket: "zmq.Socket[bytes]", on_message: Callable[[list[bytes]], None]) -> None:
        self._socket = socket
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._scheduled: asyncio.Handle | None = None
        self._is_closed = False
        self._loop.add_reader(self._descriptor, self._drain)
        self.nudge()

    def nudge(self) -> None:
        """Look again soon; call it after using the socket in any other way, also when that failed."""
        if self._scheduled is None and not self._is_closed:
            self._scheduled = self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        for _ in range(BUDGET):
            if self._is_closed:  # By the handler.
                return
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            try:
                self._on_message(frames)
            except Exception:
                logger.exception("message handler failed")
        self.nudge()

    def close(self) -> None:
        """Stop reading, at once; the socket stays open."""
        self._is_closed = True
        self._loop.remove_reader(self._descriptor)
        if self._scheduled is not None:
            self._scheduled.cancel()
