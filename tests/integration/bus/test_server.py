import time
from collections.abc import Iterator

import msgspec
import pytest
import zmq

from services.bus import AddressTakenError, Bus, Incoming, Server, wait_readable
from services.bus.server import FAILED, MAX_DRAIN, OK, ORDER
from services.contract import codec
from services.contract.errors import ErrorCode
from services.contract.orders import LookSoon
from services.contract.requests import GetHealth, Taken
from services.process.clock import now_ms
from tests.integration.bus.serving import beat
from tests.waiting import wait_until

NUMBER = bytes(8)
LATER = (now_ms() + 3_600_000).to_bytes(8, "big")
VERSION = codec.PROTOCOL_VERSION
HEALTH = codec.encode(GetHealth())


@pytest.fixture
def server(bus: Bus, address: str) -> Iterator[Server]:
    server = Server(bus, address)
    yield server
    server.close()


@pytest.fixture
def peer(bus: Bus, address: str, server: Server) -> Iterator["zmq.Socket[bytes]"]:
    assert server
    peer = bus.socket(zmq.DEALER, 1_000)
    peer.connect(address)
    yield peer
    peer.close()


def received(server: Server, at_ms: int | None = None) -> list[Incoming]:
    return wait_until(lambda: server.receive(now_ms() if at_ms is None else at_ms), what="a request")


def answer(peer: "zmq.Socket[bytes]") -> list[bytes]:
    assert peer.poll(10_000), "no answer"
    return peer.recv_multipart()


def assert_lives_on(server: Server, peer: "zmq.Socket[bytes]") -> None:
    peer.send_multipart([VERSION, b"again", LATER, HEALTH])
    server.reply(received(server)[0], Taken(epoch="e"))
    assert answer(peer)[:2] == [b"again", OK]


def test_a_request_is_handed_over_with_what_answers_it(server: Server, peer: "zmq.Socket[bytes]") -> None:
    peer.send_multipart([VERSION, NUMBER, LATER, codec.encode(beat("me"))])

    (incoming,) = received(server)
    server.reply(incoming, Taken(epoch="e"))

    assert incoming.request == beat("me")
    assert answer(peer) == [NUMBER, OK, codec.encode(Taken(epoch="e"))]


def test_requests_are_answered_in_any_order(server: Server, peer: "zmq.Socket[bytes]") -> None:
    taken: list[Incoming] = []
    for number in (b"1", b"2"):
        peer.send_multipart([VERSION, number, LATER, HEALTH])
        taken += received(server)

    for incoming in reversed(taken):
        server.reply(incoming, Taken(epoch="e"))

    assert [answer(peer)[0], answer(peer)[0]] == [b"2", b"1"]


def test_one_turn_takes_a_bounded_number(server: Server, peer: "zmq.Socket[bytes]") -> None:
    for _ in range(MAX_DRAIN + 10):
        peer.send_multipart([VERSION, NUMBER, LATER, HEALTH])
    counts: list[int] = []

    def all_taken() -> bool:
        counts.append(len(server.receive(now_ms())))
        return sum(counts) == MAX_DRAIN + 10

    wait_until(all_taken, what="all requests")
    assert max(counts) <= MAX_DRAIN


def test_an_expired_request_is_dropped_and_counted(server: Server, peer: "zmq.Socket[bytes]") -> None:
    peer.send_multipart([VERSION, b"old", (999).to_bytes(8, "big"), HEALTH])
    peer.send_multipart([VERSION, b"just", (1_000).to_bytes(8, "big"), HEALTH])

    assert [incoming.id for incoming in received(server, at_ms=1_000)] == [b"just"]
    assert (server.expired_requests, server.bad_requests) == (1, 0)


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [VERSION, NUMBER, LATER],
        [VERSION, NUMBER, LATER, HEALTH, b"more"],
        [b"", VERSION, NUMBER, LATER, HEALTH, b"", b""],
    ],
    ids=["one empty", "too few", "too many", "far too many"],
)
def test_another_number_of_frames_is_counted_and_dropped(
    server: Server, peer: "zmq.Socket[bytes]", frames: list[bytes]
) -> None:
    peer.send_multipart(frames)

    wait_until(lambda: server.receive(now_ms()) or server.bad_requests, what="the bad request")

    assert server.bad_requests == 1
    assert_lives_on(server, peer)


@pytest.mark.parametrize(
    ("version", "body", "says"),
    [
        (b"0", HEALTH, "protocol version b'0'"),
        (b"9" * 1_000_000, HEALTH, "protocol version"),
        (VERSION, b"", "truncated"),
        (VERSION, b"\xc1", ""),
        (VERSION, msgspec.msgpack.encode({"type": "divide_by_zero"}), "divide_by_zero"),
        (VERSION, msgspec.msgpack.encode({"type": "get_events", "after": "x", "limit": 1}), "after"),
        (VERSION, codec.encode(beat("abc")).replace(b"abc", b"\xff\xff\xff"), "utf-8"),
        (VERSION, b"\x82\xa4type\xaaget_health\xa5extra" + b"\x91" * 100_000 + b"\xc0", "recursion"),
    ],
    ids=["version", "huge version", "empty", "noise", "unknown type", "wrong field", "not utf-8", "deep"],
)
def test_a_request_that_cannot_be_read_is_refused_and_counted(
    server: Server, peer: "zmq.Socket[bytes]", version: bytes, body: bytes, says: str
) -> None:
    peer.send_multipart([version, b"bad", LATER, body])
    wait_until(lambda: server.receive(now_ms()) or server.bad_requests, what="the bad request")

    number, status, problem = answer(peer)

    assert (number, status, server.bad_requests) == (b"bad", FAILED, 1)
    assert codec.decode_problem(problem).code is ErrorCode.BAD_REQUEST
    assert says in codec.decode_problem(problem).message
    assert len(problem) < 1_000
    assert_lives_on(server, peer)


def test_an_answer_to_a_peer_that_is_gone_is_counted(bus: Bus, address: str, server: Server) -> None:
    peer = bus.socket(zmq.DEALER, 10)
    peer.connect(address)
    peer.send_multipart([VERSION, NUMBER, LATER, HEALTH])
    (incoming,) = received(server)
    peer.close()

    def is_dropped() -> bool:
        server.reply(incoming, Taken(epoch="e"))
        return server.dropped_replies > 0

    wait_until(is_dropped, what="the server to know that the peer is gone")


def test_a_peer_that_does_not_read_cannot_block_the_server(server: Server, peer: "zmq.Socket[bytes]") -> None:
    peer.send_multipart([VERSION, NUMBER, LATER, HEALTH])
    (incoming,) = received(server)
    reply = Taken(epoch="x" * 10_000)

    started = time.monotonic()
    replies = 0
    while not server.dropped_replies:
        server.reply(incoming, reply)
        replies += 1

    assert replies < 3_000
    assert time.monotonic() - started < 5


# Orders.


LOOK = LookSoon(panes=("%1",))


def test_an_order_reaches_a_peer_that_asked_before(server: Server, peer: "zmq.Socket[bytes]") -> None:
    peer.send_multipart([VERSION, NUMBER, LATER, HEALTH])
    (incoming,) = received(server)

    assert server.order(incoming.peer, LOOK)

    assert answer(peer) == [b"", ORDER, codec.encode(LOOK)]


def test_an_order_reaches_no_other_peer(bus: Bus, address: str, server: Server, peer: "zmq.Socket[bytes]") -> None:
    other = bus.socket(zmq.DEALER, 10)
    other.connect(address)
    for one, number in ((other, b"1"), (peer, b"2")):
        one.send_multipart([VERSION, number, LATER, HEALTH])
        (incoming,) = received(server)

    assert server.order(incoming.peer, LOOK)
    assert answer(peer)[1] == ORDER

    other.send_multipart([VERSION, b"3", LATER, HEALTH])
    server.reply(received(server)[0], Taken(epoch="e"))
    assert answer(other)[:2] == [b"3", OK]
    other.close()


def test_an_order_to_a_peer_that_nobody_knows_is_not_sent(server: Server) -> None:
    assert not server.order(b"unheard of", LOOK)
    assert server.dropped_replies == 0


def test_an_order_to_a_peer_that_is_gone_is_not_sent(bus: Bus, address: str, server: Server) -> None:
    peer = bus.socket(zmq.DEALER, 10)
    peer.connect(address)
    peer.send_multipart([VERSION, NUMBER, LATER, HEALTH])
    (incoming,) = received(server)
    assert server.order(incoming.peer, LOOK)

    peer.close()

    wait_until(lambda: not server.order(incoming.peer, LOOK), what="the server to know that the peer is gone")


def test_orders_to_a_peer_that_does_not_read_are_refused_at_a_limit(server: Server, peer: "zmq.Socket[bytes]") -> None:
    peer.send_multipart([VERSION, NUMBER, LATER, HEALTH])
    (incoming,) = received(server)
    large = LookSoon(panes=("%1" * 5_000,))

    started = time.monotonic()
    orders = 0
    while server.order(incoming.peer, large):
        orders += 1

    assert orders < 3_000
    assert time.monotonic() - started < 5
    assert answer(peer)[1] == ORDER
    assert_lives_on_after_orders(server, peer)


def assert_lives_on_after_orders(server: Server, peer: "zmq.Socket[bytes]") -> None:
    """Replies come after the orders that were queued before them."""
    peer.send_multipart([VERSION, b"again", LATER, HEALTH])
    (incoming,) = received(server)
    statuses: list[bytes] = []

    def is_answered() -> bool:
        while peer.poll(0):
            statuses.append(peer.recv_multipart()[1])
        if OK not in statuses:
            server.reply(incoming, Taken(epoch="e"))
        return OK in statuses

    wait_until(is_answered, what="the reply")
    assert set(statuses) == {ORDER, OK}


def test_a_second_server_steals_the_address_so_core_must_hold_a_lock(bus: Bus, address: str, server: Server) -> None:
    """Documents ZeroMQ: a second bind to `ipc://` does not fail. `AddressTakenError` cannot be relied on there."""
    thief = Server(bus, address)
    late = bus.socket(zmq.DEALER, 10)
    late.connect(address)
    late.send_multipart([VERSION, NUMBER, LATER, HEALTH])

    assert received(thief)
    assert not server.receive(now_ms())
    late.close()
    thief.close()


def test_an_address_that_cannot_be_bound_is_an_error(bus: Bus, address: str) -> None:
    with pytest.raises(AddressTakenError, match="no-such-folder"):
        Server(bus, address.replace("bus.sock", "no-such-folder/bus.sock"))


def test_waiting_ends_with_a_request_and_not_before(server: Server, peer: "zmq.Socket[bytes]") -> None:
    started = time.monotonic()
    wait_readable(server, [], 0.05)
    assert time.monotonic() - started >= 0.045  # Two clocks are compared, and they tick apart.

    peer.send_multipart([VERSION, NUMBER, LATER, HEALTH])
    wait_readable(server, [], 60)

    assert time.monotonic() - started < 30
    assert len(received(server)) == 1


def test_a_last_part_of_a_millisecond_is_waited_for(server: Server) -> None:
    started = time.monotonic()

    wait_readable(server, [], 0.0005)

    assert time.monotonic() - started >= 0.0005
