"""Where a text would go that is typed into Claude Code: its input box, or a dialog that is open. Pure.

Claude Code draws at the bottom either its input box, between two rules, or a dialog: a question, rows to choose from
with a pointer at one, and a hint of keys. The same may stand in output above, quoted or scrolled up; so only the last
block counts. Known are the looks of 2.1.290 to 2.1.330.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from typing import Final

from msgspec import Struct

from services.poller.capture import plain_text, read_runs

_FAINT: Final = "2"
_REVERSE: Final = "7"
_POINTER: Final = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}"

_RULE: Final = re.compile(r"─{3,}(?: [^─]+ ─+)?")
"""Above and below the input box; a session's name may stand in it."""
_EDGE: Final = re.compile(r"\s*[─╌▔━═]{3,}")
_PROMPT: Final = re.compile(rf"[{_POINTER}>!#&](?:[ \u00a0]|$)")
"""How the input box begins: `!` and the others change what its text is for."""
_INDENT: Final = 2
"""Cells of the prompt, and of blanks before each other row of the input box."""
_OPTION: Final = re.compile(rf"\s*(?:[{_POINTER}↑↓] *)?(\d{{1,2}})\. ")
"""An arrow stands before the first or last of options that do not fit."""
_CHOICE: Final = re.compile(rf"\s*(?:{_POINTER} |\d{{1,2}}\. )")
_CHOSEN: Final = re.compile(rf"\s*{_POINTER} *\d{{1,2}}\. ")
_KEYS: Final = re.compile(
    r"\bEsc to (?:cancel|exit|close|clear|go back|reject)|\bEnter to (?:confirm|select|submit|continue)|Press Enter\b"
)
"""What a dialog says below its rows; while none is open, Esc interrupts."""
_OUTPUT: Final = re.compile(rf"\s*(?:[●⏺⎿✢✳✶✻✽{_POINTER}]|[·*] \w+…)")
"""A row of output, of an earlier prompt, or of the spinner: nothing that stands above it is the last block."""
_COLOUR: Final = re.compile(r"\x1b\[(?:[0-9;:]*;)?(?:3[0-8]|9[0-7])[0-9;:]*m")
_TICK: Final = re.compile(r"\[.\] ")
_GUTTER: Final = re.compile(r"\s*│? *")


class Box(Struct, frozen=True):
    """The input box: its rows are those between two rules."""

    top: int
    bottom: int


class Dialog(Struct, frozen=True):
    """A dialog that is open."""

    question: str
    """What it asks, unwrapped; the first of its rows when it asks nothing."""
    options: tuple[str, ...]
    """Its numbered rows without their numbers and boxes to tick; what is wrapped is left out."""
    rows: tuple[str, ...]
    """All of it, to the end of the screen."""


class Blocks(Struct, frozen=True):
    """The parts of a screen: an input box or a dialog, or neither when it shows something else."""

    rows: tuple[str, ...]
    """Without styles and without blanks at the ends of rows and below the last."""
    box: Box | None
    dialog: Dialog | None


def read_blocks(lines: Sequence[str]) -> Blocks:
    """The parts of a screen."""
    rows = _rows(lines)
    box = _find_box(rows)
    start = 0 if box is None else box.bottom + 1  # An earlier session's box may stand above a dialog.
    question = _find_question(rows[start:])
    if question is None:
        return Blocks(tuple(rows), box, None)
    block = rows[start:]
    options = _find_options(block)
    begin = _block_start(block, len(block) if options is None else options.start)
    labels = () if options is None else tuple(_labels(block[options.start : options.stop]))
    return Blocks(tuple(rows), None, Dialog(question, labels, tuple(block[begin:])))


def open_dialog(lines: Sequence[str]) -> str | None:
    """The question of the dialog that is open on a screen; None when none is."""
    dialog = read_blocks(lines).dialog
    return None if dialog is None else dialog.question


def input_text(lines: Sequence[str]) -> str | None:
    """What stands in the input box, its rows as lines; None when there is no box to see.

    A faint hint is no text; it is told from one only where lines come with their styles.
    """
    box = read_blocks(lines).box
    if box is None:
        return None
    return "\n".join(map(_typed, lines[box.top + 1 : box.bottom])).strip()


def draft_text(lines: Sequence[str]) -> str:
    """What a person has typed into the input box; empty when nothing, or when it may be a hint.

    Text that was typed has no colour; hints and suggestions are faint or grey, and known commands have a colour too.
    """
    rows = _rows(lines)
    box = _find_box(rows)
    if box is None or any(_COLOUR.search(line) for line in lines[box.top + 1 : box.bottom]):
        return ""
    return input_text(lines) or ""


def _rows(lines: Sequence[str]) -> list[str]:
    rows = [plain_text(line).rstrip() for line in lines]
    while rows and not rows[-1]:
        rows.pop()
    return rows


def _typed(line: str) -> str:
    """A row of the input box without its prompt and without hints."""
    typed = _but(line, {_FAINT})
    if typed == _but(line, set()):
        return typed
    # The cursor stands on a hint's first letter, which is not faint then.
    return typed if _but(line, {_FAINT, _REVERSE}) else ""


def _but(line: str, hidden: set[str]) -> str:
    """The same without what has one of these attributes."""
    runs = read_runs(line)
    return "".join(" " * len(text) if hidden & attributes else text for text, attributes in runs)[_INDENT:].rstrip()


def _find_box(rows: Sequence[str]) -> Box | None:
    """The last input box."""
    rules = [index for index, row in enumerate(rows) if _RULE.fullmatch(row)]
    for top, bottom in reversed(list(pairwise(rules))):
        first, *others = rows[top + 1 : bottom] or [""]
        if _PROMPT.match(first) and all(not row or row.startswith(" " * _INDENT) for row in others):
            return Box(top, bottom)
    return None


def _find_question(rows: Sequence[str]) -> str | None:
    """What the dialog at the end of these rows asks; None when they end with something else."""
    options = _find_options(rows)
    if options is not None and _ends_a_dialog(rows[options.stop :]):
        return _question(rows[: options.start]) or rows[options.start].strip()
    hint = len(list(takewhile(bool, reversed(rows))))
    if hint and _says_keys(rows[-hint:]):
        # Rows to choose from have no numbers, or it only wants a key.
        return _question(_above_choice(rows[:-hint])) or rows[-hint].strip()
    return None


def _says_keys(rows: Sequence[str]) -> bool:
    """Whether a paragraph ends with the keys of a dialog; text in the first column below indented ones is a shell's."""
    if not _KEYS.search(" ".join(rows)):
        return False
    first = next((index for index, row in enumerate(rows) if _KEYS.search(row)), len(rows) - 1)
    return not rows[first].startswith(" ") or all(row.startswith(" ") for row in rows[first:])


def _ends_a_dialog(rows: Sequence[str]) -> bool:
    """Whether what stands below options is still theirs: nothing in the first column, unless it says keys."""
    plain = [row for row in rows if row and not row.startswith(" ") and not _EDGE.match(row)]
    return not any(map(_OUTPUT.match, rows)) and (not plain or _KEYS.search(" ".join(plain)) is not None)


def _find_options(rows: Sequence[str]) -> range | None:
    """The rows from the first numbered option to the last, one of them chosen; None when there are not two."""
    chosen = next((index for index in reversed(range(len(rows))) if _CHOSEN.match(rows[index])), None)
    if chosen is None:
        return None
    first, last = _furthest(rows, chosen, -1), _furthest(rows, chosen, 1)
    return range(first, last + 1) if first < last else None


def _furthest(rows: Sequence[str], start: int, step: int) -> int:
    """Where counting options from one of them ends; between them are only descriptions and rules."""
    found = start
    column, number = _place(rows[start])
    for index in range(start + step, len(rows) if step > 0 else -1, step):
        if _place(rows[index]) == (column, number + step):
            found, number = index, number + step
        elif rows[index] and not rows[index].startswith(" " * column) and not _EDGE.match(rows[index]):
            break
    return found


def _place(row: str) -> tuple[int, int]:
    """In which column an option has its number, and the number."""
    option = _OPTION.match(row)
    return (-1, -1) if option is None else (option.start(1), int(option[1]))


def _labels(rows: Sequence[str]) -> Iterator[str]:
    column, _ = _place(rows[0])
    for row in rows:
        if _place(row)[0] == column:
            yield _TICK.sub("", row[column:].partition(". ")[2]).strip()


def _block_start(rows: Sequence[str], stop: int) -> int:
    """Where the block that ends before a row begins: below the last row of output."""
    return next((index + 1 for index in reversed(range(stop)) if _OUTPUT.match(rows[index])), 0)


def _above_choice(rows: Sequence[str]) -> Sequence[str]:
    """The rows above those to choose from, if such are in the last block."""
    block = len(list(takewhile(lambda row: not _EDGE.match(row), reversed(rows))))
    choices = (index for index in range(len(rows) - block, len(rows)) if _CHOICE.match(rows[index]))
    return rows[: next(choices, len(rows))]


def _question(rows: Sequence[str]) -> str:
    """The last paragraph of a block that asks, else its last; empty when there is none."""
    block = takewhile(lambda row: not _EDGE.match(row) and not _OUTPUT.match(row), reversed(rows))
    text = "\n".join(reversed([_GUTTER.sub("", row, count=1) for row in block]))
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]
    asking = [paragraph for paragraph in paragraphs if paragraph.endswith("?")]
    return next(reversed(asking or paragraphs), "")
