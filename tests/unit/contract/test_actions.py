from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contract import actions, codec
from services.contract.actions import (
    ACTIONS,
    MAX_COMMAND_BYTES,
    MAX_FIRST_PROMPT_BYTES,
    MAX_NAME_CHARS,
    MAX_NOTE_CHARS,
    MAX_PATH_BYTES,
    MAX_TEXT_BYTES,
    Action,
    AnyAction,
    ClosePane,
    CloseWindow,
    CreateWindow,
    Dismiss,
    NewClaude,
    NewPane,
    Prompt,
    ReadScreen,
    Refresh,
    RenameWindow,
    Report,
    Signal,
    SignalName,
    read_action,
)
from services.contract.errors import ErrorCode, Problem, QuestmuxError
from services.contract.quest_commands import QUEST_COMMANDS
from tests.unit.contract.samples import all_subclasses

kinds = st.sampled_from([*ACTIONS.values()])
few = settings(max_examples=80)

NAMES = ["session", "name"]
CONTROL = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)]
KEYS = [char for char in CONTROL if char not in "\t\n\r\u2028\u2029"]
"""What a program in a terminal could take for a key."""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
"""Also half characters, which text from JSON cannot hold but Python's can."""
field_names = st.sampled_from(["session", "name", "cwd", "command", "prompt", "text", "submit", "force", "signal"])


names = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\t\n"), min_size=1, max_size=20)
folders = st.sampled_from(["/", "~/"]).flatmap(lambda root: names.map(lambda name: root + name))
nothing: st.SearchStrategy[dict[str, Any]] = st.just({})
GOOD: dict[type[AnyAction], st.SearchStrategy[dict[str, Any]]] = {
    CreateWindow: st.fixed_dictionaries(
        {}, optional={"session": names, "name": names, "cwd": folders, "command": names}
    ),
    RenameWindow: st.fixed_dictionaries({"name": names}),
    CloseWindow: nothing,
    NewPane: st.fixed_dictionaries({}, optional={"cwd": folders | st.none()}),
    NewClaude: st.fixed_dictionaries({}, optional={"cwd": folders, "prompt": texts | st.none()}),
    Prompt: st.fixed_dictionaries({"text": texts}, optional={"submit": st.booleans(), "force": st.booleans()}),
    Signal: st.fixed_dictionaries({"signal": st.sampled_from([name.value for name in SignalName])}),
    Dismiss: nothing,
    Report: st.fixed_dictionaries({}, optional={"note": texts | st.just("")}),
    Refresh: nothing,
    ReadScreen: nothing,
    ClosePane: nothing,
}
"""Bodies that are to be taken."""


def problem_of(kind: type[Action], fields: object) -> Problem | None:
    try:
        assert isinstance(read_action(kind, fields), kind)
    except QuestmuxError as exc:
        return exc.problem
    return None


def refusal(kind: type[Action], fields: object) -> str:
    with pytest.raises(QuestmuxError) as raised:
        read_action(kind, fields)
    assert raised.value.problem.code is ErrorCode.INVALID_FIELD
    return str(raised.value)


# The table.


def test_every_action_is_in_the_table_by_its_name() -> None:
    kinds = set(all_subclasses(Action)) - set(QUEST_COMMANDS.values())
    assert set(ACTIONS.values()) == set(GOOD) == kinds == set(AnyAction.__args__)
    assert all(kind.name == name for name, kind in ACTIONS.items())


def test_only_looking_leaves_no_trace() -> None:
    assert [kind for kind in ACTIONS.values() if not kind.is_audited] == [ReadScreen]


# Whatever comes.


@few
@given(kinds, json_values | st.dictionaries(field_names | st.text(max_size=9), json_values, max_size=4))
def test_any_fields_are_an_action_or_an_invalid_field(kind: type[Action], fields: object) -> None:
    problem = problem_of(kind, fields)

    assert problem is None or (problem.code is ErrorCode.INVALID_FIELD and problem.message)


@few
@given(kinds, st.binary() | st.text() | st.integers() | st.lists(st.integers()) | st.none())
def test_what_is_no_object_is_no_action(kind: type[Action], fields: object) -> None:
    assert refusal(kind, fields).startswith("the body is wrong: ")


@few
@given(st.sampled_from([*GOOD]).flatmap(lambda kind: st.tuples(st.just(kind), GOOD[kind])))
def test_an_action_comes_over_the_bus_as_it_was_read(sample: tuple[type[AnyAction], dict[str, Any]]) -> None:
    kind, fields = sample
    action = read_action(kind, fields)

    assert read_action(kind, msgspec.msgpack.decode(codec.encode(action))) == action


# Each field by its name.


@pytest.mark.parametrize("kind", ACTIONS.values(), ids=ACTIONS)
def test_an_unknown_field_is_refused_by_its_name(kind: type[Action]) -> None:
    least: dict[str, Any] = {"text": "a"} if kind is Prompt else {"name": "a"} if kind is RenameWindow else {}
    fields = {"signal": "SIGINT"} if kind is Signal else least

    assert refusal(kind, {**fields, "window": 1}) == "window is unknown"


@pytest.mark.parametrize("name", ["a`b", "a\nb", "a - at `$.text`", "missing required field `text`", "$", "ü"])
def test_an_unknown_field_is_named_whatever_its_name(name: str) -> None:
    assert refusal(Prompt, {"text": "a", name: 1}) == f"{name} is unknown"


def test_the_name_of_an_unknown_field_is_cut() -> None:
    assert len(refusal(Prompt, {"text": "a", "x" * 2_000_000: 1})) < 200
    assert len(refusal(Signal, {"signal": "x" * 2_000_000})) < 200
    assert refusal(Prompt, {"text": "a", "": 1}) == "a field without a name is unknown"


@pytest.mark.parametrize(("kind", "field"), [(RenameWindow, "name"), (Prompt, "text"), (Signal, "signal")])
def test_a_missing_field_is_refused_by_its_name(kind: type[Action], field: str) -> None:
    assert refusal(kind, {}) == f"{field} is missing"


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (CreateWindow, {"session": 1}, "session"),
        (CreateWindow, {"session": ""}, "session"),
        (CreateWindow, {"name": ["a"]}, "name"),
        (CreateWindow, {"command": ""}, "command"),
        (CreateWindow, {"command": "a\nb"}, "command"),
        (CreateWindow, {"cwd": ""}, "cwd"),
        (RenameWindow, {"name": None}, "name"),
        (RenameWindow, {"name": ""}, "name"),
        (NewPane, {"cwd": 1}, "cwd"),
        (NewClaude, {"prompt": ""}, "prompt"),
        (NewClaude, {"prompt": "a\x1b"}, "prompt"),
        (Prompt, {"text": None}, "text"),
        (Prompt, {"text": ""}, "text"),
        (Prompt, {"text": 1.5}, "text"),
        (Prompt, {"text": "a", "submit": None}, "submit"),
        (Prompt, {"text": "a", "submit": 1}, "submit"),
        (Prompt, {"text": "a", "force": "true"}, "force"),
        (Report, {"note": None}, "note"),
        (Report, {"note": "a\x1b"}, "note"),
        (Report, {"note": "\ud800"}, "note"),
        (Signal, {"signal": "SIGUSR1"}, "signal"),
        (Signal, {"signal": "sigint"}, "signal"),
        (Signal, {"signal": "INT"}, "signal"),
        (Signal, {"signal": 2}, "signal"),
        (Signal, {"signal": "a - at `$.text`"}, "signal"),
    ],
)
def test_a_wrong_field_is_refused_by_its_name(kind: type[Action], fields: dict[str, Any], field: str) -> None:
    assert refusal(kind, fields).startswith(f"{field} is wrong: ")


# Names.


@pytest.mark.parametrize(
    "name", ["a", " ", "-t", "--", "a:b.c", "a;", ";", "#{pane_id}", "'\"$`\\", "日本", "😀", "é" * 200]
)
def test_a_name_holds_any_character_that_shows(name: str) -> None:
    assert read_action(RenameWindow, {"name": name}).window_name == name
    assert read_action(CreateWindow, {"name": name, "session": name}).session == name


@pytest.mark.parametrize("char", CONTROL, ids=ascii)
@pytest.mark.parametrize("place", ["{}", "a{}", "{}a", "a{}b"])
def test_no_name_holds_a_control_character(char: str, place: str) -> None:
    name = place.format(char)

    assert refusal(RenameWindow, {"name": name}).startswith("name is wrong: ")
    for field in (*NAMES, "command"):
        assert refusal(CreateWindow, {field: name}).startswith(f"{field} is wrong: ")


def test_a_name_has_its_length() -> None:
    assert read_action(RenameWindow, {"name": "😀" * MAX_NAME_CHARS})
    assert refusal(RenameWindow, {"name": "a" * (MAX_NAME_CHARS + 1)}).startswith("name is wrong: ")


def test_a_note_has_its_length_and_may_be_left_out() -> None:
    assert read_action(Report, {}).note == ""
    assert read_action(Report, {"note": "😀" * MAX_NOTE_CHARS})
    assert refusal(Report, {"note": "a" * (MAX_NOTE_CHARS + 1)}).startswith("note is wrong: ")


# Texts.


@pytest.mark.parametrize(
    "text",
    [
        "a;",
        ";",
        "-x",
        "--",
        "a\tb",
        "a\nb\n",
        "\n",
        "\r\n",
        "#{pane_id}",
        "$(x) `x` \\",
        "😀 👩‍👩‍👧 é",
        "\u2028",
        " ",
        "!x",
        "/x",
    ],
)
def test_a_text_is_what_it_is(text: str) -> None:
    assert read_action(Prompt, {"text": text}).text == text
    assert read_action(NewClaude, {"prompt": text}).prompt == text


@pytest.mark.parametrize("char", KEYS, ids=ascii)
@pytest.mark.parametrize("place", ["{}", "a{}", "{}a", "a\n{}b"])
def test_no_text_holds_a_key(char: str, place: str) -> None:
    text = place.format(char)

    assert refusal(Prompt, {"text": text}).startswith("text is wrong: ")
    assert refusal(NewClaude, {"prompt": text}).startswith("prompt is wrong: ")


def test_a_refused_character_is_told_with_its_place_and_does_no_harm_there() -> None:
    assert refusal(Prompt, {"text": "ab\x1b[A"}) == "text is wrong: it holds '\\x1b' at 2, which is refused"


@pytest.mark.parametrize("half", ["\ud800", "\udfff"], ids=ascii)  # noqa: PT014 - ruff takes both for one
def test_half_a_character_is_refused(half: str) -> None:
    for kind, field in ((Prompt, "text"), (NewClaude, "prompt"), (RenameWindow, "name"), (CreateWindow, "command")):
        assert refusal(kind, {field: f"a{half}"}).isascii()
    assert refusal(NewPane, {"cwd": f"/{half}"}).startswith("cwd is wrong: ")


@pytest.mark.parametrize(
    ("kind", "field", "limit", "char"),
    [
        (Prompt, "text", MAX_TEXT_BYTES, "a"),
        (Prompt, "text", MAX_TEXT_BYTES, "é"),
        (Prompt, "text", MAX_TEXT_BYTES, "😀"),
        (NewClaude, "prompt", MAX_FIRST_PROMPT_BYTES, "a"),
        (NewClaude, "prompt", MAX_FIRST_PROMPT_BYTES, "😀"),
        (CreateWindow, "command", MAX_COMMAND_BYTES, "a"),
        (CreateWindow, "command", MAX_COMMAND_BYTES, "é"),
    ],
)
def test_a_text_may_have_so_many_bytes_and_no_more(kind: type[Action], field: str, limit: int, char: str) -> None:
    text = char * (limit // len(char.encode()))
    assert len(text.encode()) == limit

    assert read_action(kind, {field: text})
    assert refusal(kind, {field: f"{text}a"}).startswith(f"{field} is wrong: ")


# Folders.


@pytest.mark.parametrize("cwd", ["/", "~", "~/src", "/a b/ü/#{x}", "/-", "/a\nb", None, "/" + "é" * 2_047])
def test_a_folder_is_a_full_path(cwd: str | None) -> None:
    assert read_action(CreateWindow, {"cwd": cwd}).cwd == cwd
    assert read_action(NewPane, {"cwd": cwd}).cwd == cwd
    assert read_action(NewClaude, {"cwd": cwd}).cwd == cwd


@pytest.mark.parametrize("cwd", ["src", ".", "../x", "-c", "", " /", "/a\0b", "$HOME", "/" + "é" * 2_048])
def test_another_folder_is_refused(cwd: str) -> None:
    for kind in (CreateWindow, NewPane, NewClaude):
        assert refusal(kind, {"cwd": cwd}).startswith("cwd is wrong: ")
    assert len("/" + "é" * 2_048) < MAX_PATH_BYTES


# The rest.


@pytest.mark.parametrize("name", SignalName)
def test_each_signal_is_taken(name: SignalName) -> None:
    assert read_action(Signal, {"signal": name.value}).signal is name


def test_what_is_left_out_has_its_default() -> None:
    assert read_action(Prompt, {"text": "a"}) == Prompt(text="a", submit=True, force=False)
    assert read_action(CreateWindow, {}) == CreateWindow(session=None, window_name=None, cwd=None, command=None)
    assert read_action(ClosePane, {}) == ClosePane()


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(actions).values() if isinstance(kind, type) and issubclass(kind, msgspec.Struct)],
    ids=lambda kind: kind.__name__,
)
def test_every_action_and_result_is_described(kind: type[msgspec.Struct]) -> None:
    assert kind.__doc__
    assert msgspec.json.schema_components([kind])
