"""A file of rules as TOML tables of one kind, each with an id. Pure."""

import tomllib
from typing import Annotated, Final, TypeVar, cast

import msgspec
from msgspec import Meta, Struct

LABEL_CHARS: Final = 40
"""Of an id in a message."""

Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}\Z")]
Title = Annotated[str, Meta(min_length=1, max_length=60)]


class RuleFileError(ValueError):
    """The file cannot be used; the message names the entry and the field."""


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every table has."""

    id: Id
    title: Title


T = TypeVar("T", bound=Entry)


def read_entries(text: str, name: str, kind: type[T]) -> list[T]:
    """The `[[name]]` tables of a file, in its order.

    Raises:
        RuleFileError: it is no TOML, has something else in it, or a table is wrong or has another one's id.
    """
    try:
        file = tomllib.loads(text)
    except (ValueError, RecursionError) as exc:  # Not only TOMLDecodeError: a number may have too many digits.
        raise RuleFileError(f"this is no TOML: {exc}") from exc
    written = file.get(name)
    if not isinstance(written, list) or len(file) > 1:
        raise RuleFileError(f"there is to be nothing but [[{name}]] tables")
    entries: dict[str, T] = {}
    for number, table in enumerate(cast("list[object]", written), 1):
        entry = _read(number, table, name, kind)
        if entry.id in entries:
            raise RuleFileError(f"{name} {entry.id}, id: takes one that no other {name} has")
        entries[entry.id] = entry
    return list(entries.values())


def _read(number: int, table: object, name: str, kind: type[T]) -> T:
    given = cast("dict[str, object]", table).get("id") if isinstance(table, dict) else None
    label = given[:LABEL_CHARS] if isinstance(given, str) and given and given.isprintable() else str(number)
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as exc:
        raise RuleFileError(f"{name} {label}: {exc}") from exc
