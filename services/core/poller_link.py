"""Which peer is the poller, and orders to it."""

import logging
from typing import Protocol

from services.contract.orders import Order

logger = logging.getLogger(__name__)


class Orders(Protocol):
    """Sends orders; `services.bus.Server` is one."""

    def order(self, peer: bytes, order: Order) -> bool:
        """False when the peer is not there to be told."""
        ...


class PollerLink:
    """The way to the poller that core believes in."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self.peer: bytes | None = None
        self.heard_at = 0
        """When a poller said something, by core's clock; 0 until one has told all that it knows."""

    def informed(self, at: int) -> None:
        """A poller has told all that it knows of registry and screens."""
        self.heard_at = at

    def heard(self, at: int) -> None:
        """A poller said something: what it did not mention is as it was."""
        if self.heard_at:
            self.heard_at = at

    def reported(self, peer: bytes) -> None:
        """Its report of tmux was taken: it is the poller."""
        self.peer = peer

    def beat(self, peer: bytes) -> None:
        """A poller beats: without another it is the poller, for it may have come back under another name."""
        if self.peer is None:
            self.peer = peer

    def order(self, order: Order) -> bool:
        """Tell the poller; False when none is there. One that cannot be told is forgotten."""
        if self.peer is None:
            return False
        if self._orders.order(self.peer, order):
            return True
        logger.warning("poller cannot be told", extra={"order": type(order).__name__})
        self.peer = None
        return False
