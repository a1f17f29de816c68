"""`questmux status`: the panes as a table for a person, those that need one first. Pure."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from msgspec import Struct, convert

from services.cli.cell_text import cells, cut, fitted, one_line
from services.cli.mirror import Json, Mirror

RANKS: Final = {"waiting": 0, "error": 1, "unseen": 2, "working": 3, "idle": 4}
"""The order of the groups; whatever has no place here is last. A turn that ended unlooked at is `unseen`."""
LAST_RANK: Final = 5
OLDEST_FIRST: Final = frozenset({0, 1, 2})
"""Groups whose oldest comes first: it has needed a person for the longest. In the others a row keeps tmux's place."""

WIDE_CELLS: Final = 100
"""From here on a pane is one line; below, what is asked has a line of its own."""
GAP: Final = "  "
ID_CELLS: Final = 6
STATUS_CELLS: Final = 20
AGE_CELLS: Final = 4
LEAST_ASKED_CELLS: Final = 24
SMALL_CELLS: Final = 60
"""Below, place and status do not share a line."""
LEAST_CELLS: Final = 30
"""A narrower terminal than this gets lines of this width."""

BOLD, DIM, RED, GREEN, YELLOW, CYAN = "1", "2", "31", "32", "33", "36"
COLOURS: Final = {"waiting": f"{BOLD};{YELLOW}", "error": f"{BOLD};{RED}", "unseen": GREEN, "working": CYAN}
"""Of the groups; the others are dim."""

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
MS: Final = 1_000
TOOL_FIELDS: Final = (
    "command",
    "file_path",
    "notebook_path",
    "url",
    "pattern",
    "query",
    "path",
    "prompt",
    "description",
)
"""What of a tool's input says the most, the first that is there."""


class Row(Struct, frozen=True, kw_only=True):
    """One pane; its texts are printable and of one line."""

    pane_id: str
    place: str
    """`session:window`, by name."""
    group: str
    """Of `RANKS`, or another status, or `none`."""
    status: str
    who: str
    project: str
    asked: str
    since: int | None
    """When the status began, in Unix milliseconds."""
    has_agent: bool


def named_panes(state: Mirror) -> list[Json]:
    """The panes as the API gives them, in tmux's order, each with its `persona`: a name, or null."""
    order = {pane_id: place for place, pane_id in enumerate(_ids(state.windows))}
    panes = sorted(state.panes.values(), key=lambda pane: order.get(pane["id"], len(order)))
    return [pane | {"persona": _persona(pane, state)} for pane in panes]


def table_rows(state: Mirror) -> tuple[Row, ...]:
    """A row for each pane, those that need a person first."""
    windows = {window["id"]: window for window in state.windows}
    rows = [_row(pane, windows.get(pane["window_id"]), state) for pane in named_panes(state)]
    return tuple(sorted(rows, key=_rank))


def status_table(
    rows: Sequence[Row], now_ms: int, width: int, *, height: int | None = None, shows_all: bool, in_colour: bool
) -> list[str]:
    """The table in lines of at most `width` cells, the counts last; at most `height` lines, if that is given.

    Panes without an agent are only counted, unless `shows_all`.
    """
    width = max(width, LEAST_CELLS)
    shown = [row for row in rows if row.has_agent or shows_all]
    counts = _painted(cut(_counts(shown, len(rows) - len(shown)), width), DIM, in_colour=in_colour)
    paint = partial(_painted, in_colour=in_colour)
    if width >= WIDE_CELLS:
        lines, blocks = _wide(shown, now_ms, width, paint)
    else:
        lines, blocks = [], (_block(row, now_ms, width, paint) for row in shown)
    for told, block in enumerate(blocks):
        room = None if height is None else height - len(lines) - 1 - (told < len(shown) - 1)
        if room is not None and len(block) > room:
            lines.append(paint(cut(f"... and {len(shown) - told} more", width), DIM))
            break
        lines += block
    return [*lines, counts] if height is None else [*lines[: max(0, height - 1)], counts][:height]


def pane_changes(before: Sequence[Json], after: Sequence[Json]) -> list[Json]:
    """What became of the panes of `named_panes`: `{"pane": ...}` of each that is new or changed, `{"removed": id}`."""
    had, have = ({pane["id"]: pane for pane in panes} for panes in (before, after))
    changed = [{"pane": pane} for pane in after if had.get(pane["id"]) != pane]
    return [*changed, *({"removed": pane_id} for pane_id in had if pane_id not in have)]


def state_of(windows: Json, personas: Json, projects: Json) -> Mirror:
    """The state from what `GET /api/windows`, `/api/personas` and `/api/projects` answer."""
    state = Mirror()
    lists = [window | {"pane_ids": [pane["id"] for pane in window["panes"]]} for window in windows["windows"]]
    panes = [pane for window in windows["windows"] for pane in window["panes"]]
    for kind, data in (
        ("windows", {"windows": lists, "panes": panes}),
        ("sessions", windows),
        ("personas", personas),
        ("projects", projects),
    ):
        state.apply({"type": kind, "data": data})
    return state


def head_line(trouble: str, as_of: str, age_s: float, width: int, *, in_colour: bool) -> str:
    """Whether the table below is live; with a `trouble` of what time it is, `as_of` that clock, and how old."""
    if not trouble:
        return _painted(cut("live", width), GREEN, in_colour=in_colour)
    said = one_line(f"as of {as_of}, {age_text(age_s)} ago: {trouble}")
    return _painted(cut(said, width), f"{BOLD};{RED}", in_colour=in_colour)


def age_text(seconds: float) -> str:
    """How long ago, in at most four characters up to 99 days."""
    whole = max(0, int(seconds))
    for unit_s, name in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "m")):
        if whole >= unit_s:
            return f"{whole // unit_s}{name}"
    return f"{whole}s"


# Rows.


def _row(pane: Json, window: Json | None, state: Mirror) -> Row:
    status = pane["status"]
    session = state.sessions.get(pane["session_id"]) if pane["session_id"] else None
    has_agent = pane["agent"] is not None or (status is not None and status["name"] != "ended")
    if status is None:
        group = "unknown" if has_agent else "none"
    else:
        group = "unseen" if status["name"] == "idle" and status["unseen"] else str(status["name"])
    return Row(
        pane_id=one_line(str(pane["id"])),
        place=one_line(f"{window['tmux_session']}:{window['name']}" if window else pane["window_id"]),
        group=group,
        status=one_line(_status(status)),
        who=one_line(pane["persona"] or ""),
        project=one_line(_project(pane, session, state)),
        asked=one_line(_asked(pane, session)),
        since=None if status is None else status["since"],
        has_agent=has_agent,
    )


def _rank(row: Row) -> tuple[int, int]:
    rank = RANKS.get(row.group, LAST_RANK if row.has_agent else LAST_RANK + 1)
    return rank, (row.since or 0) if rank in OLDEST_FIRST else 0


def _ids(windows: Iterable[Json]) -> Iterable[str]:
    return (pane_id for window in windows for pane_id in window["pane_ids"])


def _persona(pane: Json, state: Mirror) -> str | None:
    session = state.sessions.get(pane["session_id"] or "", {})
    name = state.personas.get(session.get("persona_id") or "", {}).get("name")
    return None if name is None else str(name)


def _status(status: Json | None) -> str:
    if status is None:
        return "-"
    words = str(status["name"])
    if status["waiting_for"]:
        words += f" {status['waiting_for']}"
    if status["unseen"]:
        words += " unseen"
    if status["background_tasks"]:
        words += f" +{status['background_tasks']}"
    return words + (" ?" if status["disputed_by"] else "")


def _project(pane: Json, session: Json | None, state: Mirror) -> str:
    project = state.projects.get((session or {}).get("project_id") or "")
    if project is not None:
        return str(project["name"])
    folder = str((session or {}).get("cwd") or pane["cwd"])
    return folder.rstrip("/").rpartition("/")[2] or folder


def _asked(pane: Json, session: Json | None) -> str:
    """What the pane wants, or said last: the dialog, the error, the last sentence, or what it works on."""
    status, known = pane["status"], session or {}
    if status is None:
        return str(pane["command"])
    match status["name"]:
        case "waiting":
            return _dialog(known.get("asks")) or str(known.get("last_message") or "")
        case "error":
            return str(status["error"] or "")
        case "working":
            prompt = known.get("prompt") or ""
            return f"{known['tool']}: {prompt}" if known.get("tool") else str(prompt)
        case _:
            return str(known.get("last_message") or known.get("prompt") or "")


def _dialog(asks: Json | None) -> str:
    if asks is None:
        return ""
    if asks["questions"]:
        first = asks["questions"][0]
        options = " / ".join(str(option["label"]) for option in first["options"])
        return str(first["question"]) + (f" ({options})" if options else "")
    if asks["plan"]:
        return str(asks["plan"])
    return ": ".join(filter(None, (asks["tool_name"], _tool_input(asks["tool_input"]))))


def _tool_input(text: str | None) -> str:
    """The field of a tool's input that says the most; the text itself when it is cut or has no such field."""
    try:
        given: Json = convert(json.loads(text or "{}"), Json)
    except ValueError:
        return text or ""
    fields = (given.get(field) for field in TOOL_FIELDS)
    return next((field for field in fields if field and isinstance(field, str)), (text or "") if given else "")


# Lines.


def _counts(shown: Sequence[Row], hidden: int) -> str:
    counts = Counter(row.group for row in shown if row.group != "none")
    order = [*RANKS, *sorted(counts.keys() - RANKS.keys())]
    parts = [f"{counts[group]} {group}" for group in order if counts[group]]
    without = hidden + sum(row.group == "none" for row in shown)
    if hidden:
        parts.append(f"{without} without an agent (--all)")
    elif without:
        parts.append(f"{without} without an agent")
    return ", ".join(parts) or "no panes: tmux does not run here, or nobody has looked yet"


def _wide(
    rows: Sequence[Row], now_ms: int, width: int, paint: Callable[[str, str], str]
) -> tuple[list[str], Iterable[list[str]]]:
    """The head, and each row as one line of columns."""
    if not rows:
        return [], ()
    id_cells, status_cells = _column(ID_CELLS, "PANE", rows, "pane_id"), _column(STATUS_CELLS, "STATUS", rows, "status")
    rest = width - id_cells - status_cells - AGE_CELLS - 6 * len(GAP)
    most = (rest - LEAST_ASKED_CELLS) // 3
    names = [
        _column(most, head, rows, field) for head, field in (("PLACE", "place"), ("WHO", "who"), ("PROJECT", "project"))
    ]
    place_cells, who_cells, project_cells = names
    widths = (id_cells, status_cells, place_cells, who_cells, project_cells, rest - sum(names))

    def line(values: tuple[str, ...], age: str, colour: str) -> str:
        parts = [fitted(value, columns) for value, columns in zip(values, widths, strict=True)]
        parts[1] = paint(parts[1], colour)
        return GAP.join([*parts, age.rjust(AGE_CELLS)])

    head = line(("PANE", "STATUS", "PLACE", "WHO", "PROJECT", "ASKED"), "AGE", "")
    return [paint(head, DIM)], (
        [
            line(
                (row.pane_id, row.status, row.place, row.who, row.project, row.asked),
                _age(row, now_ms),
                COLOURS.get(row.group, DIM),
            )
        ]
        for row in rows
    )


def _column(most: int, head: str, rows: Sequence[Row], field: str) -> int:
    """As wide as its widest text, but not wider than `most`."""
    return min(most, max(len(head), *(cells(getattr(row, field)) for row in rows)))


def _block(row: Row, now_ms: int, width: int, paint: Callable[[str, str], str]) -> list[str]:
    """A row as two lines, or as three on a small terminal: what is asked has one of its own."""
    colour, age = COLOURS.get(row.group, DIM), _age(row, now_ms)
    status = cut(row.status, STATUS_CELLS)
    left = width - ID_CELLS - len(GAP)
    indent = " " * (ID_CELLS + len(GAP))
    if width < SMALL_CELLS:
        first = fitted(row.place, left - AGE_CELLS - len(GAP))
        who = cut(GAP.join(filter(None, (row.who, row.project))), left - cells(status) - len(GAP))
        below = [(indent + paint(status, colour) + GAP + who).rstrip(), indent + cut(row.asked, left)]
    else:
        about = GAP.join(filter(None, (row.place, row.who, row.project)))
        first = paint(status, colour) + GAP + fitted(about, left - cells(status) - AGE_CELLS - 2 * len(GAP))
        below = [indent + cut(row.asked, left)]
    lines = [GAP.join((fitted(row.pane_id, ID_CELLS), first, age.rjust(AGE_CELLS))), *below]
    return [line for line in lines if line.strip()]


def _age(row: Row, now_ms: int) -> str:
    return "" if row.since is None else age_text((now_ms - row.since) / MS)


def _painted(text: str, colour: str, *, in_colour: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if in_colour and colour else text
