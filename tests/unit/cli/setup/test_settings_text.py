import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.setup.hook_entries import HOOK_EVENTS, command_entry, entries
from services.cli.setup.json_text import parse
from services.cli.setup.settings_text import SettingsTextError, installed, setting, with_hooks, without_hooks
from tests.settings_files import COUNT, settings_file

OURS = entries(HOOK_EVENTS, "/data/questmux-hook", None)
STOP = {"Stop": OURS["Stop"]}
THEIRS = {"hooks": [{"type": "command", "command": "true"}]}


def has_empty_hooks(text: str) -> bool:
    hooks = setting(text, "hooks")
    return (
        parse(text) is None
        or not text.strip("\ufeff \r\n\t{}")
        or hooks == {}
        or (isinstance(hooks, dict) and [] in hooks.values())
    )


@pytest.mark.parametrize("number", range(COUNT))
def test_ours_is_in_exactly_once_and_out_again(number: int) -> None:
    text = settings_file(number).decode()
    changed = with_hooks(text, OURS)

    assert installed(changed) == {event: [entry] for event, entry in OURS.items()}
    assert changed.count("exec /data/questmux-hook") == len(OURS)
    assert with_hooks(changed, OURS) == changed
    if not has_empty_hooks(text):  # Whether an empty list or file was there before, the text alone does not tell.
        assert without_hooks(changed) == text


def test_comments_and_layout_stay() -> None:
    text = '{\n\t"a": 1, // about a\n\t"hooks": {\n\t\t"Stop": [ // theirs\n\t\t\t{"hooks": []} // first\n\t\t]\n\t}\n}'

    changed = with_hooks(text, STOP)

    assert '"a": 1, // about a\n' in changed
    assert '\t\t\t{"hooks": []}, // first\n\t\t\t{\n\t\t\t\t"hooks": [\n' in changed
    assert changed.endswith("\n\t\t]\n\t}\n}")


def test_an_older_entry_is_replaced_and_theirs_is_not() -> None:
    old = json.dumps(
        {
            "hooks": {
                "Stop": [THEIRS, command_entry("/old/questmux-hook")],
                "Setup": [command_entry("/old/questmux-hook")],
            }
        }
    )

    changed = json.loads(with_hooks(old, STOP))

    assert changed == {"hooks": {"Stop": [THEIRS, OURS["Stop"]]}}


def test_two_of_ours_become_one() -> None:
    doubled = json.dumps({"hooks": {"Stop": [OURS["Stop"], THEIRS, OURS["Stop"]]}})

    assert json.loads(with_hooks(doubled, STOP)) == {"hooks": {"Stop": [THEIRS, OURS["Stop"]]}}


def test_a_hook_of_theirs_within_our_entry_stays() -> None:
    mixed = json.dumps({"hooks": {"Stop": [{"hooks": [*OURS["Stop"]["hooks"], *THEIRS["hooks"]]}]}})

    assert json.loads(without_hooks(mixed)) == {"hooks": {"Stop": [THEIRS]}}
    assert json.loads(with_hooks(mixed, STOP)) == {"hooks": {"Stop": [THEIRS, OURS["Stop"]]}}


def test_ours_goes_from_the_middle_and_comments_stay() -> None:
    ours = json.dumps(OURS["Stop"])
    text = f'{{"hooks": {{"Stop": [\n  {ours}, // one\n  {{"hooks": []}}, /* two */ {ours}\n]}}}}'

    assert without_hooks(text) == '{"hooks": {"Stop": [ // one\n  {"hooks": []} /* two */\n]}}'


def test_fewer_events_take_the_others_out() -> None:
    changed = with_hooks(with_hooks("{}", OURS), STOP)

    assert list(installed(changed)) == ["Stop"]


def test_what_somebody_changed_in_between_stays_changed() -> None:
    changed = with_hooks('{\n  "model": "opus"\n}\n', OURS).replace("opus", "haiku")

    assert without_hooks(changed) == '{\n  "model": "haiku"\n}\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", r"not JSON \(line 1, column 2"),
        ("[]", "not an object"),
        ('"hooks"', "not an object"),
        ('{"hooks": []}', 'its "hooks" is \\[\\], not an object'),
        ('{"hooks": null}', 'its "hooks" is null'),
        ('{"hooks": {"Stop": {}}}', 'a "Stop" that is no list'),
    ],
    ids=repr,
)
def test_what_claude_code_could_not_use_is_refused(text: str, says: str) -> None:
    with pytest.raises(SettingsTextError, match=says):
        with_hooks(text, STOP)


def test_a_setting_is_read() -> None:
    assert setting('{"disableAllHooks": false, "disableAllHooks": true}', "disableAllHooks") is True
    assert setting("", "disableAllHooks") is None


@pytest.mark.parametrize(
    "text",
    [
        '{"model": "opus" // mine\n}\n',
        '{"model": "opus", // mine\n}\n',
        '{ "hooks":{"PostToolUse"\n: [\n] /* c */ } /* c */ \n  }',
        '{ // my settings\n  "hooks": {}, "model": "opus",\n  "permissions": {}\n}',
        '{ // c\n"hooks":{}}',
        '{"hooks": {"Stop": [{"a": 1} // b\n]}}',
        '{"hooks": {"Stop": [{"a": 1}, // b\n]}, // c\n}',
        '{"hooks": {// a\n"Stop": [ // b\n] // c\n} // d\n} // e',
    ],
    ids=repr,
)
def test_nothing_is_put_into_a_comment_or_swallowed_by_one(text: str) -> None:
    changed = with_hooks(text, OURS)

    assert installed(changed) == {event: [entry] for event, entry in OURS.items()}
    assert setting(changed, "model") == setting(text, "model")
    back = without_hooks(changed)
    assert setting(back, "model") == setting(text, "model")
    assert installed(back) == {}


SPACE = st.sampled_from(["", " ", "\n", "\n  ", " // c\n", "\n// c\n", " /* c */ ", "/* c */\n", " /* a */ /* b */\n"])


@given(st.data())
def test_wherever_comments_stand_the_meaning_stays_or_it_is_refused(data: st.DataObject) -> None:
    def gap() -> str:
        return data.draw(SPACE)

    lists = [
        f'"{name}"{gap()}:{gap()}[{gap()}{data.draw(st.sampled_from(["", "{}", "{},{}"]))}{gap()}]'
        for name in ("Stop", "Setup")
    ]
    hooks = f'"hooks"{gap()}:{gap()}{{{gap()}{(gap() + "," + gap()).join(lists)}{gap()}}}'
    parts = data.draw(st.permutations(['"a":1', hooks, '"b":[2]']))
    text = gap() + "{" + gap() + (gap() + "," + gap()).join(parts) + gap() + "}" + gap()

    changed = with_hooks(text, OURS)
    back = without_hooks(changed)

    assert installed(changed).keys() == OURS.keys()
    assert (setting(back, "a"), setting(back, "b"), installed(back)) == (1, [2], {})
