"""Items put into and taken out of JSON text, with everything else left as it stands. Pure."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from services.cli.setup.json_text import Value

INDENT: Final = "  "
"""Where the text shows none of its own: as Claude Code writes its settings."""
_COMMENT_TO_LINE_END: Final = re.compile(r"[ \t]*(?://[^\r\n]*|/\*(?:(?!\*/)[^\r\n])*\*/[ \t]*(?=[\r\n]))")
_BLANK: Final = re.compile(r"[ \t]*")
_COMMENT: Final = re.compile(r"//|/\*")


class Edit(Struct, frozen=True, order=True):
    """text[start:end] becomes `new`."""

    start: int
    end: int
    new: str = ""


def apply(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits made. They do not overlap; at one place they come in their order."""
    parts: list[str] = []
    at = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += [text[at : edit.start], edit.new]
        at = edit.end
    return "".join([*parts, text[at:]])


class Style(Struct, frozen=True):
    """How a text is laid out."""

    newline: str
    indent: str


def style_of(text: str, root: Value | None) -> Style:
    """The line ends and the indent that a text uses."""
    newline = "\r\n" if "\r\n" in text else "\n"
    starts = root.starts() if root is not None else ()
    indent = _indent_at(text, starts[0]) if starts else None
    return Style(newline, indent or INDENT)


def added_members(text: str, container: Value, members: Mapping[str, Any], style: Style) -> list[Edit]:
    """The edits that add members to an object, behind those that it has."""
    return _added(text, container, [(f"{json.dumps(key)}: ", value) for key, value in members.items()], style)


def added_item(text: str, container: Value, item: object, style: Style) -> list[Edit]:
    """The edits that add an item to an array, behind those that it has."""
    return _added(text, container, [("", item)], style)


def rendered(value: object, style: Style, indent: str | None) -> str:
    """A value as text: over several lines, the later ones behind `indent`; on one line when that is None."""
    if indent is None:
        return json.dumps(value, ensure_ascii=False)
    lines = json.dumps(value, ensure_ascii=False, indent=style.indent).split("\n")
    return (style.newline + indent).join(lines)


def dropped(text: str, container: Value, indexes: Collection[int]) -> list[Edit]:
    """The edits that take items out of an array or object; comments stay, and `added_item` is undone exactly."""
    if not indexes:
        return []
    count = len(container.items)
    edits = [edit for run in _runs(sorted(indexes)) for edit in _dropped_run(text, container, run)]
    kept = [index for index in range(count) if index not in indexes]
    if kept and kept[-1] != count - 1 and container.commas[-1] < 0:
        comma = container.commas[kept[-1]]
        edits.append(Edit(comma, comma + 1))
    return [Edit(container.start + 1, container.end - 1)] if is_blank_after(text, container, edits) else edits


def is_blank_after(text: str, container: Value, edits: Sequence[Edit]) -> bool:
    """Whether edits within an array or object leave nothing in it, not even a comment."""
    at, end = container.start + 1, container.end - 1
    return not apply(text[at:end], [Edit(edit.start - at, edit.end - at, edit.new) for edit in edits]).strip()


def _runs(indexes: Sequence[int]) -> list[list[int]]:
    """Indexes in groups of neighbours."""
    runs: list[list[int]] = []
    for index in indexes:
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _dropped_run(text: str, container: Value, run: Sequence[int]) -> list[Edit]:
    """The edits for neighbours. A comment that ends its line keeps the line end, unless one follows anyway."""
    last = run[-1]
    end = container.commas[last] + 1 if container.commas[last] >= 0 else container.items[last].end
    leads = [_lead(text, container, index) for index in run]
    tails = [text[container.items[i].end : container.commas[i]] for i in run if container.commas[i] >= 0]
    is_plain = not any(map(_COMMENT.search, [*leads[1:], *tails]))
    ends_line = is_plain and text[end:].lstrip(" \t")[:1] in {"\r", "\n"}
    return [edit for index in run for edit in _dropped_one(text, container, index, ends_line=ends_line)]


def _lead(text: str, container: Value, index: int) -> str:
    start = container.commas[index - 1] + 1 if index else container.start + 1
    return text[start : container.starts()[index]]


def _dropped_one(text: str, container: Value, index: int, *, ends_line: bool) -> list[Edit]:
    item, comma = container.items[index], container.commas[index]
    lead = _lead(text, container, index)
    lead_end = container.starts()[index] - len(lead)
    if _COMMENT.search(lead):
        lead_end += len(lead.rstrip() if ends_line or "//" not in lead else lead.rstrip(" \t"))
    if comma < 0:
        return [Edit(lead_end, item.end)]
    tail = text[item.end : comma]
    if _COMMENT.search(tail):
        return [Edit(lead_end, item.end), Edit(comma, comma + 1)]
    return [Edit(lead_end, comma + 1)]


def _added(text: str, container: Value, items: Sequence[tuple[str, object]], style: Style) -> list[Edit]:
    if not container.items:
        return _added_to_empty(text, container, items, style)
    indent = _indent_at(text, container.starts()[-1])
    new = [name + rendered(value, style, indent) for name, value in items]
    lead = " " if indent is None else style.newline + indent
    end, comma = container.items[-1].end, container.commas[-1]
    if comma >= 0:
        place = _after_comment(text, comma + 1)
        first = _lead_behind(text[comma + 1 : place], lead, style)
        return [Edit(place, place, first + lead.join(f"{item}," for item in new))]
    place = _after_comment(text, end)
    added = _lead_behind(text[end:place], lead, style) + f",{lead}".join(new)
    return [Edit(end, end, "," + added)] if place == end else [Edit(end, end, ","), Edit(place, place, added)]


def _added_to_empty(text: str, container: Value, items: Sequence[tuple[str, object]], style: Style) -> list[Edit]:
    line_start = max(text.rfind("\n", 0, container.start), text.rfind("\r", 0, container.start)) + 1
    blank = _BLANK.match(text, line_start)
    outer = blank[0] if blank else ""
    indent = outer + style.indent
    new = [name + rendered(value, style, indent) for name, value in items]
    body = style.newline + indent + f",{style.newline}{indent}".join(new)
    begin, end = container.start + 1, container.end - 1
    if text[begin:end].strip():
        return [Edit(begin, begin, body)]
    return [Edit(begin, end, body + style.newline + outer)]


def _indent_at(text: str, start: int) -> str | None:
    """The space before what begins a line of its own; None when something stands before it."""
    line_start = max(text.rfind("\n", 0, start), text.rfind("\r", 0, start)) + 1
    before = text[line_start:start]
    return before if line_start and not before.strip(" \t") else None


def _lead_behind(comment: str, lead: str, style: Style) -> str:
    """What stands between a comment and the item behind it: a line end at least, where the comment needs one."""
    return style.newline if "//" in comment and "\n" not in lead else lead


def _after_comment(text: str, at: int) -> int:
    """Behind a comment that ends the line: it speaks of what stands before it."""
    found = _COMMENT_TO_LINE_END.match(text, at)
    return found.end() if found else at
