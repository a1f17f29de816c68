import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from services.contract.codec import DecodeError
from services.contract.events import NewEvent, Source
from services.contract.spool import decode_line, encode_line

EVENT = NewEvent(
    id="e1",
    name="Stop",
    received_at=1_700_000_000_000,
    payload=b'{"hook_event_name": "Stop", "session_id": "s1"}',
    session_id="s1",
    pane_id="%3",
    sent_at=1_699_999_999_999,
    tmux="/run/tmux-0/default,7,0",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda inner: st.lists(inner, max_size=3)
)


def line(**fields: Any) -> bytes:
    plain = {"id": "e1", "received_at": 5, "payload": {"hook_event_name": "Stop", "session_id": "s1"}}
    return json.dumps(plain | fields).encode() + b"\n"


def test_a_line_gives_its_event_again() -> None:
    encoded = encode_line(EVENT)

    assert encoded.endswith(b"\n")
    assert encoded.count(b"\n") == 1
    assert decode_line(encoded) == EVENT


@given(
    st.dictionaries(st.text(), JSON, max_size=4),
    st.sampled_from([None, 2, "\t"]),
    st.booleans(),
    st.none() | st.integers(0, 2**53 - 1),
)
def test_any_payload_survives_the_line(
    fields: dict[str, Any], indent: Any, is_ascii: bool, sent_at: int | None
) -> None:
    payload = json.dumps(fields | {"hook_event_name": "Stop"}, indent=indent, ensure_ascii=is_ascii)
    event = structs.replace(EVENT, payload=payload.encode("utf-8", "replace"), sent_at=sent_at)

    encoded = encode_line(event)
    decoded = decode_line(encoded)

    assert encoded.count(b"\n") == 1
    assert json.loads(decoded.payload) == json.loads(event.payload)
    assert structs.replace(decoded, payload=b"") == structs.replace(event, payload=b"")


def test_a_payload_in_one_line_keeps_its_bytes() -> None:
    payload = '{"hook_event_name":"Stop",  "text":"é 🜚 \\u0000 \\n"}'.encode()

    assert decode_line(encode_line(structs.replace(EVENT, payload=payload))).payload == payload


def test_name_and_session_may_come_from_the_payload() -> None:
    event = decode_line(line())

    assert (event.name, event.session_id, event.source) == ("Stop", "s1", Source.HOOK)


def test_a_line_from_a_newer_program_is_read() -> None:
    assert decode_line(line(brand_new=1)).id == "e1"


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\n",
        b"null\n",
        line()[:-20],
        line() + b"x",
        line(id=""),
        line(id="a b"),
        line(id="x" * 129),
        line(id=None),
        line(received_at=None),
        line(received_at=-1),
        line(received_at=2**53),
        line(received_at=10**30),
        line(received_at=1.5),
        line(payload=[1]),
        line(payload={}),
        line(payload={"hook_event_name": "not a name"}),
        line(payload={"hook_event_name": 7}),
        line(session_id="s" * 129),
        line().replace(b"e1", b"\xff"),
        line().replace(b"Stop", b"\xff"),
        line().replace(b'"s1"', b"[" * 100_000),
        line().replace(b'"s1"', b"[" * 5_000 + b"]" * 5_000),
        line().replace(b"s1", b"\\u00"),
    ],
    ids=range(24),
)
def test_a_line_that_is_none_is_refused_and_never_worse(bad: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_line(bad)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_event_or_refused(noise: bytes) -> None:
    for bad in (noise, line().replace(b"s1", noise), line().replace(b"Stop", noise)):
        try:
            decode_line(bad)
        except DecodeError:
            continue


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pane_id", "3"),
        ("pane_id", "%3; kill-server"),
        ("pane_id", ""),
        ("sent_at", -1),
        ("sent_at", 10**30),
        ("tmux", "x" * 2_000),
    ],
)
def test_an_odd_pane_or_clock_is_left_out(field: str, value: Any) -> None:
    assert getattr(decode_line(line(**{field: value})), field) is None


def test_half_a_surrogate_pair_does_not_cost_the_event() -> None:
    event = decode_line(line().replace(b'"s1"', b'"s1", "text": "cut \\ud83d"'))

    assert json.loads(event.payload)["text"] == "cut ?"
    assert event.session_id == "s1"


def test_broken_utf_8_in_a_payload_becomes_readable() -> None:
    event = decode_line(line().replace(b'"s1"', b'"s1", "text": "\xff"'))

    assert json.loads(event.payload)["text"] == "\ufffd"
