"""What a tmux client in control mode prints: notices, and the answers to what it was asked. Pure.

tmux frames the output of a command with `%begin <time> <number> <flags>` and `%end` or `%error` with the same three
words, and prints notices such as `%window-add @3` between. A captured screen may hold any line, so also one that looks
like such an end. Therefore each question is followed by a command of its own that prints a mark which nobody can
guess: the true end of the answer is the last fitting one before the mark.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

MAX_LINE_BYTES: Final = 8 * 1024 * 1024
"""No line of tmux is this long: over it the stream is not one of tmux."""
REFUSED: Final = "refused"
"""A notice of ours: the client could not be attached, and why."""

_BEGIN: Final = b"%begin "
_ENDS: Final = (b"%end ", b"%error ")


class StreamError(ValueError):
    """Not what tmux prints in control mode: let go of the client."""


class Notice(Struct, frozen=True):
    """Something that tmux tells unasked."""

    name: str
    """Without its percent sign."""
    rest: bytes

    @property
    def first(self) -> str:
        """Its first word, which for most is an id."""
        return self.rest.partition(b" ")[0].decode("utf-8", "replace")


class Answer(Struct, frozen=True):
    """The output of the commands of one question, in their order; a command that failed ends it."""

    blocks: tuple[bytes, ...]
    error: str | None = None
    """What the failed command said."""


class ControlStream:
    """Takes the bytes as they come."""

    def __init__(self) -> None:
        self._rest = b""
        self._asked: deque[tuple[bytes, int]] = deque()
        self._lines: list[bytes] = []
        self._foreign_ends: tuple[bytes, ...] = ()
        self._is_answer = False
        self._is_after_mark = False

    def expect(self, mark: bytes, commands: int) -> None:
        """One more question of so many commands was asked; a command that prints this mark follows it.

        Only the last command's output may hold foreign text.
        """
        self._asked.append((mark, commands))

    def feed(self, data: bytes) -> list[Notice | Answer]:
        """What is complete now, in its order.

        Raises:
            StreamError: this is not tmux.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise StreamError(f"a line of more than {MAX_LINE_BYTES} bytes")
        found: list[Notice | Answer] = []
        for line in lines:
            found += self._take(line)
        return found

    def _take(self, line: bytes) -> Sequence[Notice | Answer]:
        if self._is_answer:
            mark, commands = self._asked[0]
            if line != mark:
                self._lines.append(line)
                return ()
            self._asked.popleft()
            lines, self._lines = self._lines, []
            self._is_answer, self._is_after_mark = False, True
            return _read(lines[:-1], commands)  # Without the `%begin` of the mark's own command.
        if self._is_after_mark:
            self._is_after_mark = False
            if not line.startswith(_ENDS):
                raise StreamError(f"no end after a mark: {line[:80]!r}")
            return ()
        if self._foreign_ends:
            return self._take_foreign(line)
        if line.startswith(_BEGIN):
            if _is_foreign(line):
                self._foreign_ends = _ends_of(line)
            elif not self._asked:
                raise StreamError("an answer to nothing that was asked")
            else:
                self._is_answer = True
                self._lines.append(line)
            return ()
        return _notice(line)

    def _take_foreign(self, line: bytes) -> Sequence[Notice]:
        """A line of what the command that attached us printed: only its error matters."""
        if line not in self._foreign_ends:
            self._lines.append(line)
            return ()
        lines, self._lines, self._foreign_ends = self._lines, [], ()
        return (Notice(REFUSED, b" ".join(lines)),) if line.startswith(_ENDS[1]) else ()


def _notice(line: bytes) -> Sequence[Notice]:
    if not line.startswith(b"%"):
        return ()
    name, _, rest = line[1:].partition(b" ")
    return (Notice(name.decode("ascii", "replace"), rest),)


def _read(lines: Sequence[bytes], commands: int) -> Sequence[Notice | Answer]:
    """The answer that begins with the first line, and the notices that came behind it."""
    blocks: list[bytes] = []
    start = 0
    error: str | None = None
    while error is None and len(blocks) < commands:
        start = _after_foreign(lines, start)
        end = _end_of(lines, start, is_last=len(blocks) == commands - 1)
        text = b"\n".join(lines[start + 1 : end])
        if lines[end].startswith(_ENDS[1]):
            error = text.decode("utf-8", "replace")
        else:
            blocks.append(text)
        start = end + 1
    behind = lines[_after_foreign(lines, start) :]
    return (Answer(tuple(blocks), error), *(notice for line in behind for notice in _notice(line)))


def _after_foreign(lines: Sequence[bytes], start: int) -> int:
    """The place behind the blocks that begin here and answer somebody's hook, such as `after-capture-pane`."""
    while start < len(lines) and _is_foreign(lines[start]):
        start = _end_of(lines, start, is_last=False) + 1
    return start


def _is_foreign(line: bytes) -> bool:
    """Whether a block begins that answers the command that attached us, or a hook of somebody's."""
    return line.startswith(_BEGIN) and line.endswith(b" 0")


def _end_of(lines: Sequence[bytes], start: int, *, is_last: bool) -> int:
    """Where the block that begins at `start` ends; of the last one, the last line that fits."""
    if start >= len(lines) or not lines[start].startswith(_BEGIN):
        raise StreamError("an answer with fewer parts than were asked for")
    ends = _ends_of(lines[start])
    places = range(start + 1, len(lines))
    for place in reversed(places) if is_last else places:
        if lines[place] in ends:
            return place
    raise StreamError("an answer without its end")


def _ends_of(begin: bytes) -> tuple[bytes, bytes]:
    words = begin[len(_BEGIN) :]
    return (_ENDS[0] + words, _ENDS[1] + words)
