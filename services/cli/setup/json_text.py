"""JSON as it stands in a file: every value with its place in the text. Pure.

Comments and commas before a closing bracket are taken, since people put them there; what they mean is left to the
program whose file it is. Nothing is written from here: who knows the places can change the text between them.
"""

import json
import re
from typing import Final

from msgspec import Struct

BYTE_ORDER_MARK: Final = "\ufeff"
MAX_DEPTH: Final = 200
_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_PLAIN: Final = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD_GOES_ON: Final = re.compile(r"[\w.+-]")


class JsonTextError(ValueError):
    """The text is not JSON; the message says where."""


class Value(Struct, frozen=True):
    """One value: text[start:end]. `kind` is its first character; of a plain word or number, `p`."""

    kind: str
    start: int
    end: int
    items: tuple["Value", ...] = ()
    """Of an array, its values; of an object, those of its members."""
    keys: tuple[str, ...] = ()
    """Of an object, the names of its members, in the order of `items`."""
    key_starts: tuple[int, ...] = ()
    """Of an object, where its members begin."""
    commas: tuple[int, ...] = ()
    """Where the comma after each item is; -1 where there is none, which only the last may lack."""

    def starts(self) -> tuple[int, ...]:
        """Where each item begins: of an object, its name."""
        return self.key_starts or tuple(item.start for item in self.items)

    def member(self, key: str) -> "Value | None":
        """The member that counts: of several with one name, the last, as for JSON.parse."""
        index = self.index(key)
        return None if index is None else self.items[index]

    def index(self, key: str) -> int | None:
        """Which member that is."""
        return max((number for number, name in enumerate(self.keys) if name == key), default=None)


def parse(text: str) -> Value | None:
    """The one value of a text; None when there is nothing but space and comments.

    Raises:
        JsonTextError: it is not JSON.
    """
    reader = _Reader(text)
    start = reader.skip(len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0)
    if start == len(text):
        return None
    value = reader.value(start, 0)
    end = reader.skip(value.end)
    if end != len(text):
        raise reader.error(end, "something after the end")
    return value


def plain(text: str, value: Value) -> object:
    """The value itself, as the standard library gives it."""
    match value.kind:
        case "{":
            return {key: plain(text, item) for key, item in zip(value.keys, value.items, strict=True)}
        case "[":
            return [plain(text, item) for item in value.items]
        case _:
            return json.loads(text[value.start : value.end])


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text

    def error(self, at: int, what: str) -> JsonTextError:
        line = self._text.count("\n", 0, at) + 1
        column = at - (self._text.rfind("\n", 0, at) + 1) + 1
        return JsonTextError(f"line {line}, column {column}: {what}")

    def skip(self, at: int) -> int:
        found = _SPACE.match(self._text, at)
        end = found.end() if found else at
        if self._text.startswith("/*", end):
            raise self.error(end, "a comment without its end")
        return end

    def value(self, start: int, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise self.error(start, f"nested deeper than {MAX_DEPTH} levels")
        match self._text[start : start + 1]:
            case "{":
                return self._object(start, depth)
            case "[":
                return self._array(start, depth)
            case '"':
                return Value('"', start, self._string(start))
            case _:
                found = _PLAIN.match(self._text, start)
                if found is None or _WORD_GOES_ON.match(self._text, found.end()):
                    raise self.error(start, "no JSON value")
                return Value("p", start, found.end())

    def _string(self, start: int) -> int:
        found = _STRING.match(self._text, start)
        if found is None:
            raise self.error(start, "a text without its end, or with a character that is none in JSON")
        return found.end()

    def _array(self, start: int, depth: int) -> Value:
        items: list[Value] = []
        commas: list[int] = []
        at = self.skip(start + 1)
        while not self._text.startswith("]", at):
            items.append(self.value(at, depth + 1))
            comma, at = self._next(items[-1].end, "]")
            commas.append(comma)
        return Value("[", start, at + 1, tuple(items), commas=tuple(commas))

    def _object(self, start: int, depth: int) -> Value:
        items: list[Value] = []
        keys: list[str] = []
        starts: list[int] = []
        commas: list[int] = []
        at = self.skip(start + 1)
        while not self._text.startswith("}", at):
            if not self._text.startswith('"', at):
                raise self.error(at, "a member without a name in quotes")
            end = self._string(at)
            colon = self.skip(end)
            if not self._text.startswith(":", colon):
                raise self.error(colon, "no colon after a member's name")
            starts.append(at)
            keys.append(json.loads(self._text[at:end]))
            items.append(self.value(self.skip(colon + 1), depth + 1))
            comma, at = self._next(items[-1].end, "}")
            commas.append(comma)
        return Value("{", start, at + 1, tuple(items), tuple(keys), tuple(starts), tuple(commas))

    def _next(self, end: int, closing: str) -> tuple[int, int]:
        """Where the comma is, or -1, and where the next item begins, or the closing bracket."""
        at = self.skip(end)
        if self._text.startswith(",", at):
            return at, self.skip(at + 1)
        if not self._text.startswith(closing, at):
            raise self.error(at, f"neither a comma nor {closing}")
        return -1, at
