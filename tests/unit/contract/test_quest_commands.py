from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from services.contract import codec
from services.contract.actions import Action, read_action
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.game import PhaseStatus, QuestStatus
from services.contract.quest_commands import (
    MAX_DESCRIPTION_CHARS,
    MAX_GIVEN_PHASES,
    MAX_PROJECT_ID_CHARS,
    MAX_TITLE_CHARS,
    PROJECT_ID,
    QUEST_COMMANDS,
    QUEST_ID,
    ChangePhase,
    ChangeQuest,
    CreateQuest,
    QuestCommand,
)
from services.process.clock import new_id

CONTROL = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)]

titles = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\t\n"), max_size=20)
projects = st.from_regex(PROJECT_ID, fullmatch=True)
many = st.lists(titles, max_size=3)
GOOD: dict[type[QuestCommand], st.SearchStrategy[dict[str, Any]]] = {
    CreateQuest: st.fixed_dictionaries(
        {"title": titles},
        optional={
            "description": texts,
            "project_id": projects | st.none(),
            "follows_tasks": st.just(False),
            "phases": many,
        },
    ),
    ChangeQuest: st.fixed_dictionaries(
        {},
        optional={
            "title": titles | st.none(),
            "description": texts | st.none(),
            "status": st.sampled_from([one.value for one in QuestStatus]),
            "project_id": projects | st.none(),
            "follows_tasks": st.booleans(),
            "add_phases": many,
        },
    ),
    ChangePhase: st.fixed_dictionaries(
        {}, optional={"title": titles, "status": st.sampled_from([one.value for one in PhaseStatus])}
    ),
}
"""Bodies that are to be taken."""


def refusal(kind: type[Action], fields: object) -> str:
    """What is said of a body that is refused; empty when it is taken."""
    try:
        assert isinstance(read_action(kind, fields), kind)
    except QuestmuxError as exc:
        return f"{exc.problem.code}: {exc.problem.message}"
    return ""


def test_every_command_has_a_name_of_its_own() -> None:
    assert list(QUEST_COMMANDS) == ["create_quest", "change_quest", "change_phase"]
    assert set(GOOD) == set(QUEST_COMMANDS.values())


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.name)
@settings(max_examples=60)
@given(data=st.data())
def test_a_good_body_is_taken_and_travels(kind: type[QuestCommand], data: st.DataObject) -> None:
    fields = data.draw(GOOD[kind])

    command = read_action(kind, fields)

    assert read_action(kind, msgspec.msgpack.decode(codec.encode(command))) == command


def test_what_is_left_out_has_its_default() -> None:
    assert read_action(CreateQuest, {"title": "t"}) == CreateQuest(
        title="t", description="", project_id=None, follows_tasks=False, phases=()
    )
    assert read_action(ChangeQuest, {}) == ChangeQuest()
    assert read_action(ChangePhase, {}) == ChangePhase(status=None, title=None)


def test_no_project_and_nothing_of_a_project_are_two_things() -> None:
    assert read_action(ChangeQuest, {"project_id": None}).project_id is None
    assert read_action(ChangeQuest, {}).project_id is UNSET


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (CreateQuest, {}, "title"),
        (CreateQuest, {"title": ""}, "title"),
        (CreateQuest, {"title": None}, "title"),
        (CreateQuest, {"title": 1}, "title"),
        (CreateQuest, {"title": "x" * (MAX_TITLE_CHARS + 1)}, "title"),
        (CreateQuest, {"title": "a\nb"}, "title"),
        (CreateQuest, {"title": "a\u2028b"}, "title"),
        (CreateQuest, {"title": "a\ud800"}, "title"),
        (CreateQuest, {"title": "t", "description": "x" * (MAX_DESCRIPTION_CHARS + 1)}, "description"),
        (CreateQuest, {"title": "t", "description": "\x1b[A"}, "description"),
        (CreateQuest, {"title": "t", "description": None}, "description"),
        (CreateQuest, {"title": "t", "project_id": ""}, "project_id"),
        (CreateQuest, {"title": "t", "project_id": "a b"}, "project_id"),
        (CreateQuest, {"title": "t", "project_id": "a\n"}, "project_id"),
        (CreateQuest, {"title": "t", "project_id": "x" * (MAX_PROJECT_ID_CHARS + 1)}, "project_id"),
        (CreateQuest, {"title": "t", "follows_tasks": True}, "project_id"),
        (CreateQuest, {"title": "t", "follows_tasks": "yes"}, "follows_tasks"),
        (CreateQuest, {"title": "t", "phases": "abc"}, "phases"),
        (CreateQuest, {"title": "t", "phases": None}, "phases"),
        (CreateQuest, {"title": "t", "phases": ["a"] * (MAX_GIVEN_PHASES + 1)}, "phases"),
        (CreateQuest, {"title": "t", "phases": ["a", ""]}, "phases[1]"),
        (CreateQuest, {"title": "t", "phases": [{"title": "a"}]}, "phases[0]"),
        (CreateQuest, {"title": "t", "phases": ["a", "b\x00"]}, "phases[1]"),
        (CreateQuest, {"title": "t", "status": "active"}, "status"),
        (ChangeQuest, {"status": "done"}, "status"),
        (ChangeQuest, {"status": "Active"}, "status"),
        (ChangeQuest, {"status": 1}, "status"),
        (ChangeQuest, {"title": ""}, "title"),
        (ChangeQuest, {"title": "\x7f"}, "title"),
        (ChangeQuest, {"description": "\x00"}, "description"),
        (ChangeQuest, {"project_id": "ü"}, "project_id"),
        (ChangeQuest, {"add_phases": [1]}, "add_phases[0]"),
        (ChangeQuest, {"add_phases": ["\t"]}, "add_phases[0]"),
        (ChangeQuest, {"add_phases": ["a"] * (MAX_GIVEN_PHASES + 1)}, "add_phases"),
        (ChangeQuest, {"phases": []}, "phases"),
        (ChangePhase, {"status": "active"}, "status"),
        (ChangePhase, {"title": "x" * (MAX_TITLE_CHARS + 1)}, "title"),
        (ChangePhase, {"n": 1}, "n"),
        (ChangePhase, [], "the body"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_bad_field_is_named_first(kind: type[Action], fields: object, field: str) -> None:
    assert refusal(kind, fields).startswith(f"invalid_field: {field} is ")


@pytest.mark.parametrize("char", CONTROL, ids=lambda char: f"{ord(char):04x}")
def test_control_characters_are_refused_but_for_tabs_and_newlines_of_a_text(char: str) -> None:
    assert refusal(CreateQuest, {"title": f"a{char}"}).startswith(ErrorCode.INVALID_FIELD)
    is_text = char in "\t\n\r\u2028\u2029"
    assert (refusal(CreateQuest, {"title": "a", "description": f"a{char}"}) == "") == is_text


def test_the_largest_command_is_taken() -> None:
    largest = {
        "title": "😀" * MAX_TITLE_CHARS,
        "description": "😀" * MAX_DESCRIPTION_CHARS,
        "phases": ["😀" * MAX_TITLE_CHARS] * MAX_GIVEN_PHASES,
    }

    assert refusal(CreateQuest, largest) == ""


def test_ids_of_the_clock_are_ids_of_quests() -> None:
    assert QUEST_ID.fullmatch(f"q{new_id(1)}")
