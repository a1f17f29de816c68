import msgspec
import pytest
from msgspec import Struct

from services.contract import answers
from services.contract.actions import ActionRecord
from services.contract.errors import ErrorCode

ANSWERS = [
    kind
    for kind in vars(answers).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and kind.__module__ == answers.__name__
]


@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.__name__)
def test_every_answer_has_a_schema_and_a_sentence(kind: type[Struct]) -> None:
    _, schemas = msgspec.json.schema_components([kind])

    assert schemas[kind.__name__]["properties"]
    assert kind.__doc__


def test_an_event_that_waits_says_so_and_has_no_seq() -> None:
    assert msgspec.json.decode(msgspec.json.encode(answers.EventData(queued=True))) == {"seq": None, "queued": True}


def test_a_command_that_still_runs_has_no_result() -> None:
    record = ActionRecord(id="c", at=1, who="::1", action="create_window", target=None, body="{}")
    text = msgspec.json.encode(answers.CommandsData(commands=(record,)))

    [command] = msgspec.json.decode(text)["commands"]
    assert (command["target"], command["finished_at"], command["result"], command["message"]) == (None,) * 4


def test_a_failure_never_claims_success() -> None:
    text = b'{"success":true,"error":{"code":"not_found","message":"no"}}'

    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=answers.Failure)
    failure = msgspec.json.decode(text.replace(b"true", b"false"), type=answers.Failure)
    assert failure.error.code is ErrorCode.NOT_FOUND
