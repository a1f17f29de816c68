import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.game.roster import ADJECTIVES, COMBINATIONS, NOUNS, STRIDE, name_for, roman

MIN_WORDS = 64


def test_there_are_words_enough_and_none_twice() -> None:
    for words in (ADJECTIVES, NOUNS):
        assert len(words) >= MIN_WORDS
        assert len(set(words)) == len(words)
        assert all(word.isascii() and word.istitle() for word in words)
    assert not set(ADJECTIVES) & set(NOUNS)


def test_the_next_combination_comes_to_all() -> None:
    assert math.gcd(STRIDE, COMBINATIONS) == 1


@given(st.text(max_size=20))
def test_a_name_follows_from_the_id(persona_id: str) -> None:
    name = name_for(persona_id, ())

    assert name == name_for(persona_id, frozenset())
    adjective, noun = name.split(" ")
    assert adjective in ADJECTIVES
    assert noun in NOUNS


def test_names_stay_over_releases() -> None:
    assert [name_for(one, ()) for one in ("p1", "p2")] == ["Quiet Parrot", "Spry Squirrel"]


def test_a_name_in_use_is_passed_over_for_one_without_its_words() -> None:
    first = name_for("p1", ())
    second = name_for("p1", {first})

    assert not set(first.split()) & set(second.split())


def test_names_are_unique_and_get_a_number_when_all_are_in_use() -> None:
    every = {f"{adjective} {noun}": None for adjective in ADJECTIVES for noun in NOUNS}
    second = name_for("p1", every)
    third = name_for("p1", every | {f"{name} II": None for name in every})

    assert second == f"{name_for('p1', ())} II"
    assert third == f"{name_for('p1', ())} III"


def test_many_personas_have_names_of_their_own() -> None:
    used: dict[str, None] = {}
    for number in range(2_000):
        name = name_for(f"p{number}", used)
        assert name not in used
        used[name] = None


@pytest.mark.parametrize(
    ("number", "digits"), [(1, "I"), (2, "II"), (4, "IV"), (9, "IX"), (44, "XLIV"), (1994, "MCMXCIV")]
)
def test_roman_digits(number: int, digits: str) -> None:
    assert roman(number) == digits
