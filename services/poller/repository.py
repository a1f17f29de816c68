"""What git's files and answers say of a repository. Pure.

Git's text is bytes: a folder's or a branch's name may be anything. What is told of it is text for JSON.
"""

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from services.contract.game import ProjectKind, Repository

GONE: Final = "gone"
SILENT: Final = "git did not answer"
FOREIGN: Final = "owned by another user"
MISSING: Final = "git is not installed"
UNREADABLE: Final = "git could not read it"
UNSAFE: Final = "its settings would run a program"
"""Its filters have names that git cannot be told to leave alone."""
HUNG: Final = "the folder did not answer"
CLOSED: Final = "may not be read"
BROKEN: Final = "its .git leads nowhere"

MAX_DIRTY: Final = 10_000
"""Changed paths are not counted further."""
MAX_TEXT: Final = 1_000
MAX_FILTERS: Final = 64

_LANGUAGES: Final = {
    "pyproject.toml": "python",
    "setup.py": "python",
    "setup.cfg": "python",
    "requirements.txt": "python",
    "package.json": "node",
    "tsconfig.json": "typescript",
    "deno.json": "deno",
    "Cargo.toml": "rust",
    "go.mod": "go",
    "pom.xml": "java",
    "build.gradle": "java",
    "build.gradle.kts": "kotlin",
    "build.sbt": "scala",
    "Gemfile": "ruby",
    "composer.json": "php",
    "CMakeLists.txt": "c++",
    "meson.build": "c++",
    "configure.ac": "c",
    "Package.swift": "swift",
    "pubspec.yaml": "dart",
    "mix.exs": "elixir",
    "rebar.config": "erlang",
    "stack.yaml": "haskell",
    "dune-project": "ocaml",
    "build.zig": "zig",
    "project.clj": "clojure",
    "deps.edn": "clojure",
    "DESCRIPTION": "r",
    "Project.toml": "julia",
    "main.tf": "terraform",
    "flake.nix": "nix",
    "Dockerfile": "docker",
    "docker-compose.yml": "docker",
    "compose.yaml": "docker",
}
_ENDINGS: Final = {
    ".csproj": "dotnet",
    ".fsproj": "dotnet",
    ".sln": "dotnet",
    ".cabal": "haskell",
    ".gemspec": "ruby",
    ".tf": "terraform",
}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(.*)", re.DOTALL)
_HELPER: Final = re.compile(r"([A-Za-z0-9]+)::(.*)", re.DOTALL)
_PORT: Final = re.compile(r"(?:[^:\[\]]*|\[[^\]]*\])(?::\d*)?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ODD_BYTE: Final = re.compile(rb"\\x([0-9a-f]{2})")
_OWNED: Final = (b"detected dubious ownership", b"unsafe repository", b"not owned by")
_FILTER: Final = re.compile(r"filter\.(.*)\.(?:clean|process|smudge|required)", re.DOTALL)
_WORKTREE: Final = re.compile(rb"^[ \t]*worktree[ \t]*=[ \t]*(.+?)[ \t\r]*$", re.MULTILINE | re.IGNORECASE)
_GITDIR: Final = b"gitdir: "
_ORDINARY: Final = b"1"
_RENAMED: Final = b"2"
_CHANGES: Final = frozenset({_ORDINARY, _RENAMED, b"u", b"?"})
_PATH_FIELD: Final = 8
"""Of a line of `git status --porcelain=v2` about an ordinary change: blanks before its path."""
_BRANCHES: Final = b"refs/heads/"


class Place(Struct, frozen=True, kw_only=True):
    """What a folder is in, as its files say, without git."""

    folder: str
    """As it was asked for."""
    kind: ProjectKind = ProjectKind.FOLDER
    path: str = ""
    name: str = ""
    file_id: str = ""
    """Empty when it is not known what the folder is in; `problem` says why."""
    languages: tuple[str, ...] = ()
    worktree: bytes | None = None
    """The top of the working tree; None of a bare repository, and without git."""
    common: bytes | None = None
    """The git folder that all working trees share."""
    problem: str | None = None

    @property
    def at(self) -> bytes | None:
        """Where git is asked; None when there is nothing to ask."""
        return self.worktree or self.common


class Facts(Struct, frozen=True, kw_only=True):
    """What git says of a working tree."""

    remote: str | None = None
    branch: str | None = None
    dirty: int | None = None
    ahead: int | None = None
    behind: int | None = None
    problem: str | None = None


class Status(Struct, frozen=True, kw_only=True):
    """What `git status --porcelain=v2 --branch -z` says."""

    branch: str | None
    dirty: int
    """At most `MAX_DIRTY`."""
    ahead: int | None
    behind: int | None
    modified: tuple[bytes, ...]
    """Paths that are dirty for their content in the working tree alone: with a filter switched off that is not sure."""


class Config(Struct, frozen=True, kw_only=True):
    """What `git config --list -z` says."""

    remote: str | None
    filters: tuple[str, ...]
    """The names of all that git would run over a file's content."""


def make_reading(place: Place, facts: Facts | None) -> Repository:
    """What is told of a folder."""
    known = facts or Facts()
    return Repository(
        folder=place.folder,
        path=place.path,
        kind=place.kind,
        file_id=place.file_id,
        name=place.name,
        languages=place.languages,
        worktree="" if place.worktree is None else text_of(place.worktree),
        remote=known.remote,
        branch=known.branch,
        dirty=known.dirty,
        ahead=known.ahead,
        behind=known.behind,
        problem=place.problem or known.problem,
    )


def read_status(output: bytes, *, is_cut: bool = False) -> Status:
    """Read it; of output that was cut, what is whole. Lines of another kind are skipped."""
    branch: str | None = None
    ahead = behind = None
    dirty = 0
    modified: list[bytes] = []
    lines = iter(output.split(b"\0")[:-1])  # What follows the last NUL is nothing, or the part of a line.
    for line in lines:
        kind, _, rest = line.partition(b" ")
        if kind == b"#":
            name, _, value = rest.partition(b" ")
            if name == b"branch.head":
                branch = None if value == b"(detached)" else text_of(value)
            elif name == b"branch.ab":
                ahead, behind = _ahead_and_behind(value)
        elif kind in _CHANGES:
            dirty += 1
            if kind == _RENAMED:
                next(lines, None)  # Where it was.
            elif kind == _ORDINARY and rest.startswith(b".M"):
                modified.append(line.split(b" ", _PATH_FIELD)[-1])
    if is_cut:
        modified.clear()  # Who looks at them would not see all.
    return Status(
        branch=branch, dirty=min(dirty, MAX_DIRTY), ahead=ahead, behind=behind, modified=tuple(modified[:MAX_DIRTY])
    )


def read_config(output: bytes) -> Config:
    """Read it. Of several URLs the first counts: git fetches from that one."""
    remote: str | None = None
    filters: dict[str, None] = {}
    for line in output.split(b"\0"):
        name, _, value = line.partition(b"\n")
        key = name.decode("utf-8", "surrogateescape")
        if key == "remote.origin.url" and remote is None:
            remote = without_credentials(text_of(value))
        found = _FILTER.fullmatch(key)
        if found is not None:
            filters[found[1]] = None
    return Config(remote=remote, filters=tuple(filters))


def filters_off(filters: Sequence[str]) -> tuple[str, ...] | None:
    """Git's options by which it runs none of these; None when there is no way to say it.

    An option ends its key at the first `=`, so a filter with that in its name cannot be named.
    """
    if len(filters) > MAX_FILTERS or any("=" in name or "\n" in name for name in filters):
        return None
    switches = ("clean=", "process=", "required=false")
    return tuple(word for name in filters for switch in switches for word in ("-c", f"filter.{name}.{switch}"))


def has_filter(output: bytes, filters: Iterable[str]) -> bool:
    """Whether `git check-attr -z filter` names one of these for any path."""
    values = {value.decode("utf-8", "surrogateescape") for value in output.split(b"\0")[2::3]}
    return not values.isdisjoint(filters)


def branch_of(ref: bytes) -> str | None:
    """The branch that `git symbolic-ref HEAD` names."""
    name = ref.removesuffix(b"\n")
    return text_of(name.removeprefix(_BRANCHES)) if name.startswith(_BRANCHES) else None


def problem_in(errors: bytes) -> str:
    """Why git failed, by what it printed."""
    return FOREIGN if any(words in errors for words in _OWNED) else UNREADABLE


def without_credentials(url: str) -> str | None:
    """An address that may be shown: without user, password, query and fragment; None when nothing is sure of it."""
    url = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", url)[:MAX_TEXT]
    helper = _HELPER.fullmatch(url)
    if helper is not None and "/" not in helper[1]:
        inner = None if helper[1] == "ext" else without_credentials(helper[2])
        return None if inner is None else f"{helper[1]}::{inner}"
    parts = _SCHEME.fullmatch(url)
    if parts is not None:
        return _without_user(*parts.groups())
    place, colon, path = url.partition(":")
    if colon and "/" not in place:  # As scp has it: user@host:path
        return _plain(f"{place.rpartition('@')[2]}:{path}" if "@" in place else _after_user(url))
    return url or None


def languages_of(names: Iterable[str]) -> tuple[str, ...]:
    """The languages that files with these names are a sign of, in alphabetical order."""
    found = {
        language
        for name in names
        if (language := _LANGUAGES.get(name) or _ENDINGS.get(posixpath.splitext(name)[1])) is not None
    }
    return tuple(sorted(found))


def git_folder_in(content: bytes) -> bytes | None:
    """Where a `.git` file leads; None when it is no such file."""
    return content.removeprefix(_GITDIR).rstrip(b"\r\n") if content.startswith(_GITDIR) else None


def worktree_in(config: bytes) -> bytes | None:
    """The working tree that a submodule's own git folder names in its settings."""
    found = _WORKTREE.search(config)
    return None if found is None else found[1].strip(b'"')


def spellings(folder: str) -> tuple[bytes, ...]:
    """The folders that this text may mean, the likeliest first: `listing` tells odd bytes by their number."""
    plain = folder.encode("utf-8", "surrogateescape")
    odd = _ODD_BYTE.sub(lambda found: bytes.fromhex(found[1].decode()), plain)
    return (plain,) if odd == plain else (plain, odd)


def name_of(path: bytes) -> str:
    """What a project at this path is called. A bare repository's `.git` at the end is no part of its name."""
    base = posixpath.basename(path)
    if base in {b".git", b".bare"}:
        base = posixpath.basename(posixpath.dirname(path))
    return text_of(base.removesuffix(b".git") or base) or "/"


def text_of(value: bytes) -> str:
    """Text for JSON: other bytes than UTF-8 become the replacement character."""
    return value.decode("utf-8", "replace")


def _ahead_and_behind(value: bytes) -> tuple[int | None, int | None]:
    ahead, _, behind = value.partition(b" ")
    if ahead[1:].isdigit() and behind[1:].isdigit():
        return int(ahead[1:]), int(behind[1:])
    return None, None


def _without_user(scheme: str, host: str, rest: str) -> str:
    host = host.rpartition("@")[2]
    if not _PORT.fullmatch(host) and "@" in rest:  # A password with a slash in it.
        return f"{scheme}://{_plain(rest.rpartition('@')[2])}"
    return f"{scheme}://{host}{_plain(rest)}"


def _after_user(url: str) -> str:
    """What follows `user:password@`, of an address that should not have it."""
    start, slash, rest = url.partition("/")
    return start.rpartition("@")[2] + slash + rest


def _plain(path: str) -> str:
    return re.split(r"[?#]", path, maxsplit=1)[0]
