"""The routes of quests: reads, and commands that core keeps before it answers."""

from typing import Final, NamedTuple

from falcon.asgi import Request, Response

from services.api.caller import name_caller
from services.api.command_call import read_command_id, read_fields
from services.api.envelope import answer_data
from services.api.query import read_id, read_number, read_word
from services.api.reads import DEFAULT_ROWS, MAX_ROWS, READ_S, CoreReads
from services.contract import codec
from services.contract.actions import read_action
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.game import QuestStatus
from services.contract.game_requests import CommandQuest, GetQuest, GetQuests
from services.contract.quest_commands import (
    QUEST_ID,
    ChangePhase,
    ChangeQuest,
    CreateQuest,
    QuestCommand,
)
from services.contract.requests import Listing

MAX_FIELDS_BYTES: Final = 512 * 1024
"""Of a body: a hundred titles and the longest description, with room for JSON's escapes."""
_PHASE_DIGITS: Final = 9


class QuestRoute(NamedTuple):
    """A command's route, for the description."""

    path: str
    method: str
    command: type[QuestCommand]
    status: int = 200


QUEST_ROUTES: Final = (
    QuestRoute("/api/quests", "post", CreateQuest, 201),
    QuestRoute("/api/quests/{quest_id}", "patch", ChangeQuest),
    QuestRoute("/api/quests/{quest_id}/phases/{n}", "patch", ChangePhase),
)


class QuestsResource(CoreReads):
    """`/api/quests`, `/api/quests/{quest_id}` (`one`) and `/api/quests/{quest_id}/phases/{n}` (`phase`)."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """A page of quests, the newest first."""
        status = QuestStatus(read_word(req, "status", tuple(QuestStatus))) if req.has_param("status") else None
        project_id = read_id(req, "project") if req.has_param("project") else None
        after = _read_after(req) if req.has_param("after") else None
        limit = read_number(req, "limit", DEFAULT_ROWS, 1, MAX_ROWS)
        await self.answer(resp, GetQuests(status=status, project_id=project_id, limit=limit, after=after))

    on_head = on_get

    async def on_post(self, req: Request, resp: Response) -> None:
        """Make one."""
        await self._run(req, resp, CreateQuest, status=201)

    async def on_get_one(self, _req: Request, resp: Response, quest_id: str) -> None:
        """One quest."""
        await self.answer(resp, GetQuest(id=quest_id))

    on_head_one = on_get_one

    async def on_patch_one(self, req: Request, resp: Response, quest_id: str) -> None:
        """Change one."""
        await self._run(req, resp, ChangeQuest, quest_id)

    async def on_patch_phase(self, req: Request, resp: Response, quest_id: str, n: str) -> None:
        """Change a phase of one."""
        if not (n.isascii() and n.isdecimal() and len(n) <= _PHASE_DIGITS):
            raise QuestmuxError(ErrorCode.NOT_FOUND, f"the quest {quest_id} has no phase {n}")
        await self._run(req, resp, ChangePhase, quest_id, int(n))

    async def _run(
        self,
        req: Request,
        resp: Response,
        kind: type[QuestCommand],
        quest_id: str | None = None,
        n: int | None = None,
        *,
        status: int = 200,
    ) -> None:
        command_id = read_command_id(req)
        command = read_action(kind, await read_fields(req, MAX_FIELDS_BYTES))
        request = CommandQuest(
            id=command_id,
            who=name_caller(req.remote_addr, req.user_agent),
            command=command.name,
            fields=codec.encode(command),
            quest_id=quest_id,
            n=n,
        )
        answer_data(resp, (await self._core.request(request, Listing, READ_S, wait=False)).data, status)


def _read_after(req: Request) -> str:
    given = req.get_param_as_list("after") or []
    if len(given) != 1 or QUEST_ID.fullmatch(given[0]) is None:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, "after is wrong: it takes the `next_after` of a page")
    return given[0]
