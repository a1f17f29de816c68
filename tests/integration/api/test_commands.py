import asyncio
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import pytest

from services.api import commands as commands_module
from services.api.commands import COMMANDS, MAX_FIELDS_BYTES
from services.contract import actions
from services.contract.actions import ACTION_S, ACTIONS, Action, SignalName, Target
from services.contract.errors import HTTP_STATUS, ErrorCode
from services.contract.requests import RunAction
from services.process.clock import now_ms
from tests.e2e.stack import Answer
from tests.integration.api.client import TOKENS, Client
from tests.integration.api.fake_core import FakeCore, action_of, screen_of

FIELDS: dict[str, dict[str, Any]] = {
    "rename_window": {"name": "build"},
    "prompt": {"text": "make"},
    "signal": {"signal": "SIGINT"},
}
"""The least that each action takes; nothing when it is not here."""


def path_of(template: str, number: str = "3") -> str:
    return template.replace("{window_id}", number).replace("{pane_id}", number)


PATHS = [path_of(command.path) for command in COMMANDS]
EACH = [pytest.param(path_of(command.path), command.action, id=command.action.name) for command in COMMANDS]


async def post(
    client: Client,
    path: str,
    body: object = None,
    headers: Mapping[str, str | None] | None = None,
    *,
    token: str = TOKENS.full,
) -> Answer:
    """Post a body: bytes as they are, another value as JSON, None as no body."""
    if body is None:
        return await client.ask("POST", path, b"", headers, token=token)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.ask("POST", path, raw, {"Content-Type": "application/json", **(headers or {})}, token=token)


def only_run(core: FakeCore) -> RunAction:
    """The one thing that core was asked."""
    [request] = core.requests
    assert isinstance(request, RunAction)
    return request


def check_refused(answer: Answer, status: int, code: str) -> str:
    """The message of an error."""
    assert (answer.status, answer.code) == (status, code)
    return str(answer.json["error"]["message"])


# What is done.


def test_every_action_that_does_something_has_its_route() -> None:
    assert {command.action for command in COMMANDS} == {kind for kind in ACTIONS.values() if kind.is_audited}
    assert len({command.path for command in COMMANDS}) == len(COMMANDS)


class Example(NamedTuple):
    """A command and what came of it."""

    path: str
    body: object
    target: str | None
    action: Action
    status: int
    data: dict[str, Any]


EXAMPLES = [
    Example(
        "/api/windows/create",
        {"session": "work", "name": "a:b.c; 😀", "cwd": "~/src", "command": "make -j2"},
        None,
        actions.CreateWindow(session="work", window_name="a:b.c; 😀", cwd="~/src", command="make -j2"),
        201,
        {"window_id": "@7", "pane_id": "%7"},
    ),
    Example("/api/windows/create", None, None, actions.CreateWindow(), 201, {"window_id": "@7", "pane_id": "%7"}),
    Example(
        "/api/windows/@1/rename",
        {"name": "build"},
        "@1",
        actions.RenameWindow(window_name="build"),
        200,
        {"window_id": "@1", "name": "build"},
    ),
    Example("/api/windows/%401/close", {}, "@1", actions.CloseWindow(), 200, {"window_id": "@1"}),
    Example(
        "/api/windows/1/new-pane",
        {"cwd": "/srv"},
        "@1",
        actions.NewPane(cwd="/srv"),
        201,
        {"window_id": "@1", "pane_id": "%7"},
    ),
    Example(
        "/api/windows/1/new-claude",
        {"prompt": "fix\nit", "cwd": None},
        "@1",
        actions.NewClaude(prompt="fix\nit"),
        201,
        {"window_id": "@1", "pane_id": "%7"},
    ),
    Example(
        "/api/panes/%253/prompt",
        {"text": "-a\tb\n😀;", "submit": False, "force": True},
        "%3",
        actions.Prompt(text="-a\tb\n😀;", submit=False, force=True),
        200,
        {"pane_id": "%3", "submitted": False, "taken": None, "taken_by": None, "reason": None},
    ),
    Example(
        "/api/panes/3/signal",
        {"signal": "SIGTERM"},
        "%3",
        actions.Signal(signal=SignalName.SIGTERM),
        200,
        {
            "pane_id": "%3",
            "signal": "SIGTERM",
            "sent_as": "process_group",
            "process_group": 7,
            "processes": [{"pid": 7, "command": "sleep"}],
        },
    ),
    Example(
        "/api/panes/3/dismiss",
        None,
        "%3",
        actions.Dismiss(),
        200,
        {"pane_id": "%3", "session_id": "s", "changed": True},
    ),
    Example(
        "/api/panes/3/report",
        {"note": "it waits"},
        "%3",
        actions.Report(note="it waits"),
        201,
        {"pane_id": "%3", "folder": "/data/reports/r", "hooks": 1, "registry": 2, "screens": 3},
    ),
    Example(
        "/api/panes/3/refresh",
        None,
        "%3",
        actions.Refresh(),
        200,
        {"screen": json.loads(msgspec.json.encode(screen_of("%3")))},
    ),
    Example("/api/panes/3/close", None, "%3", actions.ClosePane(), 200, {"pane_id": "%3"}),
]


@pytest.mark.parametrize("example", EXAMPLES)
async def test_a_command_asks_core_and_answers_with_what_came_of_it(
    client: Client, core: FakeCore, example: Example
) -> None:
    answer = await post(client, example.path, example.body)

    assert (answer.status, answer.data) == (example.status, example.data)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    request = only_run(core)
    assert (request.action, request.target) == (example.action.name, example.target)
    assert action_of(request) == example.action


@pytest.mark.parametrize(("path", "kind"), EACH)
async def test_a_command_is_answered_as_the_described_data(client: Client, path: str, kind: type[Action]) -> None:
    [command] = [one for one in COMMANDS if one.action is kind]

    answer = await post(client, path, FIELDS.get(kind.name))

    assert answer.status == command.status
    assert msgspec.convert(answer.data, command.data)


async def test_core_is_told_who_asks_and_until_when(client: Client, core: FakeCore) -> None:
    before = now_ms()

    await post(client, "/api/panes/3/refresh", headers={"User-Agent": "curl/8.5\x1b[31m"})

    request = only_run(core)
    assert request.who == "127.0.0.1 curl/8.5[31m"
    assert before <= request.deadline_at - ACTION_S * 1000 <= now_ms()


# The same command again.


async def test_the_clients_id_is_the_commands_id(client: Client, core: FakeCore) -> None:
    headers = {"X-Command-Id": "build-7:stop_2.a"}

    first = await post(client, "/api/windows/create", {"name": "a"}, headers)
    again = await post(client, "/api/windows/create", {"name": "a"}, headers)

    assert [request.id for request in core.requests if isinstance(request, RunAction)] == ["build-7:stop_2.a"] * 2
    assert list(core.done) == ["build-7:stop_2.a"]
    assert (first.status, first.body) == (again.status, again.body)


async def test_without_an_id_each_command_is_another(client: Client, core: FakeCore) -> None:
    for _ in range(3):
        await post(client, "/api/panes/3/refresh")

    assert len(core.done) == 3


@pytest.mark.parametrize("command_id", ["", "no good", "x" * 129, "ü", "a/b", "a,b"])
async def test_a_malformed_id_is_refused_by_name(client: Client, core: FakeCore, command_id: str) -> None:
    answer = await post(client, "/api/panes/3/refresh", headers={"X-Command-Id": command_id})

    assert check_refused(answer, 422, "invalid_field").startswith("X-Command-Id ")
    assert core.requests == []


# What is refused.


@pytest.mark.parametrize("number", ["abc", "%25", "%252F", "-1", "3.5", "1234567890", "%D9%A3", "%20", "3%0A"])
@pytest.mark.parametrize("command", [one for one in COMMANDS if one.action.target is not Target.NOTHING])
async def test_what_is_no_id_is_an_invalid_field(
    client: Client, core: FakeCore, command: commands_module.Command, number: str
) -> None:
    answer = await post(client, path_of(command.path, number), FIELDS.get(command.action.name))

    assert check_refused(answer, 422, "invalid_field").startswith(f"{command.action.target}_id ")
    assert core.requests == []


@pytest.mark.parametrize("path", ["/api/panes/@3/close", "/api/windows/%253/close"])
async def test_a_pane_is_no_window_and_a_window_no_pane(client: Client, path: str) -> None:
    check_refused(await post(client, path), 422, "invalid_field")


async def test_an_encoded_slash_makes_another_path(client: Client) -> None:
    check_refused(await post(client, "/api/panes/%2F/close"), 404, "not_found")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("body", [b"{", b"nothing", b" ", b"\xff", b'{"a":"\xff"}', b"[]", b"null", b'"text"', b"3"])
async def test_a_body_that_is_no_json_object_is_a_bad_request(
    client: Client, core: FakeCore, path: str, body: bytes
) -> None:
    check_refused(await post(client, path, body), 400, "bad_request")
    assert core.requests == []


@pytest.mark.parametrize("body", [b'{"text":"\\ud800"}', b'{"text":' + b"[" * 100_000])
async def test_json_that_is_no_text_or_endless_is_a_bad_request(client: Client, body: bytes) -> None:
    check_refused(await post(client, "/api/panes/3/prompt", body), 400, "bad_request")


@pytest.mark.parametrize(("path", "kind"), EACH)
async def test_an_unknown_field_is_refused_by_name(
    client: Client, core: FakeCore, path: str, kind: type[Action]
) -> None:
    answer = await post(client, path, {**FIELDS.get(kind.name, {}), "extra": 1})

    assert check_refused(answer, 422, "invalid_field").startswith("extra ")
    assert core.requests == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/windows/create", {"cwd": "relative"}, "cwd"),
        ("/api/windows/create", {"name": "a\n"}, "name"),
        ("/api/windows/1/rename", None, "name"),
        ("/api/windows/1/rename", {"name": ""}, "name"),
        ("/api/panes/3/prompt", None, "text"),
        ("/api/panes/3/prompt", {"text": 1}, "text"),
        ("/api/panes/3/prompt", {"text": "\x1b[A"}, "text"),
        ("/api/panes/3/prompt", {"text": "a", "submit": "yes"}, "submit"),
        ("/api/panes/3/signal", {}, "signal"),
        ("/api/panes/3/signal", {"signal": "SIGUSR1"}, "signal"),
        ("/api/panes/3/signal", {"signal": 9}, "signal"),
    ],
)
async def test_a_missing_or_wrong_field_is_refused_by_name(
    client: Client, core: FakeCore, path: str, body: object, field: str
) -> None:
    answer = await post(client, path, body)

    assert check_refused(answer, 422, "invalid_field").startswith(f"{field} ")
    assert core.requests == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [{"Content-Type": "text/plain"}, {"Content-Type": None}, {"Content-Encoding": "gzip"}],
)
async def test_a_body_of_another_kind_is_415(
    client: Client, core: FakeCore, path: str, headers: dict[str, str | None]
) -> None:
    check_refused(await post(client, path, {}, headers), 415, "unsupported_media_type")
    assert core.requests == []


async def test_without_a_body_its_kind_does_not_matter(client: Client) -> None:
    assert (await post(client, "/api/panes/3/close", headers={"Content-Type": "text/plain"})).status == 200


async def test_a_prompt_of_the_largest_size_is_taken(client: Client, core: FakeCore) -> None:
    text = "\n" * (actions.MAX_TEXT_BYTES - 40) + "x" * 40

    assert (await post(client, "/api/panes/3/prompt", {"text": text})).status == 200
    assert action_of(only_run(core)) == actions.Prompt(text=text)


async def test_a_body_over_the_limit_is_413(client: Client, core: FakeCore) -> None:
    answer = await post(client, "/api/panes/3/prompt", b"x" * (MAX_FIELDS_BYTES + 1))

    assert str(MAX_FIELDS_BYTES) in check_refused(answer, 413, "body_too_large")
    assert core.requests == []


# What core refuses, or does not answer.


@pytest.mark.parametrize(("path", "kind"), EACH)
@pytest.mark.parametrize(
    "code", [ErrorCode.NOT_FOUND, ErrorCode.CONFLICT, ErrorCode.INVALID_FIELD, ErrorCode.TMUX_TIMEOUT]
)
async def test_an_error_of_core_keeps_its_code_and_its_sentence(
    client: Client, core: FakeCore, path: str, kind: type[Action], code: ErrorCode
) -> None:
    core.will_refuse(RunAction, code, "a dialog is open; force types all the same")

    answer = await post(client, path, FIELDS.get(kind.name))

    assert check_refused(answer, HTTP_STATUS[code], code) == "a dialog is open; force types all the same"


@pytest.mark.parametrize("path", PATHS)
async def test_without_core_nothing_is_done(client: Client, core: FakeCore, path: str) -> None:
    core.is_away = True
    kind = next(command.action for command in COMMANDS if path_of(command.path) == path)

    check_refused(await post(client, path, FIELDS.get(kind.name)), 503, "core_unavailable")
    assert core.waits == [False], "nobody waits for a core that is not there"


async def test_a_core_that_does_not_answer_is_given_up(
    client: Client, core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands_module, "CORE_S", 0.05)
    core.is_open.clear()

    check_refused(await post(client, "/api/panes/3/refresh"), 503, "core_unavailable")


async def test_an_action_has_its_time_and_core_a_little_more() -> None:
    assert commands_module.CORE_S == ACTION_S + 1


async def test_a_slow_command_holds_up_no_other(client: Client, core: FakeCore) -> None:
    core.is_open.clear()
    slow = asyncio.create_task(post(client, "/api/panes/3/refresh"))

    check_refused(await post(client, "/api/panes/3/signal"), 422, "invalid_field")

    core.is_open.set()
    assert (await slow).status == 200


# Who may ask.


@pytest.mark.parametrize(("path", "kind"), EACH)
async def test_only_the_full_token_commands(client: Client, core: FakeCore, path: str, kind: type[Action]) -> None:
    fields = FIELDS.get(kind.name)

    check_refused(await post(client, path, fields, token=""), 401, "unauthorized")
    check_refused(await post(client, path, fields, token="wrong"), 401, "unauthorized")  # noqa: S106 - not a secret
    check_refused(await post(client, path, fields, token=TOKENS.hook), 403, "forbidden")
    assert core.requests == []


@pytest.mark.parametrize(("path", "kind"), EACH)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8000"])
async def test_a_foreign_page_commands_nothing(
    client: Client, core: FakeCore, path: str, kind: type[Action], origin: str
) -> None:
    answer = await post(client, path, FIELDS.get(kind.name), {"Origin": origin})

    check_refused(answer, 403, "forbidden")
    assert core.requests == []
