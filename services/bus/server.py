"""The verb serve: requests of many peers, answered in any order. For a loop that polls."""

import logging
import math
import time
from collections.abc import Sequence
from typing import Final

import zmq
from msgspec import Struct

from services.bus.publisher import Publisher
from services.bus.sockets import REQUESTS_HWM, Bus, bind, send
from services.contract import codec
from services.contract.any_request import AnyRequest
from services.contract.codec import DecodeError
from services.contract.errors import ErrorCode, Problem
from services.contract.orders import Order
from services.contract.requests import Reply

MAX_DRAIN: Final = 256
"""Requests taken in one turn; the rest wait in the socket."""
PARTING_S: Final = 0.1
"""How long a server stays after its last answers."""
OK: Final = b"+"
FAILED: Final = b"-"
ORDER: Final = b"!"
"""Stands where a reply has its status: the frames of an order are no id, this, body."""

logger = logging.getLogger(__name__)


class Incoming(Struct, frozen=True):
    """A request with what is needed to answer it."""

    peer: bytes
    id: bytes
    request: AnyRequest


class Server:
    """Answers requests. Frames of a request after the peer: version, id, deadline (Unix ms), body."""

    def __init__(self, bus: Bus, address: str) -> None:
        self.socket = bus.socket(zmq.ROUTER, REQUESTS_HWM)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.bad_requests = 0
        self.expired_requests = 0
        self.dropped_replies = 0
        bind(self.socket, address)

    def receive(self, now_ms: int) -> list[Incoming]:
        """What has arrived, at most `MAX_DRAIN`. One that is past its deadline is dropped: its sender gave up."""
        taken: list[Incoming] = []
        for _ in range(MAX_DRAIN):
            try:
                frames = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            incoming = self._read(frames, now_ms)
            if incoming is not None:
                taken.append(incoming)
        return taken

    def _read(self, frames: Sequence[bytes], now_ms: int) -> Incoming | None:
        if len(frames) != 5:  # noqa: PLR2004 - the frames that the class names
            self.bad_requests += 1
            return None
        peer, version, request_id, deadline, body = frames
        try:
            if int.from_bytes(deadline, "big") < now_ms:
                self.expired_requests += 1
                return None
            if version != codec.PROTOCOL_VERSION:
                self._refuse(peer, request_id, f"protocol version {version[:16]!r}, this is {codec.PROTOCOL_VERSION!r}")
                return None
            return Incoming(peer, request_id, codec.decode_request(body))
        except DecodeError as exc:
            self._refuse(peer, request_id, str(exc))
            return None

    def _refuse(self, peer: bytes, request_id: bytes, problem: str) -> None:
        self.bad_requests += 1
        logger.warning("request refused", extra={"problem": problem})
        self._send(peer, request_id, FAILED, Problem(code=ErrorCode.BAD_REQUEST, message=problem))

    def reply(self, to: Incoming, reply: Reply) -> None:
        """Answer a request."""
        self._send(to.peer, to.id, OK, reply)

    def fail(self, to: Incoming, problem: Problem) -> None:
        """Answer a request with an error."""
        self._send(to.peer, to.id, FAILED, problem)

    def order(self, peer: bytes, order: Order) -> bool:
        """Tell a peer, that has asked something before, to do something; False when it is not there to be told."""
        try:
            send(self.socket, [peer, b"", ORDER, codec.encode(order)])
        except zmq.ZMQError:
            return False
        return True

    def _send(self, peer: bytes, request_id: bytes, status: bytes, body: Struct) -> None:
        try:
            send(self.socket, [peer, request_id, status, codec.encode(body)])
        except zmq.ZMQError:  # The peer is gone, or does not read: it asks again.
            self.dropped_replies += 1

    def part(self) -> None:
        """Give peers the time to read the last answers: a client drops what it has not read when its server goes."""
        time.sleep(PARTING_S)

    def close(self) -> None:
        """Stop answering."""
        self.socket.close()


def wait_readable(server: Server, others: Sequence[int | Publisher], timeout_s: float) -> None:
    """Wait until a request, a joining subscriber, one of the other descriptors, or the timeout."""
    poller = zmq.Poller()
    poller.register(server.socket, zmq.POLLIN)
    for other in others:
        poller.register(other.socket if isinstance(other, Publisher) else other, zmq.POLLIN)
    poller.poll(math.ceil(max(0.0, timeout_s) * 1000))  # Rounded up: a last part of a millisecond must not spin.
