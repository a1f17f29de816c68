"""Who is there: the last beat of every process, and whether it is overdue. Pure."""

from typing import Final

from services.contract.answers import Peer
from services.contract.entities import ClientInfo
from services.contract.requests import Beat

OVERDUE_BEATS: Final = 3
"""A process that missed this many beats counts as away."""
FORGET_MS: Final = 60_000
"""A process that is away this long is forgotten: it was replaced."""


class Peers:
    """The last beat of each process."""

    def __init__(self) -> None:
        self._beats: dict[tuple[str, str], tuple[int, Beat]] = {}

    def take(self, beat: Beat, now: int) -> None:
        """Note a beat; forget who was away for long."""
        self._beats[beat.service, beat.instance] = (now, beat)
        for key, (at, _) in tuple(self._beats.items()):
            if now - at > FORGET_MS:
                del self._beats[key]

    def by_service(self, now: int, top_seq: int) -> dict[str, list[Peer]]:
        """All known processes under their service's name."""
        services: dict[str, list[Peer]] = {"api": [], "poller": [], "ws": []}
        for at, beat in self._beats.values():
            age = now - at
            services.setdefault(beat.service, []).append(
                Peer(
                    instance=beat.instance,
                    pid=beat.pid,
                    alive=age <= OVERDUE_BEATS * beat.interval_s * 1000,
                    age_ms=age,
                    lag=None if beat.applied_seq is None else max(0, top_seq - beat.applied_seq),
                    figures=beat.figures,
                )
            )
        return services

    def clients(self, now: int) -> tuple[ClientInfo, ...]:
        """The clients of all gateways that are alive: those for which most waits, then the closed ones."""
        alive = [beat for at, beat in self._beats.values() if now - at <= OVERDUE_BEATS * beat.interval_s * 1000]
        clients = [client for beat in alive for client in beat.clients]
        is_open = [client for client in clients if client.closed_at is None]
        closed = [client for client in clients if client.closed_at is not None]
        return (
            *sorted(is_open, key=lambda one: (one.buffered_bytes, one.lag), reverse=True),
            *sorted(closed, key=lambda one: one.closed_at or 0, reverse=True),
        )
