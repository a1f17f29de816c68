import json
import logging

import pytest

from services.process.logs import JsonFormatter, ReadableFormatter
from services.process.tokens import Tokens

HOSTILE = 'a\nb\r\x1b[2J\u2028 "c" \x85'


def record(message: str, *args: object, **facts: object) -> logging.LogRecord:
    made = logging.makeLogRecord({"msg": message, "args": args, "levelno": logging.INFO, "levelname": "INFO"})
    made.name = "services.test"
    vars(made).update(facts)
    return made


def as_json(of: logging.LogRecord) -> dict[str, object]:
    line = JsonFormatter("core").format(of)
    assert len(line.split("\n")) == 1
    fields = json.loads(line, parse_constant=lambda text: pytest.fail(f"{text} is not JSON"))
    assert isinstance(fields, dict)
    return fields


def failed(message: str) -> logging.LogRecord:
    made = record("it failed")
    made.exc_info = (ValueError, ValueError(message), None)
    return made


def test_a_line_is_one_json_object_with_the_facts_beside_the_message() -> None:
    fields = as_json(record("took %s", 3, pane_id="%1", count=2, ratio=0.5, found=None, ids=["a"]))

    assert fields.pop("at")
    assert fields == {
        "level": "info",
        "service": "core",
        "logger": "services.test",
        "message": "took 3",
        "pane_id": "%1",
        "count": 2,
        "ratio": 0.5,
        "found": None,
        "ids": ["a"],
    }


@pytest.mark.parametrize("value", [HOSTILE, "\ud800", 2**70, float("nan"), b"\xff", {"a": {1, 2}}, object, {1: "x"}])
def test_no_value_breaks_the_line(value: object) -> None:
    assert "value" in as_json(record("seen", value=value))


def test_a_hostile_value_comes_back_as_it_was() -> None:
    assert as_json(record("said %s", HOSTILE, value=HOSTILE))["value"] == HOSTILE


def test_a_hostile_message_stays_one_line() -> None:
    assert as_json(record("said %s", HOSTILE))["message"] == f"said {HOSTILE}"


def test_a_fact_cannot_pose_as_a_field_of_the_line() -> None:
    fields = as_json(record("seen", service="other", level="error"))

    assert (fields["service"], fields["level"]) == ("core", "info")
    assert (fields["service_"], fields["level_"]) == ("other", "error")


def test_a_traceback_stays_in_its_line() -> None:
    fields = as_json(failed(HOSTILE))

    assert "ValueError" in str(fields["traceback"])


@pytest.mark.parametrize("formatter", [JsonFormatter("core"), ReadableFormatter()])
def test_the_tokens_are_not_shown(formatter: logging.Formatter) -> None:
    tokens = Tokens(full="full-secret", hook="hook-secret")

    line = formatter.format(record("using %s", tokens, tokens=tokens, both=[tokens]))

    assert "secret" not in line


def test_a_readable_line_has_the_facts_quoted() -> None:
    line = ReadableFormatter().format(record("pane found", pane_id="%1", count=2))

    assert line.endswith(" info    pane found pane_id='%1' count=2")


def test_nothing_in_a_readable_line_speaks_to_the_terminal() -> None:
    line = ReadableFormatter().format(record(f"said {HOSTILE}", value=HOSTILE))

    assert line.isprintable()


def test_a_readable_traceback_keeps_its_lines_and_nothing_else() -> None:
    text = ReadableFormatter().format(failed("\x1b[2J"))

    assert text.split("\n")[1] == r"ValueError: \x1b[2J"
    assert text.replace("\n", "").isprintable()
