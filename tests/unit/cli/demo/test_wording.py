import json
from itertools import count

from services.cli.demo.wording import Ids, in_json, placed, reworded

SESSION = "a033a279-b73f-4639-adfb-a26b0f736e06"
CALL = "toolu_308a3ef70d64418aa82843b5"
AGENT = "ab683f15188fc0ccc"


def ids(**known: str) -> Ids:
    numbers = count(1)
    return Ids(known, lambda: f"{next(numbers):032x}")


def test_the_laboratory_s_words_become_natural_ones() -> None:
    assert reworded('{"prompt": "lab:fail please go"}') == '{"prompt": "look through the old export folder"}'


def test_a_text_of_one_word_becomes_a_text_of_the_same_width() -> None:
    recorded = "● word word word\n  word word"

    assert reworded(recorded) == "● this part will\n  read each"
    assert len(reworded(recorded)) == len(recorded)


def test_every_place_is_the_agent_s_own() -> None:
    text = "/home/lab/.claude/projects/-home-lab-shop/x.jsonl /home/lab/shop/notes.txt"

    assert placed(text, "/home/d/my_app", "/home/d/claude") == (
        "/home/d/claude/projects/-home-d-my-app/x.jsonl /home/d/my_app/notes.txt"
    )


def test_a_place_may_have_a_name_that_json_escapes() -> None:
    folder = '/home/a"b\\c'

    assert json.loads(placed('{"cwd": "/home/lab/shop"}', in_json(folder), in_json("/c"))) == {"cwd": folder}


def test_an_id_stands_for_the_same_one_as_long_as_the_turn_lasts() -> None:
    mine = ids()
    text = f'{{"session_id": "{SESSION}", "tool_use_id": "{CALL}", "agent_id": "{AGENT}"}}'

    first, again = mine.replaced(text), mine.replaced(text)

    assert first == again
    assert json.loads(first) == {
        "session_id": "00000000-0000-0000-0000-000000000001",
        "tool_use_id": "toolu_000000000000000000000000",
        "agent_id": "a0000000000000000",
    }


def test_a_known_id_is_kept() -> None:
    assert ids(**{SESSION: "mine"}).replaced(f"{SESSION} {CALL}").startswith("mine toolu_")


def test_words_that_look_like_ids_are_left() -> None:
    assert ids().replaced("deadbeef toolu_x abc 2.1.330") == "deadbeef toolu_x abc 2.1.330"
