"""What `tmux capture-pane -p -e -N` prints, as the lines of a screen. Pure.

tmux says what changes from one cell to the next, over line ends too; a line of ours stands alone. It begins in the
default style, and nothing but text and SGR escapes is in it.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final

from services.contract.entities import Cursor, Screen

META_FIELDS: Final = 7
"""Pane id, width, height, cursor's x, y and flag, and whether the pane is in a mode, which bears on nothing here."""
RESET: Final = "\x1b[0m"
TAB_CELLS: Final = 8
REMEMBERED_CHANGES: Final = 8_192
"""Some screens' worth: the same changes of style come again with every capture."""

_SGR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_PARAMETERS: Final = re.compile(r"\x1b\[([0-9;:]*)m")
_SGRS: Final = re.compile(r"((?:\x1b\[[0-9;:]*m)+)")
_OTHER_ESCAPE: Final = re.compile(
    r"\x1b(?!\[[0-9;:]*m)"
    r"(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\n\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?"
)
"""CSI, the strings (OSC with its hyperlinks, DCS, SOS, PM, APC), the short ones, and an escape that is none."""
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
_DRAWN: Final = re.compile(r"\x0e([^\x0f]*)")
"""Between SO and SI, or the end, letters are line drawing."""
_PIECE: Final = re.compile(r"\x1b\[[0-9;:]*m|\t|[^\x1b\t]+")
_DRAWING: Final = str.maketrans("+,-.0`abcdefghijklmnopqrstuvwxyz{|}~", "→←↑↓▮◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·")
"""As tmux itself draws it where a terminal has no line drawing of its own."""

_COLOUR: Final = re.compile(r"([345]8);(?:5;\d{1,3}|2;\d{1,3};\d{1,3};\d{1,3})")
"""By far most of what comes."""

_SET: Final = {code: code for code in ("1", "2", "3", "4", "4:2", "4:3", "4:4", "4:5", "5", "7", "8", "9", "53")} | {
    "4:1": "4",
    "6": "5",
    "21": "4:2",
    "5:3": "53",  # So tmux 3.3a writes it: it puts a colon into any attribute of two digits.
}
"""Attributes by the code that sets them, as they are written: a kind, and for underlines a way."""
_CLEARED: Final = {
    "22": ("1", "2"),
    "23": ("3",),
    "24": ("4",),
    "4:0": ("4",),
    "25": ("5",),
    "27": ("7",),
    "28": ("8",),
    "29": ("9",),
    "55": ("53",),
}
"""Kinds of attributes by the code that clears them."""
_CLEARED_BY: Final = {kind: code for code, kinds in _CLEARED.items() for kind in kinds if ":" not in code}
_COLOUR_AT: Final = {"38": 1, "48": 2, "58": 3}
_COLOURS_OFF: Final = {"39": 1, "49": 2, "59": 3}
_BASIC: Final = {str(code): 1 for code in (*range(30, 38), *range(90, 98))} | {
    str(code): 2 for code in (*range(40, 48), *range(100, 108))
}
"""Where in a style a colour stands, by its code, by the code that clears it, and by that of the sixteen basic ones."""
_NUMBERS: Final = {"5": 1, "2": 3}
"""Numbers of a colour: its place in the palette, or its red, green and blue."""

Style = str
"""SGR parameters: attributes, foreground, background, the underline's colour, with a bar between; empty for defaults.

One text, because it is looked up for every run of cells, and a text knows its hash.
"""
PLAIN: Final[Style] = "|||"


class CaptureError(ValueError):
    """tmux printed other facts of a pane than it was asked for: look again."""


def read_capture(meta: str, text: bytes, captured_at: int) -> Screen:
    """The screen of one pane, from the line of its facts and what `capture-pane` printed.

    Raises:
        CaptureError: the facts are not what was asked for.
    """
    fields = meta.split()
    if len(fields) != META_FIELDS or not all(map(str.isdecimal, fields[1:6])):
        raise CaptureError(f"tmux told other facts of a pane than it was asked for: {meta[:100]!r}")
    width, height, x, y = map(int, fields[1:5])
    return Screen(
        pane_id=fields[0],
        captured_at=captured_at,
        width=width,
        height=height,
        cursor=Cursor(x=x, y=y, visible=fields[5] != "0"),
        lines=read_lines(text, height),
    )


def read_lines(text: bytes, height: int) -> tuple[str, ...]:
    """As many lines as the screen is high, each to stand alone."""
    lines = _clean(text.decode("utf-8", "replace")).split("\n")[:height]
    return (*_alone(lines), *[""] * (height - len(lines)))


def plain_text(line: str) -> str:
    """A line of a screen without its styles."""
    return _SGR.sub("", line) if "\x1b" in line else line


def read_runs(line: str) -> Iterator[tuple[str, frozenset[str]]]:
    """The texts of a screen's line, each with the codes of its attributes: `2` is faint, `7` reverse."""
    text, *rest = _SGRS.split(line)
    yield text, frozenset()
    style = PLAIN
    for escapes, words in zip(rest[::2], rest[1::2], strict=True):
        style = _after(style, escapes)
        yield words, frozenset(style.partition("|")[0].split(";"))


def _clean(text: str) -> str:
    """The capture with no escapes but SGR and no control characters but newlines."""
    text = _OTHER_ESCAPE.sub("", text)
    if "\x0e" in text:
        text = _DRAWN.sub(lambda run: _PIECE.sub(_drawn, run[1]), text)
    if "\t" in text:
        text = "\n".join(map(_without_tabs, text.split("\n")))
    return _CONTROL.sub("", text)


def _drawn(piece: re.Match[str]) -> str:
    return piece[0] if piece[0].startswith("\x1b") else piece[0].translate(_DRAWING)


def _without_tabs(line: str) -> str:
    """Blanks for tabs, which newer tmux prints where a program did; its tab stops are not told."""
    column, pieces = 0, _PIECE.findall(line)
    for index, piece in enumerate(pieces):
        if piece == "\t":
            pieces[index] = " " * (TAB_CELLS - column % TAB_CELLS)
            column += len(pieces[index])
        elif not piece.startswith("\x1b"):
            column += sum(map(_cells, piece))
    return "".join(pieces)


def _cells(char: str) -> int:
    if unicodedata.category(char) in {"Cc", "Cf", "Me", "Mn"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"F", "W"} else 1


def _alone(lines: Iterable[str]) -> Iterator[str]:
    """Each line in its own right: what it begins in is said at its start, and nothing goes on after its end."""
    style = PLAIN
    for line in lines:
        text, *rest = _SGRS.split(line)
        parts = [_change(PLAIN, style), text] if text else []
        shown = style if text else PLAIN
        for escapes, words in zip(rest[::2], rest[1::2], strict=True):
            style = _after(style, escapes)
            if words:
                parts += (_change(shown, style), words)
                shown = style
        yield "".join(parts).rstrip(" ") if shown == PLAIN else "".join((*parts, RESET))


# These only remember what they worked out: of the same arguments they always make the same.


@lru_cache(REMEMBERED_CHANGES)
def _after(style: Style, escapes: str) -> Style:
    """The style after some SGR escapes."""
    now = style.split("|")
    for parameters in _PARAMETERS.findall(escapes):
        colour = _COLOUR.fullmatch(parameters)
        if colour is None:
            _apply(now, parameters)
        else:
            now[_COLOUR_AT[colour[1]]] = parameters
    return "|".join(now)


@lru_cache(REMEMBERED_CHANGES)
def _change(before: Style, after: Style) -> str:
    """The shortest SGR escape that leads from one style to another; none when they are the same."""
    if before == after:
        return ""
    if after == PLAIN:
        return RESET
    (had, *colours_before), (has, *colours) = before.split("|"), after.split("|")
    changes = _attribute_changes(had, has) if had != has else []
    changes += [now or off for was, now, off in zip(colours_before, colours, _COLOURS_OFF, strict=True) if was != now]
    return f"\x1b[{min(';'.join(changes), ';'.join(('0', *filter(None, (has, *colours)))), key=len)}m"


@lru_cache(REMEMBERED_CHANGES)
def _with_attribute(attributes: str, code: str) -> str:
    """Attributes after a code that sets or clears some; one that nobody knows is passed over."""
    kinds = {_kind(written): written for written in attributes.split(";") if written}
    if code in _SET:
        kinds[_kind(_SET[code])] = _SET[code]
    for kind in _CLEARED.get(code, ()):
        kinds.pop(kind, None)
    return ";".join(sorted(kinds.values(), key=lambda written: int(_kind(written))))


def _attribute_changes(before: str, after: str) -> list[str]:
    had, has = before.split(";"), after.split(";")
    kinds = set(map(_kind, has))
    cleared = {_CLEARED_BY[_kind(written)] for written in had if written and _kind(written) not in kinds}
    lost = {kind for code in cleared for kind in _CLEARED[code]}  # Bold and faint go together.
    return sorted(cleared) + [written for written in has if written and (written not in had or _kind(written) in lost)]


def _kind(attribute: str) -> str:
    return attribute.partition(":")[0]


def _apply(now: list[str], parameters: str) -> None:
    """Change a style as the parameters of an SGR escape say."""
    words = iter(parameters.split(";"))
    for word in words:
        code, *parts = word.split(":")
        if word in {"", "0"}:
            now[:] = PLAIN.split("|")
        elif word in _BASIC:
            now[_BASIC[word]] = word
        elif word in _COLOURS_OFF:
            now[_COLOURS_OFF[word]] = ""
        elif code in _COLOUR_AT:
            colour = _colour(parts or _colour_words(words))
            now[_COLOUR_AT[code]] = f"{code};{colour}" if colour else now[_COLOUR_AT[code]]
        else:
            now[0] = _with_attribute(now[0], word)


def _colour_words(words: Iterator[str]) -> list[str]:
    """A colour's words, where semicolons part them: those and no more."""
    kind = next(words, "")
    return [kind, *islice(words, _NUMBERS.get(kind, 0))]


def _colour(words: Sequence[str]) -> str:
    """A colour as it is written; empty when it is none. A colour space may stand before three numbers."""
    kind, *numbers = words
    count = _NUMBERS.get(kind, 0)
    wanted = numbers[1 : count + 1] if len(numbers) > count > 1 else numbers[:count]
    return ";".join((kind, *wanted)) if count and len(wanted) == count and all(wanted) else ""
