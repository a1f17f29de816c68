import pytest

from services.process.tokens import Tokens, bearer

TOKENS = Tokens(full="full", hook="hook")


def test_the_full_token_may_do_everything() -> None:
    assert TOKENS.is_full("full")
    assert TOKENS.may_post_events("full")


def test_the_hook_token_may_post_events_only() -> None:
    assert TOKENS.may_post_events("hook")
    assert not TOKENS.is_full("hook")


@pytest.mark.parametrize("given", ["", "ful", "fulll", "FULL", "é", "\ud800", "full\0"])
def test_any_other_token_may_do_nothing(given: str) -> None:
    assert not TOKENS.is_full(given)
    assert not TOKENS.may_post_events(given)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer t", "t"),
        ("bearer   t ", "t"),
        ("Basic t", ""),
        ("Bearer", ""),
        ("t", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_a_token_is_read_from_its_header(header: str | None, token: str) -> None:
    assert bearer(header) == token


def test_a_shown_object_shows_no_secret() -> None:
    assert "full" not in repr(TOKENS)
    assert "hook" not in f"{TOKENS}"
