import pytest

from tests.integration.api.client import TOKENS, Client
from tests.integration.api.fake_core import FakeCore

READS = [
    "/api/windows",
    "/api/panes",
    "/api/panes/3",
    "/api/sessions",
    "/api/sessions/s",
    "/api/events",
    "/api/commands",
    "/api/panes/3/screen",
    "/metrics",
    "/openapi.json",
]
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.mark.parametrize("path", [*READS, "/nowhere", "/"])
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic full-token", "full-token", "Bearer full-tokenx", "Bearer ÿ"],
)
async def test_no_token_or_a_wrong_one_is_401(client: Client, path: str, authorization: str | None) -> None:
    answer = await client.get(path, headers={"Authorization": authorization})

    assert (answer.status, answer.code) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", READS)
async def test_the_hook_token_reads_nothing(client: Client, path: str) -> None:
    answer = await client.get(path, token=TOKENS.hook)

    assert (answer.status, answer.code) == (403, "forbidden")


@pytest.mark.parametrize("token", [TOKENS.full, TOKENS.hook])
async def test_both_tokens_post_events(client: Client, token: str) -> None:
    assert (await client.post_event(token=token)).status == 200


async def test_no_token_posts_no_events(client: Client, core: FakeCore) -> None:
    assert (await client.post_event(token="")).status == 401
    assert (await client.post_event(token=f"{TOKENS.hook}x")).status == 401
    assert core.ids == []


@pytest.mark.parametrize("path", ["/event/", "//event", "/event/x", "/EVENT"])
async def test_the_hook_token_is_for_the_one_path_only(client: Client, path: str) -> None:
    assert (await client.ask("POST", path, token=TOKENS.hook)).status == 403


async def test_health_asks_for_no_token(client: Client, core: FakeCore) -> None:
    core.is_away = True

    assert (await client.get("/health", token="")).status == 503


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4011",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "",
        "[::1",
        "a b",
        "127.0.0.1/x",
    ],
)
@pytest.mark.parametrize("path", ["/health", "/api/panes", "/nowhere"])
async def test_a_foreign_host_is_refused_before_all_else(client: Client, host: str, path: str) -> None:
    answer = await client.get(path, headers={"Host": host})

    assert (answer.status, answer.code) == (403, "forbidden")
    assert "Host" in answer.json["error"]["message"]


async def test_no_host_is_refused(client: Client) -> None:
    answer = await client.get("/health", headers={"Host": None})

    assert (answer.status, answer.code) == (403, "forbidden")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9999", "[::1]:4011", "LOCALHOST"])
async def test_a_name_of_this_machine_is_served(client: Client, host: str) -> None:
    assert (await client.get("/openapi.json", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://127.0.0.1:8000", "https://board.example.evil", "file://"]
)
async def test_a_foreign_origin_neither_reads_nor_acts(client: Client, core: FakeCore, origin: str) -> None:
    read = await client.get("/openapi.json", headers={"Origin": origin})
    act = await client.post_event(headers={"Origin": origin})
    preflight = await client.ask("OPTIONS", "/event", token="", headers={"Origin": origin, **PREFLIGHT})

    for answer in (read, act, preflight):
        assert (answer.status, answer.code) == (403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers
    assert core.ids == []


@pytest.mark.parametrize("origin", ["https://board.example", "http://127.0.0.1:4011", "http://localhost:4012"])
async def test_an_allowed_origin_reads(client: Client, origin: str) -> None:
    answer = await client.get("/openapi.json", headers={"Origin": origin})

    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == origin
    assert "Origin" in answer.headers["vary"]


async def test_an_allowed_origin_reads_errors_too(client: Client) -> None:
    for path, token, status in (
        ("/nowhere", TOKENS.full, 404),
        ("/api/panes", "", 401),
        ("/api/panes/x", TOKENS.full, 422),
    ):
        answer = await client.get(path, token=token, headers={"Origin": "https://board.example"})

        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == "https://board.example"


async def test_a_preflight_of_an_allowed_origin_needs_no_token(client: Client) -> None:
    answer = await client.ask("OPTIONS", "/event", token="", headers={"Origin": "https://board.example", **PREFLIGHT})

    assert answer.status == 204
    assert answer.body == b""
    assert answer.headers["access-control-allow-origin"] == "https://board.example"
    assert {"GET", "POST"} <= set(answer.headers["access-control-allow-methods"].split(", "))
    allowed = set(answer.headers["access-control-allow-headers"].split(", "))
    assert allowed == {"Authorization", "Content-Type", "X-Command-Id"}


async def test_options_without_an_origin_is_no_preflight(client: Client) -> None:
    assert (await client.ask("OPTIONS", "/event", token="", headers=PREFLIGHT)).status == 401


async def test_a_script_without_an_origin_gets_no_cors_headers(client: Client) -> None:
    answer = await client.get("/openapi.json")

    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "target", ["/api/panes/%", "/api/panes/%3", "/api/panes/%zz", "/api/panes/%2", "/api/sessions/a%"]
)
async def test_a_broken_escape_is_a_bad_request(client: Client, target: str) -> None:
    answer = await client.get(target)

    assert (answer.status, answer.code) == (400, "bad_request")
