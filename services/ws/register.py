"""Who is connected and who was closed last, as `GET /api/clients` shows it."""

from collections import deque
from collections.abc import Iterable
from heapq import nlargest
from typing import Final

from msgspec import structs

from services.contract.entities import ClientInfo
from services.ws.client import Client

SHOWN: Final = 200
"""Open clients that are told of, those first for which most waits."""
CLOSED: Final = 50


class Register:
    """Remembers those that left."""

    def __init__(self) -> None:
        self._closed: deque[ClientInfo] = deque(maxlen=CLOSED)

    def left(self, client: Client, at: int, code: int | None, why: str) -> None:
        """A client was closed, or has gone."""
        self._closed.append(structs.replace(info_of(client), closed_at=at, close_code=code, why=why))

    def tell(self, clients: Iterable[Client]) -> tuple[ClientInfo, ...]:
        """Those for which most waits, and those that left last."""
        slowest = nlargest(SHOWN, clients, key=lambda client: (client.buffered_bytes, client.pace.lag))
        return (*map(info_of, slowest), *self._closed)


def info_of(client: Client) -> ClientInfo:
    """A client as it is now."""
    return ClientInfo(
        id=client.id,
        address=client.address,
        since=client.since,
        is_paused=client.is_paused,
        lag=client.pace.lag,
        buffered_bytes=client.buffered_bytes,
        sent=client.sent,
        dropped=client.dropped + client.pace.dropped,
        replaced=client.replaced,
        pauses=client.pauses,
        paused_ms=round(1000 * client.paused_s),
        watched=client.view.watched,
    )
