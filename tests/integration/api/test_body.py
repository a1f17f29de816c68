import asyncio
from typing import Any

import pytest
from falcon.asgi import Request
from falcon.testing import create_scope

from services.api import body as body_module
from services.api.body import check_is_json, read_body
from services.contract.errors import ErrorCode, QuestmuxError

LIMIT = 1_000


def request_of(events: list[dict[str, Any]], headers: dict[str, str]) -> Request:
    waiting = iter(events)

    async def receive() -> dict[str, Any]:
        event = next(waiting, None)
        if event is None:
            await asyncio.Event().wait()
        assert event is not None
        return event

    first = {"type": "http.request", "body": b"", "more_body": True}
    return Request(create_scope("/event", "POST", headers=headers), receive, first_event=first)


async def refusal(request: Request) -> QuestmuxError:
    with pytest.raises(QuestmuxError) as raised:
        await read_body(request, LIMIT, "a test")
    return raised.value


def part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_comes_in_parts() -> None:
    request = request_of([part(b"ab"), part(b""), part(b"c", more=False)], {})

    assert await read_body(request, LIMIT, "a test") == b"abc"


async def test_a_body_may_be_as_large_as_the_limit() -> None:
    request = request_of([part(b"x" * LIMIT, more=False)], {"Content-Length": str(LIMIT)})

    assert len(await read_body(request, LIMIT, "a test")) == LIMIT


async def test_a_body_that_stops_arriving_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "BODY_S", 0.05)

    error = await refusal(request_of([part(b"ab")], {"Content-Length": "3"}))

    assert error.problem.code is ErrorCode.REQUEST_TIMEOUT


async def test_a_body_that_ends_early_is_a_bad_request() -> None:
    events = [part(b"ab"), {"type": "http.disconnect"}]

    assert (await refusal(request_of(events, {"Content-Length": "3"}))).problem.code is ErrorCode.BAD_REQUEST


async def test_an_announced_size_over_the_limit_is_refused_before_a_byte_is_read() -> None:
    error = await refusal(request_of([], {"Content-Length": str(LIMIT + 1)}))

    assert (error.problem.code, str(error)) == (ErrorCode.BODY_TOO_LARGE, "a test may have 1000 bytes")


async def test_an_unannounced_size_is_refused_where_it_passes_the_limit() -> None:
    parts = [part(b"x" * 100) for _ in range(11)]

    assert (await refusal(request_of(parts, {}))).problem.code is ErrorCode.BODY_TOO_LARGE


@pytest.mark.parametrize(
    ("headers", "named", "unnamed"),
    [
        ({"Content-Type": "application/json"}, True, True),
        ({"Content-Type": "Application/JSON ; charset=utf-8"}, True, True),
        ({"Content-Type": "application/json", "Content-Encoding": "identity"}, True, True),
        ({}, False, True),
        ({"Content-Type": ""}, False, False),
        ({"Content-Type": "application/jsonx"}, False, False),
        ({"Content-Type": "text/plain"}, False, False),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, False, False),
    ],
)
def test_a_body_is_plain_json_by_its_headers(headers: dict[str, str], named: bool, unnamed: bool) -> None:
    for may_be_unnamed, is_taken in ((False, named), (True, unnamed)):
        request = request_of([], headers)
        if is_taken:
            check_is_json(request, may_be_unnamed=may_be_unnamed)
            continue
        with pytest.raises(QuestmuxError) as raised:
            check_is_json(request, may_be_unnamed=may_be_unnamed)
        assert raised.value.problem.code is ErrorCode.UNSUPPORTED_MEDIA_TYPE
