"""Which coding agent runs in a pane, as its processes show. Pure.

The rules are a table with a row for each agent. They look at what a process runs, never at what it works on: an editor
with a file of the agent's name open is no agent.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from services.contract.entities import Agent


class Running(Struct, frozen=True, kw_only=True):
    """A process, with what it runs."""

    pid: int
    command: str
    """The kernel's name for it, which a program may change."""
    argv: tuple[str, ...] = ()
    exe: str = ""
    """The program's file; empty when it is not known."""


class Rule(Struct, frozen=True, kw_only=True):
    """How one agent's processes are told from others."""

    agent: str
    names: frozenset[str]
    """A program of such a name is the agent."""
    program: re.Pattern[str]
    """So is a program's file whose whole path matches: some installers name it for its version."""
    script: re.Pattern[str]
    """So is an interpreter that runs a script whose whole path matches."""


RULES: Final = (
    Rule(
        agent="claude",
        names=frozenset({"claude", "claude.exe"}),
        program=re.compile(r"(?:.*/)?claude/versions/\d+\.\d+\.\d+[^/]*", re.DOTALL),
        script=re.compile(r"(?:.*/)?(?:claude|@anthropic-ai/claude-code/.+)", re.DOTALL),
    ),
)


class Dialect(Struct, frozen=True, kw_only=True):
    """How one kind of interpreter reads its arguments."""

    takes_word: re.Pattern[str]
    """An option whose value is the next argument."""
    takes_code: re.Pattern[str]
    """An option that brings the program itself: no script follows."""
    skips: frozenset[str] = frozenset()
    """Commands that may stand before the script."""


_SHELL: Final = Dialect(
    takes_word=re.compile(r"[-+]\w*[oO]|--(?:rcfile|init-file)"),
    takes_code=re.compile(r"-[abd-zA-Z]*c\w*"),
)
_PYTHON: Final = Dialect(takes_word=re.compile(r"-\w*[WX]"), takes_code=re.compile(r"-\w*[cm].*", re.DOTALL))
_JAVASCRIPT: Final = Dialect(
    takes_word=re.compile(r"-[rC]|--(?:require|import|loader|experimental-loader|conditions|env-file|preload|cwd)"),
    takes_code=re.compile(r"-(?:e|p|pe)|--(?:eval|print)(?:=.*)?", re.DOTALL),
    skips=frozenset({"run"}),
)
_DIALECTS: Final = (
    # A login shell's own name begins with a hyphen.
    (re.compile(r"-?(?:a|ba|da|fi|k|mk|z)?sh"), _SHELL),
    (re.compile(r"python[\d.]*"), _PYTHON),
    # Newer ones of node name their first thread MainThread.
    (re.compile(r"node|nodejs|bun|deno|MainThread"), _JAVASCRIPT),
)
_DELETED: Final = " (deleted)"
"""Linux says so of a file that an update has replaced."""


def agent_in(processes: Iterable[Running]) -> Agent | None:
    """The first agent among processes, which come nearest to the pane's root first."""
    return next((Agent(name=name, pid=process.pid) for process in processes if (name := _agent(process))), None)


def _agent(process: Running) -> str | None:
    paths = (process.exe.removesuffix(_DELETED), process.argv[0] if process.argv else "")
    names = {process.command, *map(_name, paths)}
    script = next((_script(process.argv, dialect) for dialect in _dialects(names)), "")
    for rule in RULES:
        is_program = names & rule.names or any(rule.program.fullmatch(path) for path in paths)
        if is_program or rule.script.fullmatch(script):
            return rule.agent
    return None


def _dialects(names: Iterable[str]) -> Iterator[Dialect]:
    return (dialect for pattern, dialect in _DIALECTS if any(map(pattern.fullmatch, names)))


def _script(argv: tuple[str, ...], dialect: Dialect) -> str:
    """The script that an interpreter runs; empty when it runs none."""
    words = iter(argv[1:])
    for word in words:
        if word == "--":
            return next(words, "")
        if dialect.takes_code.fullmatch(word):
            return ""
        if dialect.takes_word.fullmatch(word):
            next(words, None)
        elif not word.startswith(("-", "+")) and word not in dialect.skips:
            return word
    return ""


def _name(path: str) -> str:
    return path.rpartition("/")[2]
