import msgspec
import pytest

from services.contract.commands import AnyClientMessage, ClientMessage, CloseCode, Hello
from tests.unit.contract.samples import all_subclasses


def test_every_client_message_is_understood() -> None:
    assert set(all_subclasses(ClientMessage)) == set(AnyClientMessage.__args__)


@pytest.mark.parametrize("kind", AnyClientMessage.__args__)
def test_every_client_message_may_come_without_data(kind: type[ClientMessage]) -> None:
    text = msgspec.json.encode({"type": kind.__struct_config__.tag})

    assert isinstance(msgspec.json.decode(text, type=AnyClientMessage), kind)


def test_a_hello_brings_its_token() -> None:
    text = b'{"type": "hello", "data": {"token": "t"}}'

    message = msgspec.json.decode(text, type=AnyClientMessage)

    assert isinstance(message, Hello)
    assert message.data.token == "t"  # noqa: S105 - not a secret


def test_every_close_code_is_ours_or_the_registered_one_for_a_restart() -> None:
    assert all(code == CloseCode.RESTART or 4000 <= code <= 4999 for code in CloseCode)
