import inspect

import msgspec
import pytest

from services.contract import answers, game_answers

KINDS = [
    kind for _, kind in inspect.getmembers(game_answers, inspect.isclass) if kind.__module__ == game_answers.__name__
]
STRUCTS = [kind for kind in KINDS if issubclass(kind, msgspec.Struct)]


@pytest.mark.parametrize("kind", STRUCTS)
def test_what_clients_see_cannot_change_under_them(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    assert kind.__doc__


def test_no_answer_has_the_name_of_another_one() -> None:
    """The API's description has one room for each name."""
    others = {
        name for name, kind in inspect.getmembers(answers, inspect.isclass) if kind.__module__ == answers.__name__
    }

    assert not others & {kind.__name__ for kind in KINDS}
