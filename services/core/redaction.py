"""What may leave a machine of hooks, of the registry and of screens: their form, without what stands in them. Pure.

Letters are masked one by one, so that a masked screen has the same layout. Words of Claude Code's own user interface
stay: `ui_words.txt` has them, taken from recorded screens.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Final

MAX_TEXT_CHARS: Final = 2_000
"""Longer texts of a hook are cut before they are masked."""
MAX_ITEMS: Final = 100
"""Of a list or an object in a hook."""
MAX_DEPTH: Final = 20
WIDE: Final = "\uff38"

MAX_NAME_CHARS: Final = 400
"""Of a pseudonym."""

_WORD: Final = re.compile(r"[a-z][a-z_]{0,39}", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_HYPHENED: Final = re.compile(r"[a-z][a-z-]{0,19}", re.ASCII)
_KEPT: Final = {
    "hook_event_name": re.compile(r"[A-Z][A-Za-z]{0,39}", re.ASCII),
    "tool_name": re.compile(r"[A-Z][A-Za-z]{0,39}", re.ASCII),
    "tool_use_id": _ID,
    "agent_id": _ID,
    "permission_mode": re.compile(r"[a-z][A-Za-z]{0,39}", re.ASCII),
    "source": _WORD,
    "reason": _WORD,
    "trigger": _WORD,
    "notification_type": _WORD,
    "effort": _WORD,
}
"""Texts of a hook that stay, as long as they are such as Claude Code puts there: `reason` may be a sentence."""
_KEPT_OF_TASK: Final = {"id": _ID, "type": _WORD, "status": _WORD}
_KEPT_OF_REGISTRY: Final = {
    "status": _WORD,
    "waitingFor": re.compile(r"[a-z]+(?: [a-z]+){0,2}", re.ASCII),
    "version": re.compile(r"\d+(?:\.\d+){1,3}", re.ASCII),
    "kind": _HYPHENED,
    "entrypoint": _HYPHENED,
}
_NUMBERS_OF_REGISTRY: Final = frozenset({"pid", "startedAt", "statusUpdatedAt", "updatedAt"})
_KEPT_OF_EXPLANATION: Final = {
    "pane_id": re.compile(r"%\d{1,9}", re.ASCII),
    "source": _WORD,
    "says": _WORD,
    "name": _WORD,
    "status": _WORD,
    "waiting_for": _WORD,
    "by": _WORD,
    "error": _WORD,
    "rule": re.compile(r"[a-z][a-z0-9_-]*/[a-z][a-z0-9_-]*|[A-Z][A-Za-z]+|[a-z]+(?::? [a-z]+){0,3}", re.ASCII),
}
_AGENT_TYPES: Final = frozenset(
    {"general-purpose", "Explore", "Plan", "statusline-setup", "output-style-setup", "claude-code-guide"}
)
"""Those that come with Claude Code; a person's own may be named after what they work on."""
_PSEUDONYMS: Final = frozenset(
    {"session_id", "transcript_path", "agent_transcript_path", "prompt_id", "sessionId", "event_id"}
)
_FIELD: Final = re.compile(r"[a-z][A-Za-z_]{0,39}|-[A-Za-z]", re.ASCII)
"""A key of a hook, of a tool's input, or of the registry."""
_INNER_FIELDS: Final = frozenset(
    (  # noqa: SIM905 - a list of them would be as long as a page
        "questions question header options label description multiSelect answers annotations edits old_string "
        "new_string replace_all todos content status activeForm type text file filePath numLines startLine totalLines "
        "stdout stderr interrupted isImage noOutputExpected originalFile structuredPatch userModified isAsync isAgent "
        "plan agentId outputFile level id mode destination directories rules behavior"
    ).split()
)
"""Keys that stay further inside, where others may be a person's words: `answers` has questions for keys."""

_SGR: Final = re.compile(r"\x1b\[[0-9;:]*m")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_TOKEN: Final = re.compile(r"[^\W_]+(?:[_/@=\\.\-:'\u2019+&#$%~]+[^\W_]+)*")
"""A word with what is written together with it: of a path or an identifier no part stays."""
_GLUED_BEFORE: Final = tuple("_/@=\\$#%&~.-")
_GLUED_AFTER: Final = tuple("_/@=\\-")
_NUMBERED: Final = re.compile(r"^[^\S\n]*(?:[\u276f↑↓] *)?(\d{1,2})(?=\. )", re.MULTILINE)
"""The number of a row to choose from."""
_LETTER: Final = re.compile("[Xx0]")
_MCP: Final = "mcp__"


_MASK_OF_KIND: Final = {"Lu": "X", "Lt": "X", "L": "x", "N": "0", "M": "\u0301", "Co": "\ufffd", "C": ""}
"""By Unicode's categories. A mark has no width, as the one that stands for it; what cannot be seen is left out."""

Json = bool | int | float | str | list["Json"] | dict[str, "Json"] | None


def _masked_char(char: str) -> str:
    if unicodedata.east_asian_width(char) in "WF":
        return WIDE
    if char in "\n\r\t":
        return char
    kind = unicodedata.category(char)
    return _MASK_OF_KIND.get(kind, _MASK_OF_KIND.get(kind[0], char))


class _Masks(dict[int, str]):
    """What each character becomes, found out when it is met first."""

    def __missing__(self, code: int) -> str:
        masked = self[code] = _masked_char(chr(code))
        return masked


class Redactor:
    """Masks what goes into one report; in it the same name gets the same pseudonym."""

    def __init__(self, ui_words: AbstractSet[str]) -> None:
        self._ui_words = ui_words
        self._masks = _Masks()
        self._names: dict[str, int] = {}

    def mask(self, text: str) -> str:
        """A text of the same width and shape, without a letter or a digit of it."""
        return text.translate(self._masks)

    def name(self, name: str) -> str:
        """A pseudonym of the same shape: zeros, and at the end its number in the report."""
        number = str(self._names.setdefault(name, len(self._names) + 1))
        shape = list(_LETTER.sub("0", self.mask(name[:MAX_NAME_CHARS])))
        places = [place for place, char in enumerate(shape) if char == "0"][-len(number) :]
        if len(places) < len(number):
            return "".join(shape) + number
        for place, digit in zip(places, number, strict=True):
            shape[place] = digit
        return "".join(shape)

    def screen(self, text: str) -> str:
        """The rows of a screen, without colours; words of the user interface stay, and the numbers of options."""
        plain = _CONTROL.sub("", _SGR.sub("", text))
        numbers = {found.start(1) for found in _NUMBERED.finditer(plain)}
        parts: list[str] = []
        end = 0
        for token in _TOKEN.finditer(plain):
            parts.append(self.mask(plain[end : token.start()]))
            stays = token.start() in numbers or self._is_ui_word(plain, token)
            parts.append(token[0] if stays else self.mask(token[0]))
            end = token.end()
        return "".join((*parts, self.mask(plain[end:])))

    def _is_ui_word(self, text: str, token: re.Match[str]) -> bool:
        is_glued = text.endswith(_GLUED_BEFORE, 0, token.start()) or text.startswith(_GLUED_AFTER, token.end())
        return token[0] in self._ui_words and not is_glued

    # Hooks.

    def hook(self, body: dict[str, Json]) -> dict[str, Json]:
        """The body of a hook call: how it bears on a status stays, what it is about is masked."""
        is_failure = body.get("hook_event_name") == "StopFailure"
        return self._object(body, lambda key, value: self._hook_field(key, value, is_failure=is_failure))

    def _hook_field(self, key: str, value: Json, *, is_failure: bool) -> Json:
        if isinstance(value, int | float):
            return value
        if key == "error" and is_failure:
            return self._kept(_WORD, value)
        if key == "effort" and isinstance(value, dict):
            return self._entry(value, {"level": _WORD})
        if key == "background_tasks" and isinstance(value, list):
            return [self._entry(task, _KEPT_OF_TASK) for task in value[:MAX_ITEMS]]
        if key == "tool_calls" and isinstance(value, list):
            return [self._entry(call, _KEPT) for call in value[:MAX_ITEMS]]
        return self._field(key, value, _KEPT)

    def _entry(self, value: Json, kept: Mapping[str, re.Pattern[str]]) -> Json:
        """One of a list's objects: some texts of it stay."""
        if not isinstance(value, dict):
            return self._value(value)
        return self._object(value, lambda key, inner: self._field(key, inner, kept))

    def _field(self, key: str, value: Json, kept: Mapping[str, re.Pattern[str]]) -> Json:
        if key == "tool_input" and isinstance(value, dict):
            return self._object(value, lambda _, inner: self._value(inner))
        if not isinstance(value, str):
            return self._value(value)
        if key in _PSEUDONYMS:
            return self.name(value)
        if key == "agent_type":
            return value if value in _AGENT_TYPES else self._value(value)
        if key == "tool_name" and value.startswith(_MCP):
            return _MCP + self.mask(value.removeprefix(_MCP)[:MAX_TEXT_CHARS])
        return self._kept(kept.get(key), value)

    def _kept(self, pattern: re.Pattern[str] | None, value: Json) -> Json:
        is_kept = isinstance(value, str) and pattern is not None and pattern.fullmatch(value) is not None
        return value if is_kept else self._value(value)

    # Others.

    def registry(self, record: dict[str, Json]) -> dict[str, Json]:
        """A record of Claude Code's `sessions` folder."""
        return self._object(record, self._registry_field)

    def _registry_field(self, key: str, value: Json) -> Json:
        is_kept = key in _NUMBERS_OF_REGISTRY and isinstance(value, int)
        return value if is_kept else self._field(key, value, _KEPT_OF_REGISTRY)

    def explanation(self, explanation: dict[str, Json]) -> dict[str, Json]:
        """An `Explanation` as JSON has it; its names are ours, its texts are not."""
        return {key: self._explained(key, value) for key, value in explanation.items()}

    def _explained(self, key: str, value: Json) -> Json:
        if isinstance(value, dict):
            return self.explanation(value)
        if isinstance(value, list):
            return [self._explained(key, inner) for inner in value]
        if not isinstance(value, str):
            return value
        if key in _PSEUDONYMS:
            return self.name(value)
        pattern = _KEPT_OF_EXPLANATION.get(key)
        return value if pattern is not None and pattern.fullmatch(value) else self.screen(value)

    # Any JSON.

    def _object(
        self, fields: dict[str, Json], masked: Callable[[str, Json], Json], *, is_flat: bool = True
    ) -> dict[str, Json]:
        """Fields with their values masked; below the first level a name may be a person's words, and is masked too."""
        found: dict[str, Json] = {}
        for key, value in islice(fields.items(), MAX_ITEMS):
            is_ours = _FIELD.fullmatch(key) is not None if is_flat else key in _INNER_FIELDS
            found[key if is_ours else self.name(key)] = masked(key, value)
        return found

    def _value(self, value: Json, depth: int = 1) -> Json:
        """All of it masked; only true, false and null are what they were."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return 0
        if isinstance(value, str):
            return self.mask(value[:MAX_TEXT_CHARS])
        if depth > MAX_DEPTH:
            return None
        if isinstance(value, dict):
            return self._object(value, lambda _, inner: self._value(inner, depth + 1), is_flat=False)
        return [self._value(inner, depth + 1) for inner in value[:MAX_ITEMS]]
