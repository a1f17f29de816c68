"""The verb subscribe, for asyncio: frames as they come, with no promise that all come."""

import os
from collections.abc import Callable
from typing import Final

import zmq

from services.bus.pump import Pump
from services.bus.sockets import JOIN, UPDATES_HWM, Bus

JOIN_ID_BYTES: Final = 8


class Subscriber:
    """Hands every frame list of a publisher to a callback. Reconnects by itself; look for gaps.

    The publisher's welcome frame comes first, and again after each reconnect.
    """

    def __init__(self, bus: Bus, address: str, on_frames: Callable[[list[bytes]], None]) -> None:
        self._on_frames = on_frames
        self._join = JOIN + os.urandom(JOIN_ID_BYTES)
        self._socket = bus.socket(zmq.SUB, UPDATES_HWM)
        for topic in (b"", self._join):
            self._socket.setsockopt(zmq.SUBSCRIBE, topic)
        self._socket.connect(address)
        self._pump = Pump(self._socket, self._on_message)

    def _on_message(self, frames: list[bytes]) -> None:
        if not frames[0].startswith(JOIN):
            self._on_frames(frames)
        elif frames[0] == self._join:  # Other subscribers' welcomes come here too.
            self._on_frames(frames[1:])

    def close(self) -> None:
        """Stop listening."""
        self._pump.close()
        self._socket.close()
