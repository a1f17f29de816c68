import pytest

from services.contract.events import MAX_BODY_BYTES, MAX_KEPT_BYTES
from services.process.spool import Spool
from tests.integration.api.client import STOP, Client
from tests.integration.api.fake_core import FakeCore


async def test_an_event_is_answered_with_its_seq_once_it_is_kept(client: Client, core: FakeCore) -> None:
    answer = await client.post_event(headers={"X-Event-Id": "e-1", "X-Tmux-Pane": "%3", "X-Sent-At": "12"})

    assert (answer.status, answer.data) == (200, {"seq": 1})
    [event] = core.log
    assert (event.id, event.pane_id, event.sent_at, event.payload) == ("e-1", "%3", 12, STOP)


async def test_the_same_id_again_has_the_seq_of_the_first(client: Client, core: FakeCore) -> None:
    first = await client.post_event(headers={"X-Event-Id": "e-1"})
    await client.post_event(headers={"X-Event-Id": "e-2"})
    again = await client.post_event(headers={"X-Event-Id": "e-1"})

    assert first.data == again.data == {"seq": 1}
    assert core.ids == ["e-1", "e-2"]


async def test_without_core_an_event_is_queued_on_disk(client: Client, core: FakeCore, spool: Spool) -> None:
    core.is_away = True

    answer = await client.post_event()

    assert (answer.status, answer.data) == (202, {"queued": True})
    assert [event.payload for path in spool.take() for event in spool.read(path)] == [STOP]


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data; boundary=x"],
)
async def test_another_content_type_is_415(client: Client, content_type: str) -> None:
    answer = await client.post_event(headers={"Content-Type": content_type})

    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", None])
async def test_json_by_any_of_its_names_is_taken(client: Client, content_type: str | None) -> None:
    assert (await client.post_event(headers={"Content-Type": content_type})).status == 200


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("br, gzip", 415), ("identity", 200)])
async def test_a_coded_body_is_415(client: Client, coding: str, status: int) -> None:
    assert (await client.post_event(headers={"Content-Encoding": coding})).status == status


async def test_a_large_body_is_kept_shortened(client: Client, core: FakeCore) -> None:
    body = STOP[:-1] + b',"x":"' + b"x" * 2_000_000 + b'"}'

    assert (await client.post_event(body)).status == 200
    assert len(core.log[0].payload) < MAX_KEPT_BYTES


async def test_a_body_over_the_limit_is_413(client: Client, core: FakeCore) -> None:
    answer = await client.post_event(b"x" * (MAX_BODY_BYTES + 1))

    assert (answer.status, answer.code) == (413, "body_too_large")
    assert core.ids == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"{", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"{}", 422, "invalid_field"),
        (b'{"hook_event_name":"Stop"}', 422, "invalid_field"),
    ],
)
async def test_a_body_that_is_no_hook_call_is_refused(
    client: Client, core: FakeCore, body: bytes, status: int, code: str
) -> None:
    answer = await client.post_event(body)

    assert (answer.status, answer.code) == (status, code)
    assert core.ids == []


async def test_a_broken_event_id_is_refused_by_name(client: Client) -> None:
    answer = await client.post_event(headers={"X-Event-Id": "no good"})

    assert (answer.status, answer.code) == (422, "invalid_field")
    assert answer.json["error"]["message"].startswith("X-Event-Id ")
