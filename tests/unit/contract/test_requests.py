import msgspec
import pytest

from services.contract import codec, requests
from services.contract.requests import AppendEvents, Request
from tests.unit.contract.samples import all_subclasses


@pytest.mark.parametrize("kind", [kind for kind in all_subclasses(Request) if kind.__module__ == requests.__name__])
def test_a_request_says_what_it_is_answered_with(kind: type[Request]) -> None:
    assert "nswered" in (kind.__doc__ or "")
    assert kind.__struct_config__.frozen


def test_a_request_travels_with_its_tag() -> None:
    assert msgspec.msgpack.decode(codec.encode(AppendEvents(events=()))) == {"type": "append_events", "events": []}
