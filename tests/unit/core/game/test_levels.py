import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.game import Statistics
from services.core.game.levels import TIERS, TRADES, begins_at, level_of, tier_of, title_of, trade_of


@pytest.mark.parametrize(
    ("xp", "level"),
    [
        (-5, 1),
        (0, 1),
        (99, 1),
        (100, 2),
        (299, 2),
        (300, 3),
        (599, 3),
        (600, 4),
        (1_000, 5),
        (4_500, 10),
        (122_500, 50),
    ],
)
def test_xp_make_levels(xp: int, level: int) -> None:
    assert level_of(xp) == level


@given(st.integers(1, 10**9))
def test_a_level_begins_with_its_first_xp_and_not_before(level: int) -> None:
    assert level_of(begins_at(level)) == level
    assert level_of(begins_at(level + 1) - 1) == level


@given(st.integers(0, 10**30))
def test_xp_are_within_the_bounds_of_their_level_however_many(xp: int) -> None:
    level = level_of(xp)

    assert begins_at(level) <= xp < begins_at(level + 1)


@pytest.mark.parametrize(
    ("level", "tier"),
    [
        *((1, "Novice"), (4, "Novice"), (5, "Apprentice"), (9, "Apprentice"), (10, "Journeyman"), (19, "Journeyman")),
        *((20, "Expert"), (34, "Expert"), (35, "Master"), (49, "Master"), (50, "Legend"), (5_000, "Legend")),
    ],
)
def test_levels_make_tiers(level: int, tier: str) -> None:
    assert tier_of(level) == tier


@pytest.mark.parametrize(
    ("done", "title"),
    [
        ({}, "Novice Wanderer"),
        ({"tools": 10}, "Novice Scout"),
        ({"tools": 40, "edits": 11}, "Novice Smith"),
        ({"tools": 40, "edits": 11, "tests": 6}, "Novice Warden"),
        ({"tools": 40, "tests": 5, "commits": 5}, "Novice Chronicler"),
        ({"prompts": 10, "tools": 20}, "Novice Listener"),
        ({"pull_requests": 1, "tools": 39}, "Novice Envoy"),
        ({"worked_ms": 10**9, "failed_tools": 10**6}, "Novice Wanderer"),
    ],
    ids=repr,
)
def test_the_title_is_what_was_done_most(done: dict[str, int], title: str) -> None:
    assert title_of(1, done) == title


def test_of_equals_the_rarer_work_makes_the_title() -> None:
    assert trade_of({"commits": 4, "edits": 10}) == "Chronicler"


def test_titles_are_made_of_statistics_that_there_are() -> None:
    assert {name for name, _, _ in TRADES} <= set(Statistics.__struct_fields__)
    assert [level for level, _ in TIERS] == sorted((level for level, _ in TIERS), reverse=True)
