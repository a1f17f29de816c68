import inspect

import msgspec
import pytest

from services.contract import game

KINDS = [kind for _, kind in inspect.getmembers(game, inspect.isclass) if kind.__module__ == game.__name__]
STRUCTS = [kind for kind in KINDS if issubclass(kind, msgspec.Struct)]


@pytest.mark.parametrize("kind", STRUCTS)
def test_what_clients_see_cannot_change_under_them(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__doc__


def test_states_are_told_by_their_words() -> None:
    assert msgspec.json.encode([*game.QuestStatus]) == (
        b'["planned","active","paused","completed","failed","archived"]'
    )
    assert msgspec.json.encode([*game.PhaseStatus]) == (
        b'["pending","planned","executing","retrying","completed","failed","skipped"]'
    )
