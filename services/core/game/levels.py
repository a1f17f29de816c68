"""Levels, tiers and titles: what a sum of XP, and the kind of work, make of a persona. Pure.

Level n begins at 50 * n * (n - 1) XP: 0, 100, 300, 600, 1000 ... Each level takes 100 XP more than the one before, so
that the first come within an hour and the fiftieth within months.
"""

import math
from collections.abc import Mapping
from typing import Final

STEP: Final = 50
TIERS: Final = (
    (50, "Legend"),
    (35, "Master"),
    (20, "Expert"),
    (10, "Journeyman"),
    (5, "Apprentice"),
    (1, "Novice"),
)
"""The level that a tier begins at, the highest first."""

TRADES: Final = (
    ("pull_requests", 40, "Envoy"),
    ("quests", 40, "Quester"),
    ("pushes", 12, "Herald"),
    ("commits", 10, "Chronicler"),
    ("tests", 8, "Warden"),
    ("edits", 4, "Smith"),
    ("prompts", 3, "Listener"),
    ("tools", 1, "Scout"),
)
"""A statistic, how many calls of a tool one of it stands for, and who does that most.

Every edit, test and commit is a call too, and looking comes before doing: without weights all would be scouts. Of
equals the first, which is the rarer work.
"""
NO_TRADE: Final = "Wanderer"


def level_of(xp: int) -> int:
    """The level that this much XP reaches, from 1."""
    return (1 + math.isqrt(1 + 4 * (max(xp, 0) // STEP))) // 2


def begins_at(level: int) -> int:
    """The XP at which a level begins."""
    return STEP * level * (level - 1)


def tier_of(level: int) -> str:
    """The tier that a level is in."""
    return next((tier for begins, tier in TIERS if level >= begins), TIERS[-1][1])


def trade_of(done: Mapping[str, int]) -> str:
    """Who does what was done most, by the names of `contract.game.Statistics`."""
    weighed = [(done.get(name, 0) * weight, trade) for name, weight, trade in TRADES]
    most, trade = max(weighed, key=lambda one: one[0])
    return trade if most > 0 else NO_TRADE


def title_of(level: int, done: Mapping[str, int]) -> str:
    """The title: `Journeyman Smith`."""
    return f"{tier_of(level)} {trade_of(done)}"
