"""The verb subscribe, for asyncio: frames as they come, with no promise that all come."""

from collections.abc import Callable

import zmq

from services.bus.pump import Pump
from services.bus.sockets import UPDATES_HWM, Bus


class Subscriber:
    """Hands every frame list of a publisher to a callback. Reconnects by itself; look for gaps."""

    def __init__(self, bus: Bus, address: str, on_frames: Callable[[list[bytes]], None]) -> None:
        self._socket = bus.socket(zmq.SUB, UPDATES_HWM)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(address)
        self._pump = Pump(self._socket, on_frames)

    def close(self) -> None:
        """Stop listening."""
        self._pump.close()
        self._socket.close()
