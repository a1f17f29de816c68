"""What a person may have done to tmux: each action with its fields, limits and result. Pure.

An action's fields are the JSON body of its HTTP route; what it acts on stands in the path and travels beside it.
"""

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Final, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from services.contract.entities import Process, Screen
from services.contract.errors import ErrorCode, QuestmuxError

ACTION_S: Final = 5.0
"""An action is answered within this time, or with 504; it never begins after it."""
MAX_TEXT_BYTES: Final = 1024 * 1024
"""Of a prompt. Claude Code takes pastes of this size; a terminal's line does not need more."""
MAX_FIRST_PROMPT_BYTES: Final = 8_000
"""Of the first prompt of a new Claude: it travels in a tmux command, which holds 16 KiB."""
DIALOG_IS_OPEN: Final = "a dialog is open"
"""Begins the sentence that refuses a prompt for a dialog: core adds what its hooks say of it."""
MAX_NAME_CHARS: Final = 200
MAX_COMMAND_BYTES: Final = 8_000
MAX_PATH_BYTES: Final = 4_096
MAX_NOTE_CHARS: Final = 2_000

_CONTROL: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_NOT_TEXT: Final = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
_HALF_CHARACTERS: Final = r"\ud800-\udfff"
_NO_NAME: Final = re.compile(f"[{_CONTROL}{_HALF_CHARACTERS}]")
_NO_TEXT: Final = re.compile(f"[{_NOT_TEXT}{_HALF_CHARACTERS}]")
_NO_PATH: Final = re.compile(f"[\\x00{_HALF_CHARACTERS}]")
_ODD_FIELD: Final = re.compile(r"Object (contains unknown|missing required) field `(.*)`", re.DOTALL)
_SHOWN_CHARS: Final = 100

_LINE: Final = {"pattern": f"^[^{_CONTROL}]*$"}
_TEXT: Final = {"pattern": f"^[^{_NOT_TEXT}]*$"}
"""For the described API only: `check` says it with the place and in words."""

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS, extra_json_schema=_LINE)]
"""A window's or tmux session's name: any characters but control characters."""
Folder = Annotated[str, Meta(min_length=1, max_length=MAX_PATH_BYTES, extra_json_schema={"pattern": r"^[/~][^\x00]*$"})]
"""The full path of a folder; `~` is the person's home."""
ShellCommand = Annotated[str, Meta(min_length=1, max_length=MAX_COMMAND_BYTES, extra_json_schema=_LINE)]
FirstPrompt = Annotated[str, Meta(min_length=1, max_length=MAX_FIRST_PROMPT_BYTES, extra_json_schema=_TEXT)]
Note = Annotated[str, Meta(max_length=MAX_NOTE_CHARS, extra_json_schema=_TEXT)]
Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_BYTES, extra_json_schema=_TEXT)]


class Target(StrEnum):
    """What an action acts on."""

    NOTHING = ""
    WINDOW = "window"
    PANE = "pane"


class Action(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to be done once, audited unless it only looks."""

    name: ClassVar[str]
    target: ClassVar[Target]
    is_audited: ClassVar[bool] = True

    def check(self) -> None:
        """Refuse what the types let pass.

        Raises:
            QuestmuxError: a field cannot be used; the message begins with its name.
        """


class CreateWindow(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new window; with a new tmux session, or a new tmux server, when there is none."""

    name: ClassVar[str] = "create_window"
    target: ClassVar[Target] = Target.NOTHING

    session: Name | None = None
    """The tmux session's name or id; made when there is none of that name. Default: the one used last."""
    window_name: Name | None = msgspec.field(default=None, name="name")
    cwd: Folder | None = None
    command: ShellCommand | None = None
    """A shell command that the window runs instead of a shell; the window ends with it."""

    def check(self) -> None:
        """See `Action`."""
        _check_text("session", self.session, _NO_NAME)
        _check_text("name", self.window_name, _NO_NAME)
        _check_cwd(self.cwd)
        _check_text("command", self.command, _NO_NAME, MAX_COMMAND_BYTES)


class RenameWindow(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another name for a window; tmux does not change it by itself any more."""

    name: ClassVar[str] = "rename_window"
    target: ClassVar[Target] = Target.WINDOW

    window_name: Name = msgspec.field(name="name")

    def check(self) -> None:
        """See `Action`."""
        _check_text("name", self.window_name, _NO_NAME)


class CloseWindow(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The window and everything in it ends."""

    name: ClassVar[str] = "close_window"
    target: ClassVar[Target] = Target.WINDOW


class NewPane(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more pane in a window, with a shell, beside its largest pane."""

    name: ClassVar[str] = "new_pane"
    target: ClassVar[Target] = Target.WINDOW

    cwd: Folder | None = None
    """Default: the folder of the window's active pane."""

    def check(self) -> None:
        """See `Action`."""
        _check_cwd(self.cwd)


class NewClaude(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more pane in a window that runs Claude Code, and a shell after it."""

    name: ClassVar[str] = "new_claude"
    target: ClassVar[Target] = Target.WINDOW

    cwd: Folder | None = None
    """Default: the folder of the window's active pane."""
    prompt: FirstPrompt | None = None
    """The first prompt, given to Claude Code on its command line."""

    def check(self) -> None:
        """See `Action`."""
        _check_cwd(self.cwd)
        _check_text("prompt", self.prompt, _NO_TEXT, MAX_FIRST_PROMPT_BYTES)


class Prompt(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Text typed into a pane, exactly as it is, as one paste."""

    name: ClassVar[str] = "prompt"
    target: ClassVar[Target] = Target.PANE

    text: Text
    """Tabs and newlines are text; other control characters are refused, because a program could take them for keys."""
    submit: bool = True
    """Press Enter once after it."""
    force: bool = False
    """Type what would be refused: into an open dialog, key by key; behind a draft; where no input line is seen."""

    def check(self) -> None:
        """See `Action`."""
        _check_text("text", self.text, _NO_TEXT, MAX_TEXT_BYTES)


class SignalName(StrEnum):
    """Signals that a pane can be sent."""

    SIGINT = "SIGINT"
    SIGQUIT = "SIGQUIT"
    SIGTSTP = "SIGTSTP"
    SIGTERM = "SIGTERM"
    SIGHUP = "SIGHUP"
    SIGKILL = "SIGKILL"


class Signal(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SIGINT, SIGQUIT and SIGTSTP as the terminal's keys, the others to the pane's foreground process group."""

    name: ClassVar[str] = "signal"
    target: ClassVar[Target] = Target.PANE

    signal: SignalName


class Dismiss(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person has seen the pane: its session is not unseen any more, and its error is cleared."""

    name: ClassVar[str] = "dismiss"
    target: ClassVar[Target] = Target.PANE


class Report(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was seen in the pane is kept as a masked recording: its status was wrong, or nearly."""

    name: ClassVar[str] = "report"
    target: ClassVar[Target] = Target.PANE

    note: Note = ""
    """What the person says is wrong. It is kept as it is."""

    def check(self) -> None:
        """See `Action`."""
        _check_text("note", self.note, _NO_TEXT)


class Refresh(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The screen is captured now; nothing is typed."""

    name: ClassVar[str] = "refresh"
    target: ClassVar[Target] = Target.PANE


class ReadScreen(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The screen as it is now, for one reader."""

    name: ClassVar[str] = "read_screen"
    target: ClassVar[Target] = Target.PANE
    is_audited: ClassVar[bool] = False


class ClosePane(Action, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pane and what runs in it ends; its window too, when it was the last."""

    name: ClassVar[str] = "close_pane"
    target: ClassVar[Target] = Target.PANE


AnyAction = (
    CreateWindow
    | RenameWindow
    | CloseWindow
    | NewPane
    | NewClaude
    | Prompt
    | Signal
    | Dismiss
    | Report
    | Refresh
    | ReadScreen
    | ClosePane
)
ACTIONS: Final[dict[str, type[AnyAction]]] = {kind.name: kind for kind in get_args(AnyAction)}


class NewPaneData(Struct, frozen=True, kw_only=True):
    """Of `create`, `new-pane` and `new-claude`."""

    window_id: str
    pane_id: str


class RenamedData(Struct, frozen=True, kw_only=True):
    """Of `rename`."""

    window_id: str
    name: str


class WindowClosedData(Struct, frozen=True, kw_only=True):
    """Of a window's `close`."""

    window_id: str


class PaneClosedData(Struct, frozen=True, kw_only=True):
    """Of a pane's `close`."""

    pane_id: str


class PromptedData(Struct, frozen=True, kw_only=True):
    """Of `prompt`."""

    pane_id: str
    submitted: bool
    """Whether Enter was pressed."""
    taken: bool | None = None
    """Whether the session took the text as a prompt; null when nothing can tell, as in a plain shell."""
    taken_by: str | None = None
    """What told: `hook` (its UserPromptSubmit) or `screen` (its input line)."""
    reason: str | None = None
    """Why Enter was not pressed although it was asked for; the text is typed, and may stand on the input line."""


class SignalledData(Struct, frozen=True, kw_only=True):
    """Of `signal`."""

    pane_id: str
    signal: SignalName
    sent_as: str
    """`key` (the terminal's key for it) or `process_group`."""
    process_group: int | None = None
    """The group that has the pane's terminal in the foreground."""
    processes: tuple[Process, ...] = ()
    """Its members."""


class DismissedData(Struct, frozen=True, kw_only=True):
    """Of `dismiss`."""

    pane_id: str
    session_id: str
    changed: bool
    """Whether there was anything to dismiss."""


class ReportedData(Struct, frozen=True, kw_only=True):
    """Of `report`."""

    pane_id: str
    folder: str
    """Full path of the folder that holds the report."""
    hooks: int
    """Lines of its `hooks.jsonl`; so with the other two."""
    registry: int
    screens: int


class ScreenData(Struct, frozen=True, kw_only=True):
    """Of `screen` and `refresh`."""

    screen: Screen


class ActionRecord(Struct, frozen=True, kw_only=True):
    """One row of the audit: who had what done, when, and what came of it."""

    id: str
    at: int
    who: str
    """The client's address and User-Agent."""
    action: str
    target: str | None
    body: str
    """The action's fields as JSON; long texts are cut."""
    finished_at: int | None = None
    """null while it runs, or when core ended before its result came."""
    result: str | None = None
    """`ok`, or an error code."""
    message: str | None = None
    """Of an error."""


A = TypeVar("A", bound=Action)


def read_action(kind: type[A], fields: object) -> A:
    """An action of a kind from the fields of a JSON body.

    Raises:
        QuestmuxError: a field is missing, unknown or wrong; the message begins with its name.
    """
    try:
        action = msgspec.convert(fields, kind)
    except msgspec.ValidationError as exc:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, _named(str(exc))) from exc
    action.check()
    return action


def _named(problem: str) -> str:
    """What msgspec says, with the field's name first: `Expected ... - at `$.text`` becomes `text is wrong: ...`."""
    odd = _ODD_FIELD.fullmatch(problem)
    if odd is not None:
        field = odd[2][:_SHOWN_CHARS] or "a field without a name"
        return f"{field} is missing" if odd[1] == "missing required" else f"{field} is unknown"
    what, _, place = problem.rpartition(" - at `$.")
    what, field = (what, place.rstrip("`")) if what else (problem, "the body")
    return f"{field} is wrong: {what[:1].lower()}{what[1:_SHOWN_CHARS]}"


def _check_cwd(cwd: str | None) -> None:
    if cwd is None:
        return
    if not cwd.startswith(("/", "~")):
        raise QuestmuxError(ErrorCode.INVALID_FIELD, "cwd is wrong: it takes a full path, or one that begins with ~")
    if _NO_PATH.search(cwd) or len(cwd.encode()) > MAX_PATH_BYTES:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, "cwd is wrong: it is no path")


def _check_text(field: str, text: str | None, refused: re.Pattern[str], max_bytes: int = MAX_TEXT_BYTES) -> None:
    if text is None:
        return
    found = refused.search(text)
    if found is not None:
        raise QuestmuxError(
            ErrorCode.INVALID_FIELD, f"{field} is wrong: it holds {found[0]!r} at {found.start()}, which is refused"
        )
    if len(text.encode()) > max_bytes:
        raise QuestmuxError(ErrorCode.INVALID_FIELD, f"{field} is wrong: it may have {max_bytes} bytes")
