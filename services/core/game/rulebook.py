"""All rules of the game that are data, as they come with it."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

from msgspec import Struct

from services.core.game.achievements import Achievements
from services.core.game.challenges import Challenges
from services.core.game.rules import Rules

VERSION: Final = 1
"""Of the code that decides by them: raise it when the same events would give another game."""


class Rulebook(Struct, frozen=True):
    """What work earns, what there is to achieve, and what is asked of a persona."""

    rules: Rules
    achievements: Achievements
    challenges: Challenges
    edition: str = ""
    """Another word for other rules: what was decided by others has to be decided again."""


@cache
def built_in() -> Rulebook:
    """The rules beside this module. They are a part of the code: a fault in one is a fault of the code."""
    folder = files("services.core.game")
    xp, achievements, challenges = (
        (folder / f"{name}.toml").read_text(encoding="utf-8") for name in ("xp", "achievements", "challenges")
    )
    # Challenges are no part of it: what they show is never kept.
    edition = hashlib.blake2b(f"{VERSION}\n{xp}\n{achievements}".encode(), digest_size=8).hexdigest()
    return Rulebook(Rules.load(xp), Achievements.load(achievements), Challenges.load(challenges), edition)
