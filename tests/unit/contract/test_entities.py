import inspect

import msgspec
import pytest

from services.contract import entities

KINDS = [kind for _, kind in inspect.getmembers(entities, inspect.isclass) if kind.__module__ == entities.__name__]
STRUCTS = [kind for kind in KINDS if issubclass(kind, msgspec.Struct)]


@pytest.mark.parametrize("kind", STRUCTS)
def test_what_clients_see_cannot_change_under_them(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__doc__


def test_a_kept_payload_is_shown_as_it_came() -> None:
    event = entities.KeptEvent(
        seq=1,
        id="e",
        received_at=2,
        name="Stop",
        session_id=None,
        pane_id=None,
        payload=msgspec.Raw(b'{"b":1,"a":1.10}'),
    )

    assert b'"payload":{"b":1,"a":1.10}' in msgspec.json.encode(event)


def test_processes_sort_by_pid() -> None:
    first, second = entities.Process(pid=9, command="a"), entities.Process(pid=10, command="Z")

    assert sorted([second, first]) == [first, second]
