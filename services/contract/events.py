"""Events as they travel from their receiver to core, and the hook names that are known. Pure."""

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

HOOK_NAMES: Final = frozenset(
    {
        "PreToolUse",
        "PostToolUse",
        "PostToolUseFailure",
        "PostToolBatch",
        "Notification",
        "UserPromptSubmit",
        "UserPromptExpansion",
        "SessionStart",
        "SessionEnd",
        "Stop",
        "StopFailure",
        "SubagentStart",
        "SubagentStop",
        "PreCompact",
        "PostCompact",
        "PreModelSwitch",
        "PostModelSwitch",
        "PermissionRequest",
        "PermissionDenied",
        "Setup",
        "TeammateIdle",
        "TaskCreated",
        "TaskCompleted",
        "Elicitation",
        "ElicitationResult",
        "ConfigChange",
        "WorktreeCreate",
        "WorktreeRemove",
        "InstructionsLoaded",
        "CwdChanged",
        "FileChanged",
        "DirectoryAdded",
        "MessageDisplay",
    }
)
"""The 33 hook events of Claude Code 2.1.330. Another name is kept all the same."""

DOCTOR_EVENT: Final = "QuestmuxDoctor"
"""What `questmux doctor` sends through the hooks' way: it is kept, and makes no session that anybody sees."""
EVENT_ID: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
PANE_ID: Final = re.compile(r"%[0-9]{1,9}")
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")

MAX_SESSION_ID_CHARS: Final = 128
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""A hook call over this is refused with 413. Tool results of a few megabytes are real."""
MAX_KEPT_BYTES: Final = 1024 * 1024
"""A payload over this is kept with its long strings cut."""


class Source(StrEnum):
    """Who made an event."""

    HOOK = "hook"
    TMUX = "tmux"
    API = "api"
    """A person, through a command of the HTTP API."""
    REGISTRY = "registry"
    """Claude Code's own list of its processes, as the poller read it."""
    SCREEN = "screen"
    """A pane's screen, as a rule of the poller read it."""
    GIT = "git"
    """What a folder is in, as the poller read it."""
    CORE = "core"
    """Core itself: it looked again when a source had had its time."""


class NewEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event before core gave it a `seq`; also one line of a spool file."""

    id: str
    """Delivery identity: the same id twice is one event."""
    name: str
    received_at: int
    payload: bytes
    """A JSON object in UTF-8, as it came."""
    source: Source = Source.HOOK
    session_id: str | None = None
    pane_id: str | None = None
    sent_at: int | None = None
    """The sender's clock, Unix milliseconds; orders a session's events for its status."""
    tmux: str | None = None
    """`$TMUX` of the sender: socket path, server pid, session number."""

    @property
    def at(self) -> int:
        """The time that orders this event within its session."""
        return self.received_at if self.sent_at is None else self.sent_at
