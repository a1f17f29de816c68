"""What a person may have done to quests: each command with its fields and limits, and the answers. Pure.

A command's fields are the JSON body of its HTTP route; the quest and the phase stand in the path and travel beside it.
"""

import re
from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

from services.contract.actions import Action, Target
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.game import PhaseStatus, Quest, QuestStatus

MAX_TITLE_CHARS: Final = 200
MAX_DESCRIPTION_CHARS: Final = 8_000
MAX_GIVEN_PHASES: Final = 100
"""Of one command."""
MAX_PHASES: Final = 200
"""Of one quest, with those that tasks made: it travels as a whole, to every client."""
MAX_PROJECT_ID_CHARS: Final = 128

QUEST_ID: Final = re.compile(r"q[0-9a-f]{32}")
PROJECT_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")

_CONTROL: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_NOT_TEXT: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_HALF_CHARACTERS: Final = r"\ud800-\udfff"
_NO_TITLE: Final = re.compile(f"[{_CONTROL}{_HALF_CHARACTERS}]")
_NO_TEXT: Final = re.compile(f"[{_NOT_TEXT}{_HALF_CHARACTERS}]")

Title = Annotated[
    str,
    Meta(min_length=1, max_length=MAX_TITLE_CHARS, extra_json_schema={"pattern": f"^[^{_CONTROL}]*$"}),
]
"""Any characters but control characters."""
Description = Annotated[
    str, Meta(max_length=MAX_DESCRIPTION_CHARS, extra_json_schema={"pattern": f"^[^{_NOT_TEXT}]*$"})
]
"""Any characters but control characters; tabs and newlines are text."""
ProjectId = Annotated[
    str,
    Meta(max_length=MAX_PROJECT_ID_CHARS, extra_json_schema={"pattern": f"^{PROJECT_ID.pattern}$"}),
]
Titles = Annotated[tuple[Title, ...], Meta(max_length=MAX_GIVEN_PHASES)]


class CreateQuest(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new quest, planned, with its phases pending."""

    name: ClassVar[str] = "create_quest"
    target: ClassVar[Target] = Target.NOTHING

    title: Title
    description: Description = ""
    project_id: ProjectId | None = None
    follows_tasks: bool = False
    """Claude Code's tasks in the project make its phases and complete them; it needs a project."""
    phases: Titles = ()
    """Their titles, in order."""

    def check(self) -> None:
        """See `Action`."""
        _check_text("title", self.title, _NO_TITLE)
        _check_text("description", self.description, _NO_TEXT)
        _check_project(self.project_id)
        _check_titles("phases", self.phases)
        if self.follows_tasks and self.project_id is None:
            raise _wrong("project_id", "a quest that follows tasks needs the project whose tasks they are")


class ChangeQuest(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given of a quest becomes true; the status by a move that there is."""

    name: ClassVar[str] = "change_quest"
    target: ClassVar[Target] = Target.NOTHING

    title: Title | None = None
    description: Description | None = None
    status: QuestStatus | None = None
    project_id: ProjectId | UnsetType | None = UNSET
    """null takes it out of its project."""
    follows_tasks: bool | None = None
    add_phases: Titles = ()
    """Titles of more phases, behind those that there are."""

    def check(self) -> None:
        """See `Action`."""
        _check_text("title", self.title, _NO_TITLE)
        _check_text("description", self.description, _NO_TEXT)
        _check_project(None if self.project_id is UNSET else self.project_id)
        _check_titles("add_phases", self.add_phases)


class ChangePhase(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is given of a phase becomes true; the status by a move that there is."""

    name: ClassVar[str] = "change_phase"
    target: ClassVar[Target] = Target.NOTHING

    status: PhaseStatus | None = None
    title: Title | None = None

    def check(self) -> None:
        """See `Action`."""
        _check_text("title", self.title, _NO_TITLE)


QuestCommand = CreateQuest | ChangeQuest | ChangePhase
QUEST_COMMANDS: Final[dict[str, type[QuestCommand]]] = {kind.name: kind for kind in get_args(QuestCommand)}


class QuestData(Struct, frozen=True, kw_only=True):
    """`GET /api/quests/{id}`, and of every command: the quest as it is then."""

    quest: Quest


class QuestsData(Struct, frozen=True, kw_only=True):
    """`GET /api/quests`."""

    quests: tuple[Quest, ...]
    """The newest first."""
    next_after: str | None
    """Give it as `after` for the next page; null when this page is empty."""
    has_more: bool
    """Whether there is a next page now."""


def _wrong(field: str, why: str) -> QuestmuxError:
    return QuestmuxError(ErrorCode.INVALID_FIELD, f"{field} is wrong: {why}")


def _check_text(field: str, text: str | None, refused: re.Pattern[str]) -> None:
    found = None if text is None else refused.search(text)
    if found is not None:
        raise _wrong(field, f"it holds {found[0]!r} at {found.start()}, which is refused")


def _check_titles(field: str, titles: Iterable[str]) -> None:
    for i, title in enumerate(titles):
        _check_text(f"{field}[{i}]", title, _NO_TITLE)


def _check_project(project_id: str | None) -> None:
    if project_id is not None and PROJECT_ID.fullmatch(project_id) is None:
        raise _wrong("project_id", "it is no id of a project")
