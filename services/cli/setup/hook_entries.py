"""What we put into Claude Code's settings for each event, and how it is known again. Pure."""

import re
import shlex
from typing import Any, Final, cast

from msgspec import Struct

HOOK_EVENTS: Final = (
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PermissionRequest",
    "PermissionDenied",
    "PostToolUse",
    "PostToolUseFailure",
    "PostToolBatch",
    "Notification",
    "Elicitation",
    "ElicitationResult",
    "SubagentStart",
    "SubagentStop",
    "TaskCreated",
    "TaskCompleted",
    "PreCompact",
    "PostCompact",
    "Stop",
    "StopFailure",
    "SessionEnd",
)
"""All that tell of a status or earn something, in Claude Code's names; any other would cost a process for nothing."""
NEVER_OVER_HTTP: Final = frozenset({"SessionStart"})
"""Claude Code 2.1.330 passes over http hooks of this event, silently."""
SCRIPT_NAME: Final = "questmux-hook"
MARK_HEADER: Final = "X-Questmux-Hook"
COMMAND_TIMEOUT_S: Final = 10
"""The script gives up on the server after 2 s; the rest is for a machine that is busy."""
HTTP_TIMEOUT_S: Final = 3
"""A turn waits for it: the api answers within a second whatever core does."""
_PATH: Final = rf"'[^']*/{SCRIPT_NAME}'|\"[^\"]*/{SCRIPT_NAME}\"|\S*/{SCRIPT_NAME}"
_OUR_COMMAND: Final = re.compile(rf"\[ ! -x (?P<path>.*/{SCRIPT_NAME}'?) \] \|\| exec (?P=path)|{_PATH}")
"""As this release writes it, and the script's path alone."""


class HttpHooks(Struct, frozen=True, kw_only=True):
    """What an http hook needs."""

    url: str
    token: str


def command_entry(script: str) -> dict[str, Any]:
    """A hook that costs the turn nothing; it is silent also when the script is gone, as with a deleted data folder."""
    path = shlex.quote(script)
    hook = {
        "type": "command",
        "command": f"[ ! -x {path} ] || exec {path}",
        "async": True,
        "timeout": COMMAND_TIMEOUT_S,
    }
    return {"hooks": [hook]}


def http_entry(http: HttpHooks) -> dict[str, Any]:
    """A hook without a process; Claude Code waits for its answer, and complains on the screen when there is none."""
    headers = {
        "Authorization": f"Bearer {http.token}",
        "X-Tmux-Pane": "$TMUX_PANE",
        "X-Tmux": "$TMUX",
        MARK_HEADER: "1",
    }
    hook = {
        "type": "http",
        "url": http.url,
        "timeout": HTTP_TIMEOUT_S,
        "headers": headers,
        "allowedEnvVars": ["TMUX_PANE", "TMUX"],
    }
    return {"hooks": [hook]}


def entries(events: tuple[str, ...], script: str, http: HttpHooks | None) -> dict[str, dict[str, Any]]:
    """The entry of each event; over http where Claude Code can, when `http` is given."""
    return {
        event: command_entry(script) if http is None or event in NEVER_OVER_HTTP else http_entry(http)
        for event in events
    }


def is_ours(entry: object) -> bool:
    """Whether an entry of an event's list is ours, of this release or an earlier one: all its hooks have our mark."""
    hooks = hooks_of(entry)
    return bool(hooks) and all(map(is_our_hook, hooks))


def hooks_of(entry: object) -> list[object]:
    """The hooks of an entry; none when it is no entry."""
    hooks = cast("dict[str, object]", entry).get("hooks") if isinstance(entry, dict) else None
    return cast("list[object]", hooks) if isinstance(hooks, list) else []


def is_our_hook(hook: object) -> bool:
    """Whether one hook of an entry is ours."""
    if not isinstance(hook, dict):
        return False
    fields = cast("dict[str, object]", hook)
    command, headers = fields.get("command"), fields.get("headers")
    by_command = isinstance(command, str) and _OUR_COMMAND.fullmatch(command) is not None
    return by_command or (isinstance(headers, dict) and MARK_HEADER in headers)
