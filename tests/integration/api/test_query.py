from typing import Any

import pytest
from falcon.asgi import Request
from falcon.testing import create_scope

from services.api.query import MAX_NUMBER, read_number, read_switch
from services.contract.errors import ErrorCode, QuestmuxError


def request_of(query: str) -> Request:
    async def receive() -> dict[str, Any]:
        raise AssertionError("a query has no body")

    return Request(create_scope("/", query_string=query), receive)


@pytest.mark.parametrize(
    ("query", "number"), [("", 5), ("other=1", 5), ("n=1", 1), ("n=9", 9), ("n=007", 7), ("m=0&n=2", 2)]
)
def test_a_number_within_its_bounds_is_read(query: str, number: int) -> None:
    assert read_number(request_of(query), "n", 5, 1, 9) == number


@pytest.mark.parametrize("query", ["n=0", "n=10", "n=", "n=x", "n=-1", "n=1.0", "n=1&n=1", "n=%D9%A3", "n=" + "9" * 99])
def test_another_number_is_refused_by_name(query: str) -> None:
    with pytest.raises(QuestmuxError, match=r"^n is wrong") as raised:
        read_number(request_of(query), "n", 5, 1, 9)
    assert raised.value.problem.code is ErrorCode.INVALID_FIELD


def test_the_largest_number_is_read() -> None:
    assert read_number(request_of(f"n={MAX_NUMBER}"), "n", 0, 0, MAX_NUMBER) == MAX_NUMBER


@pytest.mark.parametrize(("query", "switch"), [("", True), ("s=false", False), ("s=true", True)])
def test_a_switch_is_read(query: str, switch: bool) -> None:
    assert read_switch(request_of(query), "s", default=True) is switch


@pytest.mark.parametrize("query", ["s=", "s=0", "s=False", "s=no", "s=false&s=false", "s=true,false"])
def test_another_switch_is_refused_by_name(query: str) -> None:
    with pytest.raises(QuestmuxError, match=r"^s is wrong") as raised:
        read_switch(request_of(query), "s", default=True)
    assert raised.value.problem.code is ErrorCode.INVALID_FIELD
