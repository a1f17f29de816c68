from services.contract.orders import Attend, LookSoon, Order
from services.core.poller_link import PollerLink


class Peers:
    """Takes orders for the peers that are there."""

    def __init__(self, *there: bytes) -> None:
        self.there = set(there)
        self.told: list[tuple[bytes, Order]] = []

    def order(self, peer: bytes, order: Order) -> bool:
        if peer not in self.there:
            return False
        self.told.append((peer, order))
        return True


def test_orders_go_to_the_peer_that_reported_last() -> None:
    peers = Peers(b"a", b"b")
    link = PollerLink(peers)
    assert not link.order(Attend())

    link.reported(b"a")
    assert link.order(Attend())
    link.reported(b"b")
    assert link.order(LookSoon(panes=("%1",)))

    assert peers.told == [(b"a", Attend()), (b"b", LookSoon(panes=("%1",)))]


def test_a_poller_that_cannot_be_told_is_forgotten() -> None:
    peers = Peers()
    link = PollerLink(peers)
    link.reported(b"gone")

    assert not link.order(Attend())

    peers.there.add(b"gone")
    assert link.peer is None
    assert not link.order(Attend())


def test_a_poller_that_comes_back_under_another_name_is_known_by_its_beat() -> None:
    peers = Peers(b"new")
    link = PollerLink(peers)
    link.reported(b"old")

    link.beat(b"new")
    assert not link.order(Attend()), "the other one is believed in until it cannot be told"
    link.beat(b"new")

    assert link.order(Attend())
