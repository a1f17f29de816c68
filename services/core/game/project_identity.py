"""What is known of a project's place and of git there, and which project a reading is of. Pure.

| what is read | the project |
|---|---|
| the same file id, in any path | the same: it was renamed or moved, or is a worktree of it |
| the same number without a generation, in another path, with another remote or of another kind | another one: the \
number was used again |
| the same path and another file id: no repository before or now (`git init`), a folder made anew | the same |
| that, both repositories: the same remote (cloned again), or the same inode (a device got another number) | the same |
| that, and git did not answer | the same, until it does |
| else | a new one; what was in its path before is gone |

A reading that comes with a problem and no working tree was not made of the place as it is now: it marks what was read
before and changes nothing else.
"""

from typing import Final

from msgspec import Struct, structs

from services.contract.game import ProjectKind, Repository

GONE: Final = "gone"
MAX_TREES: Final = 16
"""Working trees of a project that are remembered, those of which there was news last."""
_PLAIN_PARTS: Final = 2
"""A file id of this many parts has no generation."""


class Tree(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was read of one working tree. A problem leaves the rest as it was read before."""

    top: str = ""
    """Its top level; empty when there is none."""
    languages: tuple[str, ...] = ()
    branch: str | None = None
    dirty: int | None = None
    ahead: int | None = None
    behind: int | None = None
    read_at: int | None = None
    """When it was read without a problem; nothing has changed since, or nobody looked."""
    problem: str | None = None


class Known(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a project's place."""

    path: str
    kind: ProjectKind
    file_id: str
    name: str = ""
    remote: str | None = None
    trees: tuple[Tree, ...] = ()
    """The one of which there was news last at the end: that one is shown."""

    @property
    def tree(self) -> Tree:
        """The one that is shown."""
        return self.trees[-1] if self.trees else Tree()


def is_fresh(reading: Repository) -> bool:
    """Whether the folder was looked at. Of one that hangs, is gone or closed the poller tells what it knew before."""
    return reading.problem is None or reading.worktree != ""


def is_same_file(known: Known, reading: Repository) -> bool:
    """Whether a project with the reading's file id is what was read."""
    is_sure = reading.file_id.count(":") >= _PLAIN_PARTS or not is_fresh(reading)
    if is_sure or reading.path == known.path:
        return True
    is_other_remote = known.remote is not None and reading.problem is None and reading.remote != known.remote
    return reading.kind is known.kind and not is_other_remote


def is_same_place(known: Known, reading: Repository) -> bool:
    """Whether a project in the reading's path is what was read, though its file id is another one."""
    if reading.kind is ProjectKind.FOLDER or known.kind is ProjectKind.FOLDER or reading.problem is not None:
        return True
    is_same_inode = reading.file_id.partition(":")[2] == known.file_id.partition(":")[2]
    return is_same_inode or (known.remote is not None and reading.remote == known.remote)


def first_known(reading: Repository, at: int) -> Known:
    """What the first reading of a project says."""
    known = Known(
        path=reading.path,
        kind=reading.kind,
        file_id=reading.file_id,
        name=reading.name,
        remote=reading.remote,
    )
    return structs.replace(known, trees=(_tree_after(Tree(top=reading.worktree), reading, at),))


def known_after(known: Known, reading: Repository, at: int) -> Known:
    """What is known after one more reading of the project, at a time; `known` itself when nothing is news."""
    if not is_fresh(reading):
        return _troubled(known, reading)
    is_sure = reading.problem is None or reading.kind is not known.kind
    trees = known.trees if reading.path == known.path else ()
    after = Known(
        path=reading.path,
        kind=reading.kind,
        file_id=reading.file_id if is_sure else known.file_id,
        name=reading.name,
        remote=reading.remote if reading.problem is None else reading.remote or known.remote,
        trees=_with_tree(trees, reading, at),
    )
    return known if after == known else after


def gone(known: Known) -> Known:
    """What is known of a project that is not in its path any more."""
    return _marked(known, len(known.trees) - 1, GONE)


def _with_tree(trees: tuple[Tree, ...], reading: Repository, at: int) -> tuple[Tree, ...]:
    """The working trees after a fresh reading, without those that its folder would be in if they were still there."""
    trees = tuple(tree for tree in trees if not _is_left(tree.top, reading))
    before = next((tree for tree in trees if tree.top == reading.worktree), Tree(top=reading.worktree))
    after = _tree_after(before, reading, at)
    is_news = before not in trees or structs.replace(after, read_at=before.read_at) != before
    if not is_news and trees[-1].problem != GONE:  # With one working tree there, the project is.
        return trees
    return (*(tree for tree in trees if tree.top != reading.worktree), after)[-MAX_TREES:]


def _tree_after(before: Tree, reading: Repository, at: int) -> Tree:
    if reading.problem is not None:
        return structs.replace(before, problem=reading.problem, languages=reading.languages or before.languages)
    return Tree(
        top=reading.worktree,
        languages=reading.languages,
        branch=reading.branch,
        dirty=reading.dirty,
        ahead=reading.ahead,
        behind=reading.behind,
        read_at=at,
    )


def _troubled(known: Known, reading: Repository) -> Known:
    """Mark the working tree that the folder is in. What is said of a path that it has left is no news."""
    if reading.file_id and reading.path != known.path:
        return known
    if reading.problem == GONE:
        if reading.file_id or reading.folder == known.path:
            return gone(known)
        trees = tuple(tree for tree in known.trees if tree.top != reading.folder)
        return structs.replace(known, trees=trees)
    within = [n for n, tree in enumerate(known.trees) if _is_in(reading.folder, tree.top or known.path)]
    if within:
        return _marked(known, within[-1], reading.problem)
    return _marked(known, len(known.trees) - 1, reading.problem) if reading.file_id else known


def _marked(known: Known, n: int, problem: str | None) -> Known:
    trees = list(known.trees) or [Tree()]
    trees[n] = structs.replace(trees[n], problem=problem)
    return structs.replace(known, trees=tuple(trees))


def _is_left(top: str, reading: Repository) -> bool:
    return top != "" and _is_in(reading.folder, top) and not _is_in(reading.worktree, top)


def _is_in(folder: str, top: str) -> bool:
    return folder == top or folder.startswith(f"{top.rstrip('/')}/")
