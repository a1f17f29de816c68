"""Values of any contract type, for properties."""

import enum
import functools
import types
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st

_SIMPLE: Final[dict[object, st.SearchStrategy[Any]]] = {
    str: st.text(max_size=8),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    object: st.none() | st.integers(0, 9),
    msgspec.Raw: st.just(msgspec.Raw(b"{}")),
    types.NoneType: st.none(),
}


@functools.cache
def any_of(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    """Any value of a struct type, every field filled."""
    hints = get_type_hints(kind)
    return st.builds(kind, **{name: _values(hints[name]) for name in kind.__struct_fields__})


def all_subclasses(base: type) -> list[type[Any]]:
    """The classes below `base`, all the way down; not those that a test made for itself."""
    below: list[type[Any]] = base.__subclasses__()
    below += [deeper for kind in below for deeper in all_subclasses(kind)]
    return [kind for kind in below if kind.__module__.startswith("services.")]


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, args = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return st.one_of([_values(arg) for arg in args])
    if origin is tuple:
        return st.lists(_values(args[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(_values(args[0]), _values(args[1]), max_size=2)
    if issubclass(hint, enum.Enum):
        return st.sampled_from(list(hint))
    return any_of(hint)
