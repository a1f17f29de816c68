"""The routes of quests over a core that decides, keeps and applies as the real one does."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from services.api.quests import MAX_FIELDS_BYTES
from services.contract.errors import HTTP_STATUS, ErrorCode
from services.contract.events import NewEvent
from services.contract.game_requests import CommandQuest, GetQuest, GetQuests
from services.contract.quest_commands import MAX_DESCRIPTION_CHARS, MAX_GIVEN_PHASES, MAX_TITLE_CHARS
from services.contract.requests import Request
from services.core import quest_desk
from services.core.game.quests import Quests
from services.core.quest_desk import QuestDesk, event_id
from services.process.clock import now_ms
from tests.e2e.stack import Answer
from tests.integration.api.client import TOKENS, Client
from tests.integration.api.fake_core import FakeCore

NO_QUEST = "q" + "0" * 32
COMMANDS = [
    ("POST", "/api/quests", {"title": "Ship"}),
    ("PATCH", f"/api/quests/{NO_QUEST}", {}),
    ("PATCH", f"/api/quests/{NO_QUEST}/phases/1", {}),
]


class Board:
    """What core does with quests."""

    def __init__(self, core: FakeCore) -> None:
        self.desk = QuestDesk(has_project={"p1"}.__contains__)
        self.quests = Quests()
        self.log: dict[str, NewEvent] = {}
        core.listings[CommandQuest] = self.run
        core.listings[GetQuests] = self.read
        core.listings[GetQuest] = self.read

    def run(self, request: Request) -> bytes:
        assert isinstance(request, CommandQuest)
        decision = self.desk.run(request, self.quests, now_ms(), self.log.get(event_id(request)))
        for event in decision.events:
            self.log[event.id] = event
            self.quests.apply(event, event.received_at)
        return decision.answer(self.quests).data

    def read(self, request: Request) -> bytes:
        if isinstance(request, GetQuests):
            return quest_desk.page(self.quests, request).data
        assert isinstance(request, GetQuest)
        return quest_desk.one(self.quests, request).data


@pytest.fixture
def board(core: FakeCore) -> Board:
    return Board(core)


async def send(
    client: Client,
    method: str,
    path: str,
    body: object = None,
    headers: Mapping[str, str | None] | None = None,
    *,
    token: str = TOKENS.full,
) -> Answer:
    """A body: bytes as they are, another value as JSON, None as no body."""
    if body is None:
        return await client.ask(method, path, b"", headers, token=token)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await client.ask(method, path, raw, {"Content-Type": "application/json", **(headers or {})}, token=token)


async def create(client: Client, **fields: Any) -> dict[str, Any]:
    answer = await send(client, "POST", "/api/quests", {"title": "Ship", **fields})
    assert answer.status == 201
    quest: dict[str, Any] = answer.data["quest"]
    return quest


def check_refused(answer: Answer, status: int, code: str) -> str:
    """The message of an error."""
    assert (answer.status, answer.code) == (status, code)
    return str(answer.json["error"]["message"])


# What is done.


async def test_a_quest_from_its_making_to_its_end(client: Client, board: Board) -> None:
    quest = await create(client, description="d", project_id="p1", phases=["a", "b"])
    path = f"/api/quests/{quest['id']}"
    for n, status in ((1, "executing"), (1, "completed"), (2, "skipped")):
        answer = await send(client, "PATCH", f"{path}/phases/{n}", {"status": status})
        assert answer.status == 200
    archived = await send(client, "PATCH", path, {"status": "archived"})

    assert quest["status"] == "planned"
    assert (answer.data["quest"]["status"], answer.data["quest"]["progress"]) == ("completed", 100)
    assert archived.data["quest"]["status"] == "archived"
    assert (await client.get(path)).data == archived.data
    assert [event.name for event in board.log.values()] == ["QuestCreated", *["PhaseChanged"] * 3, "QuestChanged"]


async def test_an_answer_is_in_the_envelope(client: Client, board: Board) -> None:
    answer = await send(client, "POST", "/api/quests", {"title": "a:b.c; 😀"})

    [quest] = board.quests.all()
    assert answer.status == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.data == {"quest": json.loads(msgspec.json.encode(quest))}


async def test_core_is_told_who_asks_for_what(client: Client, core: FakeCore, board: Board) -> None:
    quest = await create(client, phases=["a"])
    path = f"/api/quests/{quest['id']}/phases/1"
    await send(client, "PATCH", path, {"title": "b"}, {"User-Agent": "curl/8.5\x1b[31m"})

    request = core.requests[-1]
    assert isinstance(request, CommandQuest)
    assert (request.who, request.command) == ("127.0.0.1 curl/8.5[31m", "change_phase")
    assert (request.quest_id, request.n) == (quest["id"], 1)
    assert core.waits == [False, False], "nobody waits for a core that is not there"
    assert len(board.log) == 2


async def test_a_list_is_filtered_and_paged(client: Client, board: Board) -> None:
    first, second, third = [await create(client, project_id=project) for project in ("p1", None, "p1")]
    await send(client, "PATCH", f"/api/quests/{third['id']}", {"status": "active"})

    async def ids(query: str) -> list[str]:
        answer = await client.get(f"/api/quests{query}")
        assert answer.status == 200
        return [quest["id"] for quest in answer.data["quests"]]

    assert await ids("") == [quest.id for quest in sorted(board.quests.all(), key=lambda one: one.id, reverse=True)]
    assert await ids("?status=active") == [third["id"]]
    assert await ids("?status=planned&project=p1") == [first["id"]]
    assert await ids("?project=nowhere") == []
    page = (await client.get("/api/quests?limit=2")).data
    assert page["has_more"]
    rest = (await client.get(f"/api/quests?limit=2&after={page['next_after']}")).data
    assert not rest["has_more"]
    assert sorted(quest["id"] for quest in [*page["quests"], *rest["quests"]]) == sorted(
        [first["id"], second["id"], third["id"]]
    )


async def test_head_is_get_without_a_body(client: Client, board: Board) -> None:
    quest = await create(client)

    for path in ("/api/quests", f"/api/quests/{quest['id']}"):
        answer = await client.ask("HEAD", path)
        assert (answer.status, answer.body) == (200, b"")
    assert len(board.log) == 1


# Once.


async def test_the_same_command_again_is_done_once(client: Client, board: Board) -> None:
    headers = {"X-Command-Id": "build-7:quest_2.a"}

    answers = [await send(client, "POST", "/api/quests", {"title": "Ship"}, headers) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert list(board.log) == ["quest-build-7:quest_2.a"]
    check_refused(await send(client, "POST", "/api/quests", {"title": "Other"}, headers), 409, "conflict")


async def test_without_an_id_each_command_is_another(client: Client, board: Board) -> None:
    for _ in range(3):
        await create(client)

    assert len(board.quests.all()) == 3


@pytest.mark.parametrize("command_id", ["", "no good", "x" * 129, "ü", "a/b", "a,b"])
@pytest.mark.parametrize(("method", "path", "body"), COMMANDS, ids=repr)
async def test_a_malformed_id_is_refused_by_name(
    client: Client, core: FakeCore, *, method: str, path: str, body: object, command_id: str
) -> None:
    answer = await send(client, method, path, body, {"X-Command-Id": command_id})

    assert check_refused(answer, 422, "invalid_field").startswith("X-Command-Id ")
    assert core.requests == []


# What is refused.


@pytest.mark.parametrize(
    ("method", "path", "body"), [*COMMANDS[1:], ("GET", f"/api/quests/{NO_QUEST}", None)], ids=repr
)
@pytest.mark.parametrize("quest_id", [NO_QUEST, "q1", "-1", "%00", "%25", "ü"], ids=repr)
@pytest.mark.usefixtures("board")
async def test_a_quest_that_is_not_there_is_404(
    client: Client, method: str, path: str, body: object, quest_id: str
) -> None:
    answer = await send(client, method, path.replace(NO_QUEST, quest_id), body)

    assert check_refused(answer, 404, "not_found").startswith("there is no quest ")


@pytest.mark.parametrize(
    "n", ["0", "2", "-1", "x", "1.0", "%D9%A1", "9" * 9, "9" * 10, "9" * 5000], ids=lambda n: n[:12]
)
async def test_a_phase_that_is_not_there_is_404(client: Client, board: Board, n: str) -> None:
    quest = await create(client, phases=["a"])

    answer = await send(client, "PATCH", f"/api/quests/{quest['id']}/phases/{n}", {"status": "executing"})

    assert check_refused(answer, 404, "not_found").startswith(f"the quest {quest['id']} has no phase ")
    assert len(board.log) == 1


async def test_an_illegal_move_is_409_and_names_the_legal_ones(client: Client, board: Board) -> None:
    quest = await create(client, phases=["a"])
    path = f"/api/quests/{quest['id']}"

    assert check_refused(await send(client, "PATCH", path, {"status": "completed"}), 409, "conflict") == (
        "a planned quest cannot become completed; it can become active or archived"
    )
    assert check_refused(await send(client, "PATCH", f"{path}/phases/1", {"status": "failed"}), 409, "conflict") == (
        "a pending phase of a planned quest cannot become failed; it can become planned, executing or skipped"
    )
    assert len(board.log) == 1


@pytest.mark.parametrize(("method", "path", "_body"), COMMANDS, ids=repr)
@pytest.mark.parametrize(
    "body", [b"{", b"nothing", b"\xff", b"[]", b"null", b'"text"', b'{"title":"\\ud800"}'], ids=repr
)
async def test_a_body_that_is_no_json_object_is_a_bad_request(
    client: Client, core: FakeCore, method: str, path: str, _body: object, body: bytes
) -> None:
    check_refused(await send(client, method, path, body), 400, "bad_request")
    assert core.requests == []


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/quests", None, "title"),
        ("POST", "/api/quests", {}, "title"),
        ("POST", "/api/quests", {"title": ""}, "title"),
        ("POST", "/api/quests", {"title": "x" * (MAX_TITLE_CHARS + 1)}, "title"),
        ("POST", "/api/quests", {"title": "t", "phases": "a"}, "phases"),
        ("POST", "/api/quests", {"title": "t", "project_id": "a b"}, "project_id"),
        ("POST", "/api/quests", {"title": "t", "follows_tasks": True}, "project_id"),
        ("PATCH", COMMANDS[1][1], {"status": "done"}, "status"),
        ("PATCH", COMMANDS[1][1], {"phases": []}, "phases"),
        ("PATCH", COMMANDS[2][1], {"status": "active"}, "status"),
        ("PATCH", COMMANDS[2][1], {"title": 3}, "title"),
        *((method, path, {**body, "extra": 1}, "extra") for method, path, body in COMMANDS),
    ],
    ids=repr,
)
async def test_a_missing_or_wrong_field_is_refused_by_name(
    client: Client, core: FakeCore, *, method: str, path: str, body: object, field: str
) -> None:
    answer = await send(client, method, path, body)

    assert check_refused(answer, 422, "invalid_field").startswith(f"{field} ")
    assert core.requests == []


@pytest.mark.usefixtures("board")
async def test_a_project_that_is_not_there_is_an_invalid_field(client: Client) -> None:
    answer = await send(client, "POST", "/api/quests", {"title": "t", "project_id": "p9"})

    assert check_refused(answer, 422, "invalid_field") == "project_id is wrong: there is no project p9"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("status=done", "status"),
        ("status=", "status"),
        ("status=active&status=paused", "status"),
        ("status=active,paused", "status"),
        ("project=a%20b", "project"),
        ("project=", "project"),
        ("after=3", "after"),
        ("after=", "after"),
        (f"after={NO_QUEST}0", "after"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=-1", "limit"),
        ("limit=x", "limit"),
    ],
    ids=repr,
)
async def test_a_wrong_filter_is_refused_by_name(client: Client, core: FakeCore, query: str, name: str) -> None:
    answer = await client.get(f"/api/quests?{query}")

    assert check_refused(answer, 422, "invalid_field").startswith(f"{name} is wrong: it takes ")
    assert core.requests == []


async def test_the_largest_command_fits_and_one_over_the_limit_is_413(
    client: Client, core: FakeCore, board: Board
) -> None:
    largest = {
        "title": "😀" * MAX_TITLE_CHARS,
        "description": "😀" * MAX_DESCRIPTION_CHARS,
        "phases": ["😀" * MAX_TITLE_CHARS] * MAX_GIVEN_PHASES,
    }
    assert (await send(client, "POST", "/api/quests", largest)).status == 201
    core.requests.clear()

    check_refused(await send(client, "POST", "/api/quests", b"x" * (MAX_FIELDS_BYTES + 1)), 413, "body_too_large")
    assert core.requests == []
    assert len(board.log) == 1


@pytest.mark.parametrize(("method", "path", "body"), COMMANDS, ids=repr)
@pytest.mark.parametrize("headers", [{"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}], ids=repr)
async def test_a_body_of_another_kind_is_415(
    client: Client, core: FakeCore, *, method: str, path: str, body: object, headers: dict[str, str | None]
) -> None:
    check_refused(await send(client, method, path, body, headers), 415, "unsupported_media_type")
    assert core.requests == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/quests/q1", {"GET", "HEAD", "PATCH"}),
        ("PUT", "/api/quests", {"GET", "HEAD", "POST"}),
        ("GET", "/api/quests/q1/phases/1", {"PATCH"}),
    ],
)
async def test_another_method_is_405(client: Client, method: str, path: str, allowed: set[str]) -> None:
    answer = await client.ask(method, path)

    check_refused(answer, 405, "method_not_allowed")
    assert set(answer.headers["allow"].split(", ")) - {"OPTIONS"} == allowed


# Core, and who may ask.


@pytest.mark.parametrize(("method", "path", "body"), COMMANDS, ids=repr)
@pytest.mark.parametrize("code", [ErrorCode.NOT_FOUND, ErrorCode.CONFLICT, ErrorCode.INVALID_FIELD])
async def test_an_error_of_core_keeps_its_code_and_its_sentence(
    client: Client, core: FakeCore, *, method: str, path: str, body: object, code: ErrorCode
) -> None:
    core.will_refuse(CommandQuest, code, "status is wrong")

    assert check_refused(await send(client, method, path, body), HTTP_STATUS[code], code) == "status is wrong"


@pytest.mark.parametrize(("method", "path", "body"), [*COMMANDS, ("GET", "/api/quests", None)], ids=repr)
async def test_without_core_it_is_503(client: Client, core: FakeCore, method: str, path: str, body: object) -> None:
    core.is_away = True

    check_refused(await send(client, method, path, body), 503, "core_unavailable")


@pytest.mark.parametrize(("method", "path", "body"), [*COMMANDS, ("GET", "/api/quests", None)], ids=repr)
async def test_only_the_full_token_is_let_in(
    client: Client, core: FakeCore, method: str, path: str, body: object
) -> None:
    check_refused(await send(client, method, path, body, token=""), 401, "unauthorized")
    check_refused(await send(client, method, path, body, token=TOKENS.hook), 403, "forbidden")
    assert core.requests == []
