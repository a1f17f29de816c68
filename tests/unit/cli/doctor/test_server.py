from typing import Any

import pytest

from services.cli.doctor.finding import Grade
from services.cli.doctor.server import SERVICES, events, is_health, running


def health(**changes: Any) -> dict[str, Any]:
    peers = {name: [{"alive": True, "lag": 0}] for name in SERVICES} | changes.pop("services", {})
    return {"success": True, "data": {"services": peers, "core": {"event_age_ms": 5, "figures": {}, **changes}}}


@pytest.mark.parametrize(
    ("body", "name", "grade", "says"),
    [
        (health(), "server", Grade.PASS, "all services"),
        (health(services={"ws": [{"alive": False, "lag": None}]}), "server", Grade.FAIL, "ws away"),
        (health(services={"poller": []}), "server", Grade.FAIL, "poller away"),
        (health(services={"ws": [{"alive": True, "lag": 5_000}]}), "server", Grade.ADVICE, "ws is behind"),
        ({"success": False, "error": {"message": "core is away"}}, "server", Grade.FAIL, "core is away"),
        (health(event_age_ms=None), "events", Grade.ADVICE, "none since the start"),
        (health(event_age_ms=-5), "events", Grade.ADVICE, "from the future"),
        (health(event_age_ms=100 * 3_600_000), "events", Grade.ADVICE, "100 hours old"),
        (health(figures={"failed_events_total": 2.0}), "events", Grade.FAIL, "2 could not be applied"),
        (health(), "events", Grade.PASS, "0 s old"),
    ],
    ids=str,
)
def test_what_the_server_says_is_judged(body: dict[str, Any], name: str, grade: Grade, says: str) -> None:
    [finding] = [finding for finding in running(body) if finding.name == name]

    assert finding.grade is grade
    assert says in finding.says


def test_an_event_just_now_is_well() -> None:
    assert events({"event_age_ms": 2_000}).grade is Grade.PASS


@pytest.mark.parametrize(
    ("body", "is_ours"),
    [
        (health(), True),
        ({"success": False, "error": {"code": "core_unavailable", "message": "core is away"}}, True),
        ({"success": True}, False),
        ({"success": True, "data": {"status": "up"}}, False),
        ({"success": False, "error": "no"}, False),
        ({}, False),
        ([], False),
        (None, False),
    ],
    ids=repr,
)
def test_only_what_questmux_says_is_taken_for_it(body: Any, is_ours: bool) -> None:
    assert is_health(body) is is_ours
