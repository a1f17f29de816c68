from typing import Any

import pytest

from services.contract.requests import GetActions, GetEvents, GetPanes, GetSessions, GetWindows, Request
from tests.integration.api.client import Client
from tests.integration.api.fake_core import FakeCore


@pytest.mark.parametrize(
    ("path", "request_"),
    [
        ("/api/windows", GetWindows()),
        ("/api/panes", GetPanes()),
        ("/api/panes/%253", GetPanes(id="%3")),
        ("/api/panes/3", GetPanes(id="%3")),
        ("/api/panes/007", GetPanes(id="%007")),
        ("/api/sessions", GetSessions()),
        ("/api/sessions/a-b_1", GetSessions(id="a-b_1")),
        ("/api/sessions/a%20b", GetSessions(id="a b")),
        ("/api/events", GetEvents(after=0, limit=100)),
        ("/api/events?after=7&limit=500", GetEvents(after=7, limit=500)),
        ("/api/commands", GetActions(limit=100)),
        ("/api/commands?limit=1", GetActions(limit=1)),
        ("/api/commands?limit=500", GetActions(limit=500)),
        ("/api/events?after=9007199254740991&limit=1", GetEvents(after=2**53 - 1, limit=1)),
    ],
)
async def test_a_read_asks_core_and_answers_with_what_it_says(
    client: Client, core: FakeCore, path: str, request_: Request
) -> None:
    core.will_say(type(request_), {"said": [1, None]})

    answer = await client.get(path)

    assert (answer.status, answer.data) == (200, {"said": [1, None]})
    assert answer.headers["content-type"] == "application/json"
    assert core.requests == [request_]


@pytest.mark.parametrize(
    "pane_id", ["abc", "%25", "%253x", "%25%253", "-1", "3.0", "1234567890", "%D9%A3", "@1", "%20"]
)
async def test_what_is_no_pane_id_is_an_invalid_field(client: Client, core: FakeCore, pane_id: str) -> None:
    answer = await client.get(f"/api/panes/{pane_id}")

    assert (answer.status, answer.code) == (422, "invalid_field")
    assert answer.json["error"]["message"].startswith("pane_id ")
    assert core.requests == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("limit=x", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=1,2", "limit"),
        ("limit=" + "9" * 3_000, "limit"),
        ("after=-1", "after"),
        ("after=9007199254740992", "after"),
        ("after=%FF", "after"),
        ("after=1&after=1", "after"),
        ("after=+1", "after"),
    ],
)
async def test_a_number_out_of_bounds_is_an_invalid_field(
    client: Client, core: FakeCore, query: str, field: str
) -> None:
    answer = await client.get(f"/api/events?{query}")

    assert (answer.status, answer.code) == (422, "invalid_field")
    assert answer.json["error"]["message"].startswith(f"{field} ")
    assert core.requests == []


@pytest.mark.parametrize("limit", ["0", "501", "", "x", "-1", "1&limit=1"])
async def test_a_limit_of_the_audit_out_of_bounds_is_an_invalid_field(
    client: Client, core: FakeCore, limit: str
) -> None:
    answer = await client.get(f"/api/commands?limit={limit}")

    assert (answer.status, answer.code) == (422, "invalid_field")
    assert answer.json["error"]["message"].startswith("limit ")
    assert core.requests == []


async def test_what_core_does_not_know_is_404(client: Client) -> None:
    answer = await client.get("/api/panes/9")

    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "/api/windows",
        "/api/panes",
        "/api/panes/1",
        "/api/sessions",
        "/api/sessions/s",
        "/api/events",
        "/api/commands",
        "/metrics",
    ],
)
async def test_without_core_a_read_is_503(client: Client, core: FakeCore, path: str) -> None:
    core.is_away = True

    answer = await client.get(path)

    assert (answer.status, answer.code) == (503, "core_unavailable")


@pytest.mark.parametrize(
    "path",
    [
        "/api/windows",
        "/api/panes",
        "/api/panes/1",
        "/api/sessions",
        "/api/sessions/s",
        "/api/events",
        "/api/commands",
        "/openapi.json",
    ],
)
async def test_head_is_get_without_the_body(client: Client, core: FakeCore, path: str) -> None:
    kinds: list[Any] = [GetWindows, GetPanes, GetSessions, GetEvents, GetActions]
    for kind in kinds:
        core.will_say(kind, {})

    get, head = await client.get(path), await client.ask("HEAD", path)

    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(get.body))
