import pytest

from services.contract.actions import ReadScreen
from services.contract.errors import ErrorCode
from services.contract.requests import RunAction
from tests.integration.api.client import Client
from tests.integration.api.fake_core import FakeCore, action_of, screen_of


@pytest.mark.parametrize("path", ["/api/panes/3/screen", "/api/panes/%253/screen", "/api/panes/3/screen?colors=true"])
async def test_a_screen_is_captured_for_its_reader(client: Client, core: FakeCore, path: str) -> None:
    answer = await client.get(path)

    assert answer.status == 200
    assert answer.data["screen"]["lines"] == list(screen_of("%3").lines)
    assert answer.headers["cache-control"] == "no-store"
    [request] = core.requests
    assert isinstance(request, RunAction)
    assert (action_of(request), request.target) == (ReadScreen(), "%3")


async def test_a_screen_without_colours_is_the_same_but_for_its_lines(client: Client) -> None:
    plain = (await client.get("/api/panes/3/screen?colors=false")).data["screen"]
    coloured = (await client.get("/api/panes/3/screen")).data["screen"]

    assert plain == {**coloured, "lines": ["$ make ⌛", "", ""]}


async def test_a_second_reader_gets_a_screen_of_its_own(client: Client, core: FakeCore) -> None:
    for _ in range(2):
        await client.get("/api/panes/3/screen", headers={"X-Command-Id": "same"})

    assert len({request.id for request in core.requests if isinstance(request, RunAction)}) == 2


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/panes/abc/screen", "pane_id"),
        ("/api/panes/@1/screen", "pane_id"),
        ("/api/panes/3/screen?colors=no", "colors"),
        ("/api/panes/3/screen?colors=false&colors=false", "colors"),
    ],
)
async def test_a_screen_that_is_not_named_well_is_an_invalid_field(
    client: Client, core: FakeCore, path: str, field: str
) -> None:
    answer = await client.get(path)

    assert (answer.status, answer.code) == (422, "invalid_field")
    assert answer.json["error"]["message"].startswith(f"{field} ")
    assert core.requests == []


@pytest.mark.parametrize(
    ("code", "status"), [(ErrorCode.NOT_FOUND, 404), (ErrorCode.TMUX_TIMEOUT, 504), (ErrorCode.CORE_UNAVAILABLE, 503)]
)
async def test_a_screen_that_cannot_be_had_is_the_error_that_core_tells(
    client: Client, core: FakeCore, code: ErrorCode, status: int
) -> None:
    core.will_refuse(RunAction, code, "as core says it")

    answer = await client.get("/api/panes/3/screen")

    assert (answer.status, answer.code) == (status, code)
    assert answer.json["error"]["message"] == "as core says it"


async def test_the_head_of_a_screen_has_no_body(client: Client) -> None:
    get, head = await client.get("/api/panes/3/screen"), await client.ask("HEAD", "/api/panes/3/screen")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(get.body))
