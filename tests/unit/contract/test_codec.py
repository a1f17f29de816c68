from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract import codec
from services.contract.any_request import AnyRequest, type_of_reply
from services.contract.codec import Batch, DecodeError, Header, ScreensHeader, Tag
from services.contract.entities import Screen
from services.contract.errors import ErrorCode, Problem
from services.contract.requests import GetHealth, GetPanes, GetSnapshot, Reply
from services.contract.updates import MESSAGES, Message, PaneRemoved
from tests.unit.contract.samples import any_of

requests = st.sampled_from(sorted(type_of_reply, key=lambda kind: kind.__name__)).flatmap(any_of)
replies = st.sampled_from(sorted(set(type_of_reply.values()), key=lambda kind: kind.__name__)).flatmap(any_of)
messages = st.sampled_from(MESSAGES).flatmap(any_of)
few = settings(max_examples=40)


class Wire(msgspec.Struct):
    """A message as a client reads it."""

    type: str
    seq: int
    ts: int
    data: msgspec.Raw


FrameDamage = Callable[[list[bytes]], list[bytes]]


@few
@given(requests)
def test_every_request_comes_back_as_it_went(request: AnyRequest) -> None:
    assert codec.decode_request(codec.encode(request)) == request


@few
@given(replies)
def test_every_reply_comes_back_as_it_went(reply: Reply) -> None:
    assert codec.decode_reply(codec.encode(reply), type(reply)) == reply


@few
@given(st.builds(Problem, code=st.sampled_from(ErrorCode), message=st.text()))
def test_a_problem_comes_back_as_it_went(problem: Problem) -> None:
    assert codec.decode_problem(codec.encode(problem)) == problem


@few
@given(st.text(), st.integers(1, 2**53), st.lists(messages, min_size=1, max_size=3), st.integers(0, 2**53))
def test_a_batch_comes_back_with_one_seq_for_each_message(
    epoch: str, first_seq: int, sent: list[Message], ts: int
) -> None:
    batch = codec.decode_batch(codec.batch_frames(epoch, first_seq, sent, ts))

    assert (batch.header.epoch, batch.first_seq, batch.header.seq) == (epoch, first_seq, first_seq + len(sent) - 1)
    assert batch.header.tags == tuple(Tag(message.type, message.key) for message in sent)
    for i, (payload, message) in enumerate(zip(batch.payloads, sent, strict=True)):
        wire = msgspec.json.decode(payload, type=Wire)
        assert (wire.type, wire.seq, wire.ts) == (message.type, first_seq + i, ts)
        assert bytes(wire.data) == codec.to_json(message)


def test_a_message_outside_the_stream_has_no_seq() -> None:
    assert codec.wire_message(PaneRemoved(pane_id="%1"), ts=7) == (
        b'{"type":"pane_removed","ts":7,"data":{"pane_id":"%1"}}'
    )


@few
@given(st.text(), st.integers(0, 2**53), st.integers(0, 2**53))
def test_a_heartbeat_carries_both_top_numbers_and_no_updates(epoch: str, top_seq: int, screens_seq: int) -> None:
    batch = codec.decode_batch(codec.heartbeat_frames(epoch, top_seq, screens_seq))

    assert batch == Batch(Header(epoch, top_seq, (), screens_seq), ())
    assert batch.first_seq == top_seq + 1


def test_a_heartbeat_that_knows_no_screens_is_read() -> None:
    frames = [codec.HEARTBEAT, msgspec.msgpack.encode(["e", 7, []])]

    assert codec.decode_batch(frames).header == Header("e", 7, (), 0)


@few
@given(st.text(), st.integers(0, 2**53), st.lists(any_of(Screen), max_size=3))
def test_screens_come_back_as_they_went_each_by_itself(epoch: str, seq: int, screens: list[Screen]) -> None:
    frames = codec.screens_frames(epoch, seq, [(screen.pane_id, codec.encode(screen)) for screen in screens])
    assert codec.is_screens(frames)

    batch = codec.decode_screens(frames)

    assert batch.header == ScreensHeader(epoch, seq, tuple(screen.pane_id for screen in screens))
    assert [codec.decode_screen(body) for body in batch.screens] == screens


def test_screens_and_updates_are_told_apart() -> None:
    screens = codec.screens_frames("e", 1, [("%1", b"")])
    for frames in (codec.heartbeat_frames("e", 1), codec.batch_frames("e", 1, [PaneRemoved(pane_id="%1")], 0)):
        assert not codec.is_screens(frames)
        with pytest.raises(DecodeError):
            codec.decode_screens(frames)
    with pytest.raises(DecodeError):
        codec.decode_batch(screens)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _frames: [],
        lambda frames: frames[:1],
        lambda frames: [b"x", *frames[1:]],
        lambda frames: frames[:-1],
        lambda frames: [*frames, b""],
        lambda frames: [frames[0], b"\xc1", *frames[2:]],
        lambda frames: [frames[0], b"", *frames[2:]],
    ],
    ids=["nothing", "topic only", "other topic", "screen missing", "screen too many", "bad header", "no header"],
)
def test_broken_screens_are_a_decode_error(damage: FrameDamage) -> None:
    frames = codec.screens_frames("e", 1, [("%1", b"a"), ("%2", b"b")])
    assert codec.decode_screens(frames).screens == (b"a", b"b")

    with pytest.raises(DecodeError):
        codec.decode_screens(damage(frames))


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x80", b"\x81\xa7pane_id\xa2%1", b"\x91" * 100_000])
def test_what_is_no_screen_is_a_decode_error(body: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.decode_screen(body)


@few
@given(st.binary())
def test_random_bytes_are_a_decode_error_or_a_message(noise: bytes) -> None:
    for decode in (
        codec.decode_request,
        codec.decode_problem,
        lambda body: codec.decode_reply(body, type_of_reply[GetSnapshot]),
        lambda body: codec.decode_batch([codec.BATCH, body]),
        lambda body: codec.decode_screens([codec.SCREENS, body]),
        codec.decode_screen,
    ):
        try:
            decode(noise)
        except DecodeError:
            continue


@few
@given(requests, st.data())
def test_a_truncated_request_is_a_decode_error(request: AnyRequest, data: st.DataObject) -> None:
    body = codec.encode(request)
    cut = data.draw(st.integers(0, len(body) - 1))

    with pytest.raises(DecodeError):
        codec.decode_request(body[:cut])


@few
@given(requests, st.data())
def test_a_damaged_request_is_a_decode_error_or_another_request(request: AnyRequest, data: st.DataObject) -> None:
    body = bytearray(codec.encode(request))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))

    try:
        codec.decode_request(bytes(body))
    except DecodeError:
        return


def test_text_that_is_not_utf_8_is_a_decode_error() -> None:
    body = codec.encode(GetPanes(id="%12")).replace(b"%12", b"\xff\xfe\xfd")

    with pytest.raises(DecodeError):
        codec.decode_request(body)


def test_endless_nesting_is_a_decode_error() -> None:
    nested = b"\x82\xa4type\xaaget_health\xa5extra" + b"\x91" * 100_000 + b"\xc0"

    with pytest.raises(DecodeError):
        codec.decode_request(nested)


def test_a_length_beyond_the_bytes_is_a_decode_error() -> None:
    with pytest.raises(DecodeError):
        codec.decode_request(b"\x82\xa4type\xadappend_events\xa6events\xdd\xff\xff\xff\xff")


def test_an_unknown_request_type_is_a_decode_error() -> None:
    with pytest.raises(DecodeError, match="divide_by_zero"):
        codec.decode_request(msgspec.msgpack.encode({"type": "divide_by_zero"}))


def test_an_unknown_field_is_ignored() -> None:
    assert codec.decode_request(msgspec.msgpack.encode({"type": "get_health", "later": 1})) == GetHealth()


@pytest.mark.parametrize(
    "damage",
    [
        lambda _frames: [],
        lambda frames: frames[:1],
        lambda frames: [b"x", *frames[1:]],
        lambda frames: frames[:-1],
        lambda frames: [*frames, b"{}"],
        lambda frames: [frames[0], b"\xc1", *frames[2:]],
        lambda frames: [frames[0], b"", *frames[2:]],
    ],
    ids=["nothing", "topic only", "other topic", "payload missing", "payload too many", "bad header", "no header"],
)
def test_broken_update_frames_are_a_decode_error(damage: FrameDamage) -> None:
    frames = codec.batch_frames("e", 1, [PaneRemoved(pane_id="%1"), PaneRemoved(pane_id="%2")], 0)
    assert codec.decode_batch(frames).first_seq == 1

    with pytest.raises(DecodeError):
        codec.decode_batch(damage(frames))
