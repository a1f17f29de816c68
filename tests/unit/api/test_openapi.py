import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # it ships none
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from services.api.commands import COMMANDS, Command
from services.api.openapi import document
from services.contract.actions import Dismiss, Report, read_action
from services.contract.answers import EventData
from services.contract.errors import HTTP_STATUS, ErrorCode, QuestmuxError

METHODS = {"get", "post", "patch", "put", "delete"}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(msgspec.json.encode(document()))
    return made


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert method in METHODS
            yield f"{method.upper()} {path}", operation


def values_of(key: str, node: object) -> Iterator[Any]:
    """What stands under this key, anywhere below."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key:
                yield value
            yield from values_of(key, value)
    elif isinstance(node, list):
        for value in node:
            yield from values_of(key, value)


def test_the_document_is_openapi_3_1(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1.")
    assert not list(map(str, OPENAPI_31_VALIDATOR.iter_errors(described)))


def test_the_openapi_check_can_fail(described: dict[str, Any]) -> None:
    assert list(OPENAPI_31_VALIDATOR.iter_errors({**described, "paths": {"/x": {"get": {"responses": 1}}}}))


def test_every_schema_is_a_json_schema(described: dict[str, Any]) -> None:
    schemas = [*values_of("schema", described["paths"]), *described["components"]["schemas"].values()]

    assert len(schemas) > 30
    for schema in schemas:
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere_and_nothing_is_left_over(described: dict[str, Any]) -> None:
    prefix = "#/components/schemas/"
    used = {ref.removeprefix(prefix) for ref in values_of("$ref", described)}

    assert used == set(described["components"]["schemas"])


def test_every_operation_has_a_name_a_good_answer_and_its_errors(described: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(described)]
    assert len(names) == len(set(names))
    for name, operation in operations(described):
        assert operation["summary"], name
        assert {"200", "201"} & set(operation["responses"]), name
        assert {"400", "403"} <= set(operation["responses"]), name


def test_every_path_parameter_is_described(described: dict[str, Any]) -> None:
    for path, methods in described["paths"].items():
        for operation in methods.values():
            in_path = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert in_path == set(re.findall(r"{(\w+)}", path))


def test_only_health_asks_for_no_token(described: dict[str, Any]) -> None:
    assert described["security"] == [{"token": []}]
    assert [name for name, operation in operations(described) if operation.get("security") == []] == ["GET /health"]


def test_every_error_answer_has_the_status_of_its_code(described: dict[str, Any]) -> None:
    for name, operation in operations(described):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                assert HTTP_STATUS[ErrorCode(answer["description"])] == int(status), name


def body_schema(described: dict[str, Any], command: Command) -> dict[str, Any]:
    """What the document says of a command's body, by itself."""
    body = described["paths"][command.path]["post"]["requestBody"]
    schema: dict[str, Any] = body["content"]["application/json"]["schema"]
    return {**schema, "components": described["components"]}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.path)
def test_every_command_is_described_with_its_fields_answer_and_errors(
    described: dict[str, Any], command: Command
) -> None:
    operation = described["paths"][command.path]["post"]

    assert operation["operationId"] == command.action.name
    assert "X-Command-Id" in {one["name"] for one in operation["parameters"]}
    assert set(operation["responses"]) == {
        str(command.status),
        *("400", "401", "403", "404", "408", "409", "413", "415", "422", "503"),
        *(() if command.action in {Dismiss, Report} else ("429", "504")),
    }
    assert body_schema(described, command)["$ref"].endswith(f"/{command.action.__name__}")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.path)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "build"},
        {"name": "a\n"},
        {"name": "a\u2028"},
        {"name": ""},
        {"text": "a\tb\n"},
        {"text": "\x1b"},
        {"text": "a", "submit": None},
        {"signal": "SIGINT"},
        {"signal": "SIGUSR1"},
        {"cwd": "~/src"},
        {"cwd": "/a\nb"},
        {"cwd": "src"},
        {"cwd": None},
        {"command": "make\n"},
        {"prompt": "a\nb"},
        {"prompt": "\x03"},
        {"extra": 1},
        [],
        None,
    ],
    ids=repr,
)
def test_a_body_is_taken_when_the_document_says_so(described: dict[str, Any], command: Command, body: object) -> None:
    try:
        read_action(command.action, body)
    except QuestmuxError:
        is_taken = False
    else:
        is_taken = True

    # Not `jsonschema`: its `$` lets a last newline pass, which JSON Schema's does not.
    assert jsonschema_rs.Draft202012Validator(body_schema(described, command)).is_valid(body) == is_taken


def test_a_body_may_be_left_out_where_every_field_may(described: dict[str, Any]) -> None:
    required = {
        command.action.name
        for command in COMMANDS
        if described["paths"][command.path]["post"]["requestBody"]["required"]
    }

    assert required == {"rename_window", "prompt", "signal"}


def test_the_envelope_is_told_apart(described: dict[str, Any]) -> None:
    good = described["paths"]["/event"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    resolvable = {**good, "components": described["components"]}
    validator = Draft202012Validator(resolvable)

    validator.validate({"success": True, "data": json.loads(msgspec.json.encode(EventData(seq=1)))})
    assert not validator.is_valid({"success": False, "data": {}})
    assert not validator.is_valid({"success": True})
