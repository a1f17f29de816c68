import logging

import falcon
import pytest

from services.contract.errors import HTTP_STATUS, ErrorCode, QuestmuxError
from services.contract.requests import GetPanes, Request
from tests.integration.api.client import Client
from tests.integration.api.fake_core import FakeCore

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"]
ROUTES = {
    "/event": {"POST", "OPTIONS"},
    "/health": {"GET", "HEAD", "OPTIONS"},
    "/metrics": {"GET", "HEAD", "OPTIONS"},
    "/openapi.json": {"GET", "HEAD", "OPTIONS"},
    "/api/windows": {"GET", "HEAD", "OPTIONS"},
    "/api/panes": {"GET", "HEAD", "OPTIONS"},
    "/api/panes/1": {"GET", "HEAD", "OPTIONS"},
    "/api/sessions": {"GET", "HEAD", "OPTIONS"},
    "/api/sessions/s": {"GET", "HEAD", "OPTIONS"},
    "/api/events": {"GET", "HEAD", "OPTIONS"},
    "/api/commands": {"GET", "HEAD", "OPTIONS"},
    "/api/panes/1/screen": {"GET", "HEAD", "OPTIONS"},
    "/api/panes/1/prompt": {"POST", "OPTIONS"},
    "/api/panes/1/signal": {"POST", "OPTIONS"},
    "/api/panes/1/dismiss": {"POST", "OPTIONS"},
    "/api/panes/1/report": {"POST", "OPTIONS"},
    "/api/panes/1/refresh": {"POST", "OPTIONS"},
    "/api/panes/1/close": {"POST", "OPTIONS"},
    "/api/windows/create": {"POST", "OPTIONS"},
    "/api/windows/1/rename": {"POST", "OPTIONS"},
    "/api/windows/1/close": {"POST", "OPTIONS"},
    "/api/windows/1/new-pane": {"POST", "OPTIONS"},
    "/api/windows/1/new-claude": {"POST", "OPTIONS"},
}


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", METHODS)
async def test_a_wrong_method_is_405_and_says_which_are_right(client: Client, path: str, method: str) -> None:
    answer = await client.ask(method, path)

    if method in ROUTES[path]:
        assert answer.status != 405
    else:
        assert answer.status == 405
        assert method == "HEAD" or answer.code == "method_not_allowed"
        assert set(answer.headers["allow"].split(", ")) == ROUTES[path]


@pytest.mark.parametrize("path", ROUTES)
async def test_options_says_which_methods_there_are(client: Client, path: str) -> None:
    answer = await client.ask("OPTIONS", path)

    assert (answer.status, answer.body) == (200, b"")
    assert set(answer.headers["allow"].split(", ")) | {"OPTIONS"} == ROUTES[path]


async def test_a_made_up_method_is_a_bad_request(client: Client) -> None:
    answer = await client.ask("BREW", "/health")

    assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nowhere",
        "/health/",
        "/api",
        "/api/panes/1/x",
        "/api/panes/1/close/",
        "/api/windows/1/prompt",
        "/event/%2e%2e/x",
        "/%F0%9F%98%80",
        "/%EF%BF%BD",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_an_unknown_route_is_404(client: Client, method: str, path: str) -> None:
    answer = await client.ask(method, path)

    assert answer.status == 404
    if method != "HEAD":
        assert answer.code == "not_found"


@pytest.mark.parametrize("path", ["/api/panes/%ff", "/%c3", "/api/sessions/%ed%a0%80"])
async def test_a_path_that_is_no_utf8_is_a_bad_request(client: Client, path: str) -> None:
    answer = await client.get(path)

    assert (answer.status, answer.code) == (400, "bad_request")


@pytest.mark.parametrize("code", ErrorCode)
async def test_an_error_of_core_keeps_its_code_and_gets_its_status(
    client: Client, core: FakeCore, code: ErrorCode
) -> None:
    def fail(_: Request) -> bytes:
        raise QuestmuxError(code, 'as "core" says it: ß \x00')

    core.listings[GetPanes] = fail

    answer = await client.get("/api/panes")

    assert (answer.status, answer.code) == (HTTP_STATUS[code], code)
    assert answer.json["error"]["message"] == 'as "core" says it: ß \x00'


@pytest.mark.parametrize(
    "defect", [RuntimeError("secret"), KeyError("secret"), falcon.HTTPInternalServerError(description="boom")]
)
async def test_a_defect_is_500_that_tells_nothing_and_a_traceback_in_the_log(
    client: Client, core: FakeCore, caplog: pytest.LogCaptureFixture, defect: Exception
) -> None:
    def fail(_: Request) -> bytes:
        raise defect

    core.listings[GetPanes] = fail

    answer = await client.get("/api/panes")

    assert (answer.status, answer.code) == (500, "internal")
    assert b"secret" not in answer.body
    if not isinstance(defect, falcon.HTTPError):
        [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert record.exc_info is not None


async def test_after_a_defect_the_next_request_is_served(client: Client, core: FakeCore) -> None:
    core.listings[GetPanes] = lambda _: b"" + str(1 / 0).encode()
    assert (await client.get("/api/panes")).status == 500

    core.will_say(GetPanes, {"panes": []})

    assert (await client.get("/api/panes")).status == 200
