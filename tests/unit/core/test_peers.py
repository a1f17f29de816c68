from typing import Any

from services.contract.entities import ClientInfo
from services.contract.requests import Beat
from services.core.peers import FORGET_MS, OVERDUE_BEATS, Peers


def beat(service: str = "ws", instance: str = "a", applied_seq: int | None = None, **figures: float) -> Beat:
    return Beat(service=service, instance=instance, pid=7, interval_s=2.0, applied_seq=applied_seq, figures=figures)


def test_a_process_is_alive_until_it_misses_its_beats() -> None:
    peers = Peers()
    peers.take(beat(), 1_000)
    limit = 1_000 + OVERDUE_BEATS * 2_000

    assert peers.by_service(limit, 0)["ws"][0].alive
    late = peers.by_service(limit + 1, 0)["ws"][0]
    assert (late.alive, late.age_ms, late.pid) == (False, limit + 1 - 1_000, 7)


def test_the_last_beat_counts() -> None:
    peers = Peers()
    peers.take(beat(clients=1), 1_000)
    peers.take(beat(clients=2), 2_000)

    assert [peer.figures for peer in peers.by_service(2_000, 0)["ws"]] == [{"clients": 2}]


def test_services_are_listed_though_nobody_is_there() -> None:
    assert Peers().by_service(0, 0) == {"api": [], "poller": [], "ws": []}


def test_many_processes_of_one_service_are_told_apart() -> None:
    peers = Peers()
    peers.take(beat("api", "a"), 1)
    peers.take(beat("api", "b"), 1)
    peers.take(beat("future", "a"), 1)

    services = peers.by_service(1, 0)
    assert [peer.instance for peer in services["api"]] == ["a", "b"]
    assert len(services["future"]) == 1


def test_a_gateways_lag_is_in_updates_and_never_below_none() -> None:
    peers = Peers()
    peers.take(beat(instance="behind", applied_seq=90), 1)
    peers.take(beat(instance="of another epoch", applied_seq=5_000), 1)
    peers.take(beat(instance="no gateway"), 1)

    assert [peer.lag for peer in peers.by_service(1, 100)["ws"]] == [10, 0, None]


def test_who_is_away_for_long_is_forgotten() -> None:
    peers = Peers()
    peers.take(beat(instance="old"), 0)
    peers.take(beat(instance="new"), FORGET_MS)
    assert len(peers.by_service(FORGET_MS, 0)["ws"]) == 2

    peers.take(beat(instance="new"), FORGET_MS + 1)

    assert [peer.instance for peer in peers.by_service(FORGET_MS + 1, 0)["ws"]] == ["new"]


def test_clients_of_all_gateways_are_told_the_slowest_first_and_then_the_closed_ones() -> None:
    peers = Peers()

    def client(name: str, **fields: Any) -> ClientInfo:
        return ClientInfo(id=name, address="x", since=1, **fields)

    one = (client("a"), client("b", closed_at=5), client("c", closed_at=9))
    two = (client("d", buffered_bytes=7), client("e", lag=3))
    for instance, clients in (("1", one), ("2", two)):
        peers.take(Beat(service="ws", instance=instance, pid=1, interval_s=2, clients=clients), 1_000)

    assert [found.id for found in peers.clients(2_000)] == ["d", "e", "a", "c", "b"]
    assert peers.clients(60_000) == (), "gateways that are away tell nothing"
