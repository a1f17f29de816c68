import pytest

from services.contract import codec, game_requests
from services.contract.game_answers import EarnerType
from services.contract.game_requests import CommandQuest, GetXp
from services.contract.requests import Request
from tests.unit.contract.samples import all_subclasses

KINDS = [kind for kind in all_subclasses(Request) if kind.__module__ == game_requests.__name__]


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_says_what_it_is_answered_with(kind: type[Request]) -> None:
    assert "Answered with" in (kind.__doc__ or "")


@pytest.mark.parametrize(
    "request_",
    [
        GetXp(earner=EarnerType.PROJECT, id="r1", days=7),
        CommandQuest(id="c1", who="me", command="change_phase", fields=b"\x80", quest_id="q1", n=2),
    ],
    ids=repr,
)
def test_it_comes_back_as_it_went(request_: Request) -> None:
    assert codec.decode_request(codec.encode(request_)) == request_
