"""The verb publish: one writer, any number of subscribers, none of them waited for."""

from collections.abc import Sequence

import zmq

from services.bus.sockets import UPDATES_HWM, Bus, bind


class Publisher:
    """Sends frames to all subscribers. A new or returned one first gets the welcome frames."""

    def __init__(self, bus: Bus, address: str, welcome: bytes) -> None:
        self._socket = bus.socket(zmq.XPUB, UPDATES_HWM)
        self._socket.setsockopt(zmq.XPUB_WELCOME_MSG, welcome)
        bind(self._socket, address)

    def publish(self, frames: Sequence[bytes]) -> None:
        """Send without waiting: a subscriber whose queue is full misses it, and sees the gap."""
        self._take_subscriptions()
        self._socket.send_multipart(frames, zmq.DONTWAIT)

    def _take_subscriptions(self) -> None:
        """XPUB queues what subscribers say; unread, it would grow."""
        while True:
            try:
                self._socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return

    def close(self) -> None:
        """Stop publishing; what is queued still goes out."""
        self._socket.close()
