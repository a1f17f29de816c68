import msgspec
import pytest

from services.contract.commands import AnyClientMessage, ClientMessage, CloseCode, Hello, Ping, Unwatch, Watch
from tests.unit.contract.samples import all_subclasses


def test_every_client_message_is_understood() -> None:
    assert set(all_subclasses(ClientMessage)) == set(AnyClientMessage.__args__)


@pytest.mark.parametrize("kind", [Hello, Ping])
def test_a_client_message_that_can_say_nothing_may_come_without_data(kind: type[ClientMessage]) -> None:
    text = msgspec.json.encode({"type": kind.__struct_config__.tag})

    assert isinstance(msgspec.json.decode(text, type=AnyClientMessage), kind)


@pytest.mark.parametrize("kind", [Watch, Unwatch])
def test_one_about_a_pane_names_it(kind: type[Watch | Unwatch]) -> None:
    tag = kind.__struct_config__.tag
    message = msgspec.json.decode(msgspec.json.encode({"type": tag, "data": {"pane_id": "%1"}}), type=AnyClientMessage)

    assert isinstance(message, kind)
    assert message.data.pane_id == "%1"
    with pytest.raises(msgspec.ValidationError, match="data"):
        msgspec.json.decode(msgspec.json.encode({"type": tag}), type=AnyClientMessage)


def test_a_hello_brings_its_token() -> None:
    text = b'{"type": "hello", "data": {"token": "t"}}'

    message = msgspec.json.decode(text, type=AnyClientMessage)

    assert isinstance(message, Hello)
    assert message.data.token == "t"  # noqa: S105 - not a secret


def test_every_close_code_is_ours_or_the_registered_one_for_a_restart() -> None:
    assert all(code == CloseCode.RESTART or 4000 <= code <= 4999 for code in CloseCode)
