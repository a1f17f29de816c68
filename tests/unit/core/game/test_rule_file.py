import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.game.rule_file import LABEL_CHARS, Entry, RuleFileError, read_entries


class Rank(Entry, frozen=True, kw_only=True, forbid_unknown_fields=True):
    stars: int


def read(text: str) -> list[Rank]:
    return read_entries(text, "rank", Rank)


def one(name: str, stars: str = "1") -> str:
    return f'[[rank]]\nid = "{name}"\ntitle = "T"\nstars = {stars}\n'


def test_entries_come_in_the_order_of_the_file() -> None:
    assert [(rank.id, rank.stars) for rank in read(one("b", "2") + one("a"))] == [("b", 2), ("a", 1)]
    assert read("rank = []") == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[rank", "this is no TOML"),
        ("", "nothing but [[rank]] tables"),
        ("rank = 3", "nothing but [[rank]] tables"),
        ("x = 1\n" + one("a"), "nothing but [[rank]] tables"),
        ("rank = [1]", "rank 1: "),
        (one("a") + one("a"), "rank a, id: takes one that no other rank has"),
        (one("a", "true"), "rank a: Expected `int`"),
        (one("A"), "rank A: "),
        (one(""), "rank 1: "),
        (one("a") + one("b\\u001b"), "rank 2: "),
        (one("a") + "more = 1\n", "rank a: Object contains unknown field `more`"),
        (one("x" * 99), f"rank {'x' * LABEL_CHARS}: "),
    ],
)
def test_a_faulty_file_is_refused_by_the_entrys_name(text: str, says: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        read(text)

    assert says in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except RuleFileError:
        return
