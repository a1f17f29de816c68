"""Claude Code's settings as text, with our hooks put in and taken out. Pure."""

from collections.abc import Mapping
from typing import Any, Final, cast

from services.cli.setup.hook_entries import hooks_of, is_our_hook, is_ours
from services.cli.setup.json_text import JsonTextError, Value, parse, plain
from services.cli.setup.text_edits import (
    Edit,
    added_item,
    added_members,
    apply,
    dropped,
    is_blank_after,
    rendered,
    style_of,
)

HOOKS: Final = "hooks"
UNSAFE: Final = "its comments stand where nothing can be changed safely; move them, and try again"


class SettingsTextError(ValueError):
    """The settings are not what Claude Code could read; the message says why, and where."""


def with_hooks(text: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    """The text with exactly these entries of ours: of each event the one that it shall have.

    A text that has just these is given back as it is.

    Raises:
        SettingsTextError: the text is no settings.
    """
    wanted = {event: [entry] for event, entry in entries.items()}
    if wanted == installed(text):
        return text
    new = _checked(text, _added(without_hooks(text), entries))
    if wanted != installed(new):
        raise SettingsTextError(UNSAFE)
    return new


def without_hooks(text: str) -> str:
    """The text with nothing of ours; lists that are empty without it go too.

    Raises:
        SettingsTextError: the text is no settings.
    """
    root = _root(text)
    if root is None:
        return text
    hooks = {
        number: value for number, value in enumerate(root.items) if root.keys[number] == HOOKS and value.kind == "{"
    }
    edits = _emptied(text, root, {number: _without(text, value) for number, value in hooks.items()})
    return _checked(text, apply(text, edits))


def installed(text: str) -> dict[str, list[Any]]:
    """Our entries that are in force, by event.

    Raises:
        SettingsTextError: the text is no settings.
    """
    hooks = _hooks(text, _root(text))
    if hooks is None:
        return {}
    ours: dict[str, list[Any]] = {}
    for event in dict.fromkeys(hooks.keys):
        groups = hooks.member(event)
        items = groups.items if groups is not None and groups.kind == "[" else ()
        found = [entry for item in items if _has_ours(entry := plain(text, item))]
        if found:
            ours[event] = found
    return ours


def setting(text: str, key: str) -> object:
    """A top-level setting; None when there is none.

    Raises:
        SettingsTextError: the text is no settings.
    """
    root = _root(text)
    value = root.member(key) if root is not None else None
    return None if value is None else plain(text, value)


def _checked(old: str, new: str) -> str:
    """The new text, once it is certain that it says what the old one did, but for our hooks."""
    try:
        is_same = _meaning(old) == _meaning(new)
    except SettingsTextError:
        is_same = False
    if not is_same:
        raise SettingsTextError(UNSAFE)
    return new


def _meaning(text: str) -> dict[str, object]:
    """What the settings say without our hooks, and without lists that are empty then."""
    root = _root(text)
    said = cast("dict[str, object]", plain(text, root)) if root is not None else {}
    hooks = said.get(HOOKS)
    if isinstance(hooks, dict):
        events = cast("dict[str, object]", hooks)
        theirs = {event: _theirs(groups) for event, groups in events.items()}
        said[HOOKS] = {event: groups for event, groups in theirs.items() if groups != []}
    return {key: value for key, value in said.items() if key != HOOKS or value != {}}


def _theirs(groups: object) -> object:
    if not isinstance(groups, list):
        return groups
    left: list[object] = []
    for group in cast("list[object]", groups):
        if is_ours(group):
            continue
        if _has_ours(group):
            theirs = [hook for hook in hooks_of(group) if not is_our_hook(hook)]
            left.append({**cast("dict[str, object]", group), HOOKS: theirs})
        else:
            left.append(group)
    return left


def _has_ours(entry: object) -> bool:
    return any(map(is_our_hook, hooks_of(entry)))


def _root(text: str) -> Value | None:
    try:
        root = parse(text)
    except JsonTextError as exc:
        raise SettingsTextError(f"it is not JSON ({exc})") from exc
    if root is not None and root.kind != "{":
        raise SettingsTextError("it is JSON, but not an object")
    return root


def _hooks(text: str, root: Value | None) -> Value | None:
    hooks = root.member(HOOKS) if root is not None else None
    if hooks is None:
        return None
    if hooks.kind != "{":
        raise SettingsTextError(f'its "hooks" is {text[hooks.start : hooks.end][:40]}, not an object')
    return hooks


def _added(text: str, entries: Mapping[str, Mapping[str, Any]]) -> str:
    root = _root(text)
    style = style_of(text, root)
    lists = {event: [entry] for event, entry in entries.items()}
    if root is None:
        return text + rendered({HOOKS: lists}, style, "") + style.newline
    hooks = _hooks(text, root)
    if hooks is None:
        return apply(text, added_members(text, root, {HOOKS: lists}, style))
    edits: list[Edit] = []
    missing: dict[str, Any] = {}
    for event, entry in entries.items():
        groups = hooks.member(event)
        if groups is None:
            missing[event] = [entry]
        elif groups.kind == "[":
            edits += added_item(text, groups, entry, style)
        else:
            raise SettingsTextError(f'its "hooks" has a "{event}" that is no list')
    if missing:
        edits += added_members(text, hooks, missing, style)
    return apply(text, edits)


def _without(text: str, hooks: Value) -> list[Edit]:
    """The edits within one `hooks`."""
    lists = {number: value for number, value in enumerate(hooks.items) if value.kind == "["}
    return _emptied(text, hooks, {number: _without_in_list(text, groups) for number, groups in lists.items()})


def _without_in_list(text: str, groups: Value) -> list[Edit]:
    ours = {index for index, group in enumerate(groups.items) if is_ours(plain(text, group))}
    mixed = [edit for index, group in enumerate(groups.items) if index not in ours for edit in _unmixed(text, group)]
    return [*dropped(text, groups, ours), *mixed]


def _unmixed(text: str, group: Value) -> list[Edit]:
    """Somebody put a hook of theirs into our entry, or ours into theirs."""
    inner = group.member(HOOKS) if group.kind == "{" else None
    if inner is None or inner.kind != "[":
        return []
    ours = {index for index, hook in enumerate(inner.items) if is_our_hook(plain(text, hook))}
    return dropped(text, inner, ours)


def _emptied(text: str, container: Value, edits: Mapping[int, list[Edit]]) -> list[Edit]:
    """The edits within a container's items; an item that they leave blank goes as a whole."""
    blank = {number for number, some in edits.items() if some and is_blank_after(text, container.items[number], some)}
    kept = [edit for number, some in edits.items() if number not in blank for edit in some]
    return [*kept, *dropped(text, container, blank)]
