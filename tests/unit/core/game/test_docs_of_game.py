"""docs/game.md says what the rules that are data say, and what the code has."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

import msgspec

from services.api.openapi import document
from services.contract.game import Statistics
from services.core.game import personas
from services.core.game.deeds import DeedKind
from services.core.game.levels import NO_TRADE, TIERS, TRADES, begins_at
from services.poller import repository

DOCUMENT: Final = (Path(__file__).parents[4] / "docs/game.md").read_text(encoding="utf-8")


def cells_of(text: str) -> list[list[str]]:
    """The cells of the one table in a text, without its head."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def table(first_cell: str) -> list[list[str]]:
    """The table whose head begins so."""
    found = DOCUMENT.split(f"\n| {first_cell} |")[1]
    return cells_of(f"|{found}".partition("\n\n")[0])


def section(heading: str) -> list[list[str]]:
    """The table under a heading."""
    found = DOCUMENT.split(f"\n## {heading}\n")[1]
    return cells_of(found.partition("\n## ")[0])


def data(name: str, kind: str) -> list[dict[str, str | int]]:
    text = (files("services.core.game") / name).read_text(encoding="utf-8")
    found: list[dict[str, str | int]] = msgspec.toml.decode(text)[kind]
    return found


def test_all_challenges_are_described() -> None:
    assert section("Challenges") == [
        [f"`{one['id']}`", one["title"], one["period"], f"`{one['measure']}`", str(one["goal"])]
        for one in data("challenges.toml", "challenge")
    ]


def test_all_achievements_are_described() -> None:
    assert section("Achievements") == [
        [f"`{one['id']}`", one["title"], one["rarity"], one["description"]]
        for one in data("achievements.toml", "achievement")
    ]


def test_all_rules_are_described_with_their_limit_and_reason() -> None:
    assert section("XP") == [
        [f"`{one['name']}`", str(one["xp"]), str(one.get("per_day", "once")), one["why"]]
        for one in data("xp.toml", "rule")
    ]


def test_all_tiers_and_trades_are_described() -> None:
    assert table("tier") == [[tier, str(level), f"{begins_at(level):,}"] for level, tier in reversed(TIERS)]
    assert table("most of") == [
        *([f"`{name}`", str(weight), trade] for name, weight, trade in TRADES),
        ["nothing yet", "", NO_TRADE],
    ]


def test_all_statistics_are_described() -> None:
    described = [name for row in table("name") for name in re.findall(r"\w+", row[0])]

    assert described == list(Statistics.__struct_fields__)


def test_energy_and_morale_are_described_as_the_code_has_them() -> None:
    rows = section("Energy and morale")

    assert rows == cells_of(personas.__doc__ or "")
    morale = {row[0]: row[2] for row in rows}
    changes = personas._MORALE
    assert morale["at first"] == str(personas.EVEN)
    assert morale["tests pass"] == f"+{changes[DeedKind.TEST]}"
    assert morale["a commit, a task completed"] == f"+{changes[DeedKind.COMMIT]}" == f"+{changes['task_completed']}"
    assert morale["a pull request"] == f"+{changes[DeedKind.PULL_REQUEST]}"
    assert morale["a quest completed"] == f"+{personas.QUEST_MORALE}"
    assert morale["a call fails"] == str(changes[DeedKind.FAILED_TOOL])
    assert morale["a turn fails"] == str(changes[DeedKind.FAILED_TURN])


def test_all_problems_of_a_project_are_described() -> None:
    problems = {value for name, value in vars(repository).items() if name.isupper() and isinstance(value, str)}

    assert {row[0].strip("`") for row in table("`problem`")} == problems


def test_every_route_is_there() -> None:
    described = {row[0].strip("`").removeprefix("GET ").partition("?")[0] for row in table("route")}
    paths = document()["paths"]
    ours = re.compile(r"/api/(personas|achievements|projects|xp|report|avatars)\b")

    assert described == {path for path in paths if ours.match(path)}
    for row in table("route"):
        path, _, query = row[0].strip("`").removeprefix("GET ").partition("?")
        takes = {one["name"] for one in paths[path]["get"].get("parameters", ()) if one["in"] == "query"}
        assert set(re.findall(r"(\w+)=", query)) == takes
