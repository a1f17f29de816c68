"""One message of the WebSocket as one line for a person: time, type, and what it says. Pure."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, Final

from services.cli.mirror import Json, Mirror
from services.cli.printable import printable

TYPE_WIDTH: Final = 15
"""Of the longest common types, `session_removed` and `terminal_output`."""
CUT_CHARS: Final = 60
"""A value in a line ends here."""
TOLD: Final = ("command", "title", "cwd", "tool", "model", "permission_mode", "prompt", "session_id", "pane_id")
"""Fields whose new value is shown; of others only that they changed."""
QUIET: Final = frozenset({"id", "status", "last_event_at", "events", "activity_at"})
"""Fields that change with everything, or are told otherwise."""

DIM, RED, GREEN, YELLOW, CYAN, BOLD_YELLOW = "2", "31", "32", "33", "36", "1;33"
STATUS_COLOURS: Final = {
    "working": CYAN,
    "waiting": YELLOW,
    "idle": GREEN,
    "error": RED,
    "ended": DIM,
    "unknown": DIM,
}
TYPE_COLOURS: Final = {
    "attention": BOLD_YELLOW,
    "error": RED,
    "lagged": RED,
    "draining": RED,
    "connected": GREEN,
    "synced": GREEN,
    "event": DIM,
    "cursor": DIM,
    "pong": DIM,
}


def message_line(message: Json, had: Mirror, *, in_colour: bool = False) -> str:
    """The line, without its end. `had` is the state before the message. Text of others in it is made printable."""
    kind, data = str(message["type"]), message["data"]
    tell = _TELL.get(kind)
    clock = time.strftime("%H:%M:%S", time.localtime(message["ts"] / 1000))
    told = printable(f"{kind:<{TYPE_WIDTH}}  {tell(data, had) if tell else ''}").rstrip()
    if not in_colour:
        return f"{clock}  {told}"
    colour = TYPE_COLOURS.get(kind) or _status_colour(data)
    return f"{_painted(clock, DIM)}  {_painted(told, colour) if colour else told}"


def _painted(text: str, colour: str) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"


def _status_colour(data: Json) -> str | None:
    thing = data.get("session") or data.get("pane")
    status = thing.get("status") if thing else None
    return STATUS_COLOURS.get(status["name"]) if status else None


# The connection.


def _connected(data: Json, _had: Mirror) -> str:
    return "what was missed follows" if data["resumed"] else f"a snapshot follows ({data['why']})"


def _synced(data: Json, _had: Mirror) -> str:
    return f"all is here up to {data['seq']}"


def _cursor(_data: Json, _had: Mirror) -> str:
    return "a newer place to come back to"


def _lagged(data: Json, _had: Mirror) -> str:
    return (
        f"too slow: {data['dropped']} dropped, {data['replaced']} replaced by newer ones; caught up to {data['upto']}"
    )


def _error(data: Json, _had: Mirror) -> str:
    return f"{data['code']}: {data['message']}"


def _draining(data: Json, _had: Mirror) -> str:
    return f"the gateway stops; back in {data['reconnect_in_ms'] / 1000:.1f} s"


# Snapshots.


def _windows(data: Json, had: Mirror) -> str:
    if data["panes"] is not None:
        return f"{len(data['windows'])} windows, {len(data['panes'])} panes"
    before = {window["id"]: window["name"] for window in had.windows}
    after = {window["id"]: window["name"] for window in data["windows"]}
    parts = [f"new {key} {name}" for key, name in after.items() if key not in before]
    parts += [f"gone {key} {name}" for key, name in before.items() if key not in after]
    parts += [f"{key} {before[key]} -> {name}" for key, name in after.items() if before.get(key, name) != name]
    return ", ".join(parts) or f"{len(after)} windows"


def _sessions(data: Json, _had: Mirror) -> str:
    counts = Counter(str(session["status"]["name"]) for session in data["sessions"])
    each = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return f"{len(data['sessions'])} sessions" + (f": {each}" if each else "")


def _counted(name: str) -> Callable[[Json, Mirror], str]:
    return lambda data, _had: f"{len(data[name])} {name}"


# Updates.


def _pane_update(data: Json, had: Mirror) -> str:
    pane = data["pane"]
    before = had.panes.get(pane["id"])
    if before is None:
        return f"{pane['id']} new: {_status(pane['status'])}, {pane['command']} in {pane['cwd']}"
    return f"{pane['id']} {_changes(before, pane)}"


def _pane_removed(data: Json, _had: Mirror) -> str:
    return f"{data['pane_id']} gone"


def _session_update(data: Json, had: Mirror) -> str:
    session = data["session"]
    place = f"{session['id']} in {session['pane_id'] or 'no pane'}"
    before = had.sessions.get(session["id"])
    return f"{place} new: {_status(session['status'])}" if before is None else f"{place} {_changes(before, session)}"


def _session_removed(data: Json, _had: Mirror) -> str:
    return f"{data['session_id']} gone"


def _attention(data: Json, _had: Mirror) -> str:
    place = f"{data['session_id']} in {data['pane_id'] or 'no pane'}"
    return f"{place} {data['status']}: {data['reason']}"


def _xp_gain(data: Json, _had: Mirror) -> str:
    return f"{data['session_id']} +{data['amount']} ({data['reason']}), {data['total']} in all"


def _persona_update(data: Json, _had: Mirror) -> str:
    persona = data["persona"]
    return f"{persona['name']}, {persona['title']} of level {persona['level']}, {persona['xp']} XP"


def _project_update(data: Json, _had: Mirror) -> str:
    project = data["project"]
    branch = f" on {project['branch']}" if project["branch"] else ""
    return f"{_cut(project['name'])}{branch}, level {project['level']}, {project['xp']} XP"


def _quest_update(data: Json, _had: Mirror) -> str:
    quest = data["quest"]
    return f"{_cut(quest['title'])}: {quest['status']}, {quest['progress']} %"


def _achievement_unlocked(data: Json, had: Mirror) -> str:
    who = had.personas.get(data["persona_id"], {}).get("name", data["persona_id"])
    return f"{who}: {data['badge']['title']} ({data['badge']['rarity']})"


def _event(data: Json, _had: Mirror) -> str:
    event = data["event"]
    places = [f"{word} {event[key]}" for word, key in (("of", "session_id"), ("in", "pane_id")) if event[key]]
    return " ".join([event["name"], *places, f"({event['source']})"])


def _terminal(data: Json, _had: Mirror) -> str:
    return f"{data['pane_id']} {len(data['lines'])} lines"


def _changes(before: Json, after: Json) -> str:
    """What differs, the status first."""
    fields = [field for field in after if field not in QUIET and before.get(field) != after[field]]
    parts = [*_status_changes(before["status"], after["status"]), *(_change(field, after[field]) for field in fields)]
    return ", ".join(parts) or f"still {_status(after['status'])}"


def _change(field: str, value: Any) -> str:  # noqa: ANN401 - JSON
    if not value:
        return f"no {field}"
    match field:
        case "processes":
            return f"{field} {_cut(' '.join(process['command'] for process in value))}"
        case "asks":
            return f"asks {value['tool_name'] or 'a question'}"
        case _:
            return f"{field} {_cut(str(value))}" if field in TOLD else f"{field} changed"


def _status_changes(before: Json | None, after: Json | None) -> Iterable[str]:
    if _status(before) != _status(after):
        yield f"{_status(before)} -> {_status(after)}"
    if before and after:
        if before["unseen"] != after["unseen"]:
            yield "unseen" if after["unseen"] else "seen"
        if bool(before["disputed_by"]) != bool(after["disputed_by"]):
            yield "disputed" if after["disputed_by"] else "no more disputed"


def _status(status: Json | None) -> str:
    if status is None:
        return "no status"
    detail = f" for {status['waiting_for']}" if status["waiting_for"] else ""
    return str(status["name"]) + detail + (f" ({_cut(status['error'])})" if status["error"] else "")


def _cut(text: str) -> str:
    return text if len(text) <= CUT_CHARS else text[: CUT_CHARS - 1] + "…"


_TELL: Final[dict[str, Callable[[Json, Mirror], str]]] = {
    "connected": _connected,
    "synced": _synced,
    "cursor": _cursor,
    "lagged": _lagged,
    "error": _error,
    "draining": _draining,
    "windows": _windows,
    "sessions": _sessions,
    "personas": _counted("personas"),
    "projects": _counted("projects"),
    "quests": _counted("quests"),
    "pane_update": _pane_update,
    "pane_removed": _pane_removed,
    "session_update": _session_update,
    "session_removed": _session_removed,
    "attention": _attention,
    "xp_gain": _xp_gain,
    "persona_update": _persona_update,
    "project_update": _project_update,
    "quest_update": _quest_update,
    "achievement_unlocked": _achievement_unlocked,
    "event": _event,
    "terminal_output": _terminal,
    "terminal_diff": _terminal,
}
