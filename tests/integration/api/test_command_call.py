from typing import Any

import pytest
from falcon.asgi import App, Request, Response

from services.api.command_call import read_command_id, read_fields
from services.api.envelope import answer_data
from services.api.errors import add_error_handlers
from services.contract.codec import to_json
from services.contract.events import EVENT_ID
from tests.e2e.stack import Answer
from tests.integration.api.client import Client

MAX_BYTES = 20


class Echo:
    """Answers with what it read."""

    async def on_post(self, req: Request, resp: Response) -> None:
        answer_data(resp, to_json({"id": read_command_id(req), "fields": await read_fields(req, MAX_BYTES)}))


@pytest.fixture
def echo() -> Client:
    app: App[Any, Any] = App()
    add_error_handlers(app)
    app.add_route("/", Echo())
    return Client(app)


async def post(echo: Client, body: bytes, **headers: str | None) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await echo.ask("POST", "/", body, {"Content-Type": "application/json", **named})


@pytest.mark.parametrize(("body", "fields"), [(b"", {}), (b"{}", {}), (b'{"a":[1,null]}', {"a": [1, None]})], ids=repr)
async def test_a_body_is_an_object_or_nothing(echo: Client, body: bytes, fields: dict[str, Any]) -> None:
    assert (await post(echo, body)).data["fields"] == fields


async def test_without_a_body_its_kind_does_not_matter(echo: Client) -> None:
    assert (await post(echo, b"", Content_Type="text/plain")).data["fields"] == {}


@pytest.mark.parametrize("body", [b"{", b" ", b"\xff", b"[]", b"null", b'"text"', b"3"], ids=repr)
async def test_what_is_no_json_object_is_a_bad_request(echo: Client, body: bytes) -> None:
    answer = await post(echo, body)

    assert (answer.status, answer.code) == (400, "bad_request")


async def test_a_body_over_the_limit_is_413(echo: Client) -> None:
    assert (await post(echo, b" " * (MAX_BYTES + 1))).status == 413


@pytest.mark.parametrize("kind", [None, "text/plain"])
async def test_a_body_of_another_kind_is_415(echo: Client, kind: str | None) -> None:
    assert (await post(echo, b"{}", Content_Type=kind)).status == 415


async def test_the_clients_id_is_taken(echo: Client) -> None:
    assert (await post(echo, b"", X_Command_Id="build-7:stop_2.a")).data["id"] == "build-7:stop_2.a"


async def test_without_an_id_each_call_has_one_of_its_own(echo: Client) -> None:
    ids = {(await post(echo, b"")).data["id"] for _ in range(3)}

    assert len(ids) == 3
    assert all(map(EVENT_ID.fullmatch, ids))


@pytest.mark.parametrize("command_id", ["", "no good", "x" * 129, "ü", "a/b", "a,b"])
async def test_a_malformed_id_is_refused_by_name(echo: Client, command_id: str) -> None:
    answer = await post(echo, b"", X_Command_Id=command_id)

    assert answer.status == 422
    assert answer.json["error"]["message"].startswith("X-Command-Id ")
