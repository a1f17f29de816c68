import json
from typing import Any

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from services.api.hook_call import LONG_TEXT_CHARS, MAX_DEPTH, Json, read_hook_call, shortened
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.events import EVENT_ID, HOOK_NAMES, MAX_KEPT_BYTES, NewEvent
from services.contract.spool import decode_line, encode_line

IDS = {"session_id": "1d2e-3f", "hook_event_name": "PostToolUse", "tool_use_id": "toolu_01", "tool_name": "Bash"}
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


def read(body: bytes | dict[str, Any], **headers: str) -> NewEvent:
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_hook_call(raw, given_headers.get, lambda: "new-id", 1_700_000_000_000)


def refused(body: bytes | dict[str, Any], **headers: str) -> str:
    with pytest.raises(QuestmuxError) as raised:
        read(body, **headers)
    return f"{raised.value.problem.code}: {raised.value.problem.message}"


def nested(depth: int) -> bytes:
    """An object with so many levels, the outer one among them."""
    return b'{"hook_event_name":"Stop","session_id":"s","x":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_a_hook_call_becomes_an_event_with_its_payload_as_it_came() -> None:
    body = b'{ "session_id": "s-1",\n "hook_event_name": "Stop", "n": 1.0 }'

    event = read(body, X_Tmux_Pane="%3", X_Tmux="/tmp/tmux-1/default,42,0", X_Sent_At="1699999999999", X_Event_Id="e:1")  # noqa: S108 - a name only

    assert event == NewEvent(
        id="e:1",
        name="Stop",
        received_at=1_700_000_000_000,
        payload=body,
        session_id="s-1",
        pane_id="%3",
        sent_at=1_699_999_999_999,
        tmux="/tmp/tmux-1/default,42,0",  # noqa: S108 - a name only
    )


def test_an_event_without_an_id_is_given_one() -> None:
    assert read(IDS).id == "new-id"


@pytest.mark.parametrize("name", sorted(HOOK_NAMES))
def test_every_known_hook_is_taken(name: str) -> None:
    assert read({**IDS, "hook_event_name": name}).name == name


@pytest.mark.parametrize("name", ["Unheard", "Some.New_event-2", "a", "A" * 64])
def test_an_unknown_name_is_kept(name: str) -> None:
    assert read({**IDS, "hook_event_name": name}).name == name


@pytest.mark.parametrize("name", [None, 1, "", " Stop", "Stop\n", "A" * 65, "1st", "Stop!", ["Stop"], "Ünd"])
def test_an_odd_name_is_refused_by_name(name: object) -> None:
    assert refused({**IDS, "hook_event_name": name}).startswith("invalid_field: hook_event_name ")


def test_a_missing_name_is_refused_by_name() -> None:
    assert refused({"session_id": "s"}).startswith("invalid_field: hook_event_name ")


@pytest.mark.parametrize("session_id", [None, 7, "", "a b", "s\n", "s" * 129, "ß", {}])
def test_an_odd_session_id_is_refused_by_name(session_id: object) -> None:
    assert refused({**IDS, "session_id": session_id}).startswith("invalid_field: session_id ")


@pytest.mark.parametrize("event_id", ["", "a b", "a" * 129, "ä", "a\n"])
def test_a_malformed_event_id_is_refused(event_id: str) -> None:
    assert refused(IDS, X_Event_Id=event_id).startswith("invalid_field: X-Event-Id ")


@pytest.mark.parametrize("sent_at", ["", "-1", "1.5", "soon", "9" * 400, "١٢", str(2**53)])
def test_a_malformed_clock_is_left_out(sent_at: str) -> None:
    assert read(IDS, X_Sent_At=sent_at).sent_at is None


@pytest.mark.parametrize("pane_id", ["", "3", "%", "%x", "%1234567890", "%3 ", "%3;kill-server"])
def test_a_malformed_pane_is_left_out(pane_id: str) -> None:
    assert read(IDS, X_Tmux_Pane=pane_id).pane_id is None


def test_an_endless_tmux_variable_is_left_out() -> None:
    assert read(IDS, X_Tmux="x" * 1_025).tmux is None


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"null", b"[]", b'"x"', b"1", b"{", b"{'a':1}", b"\xff", b'{"a":NaN}', b"\xef\xbb\xbf{}"]
)
def test_what_is_no_json_object_is_a_bad_request(body: bytes) -> None:
    assert refused(body).startswith("bad_request: the body is ")


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    event = read(b'{"hook_event_name":"Stop","session_id":"s","prompt":"a\\ud800b\\u00e4\\ud83d\\ude00"}')

    assert json.loads(event.payload)["prompt"] == "a?bä😀"


def test_a_number_that_no_double_holds_is_a_bad_request() -> None:
    assert refused(b'{"hook_event_name":"Stop","session_id":"s","n":' + b"9" * 10_000 + b"}").startswith(
        "bad_request: "
    )


def test_of_a_repeated_key_the_last_counts() -> None:
    event = read(b'{"hook_event_name":"Stop","session_id":"a","session_id":"b"}')

    assert event.session_id == "b"


def test_nesting_is_bounded_and_what_passes_can_wait_in_a_spool() -> None:
    deepest = read(nested(MAX_DEPTH))

    assert decode_line(encode_line(deepest)) == deepest
    orjson.dumps(orjson.loads(deepest.payload))
    assert "nested deeper than 200" in refused(nested(MAX_DEPTH + 1))
    assert refused(nested(1_000)).startswith("bad_request: ")
    assert refused(nested(100_000)).startswith("bad_request: ")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert read({**IDS, "x": [[] for _ in range(1_000)], "code": "{[" * 1_000}).name == "PostToolUse"


def test_a_payload_at_the_limit_is_kept_as_it_came() -> None:
    body = orjson.dumps({**IDS, "tool_response": ""})
    body = body.replace(b'""', b'"' + b"x" * (MAX_KEPT_BYTES - len(body)) + b'"')

    assert read(body).payload == body


def test_a_payload_over_the_limit_has_its_long_texts_cut() -> None:
    event = read({**IDS, "tool_response": {"stdout": "x" * MAX_KEPT_BYTES, "lines": ["short", "y" * 5_000]}})
    kept = orjson.loads(event.payload)

    assert len(event.payload) < 20_000
    assert kept["tool_response"]["stdout"].startswith("x" * LONG_TEXT_CHARS + "… [1044480 characters cut]")
    assert kept["tool_response"]["lines"][0] == "short"
    assert kept["questmux_shortened"] is True
    assert {name: kept[name] for name in IDS} == IDS


def test_many_short_texts_leave_only_the_plain_fields() -> None:
    event = read({**IDS, "message": [["x"] * 10] * 50_000, "x" * 2_000_000: 1, "duration_ms": 12})

    assert orjson.loads(event.payload) == {**IDS, "duration_ms": 12, "questmux_shortened": True}


def test_a_large_and_deep_payload_is_shortened() -> None:
    deep: Any = "x" * MAX_KEPT_BYTES
    for _ in range(MAX_DEPTH - 1):
        deep = [deep]

    assert len(read({**IDS, "x": deep}).payload) < 10_000


@given(
    payload=st.dictionaries(
        st.sampled_from([*IDS, "message", "error", "tool_input", "source", "cwd"]) | st.text(max_size=3),
        json_values,
        max_size=12,
    ),
    large=st.sampled_from(["tool_input", "message", "error", "cwd"]),
    filler=st.sampled_from(["\x00" * 300_000, "ß" * 600_000, ["ab"] * 300_000, {str(n): n for n in range(100_000)}]),
)
@settings(max_examples=25, phases=[Phase.generate])  # To shrink megabytes takes minutes.
def test_shortened_is_under_the_limit_and_keeps_ids(payload: dict[str, Any], large: str, filler: Json) -> None:
    kept = shortened({**payload, **IDS, large: filler})

    assert len(kept) <= MAX_KEPT_BYTES
    assert {name: orjson.loads(kept)[name] for name in IDS} == IDS


@given(
    st.binary(max_size=200)
    | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | json_values.map(json.dumps).map(str.encode)
)
def test_arbitrary_bytes_raise_nothing_but_our_error(body: bytes) -> None:
    try:
        read(body)
    except QuestmuxError as exc:
        assert exc.problem.code in {ErrorCode.BAD_REQUEST, ErrorCode.INVALID_FIELD}  # noqa: PT017 - either outcome is right


@given(
    payload=st.dictionaries(st.text(max_size=5), json_values, max_size=5),
    headers=st.dictionaries(
        st.sampled_from(["X_Event_Id", "X_Tmux_Pane", "X_Tmux", "X_Sent_At"]), st.text(max_size=40)
    ),
)
def test_what_is_read_is_fit_for_core_and_spool(payload: dict[str, Any], headers: dict[str, str]) -> None:
    try:
        event = read(json.dumps({**payload, **IDS}).encode(), **headers)
    except QuestmuxError as exc:
        assert exc.problem.message.startswith(("X-Event-Id", "the body is not JSON"))  # noqa: PT017 - either outcome is right
        return

    assert EVENT_ID.fullmatch(event.id)
    assert event.session_id == IDS["session_id"]
    assert decode_line(encode_line(event)).id == event.id
