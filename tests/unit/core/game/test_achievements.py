from importlib.resources import files
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.events import NewEvent
from services.contract.game import Badge
from services.contract.updates import AchievementUnlocked
from services.core.facts import payload_of
from services.core.game.achievements import Achievements
from services.core.game.deeds import DeedKind
from services.core.game.game import Game, GameDump
from services.core.game.levels import begins_at
from services.core.game.personas import PersonaState
from services.core.game.rule_file import RuleFileError
from services.core.game.rulebook import built_in
from tests.unit.core.game.life import DAY, HISTORIES, HOUR, MINUTE, Life, moment
from tests.unit.core.making import RUNS, recorded

OURS: Final = (files("services.core.game") / "achievements.toml").read_text(encoding="utf-8")
ALL: Final = Achievements.load(OURS)
ONE: Final = """
[[achievement]]
id = "one"
title = "One"
description = "Do one."
rarity = "common"
measure = "edits"
at_least = 1
"""

Written = dict[str, str | int]


def tables() -> list[Written]:
    """The file as anybody reads it."""
    found: list[Written] = msgspec.toml.decode(OURS)["achievement"]
    return found


# Each can be reached.


@pytest.mark.parametrize("written", tables(), ids=lambda written: written["id"])
def test_each_is_reached_by_some_history_once_and_not_before(written: Written) -> None:
    live, goal, name = HISTORIES[str(written["measure"])], int(written["at_least"]), written["id"]

    nearly = Life(achievements=ALL)
    live(nearly, goal - 1)
    assert name not in nearly.state.badges

    life = Life(achievements=ALL)
    live(life, goal)
    badge = life.state.badges[str(name)]
    assert badge == Badge(
        id=str(name),
        title=str(written["title"]),
        rarity=str(written["rarity"]),
        unlocked_at=life.now - DAY if written["measure"] == "streak_days" else life.now,
    )

    live(life, 1)
    assert [one.id for one in life.unlocked].count(str(name)) == 1
    assert life.unlocked == list(life.state.badges.values())


def test_a_goal_of_a_day_is_not_reached_in_two() -> None:
    life = Life(achievements=ALL)
    for _ in range(2):
        life.do(DeedKind.COMMIT, times=9)
        life.wait(DAY)
    assert "small-steps" not in life.state.badges

    life.do(DeedKind.COMMIT, times=10)
    assert "small-steps" in life.state.badges


def test_a_goal_of_a_week_is_not_reached_in_two() -> None:
    weekly = Achievements.load(ONE.replace("at_least = 1", 'at_least = 5\nperiod = "week"'))
    life = Life(moment("2026-03-08 12:00"), achievements=weekly)
    life.do(DeedKind.EDIT, times=4)
    life.do(DeedKind.EDIT, moment("2026-03-09 12:00"), times=4)
    assert life.unlocked == []

    life.do(DeedKind.EDIT, moment("2026-03-15 12:00"))
    assert [badge.id for badge in life.unlocked] == ["one"]


def test_what_a_machine_begins_is_no_prompt_and_no_night_of_a_person() -> None:
    life = Life(moment("2026-03-07 02:00"), achievements=ALL)
    life.turn(by_machine=True)
    life.do(DeedKind.FAILED_TURN)

    assert list(life.state.badges) == ["done"]


def test_one_step_can_unlock_several_the_least_first() -> None:
    life = Life(achievements=ALL)
    life.earn(begins_at(20))

    assert [badge.id for badge in life.unlocked] == ["apprentice", "journeyman", "expert"]


def test_a_badge_stays_when_what_it_was_given_for_is_gone() -> None:
    life = Life(achievements=ALL)
    HISTORIES["morale"](life, 100)
    life.do(DeedKind.FAILED_TURN, times=20)
    HISTORIES["morale"](life, 100)

    assert [badge.id for badge in life.unlocked].count("high-spirits") == 1


def test_all_that_there_are_come_in_the_order_of_the_file() -> None:
    fields = ("id", "title", "description", "rarity")

    assert [tuple(getattr(one, field) for field in fields) for one in ALL.all] == [
        tuple(one[field] for field in fields) for one in tables()
    ]
    assert {one.rarity for one in ALL.all} == {"common", "uncommon", "rare", "epic", "legendary"}


# Any history.

KINDS = st.lists(
    st.tuples(st.sampled_from(DeedKind), st.sampled_from((0, MINUTE, HOUR, DAY, -HOUR, -9 * DAY)), st.booleans()),
    max_size=50,
)


@given(KINDS, st.data())
def test_a_badge_comes_once_and_a_checkpoint_at_any_moment_changes_nothing(
    steps: list[tuple[DeedKind, int, bool]], data: st.DataObject
) -> None:
    life, other = Life(achievements=ALL), Life(achievements=ALL)
    at = data.draw(st.integers(0, len(steps)))
    for number, (kind, later, by_machine) in enumerate(steps):
        if number == at:
            packed = msgspec.msgpack.encode(other.state)
            other.state = msgspec.msgpack.decode(packed, type=PersonaState)
        for one in (life, other):
            one.wait(later)
            one.do(kind, times=7, by_machine=by_machine)

    assert other.unlocked == life.unlocked == list(life.state.badges.values())
    assert ALL.unlock(life.state, life.xp, life.now) == ()


def unlocked_by(events: list[NewEvent]) -> list[tuple[str, str]]:
    """The personas and badges of a whole game."""
    game, ledger, found = Game(GameDump(), built_in()), dict[str, int](), list[tuple[str, str]]()
    for seq, event in enumerate(events, 1):
        effects = game.take_hook(seq, event, payload_of(event), lambda key, seq: ledger.get(key, seq) == seq)
        for award in effects.awards:
            ledger[award.key] = award.seq
        found += [
            (update.persona_id, update.badge.id)
            for update in game.take_updates()
            if isinstance(update, AchievementUnlocked)
        ]
    return found


@pytest.mark.parametrize("run", RUNS)
def test_recorded_events_that_are_told_twice_unlock_once(run: str) -> None:
    events = recorded(run)
    twice = [msgspec.structs.replace(event, id=f"{event.id}{n}") for event in events for n in "ab"]
    found = unlocked_by(twice)

    assert len(found) == len(set(found))
    assert {badge for _, badge in unlocked_by(events)} <= {badge for _, badge in found}


# Faulty files.


def fault(text: str) -> str:
    with pytest.raises(RuleFileError) as caught:
        Achievements.load(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("at_least = 1", "", "achievement one: Object missing required field `at_least`"),
        ("at_least = 1", "at_least = 0", "achievement one: Expected `int` >= 1"),
        ("at_least = 1", "at_least = true", "achievement one: Expected `int`, got `bool`"),
        ("at_least = 1", "at_most = 1", "achievement one: "),
        ('rarity = "common"', 'rarity = "odd"', "achievement one: Invalid enum value 'odd'"),
        ('measure = "edits"', 'measure = "naps"', "achievement one, measure: takes one of prompts, turns, "),
        ('measure = "edits"', 'measure = "__class__"', "achievement one, measure: takes one of prompts, turns, "),
        (
            'measure = "edits"',
            'measure = "level"\nperiod = "day"',
            "achievement one, period: only a statistic takes it, and level is none",
        ),
        (
            'measure = "edits"',
            'measure = "morale"\nperiod = "week"',
            "achievement one, period: only a statistic takes it, and morale is none",
        ),
        ("at_least = 1", 'at_least = 1\nperiod = "year"', "achievement one: Invalid enum value 'year'"),
        ('"edits"\nat_least = 1', '"morale"\nat_least = 101', "achievement one, at_least: morale is at most 100"),
        ('"edits"\nat_least = 1', '"projects"\nat_least = 17', "achievement one, at_least: projects is at most 16"),
        ('"Do one."', '""', "achievement one: Expected `str` of length >= 1"),
        ('"one"', '"One"', "achievement One: Expected `str` matching regex"),
        ('"one"', r'"one\n"', "achievement 1: Expected `str` matching regex"),
        ('"one"', '""', "achievement 1: Expected `str` matching regex"),
        ('id = "one"', "id = 1", "achievement 1: Expected `str`, got `int`"),
        ("[[achievement]]", "[[achievements]]", "there is to be nothing but [[achievement]] tables"),
        ("[[achievement]]", "[achievement]", "there is to be nothing but [[achievement]] tables"),
        ("[[achievement]]", "x = 1\n[[achievement]]", "there is to be nothing but [[achievement]] tables"),
        ("[[achievement]]", "[[achievement]", "this is no TOML: "),
    ],
    ids=repr,
)
def test_a_fault_is_told_with_its_achievement(before: str, after: str, message: str) -> None:
    assert Achievements.load(ONE).all
    assert fault(ONE.replace(before, after)).startswith(message)


def test_two_achievements_are_told_apart() -> None:
    assert fault(ONE + ONE) == "achievement one, id: takes one that no other achievement has"


def test_no_achievements_are_achievements_too() -> None:
    none = Achievements.load("achievement = []")
    life = Life(achievements=none)
    HISTORIES["prompts"](life, 3)

    assert none.all == ()
    assert life.unlocked == []


@pytest.mark.parametrize(
    "text",
    ["achievement = [1]", "achievement = 1", "", "x = 1", "a = " + "[" * 5_000, "a = " + "1" * 5_000, "\0"],
    ids=range(7),
)
def test_no_file_is_too_odd(text: str) -> None:
    assert fault(text)
