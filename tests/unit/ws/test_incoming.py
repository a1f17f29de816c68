import msgspec
import pytest

from services.contract.commands import Hello, Ping, Unwatch, Watch
from services.contract.errors import ErrorCode, QuestmuxError
from services.ws.incoming import MAX_SHOWN_CHARS, read_hello, read_message


def test_reads_hello_and_ping() -> None:
    assert isinstance(read_message('{"type":"hello","data":{"token":"t"}}'), Hello)
    assert isinstance(read_message('{"type":"ping"}'), Ping)


def test_reads_watch_and_unwatch() -> None:
    for kind, cls in (("watch", Watch), ("unwatch", Unwatch)):
        message = read_message(f'{{"type":"{kind}","data":{{"pane_id":"%1","new":1}}}}')
        assert isinstance(message, cls)
        assert message.data.pane_id == "%1"


@pytest.mark.parametrize("data", ["null", "1e999", '{"a": [99999999999999999999999999]}', '"\u00e9"'])
def test_gives_back_the_data_of_a_ping_as_it_came(data: str) -> None:
    message = read_message(f'{{"type":"ping","data":{data}}}')
    assert isinstance(message, Ping)
    assert msgspec.json.encode(message.data).decode() == data


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b'{"type":"ping"}', ErrorCode.BAD_REQUEST),
        ("", ErrorCode.BAD_REQUEST),
        ("{", ErrorCode.BAD_REQUEST),
        ('{"type":"ping"} {}', ErrorCode.BAD_REQUEST),
        ('{"type":"ping","data":"\\ud800"}', ErrorCode.BAD_REQUEST),
        ('{"type":"ping","data":' + "[" * 60_000, ErrorCode.BAD_REQUEST),
        ('{"type":"ping","data":' + "[" * 30_000 + "]" * 30_000 + "}", ErrorCode.BAD_REQUEST),
        ("[]", ErrorCode.INVALID_FIELD),
        ("{}", ErrorCode.INVALID_FIELD),
        ('{"type":"dance"}', ErrorCode.INVALID_FIELD),
        ('{"type":1}', ErrorCode.INVALID_FIELD),
        ('{"type":"hello","data":{"token":1}}', ErrorCode.INVALID_FIELD),
        ('{"type":"watch"}', ErrorCode.INVALID_FIELD),
        ('{"type":"watch","data":{}}', ErrorCode.INVALID_FIELD),
        ('{"type":"unwatch","data":{"pane_id":null}}', ErrorCode.INVALID_FIELD),
    ],
)
def test_anything_else_is_an_error_for_the_client(message: str | bytes, code: ErrorCode) -> None:
    with pytest.raises(QuestmuxError) as caught:
        read_message(message)
    assert caught.value.problem.code is code
    assert caught.value.problem.message


def test_an_error_shows_no_more_than_a_little_of_what_came() -> None:
    with pytest.raises(QuestmuxError) as caught:
        read_message('{"type":"%s"}' % ("x" * 60_000))
    assert len(caught.value.problem.message) <= MAX_SHOWN_CHARS


@pytest.mark.parametrize(
    ("message", "token"),
    [
        ('{"type":"hello","data":{"token":"t"}}', "t"),
        ('{"type":"hello","data":{"token":"t","resume":"later"}}', "t"),
        ('{"type":"hello","data":{}}', ""),
        ('{"type":"hello"}', ""),
        ('{"type":"ping","data":{"token":"t"}}', ""),
        (b'{"type":"hello","data":{"token":"t"}}', ""),
        ("t", ""),
    ],
)
def test_only_a_hello_brings_a_token(message: str | bytes, token: str) -> None:
    hello = read_hello(message)
    assert ("" if hello is None else hello.token) == token
