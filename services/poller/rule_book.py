"""The files of screen rules: those that come with Questmux, and a person's own before them."""

import logging
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from services.contract.entities import Reading, Screen
from services.poller.screen_rules import MAX_BYTES, RuleError, Rules, parse_rules, read_screen

SHIPPED: Final = Path(__file__).parent / "rules"
LOOK_S: Final = 1.0
"""Changed files are looked for at most this often."""
MAX_FILES: Final = 50

logger = logging.getLogger(__name__)

Signature = tuple[int, int, int]
"""When a file was changed last, its rights included, its size and its inode."""


class _File(Struct, frozen=True):
    """A person's file: what it was when it was read, and the rules that hold."""

    signature: Signature
    rules: Rules | None
    """None when it has never been without a fault."""


class RuleBook:
    """Knows the rules of each agent; takes a changed file without a restart."""

    def __init__(self, folder: Path, now_s: Callable[[], float]) -> None:
        """`folder` holds a person's own files; it need not be there.

        Raises:
            RuleError: a file that comes with Questmux has a fault.
        """
        self._folder = folder
        self._now_s = now_s
        self._shipped = [_parse(path) for path in sorted(SHIPPED.glob("*.toml"))]
        self._own: dict[str, _File] = {}
        self._looked_at = float("-inf")
        self._rules: dict[str, tuple[Rules, ...]] = {}
        self._version = 0
        self._sort()

    @property
    def version(self) -> int:
        """Another number after the rules have changed."""
        self.look()
        return self._version

    def read(self, agent: str, screen: Screen) -> Reading | None:
        """What the screen of an agent means; None when no rule knows it."""
        self.look()
        for rules in self._rules.get(agent, ()):
            reading = read_screen(rules, screen.pane_id, screen.captured_at, screen.lines)
            if reading is not None:
                return reading
        return None

    def look(self) -> None:
        """Take what has changed in the folder, unless it was just looked at."""
        now = self._now_s()
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        found = dict(_files(self._folder))
        if {name: file.signature for name, file in self._own.items()} == found:
            return
        self._own = {name: self._take(name, signature) for name, signature in found.items()}
        self._version += 1
        self._sort()

    def _take(self, name: str, signature: Signature) -> _File:
        known = self._own.get(name)
        if known is not None and known.signature == signature:
            return known
        try:
            rules = _parse(self._folder / name)
        except (OSError, RuleError) as exc:
            before = None if known is None else known.rules
            holds = "is left out" if before is None else "holds as it was"
            logger.warning("a file of screen rules %s", holds, extra={"file": name, "problem": str(exc)})
            return _File(signature, before)
        logger.info("screen rules taken", extra={"file": name, "agent": rules.agent, "rules": len(rules.rules)})
        return _File(signature, rules)

    def _sort(self) -> None:
        own = [file.rules for _, file in sorted(self._own.items()) if file.rules is not None]
        self._rules = {}
        for rules in (*own, *self._shipped):
            self._rules[rules.agent] = (*self._rules.get(rules.agent, ()), rules)


def _parse(path: Path) -> Rules:
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise RuleError(f"{path.name}, line 1: more than {MAX_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        raise RuleError(f"{path.name}, line {line}: not UTF-8") from exc
    return parse_rules(text, path.name)


def _files(folder: Path) -> Iterator[tuple[str, Signature]]:
    """The first few files, by name; a link to one is taken as well."""
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".toml"))  # noqa: PTH208 - only names
    except OSError:
        return
    for name in names[:MAX_FILES]:
        try:
            found = (folder / name).stat()
        except OSError:  # Gone meanwhile, or a link to nothing.
            continue
        if stat.S_ISREG(found.st_mode):
            yield name, (found.st_ctime_ns, found.st_size, found.st_ino)
