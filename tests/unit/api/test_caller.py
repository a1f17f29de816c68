import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.caller import MAX_CALLER_CHARS, name_caller


@pytest.mark.parametrize(
    ("address", "user_agent", "name"),
    [
        ("127.0.0.1", "curl/8.5", "127.0.0.1 curl/8.5"),
        ("::1", None, "::1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "a\r\nb\x1b[31mc\x00\u202ed\u2028e", "127.0.0.1 ab[31mcde"),
        ("127.0.0.1", "Müller's 😀", "127.0.0.1 Müller's 😀"),
    ],
)
def test_a_caller_is_an_address_and_what_it_calls_itself(address: str, user_agent: str | None, name: str) -> None:
    assert name_caller(address, user_agent) == name


@given(st.text(), st.text() | st.none())
def test_a_caller_is_one_short_printable_line(address: str, user_agent: str | None) -> None:
    name = name_caller(address, user_agent)

    assert name.isprintable()
    assert len(name) <= MAX_CALLER_CHARS


def test_a_long_caller_is_cut() -> None:
    assert name_caller("::1", "x" * 1_000) == "::1 " + "x" * 196
