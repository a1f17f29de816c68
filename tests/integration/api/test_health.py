from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.contract.requests import GetHealth
from services.process.spool import Spool
from tests.integration.api.client import Client
from tests.integration.api.fake_core import FakeCore, new_event

CORE = {
    "epoch": "e1",
    "update_seq": 7,
    "event_seq": 5,
    "uptime_s": 1.5,
    "last_event_at": None,
    "event_age_ms": None,
    "events_kept": 5,
    "sessions": 1,
    "panes": 2,
    "database_bytes": 4096,
    "wal_bytes": 0,
    "free_disk_bytes": 10**12,
    "spool_bytes": 0,
    "figures": {"events_total": 5.0, "queue": 1.0},
}


def peer(instance: str, **changes: Any) -> dict[str, Any]:
    return {"instance": instance, "pid": 7, "alive": True, "age_ms": 10, "lag": None, "figures": {}, **changes}


@pytest.fixture
def known(core: FakeCore) -> dict[str, Any]:
    """What core says; change it before asking."""
    said: dict[str, Any] = {
        "core": CORE,
        "services": {
            "api": [peer("a1", figures={"events_total": 3.0}), peer("a2", figures={"events_total": 4.0})],
            "poller": [peer("p1")],
            "ws": [peer("w1", lag=2, figures={"clients": 50.0})],
        },
    }
    core.will_say(GetHealth, said)
    return said


async def test_all_there_is_ok(client: Client, known: dict[str, Any]) -> None:
    answer = await client.get("/health", token="")

    assert answer.status == 200
    assert answer.data == {"status": "ok", **known}


@pytest.mark.parametrize("peers", [[], [peer("p1", alive=False)]])
async def test_a_service_that_is_away_is_degraded(
    client: Client, core: FakeCore, known: dict[str, Any], peers: list[dict[str, Any]]
) -> None:
    known["services"]["poller"] = peers
    core.will_say(GetHealth, known)

    answer = await client.get("/health", token="")

    assert (answer.status, answer.data["status"]) == (200, "degraded")


async def test_one_of_two_workers_is_enough(client: Client, core: FakeCore, known: dict[str, Any]) -> None:
    known["services"]["api"][0]["alive"] = False
    core.will_say(GetHealth, known)

    assert (await client.get("/health", token="")).data["status"] == "ok"


async def test_without_core_it_is_503_and_says_what_waits(client: Client, core: FakeCore, spool: Spool) -> None:
    core.is_away = True
    spool.append([new_event("a")])

    answer = await client.get("/health", token="")

    assert (answer.status, answer.code) == (503, "core_unavailable")
    assert f"({spool.size_bytes()} bytes wait" in answer.json["error"]["message"]


async def test_metrics_are_all_figures_of_all_processes(client: Client, known: dict[str, Any]) -> None:
    assert known

    answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    samples = {
        (sample.name, sample.labels["instance"]): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }
    assert samples["questmux_core_events_total", "core"] == 5
    assert samples["questmux_core_database_bytes", "core"] == 4096
    assert samples["questmux_api_events_total", "a1"] == 3
    assert samples["questmux_api_events_total", "a2"] == 4
    assert samples["questmux_ws_lag_updates", "w1"] == 2
    assert samples["questmux_poller_up", "p1"] == 1
    assert ("questmux_core_last_event_at", "core") not in samples


async def test_metrics_without_core_are_503(client: Client, core: FakeCore) -> None:
    core.is_away = True

    assert (await client.get("/metrics")).code == "core_unavailable"
