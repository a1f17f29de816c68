"""`GET /health` and `GET /metrics`: what every process says of itself, gathered by core."""

from collections.abc import Iterable
from typing import Final

import msgspec
import orjson
from falcon.asgi import Request, Response
from msgspec import Struct
from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.api.envelope import answer_data
from services.api.intake import Core
from services.contract.answers import CoreHealth, HealthData, Peer
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.requests import GetHealth, Listing
from services.process.spool import Spool

HEALTH_S: Final = 0.5
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Health(Struct, frozen=True, kw_only=True):
    """The `data` of `GET /health`."""

    status: str
    """`ok`, or `degraded` when a service is away."""
    core: CoreHealth
    services: dict[str, list[Peer]]


class HealthResource:
    """`GET /health`: 200 when core answers, 503 when not. It asks for no token, so it tells nothing but figures."""

    def __init__(self, core: Core, spool: Spool) -> None:
        self._core = core
        self._spool = spool

    async def on_get(self, _req: Request, resp: Response) -> None:
        """Who is alive, and how far behind."""
        try:
            known = await gather(self._core)
        except QuestmuxError as exc:
            if exc.problem.code is not ErrorCode.CORE_UNAVAILABLE:
                raise
            waiting = self._spool.size_bytes()
            raise QuestmuxError(
                ErrorCode.CORE_UNAVAILABLE, f"core is away; events are kept on disk ({waiting} bytes wait for it)"
            ) from exc
        is_whole = all(any(peer.alive for peer in peers) for peers in known.services.values())
        data = Health(status="ok" if is_whole else "degraded", core=known.core, services=known.services)
        answer_data(resp, msgspec.json.encode(data))

    on_head = on_get


class MetricsResource:
    """`GET /metrics`: the same figures as Prometheus text."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def on_get(self, _req: Request, resp: Response) -> None:
        """All figures of all processes."""
        known = await gather(self._core)
        registry = CollectorRegistry(auto_describe=False)
        registry.register(FiguresCollector(known))
        resp.content_type = METRICS_TYPE
        resp.data = generate_latest(registry)

    on_head = on_get


class FiguresCollector(Collector):
    """Figures as metrics: `questmux_<service>_<figure>`, counters by their `_total`."""

    def __init__(self, known: HealthData) -> None:
        self._known = known

    def collect(self) -> Iterable[Metric]:
        """One family for each figure, one sample for each process."""
        core = self._known.core
        plain = orjson.loads(msgspec.json.encode(core))
        own = {name: float(value) for name, value in plain.items() if isinstance(value, int | float)}
        families: dict[str, Metric] = {}
        _add(families, "core", "core", {**own, **core.figures})
        for service, peers in self._known.services.items():
            for peer in peers:
                lag = {} if peer.lag is None else {"lag_updates": float(peer.lag)}
                _add(families, service, peer.instance, {"up": float(peer.alive), **lag, **peer.figures})
        return families.values()


def _add(families: dict[str, Metric], service: str, instance: str, figures: dict[str, float]) -> None:
    for figure, value in figures.items():
        name = f"questmux_{service}_{figure}"
        words = figure.removesuffix("_total").replace("_", " ")
        family = families.get(name)
        if family is None:
            kind = CounterMetricFamily if figure.endswith("_total") else GaugeMetricFamily
            family = families[name] = kind(name, f"{service}: {words}", labels=["instance"])
        assert isinstance(family, CounterMetricFamily | GaugeMetricFamily), "made above"  # noqa: S101 - impossible state
        family.add_metric([instance], value)


async def gather(core: Core) -> HealthData:
    """What core knows of all processes.

    Raises:
        QuestmuxError: core is away.
    """
    listing = await core.request(GetHealth(), Listing, HEALTH_S)
    return msgspec.json.decode(listing.data, type=HealthData)
