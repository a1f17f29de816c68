"""The verb publish: one writer, any number of subscribers, none of them waited for."""

from collections.abc import Sequence
from typing import Final

import zmq

from services.bus.sockets import JOIN, UPDATES_HWM, Bus, bind, send

SUBSCRIBED: Final = b"\x01"


class Publisher:
    """Sends frames to all subscribers. A new or returned one first gets the welcome frame, and from then on everything.

    ZeroMQ's own welcome goes out before the subscription is in force, so what is published between the two would be
    lost. Here both happen in one step, by hand, when the subscriber's join arrives. That step is taken by `welcome`:
    call it when `wait_readable` says that the publisher has news; `publish` calls it too.
    """

    def __init__(self, bus: Bus, address: str, welcome: bytes) -> None:
        self._welcome = welcome
        self.socket = bus.socket(zmq.XPUB, UPDATES_HWM)
        self.socket.setsockopt(zmq.XPUB_MANUAL, 1)
        bind(self.socket, address)

    def publish(self, frames: Sequence[bytes]) -> None:
        """Send without waiting: a subscriber whose queue is full misses it, and sees the gap."""
        self.welcome()
        send(self.socket, frames)

    def welcome(self) -> None:
        """Let in who has subscribed since. XPUB also queues what subscribers say; unread, it would grow."""
        while True:
            try:
                said = self.socket.recv(zmq.DONTWAIT)
            except zmq.Again:
                return
            if said.startswith(SUBSCRIBED + JOIN):
                join = said[len(SUBSCRIBED) :]
                for topic in (join, b""):  # For the one whose join was just received.
                    self.socket.setsockopt(zmq.SUBSCRIBE, topic)
                send(self.socket, [join, self._welcome])

    def close(self) -> None:
        """Stop publishing; what is queued still goes out."""
        self.socket.close()
