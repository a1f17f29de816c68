"""The door to the folders that agents work in: what each is in, found by its files, without git.

A folder may hang for as long as a network is away, and a thread that waits for it cannot be ended. So they are looked
at in a thread that nobody waits for longer than `FIND_S`, and that does not keep the process.
"""
# The names are bytes, which pathlib does not know.
# ruff: noqa: PTH110, PTH112, PTH113, PTH116, PTH118, PTH119, PTH120

import array
import asyncio
import contextlib
import fcntl
import os
import stat
import struct
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from msgspec import structs

from services.contract.game import ProjectKind
from services.poller import repository
from services.poller.repository import Place

FIND_S: Final = 2.0
MAX_STUCK: Final = 8
"""Threads that wait for folders that hang; with as many no other folder is looked at."""
MAX_NAMES: Final = 2_000
"""Of a folder, looked at for a sign of a language."""
MAX_FILE: Final = 65_536
_GET_GENERATION: Final = 0x80007601 | struct.calcsize("l") << 16
"""`FS_IOC_GETVERSION` of Linux."""


class Places:
    """Finds what folders are in. For one event loop."""

    def __init__(self, find: Callable[[str], Place] | None = None, find_s: float = FIND_S) -> None:
        self._find = find or find_place
        self._find_s = find_s
        self._hung: dict[str, threading.Thread] = {}
        """Folders that have not answered yet, long after they were asked."""

    async def find(self, folders: Sequence[str]) -> tuple[Place, ...]:
        """What each folder is in; one that hangs, and those behind it, say so after `FIND_S`."""
        self._hung = {folder: thread for folder, thread in self._hung.items() if thread.is_alive()}
        wanted = [folder for folder in folders if folder not in self._hung]
        found: dict[str, Place] = {}
        if wanted and len(self._hung) < MAX_STUCK:
            await self._find_in_thread(wanted, found)
        return tuple(
            found.get(folder) or Place(folder=folder, path=folder, problem=repository.HUNG) for folder in folders
        )

    async def _find_in_thread(self, folders: Sequence[str], found: dict[str, Place]) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def run() -> None:
            for folder in folders:
                found[folder] = self._find(folder)
            with contextlib.suppress(RuntimeError):  # The loop was closed meanwhile.
                loop.call_soon_threadsafe(ended.set)

        thread = threading.Thread(target=run, name="places", daemon=True)
        thread.start()
        try:
            await asyncio.wait_for(ended.wait(), self._find_s)
        except TimeoutError:
            hanging = next((folder for folder in folders if folder not in found), folders[-1])
            self._hung[hanging] = thread


def find_place(folder: str) -> Place:
    """What a folder is in. Blocks as long as the folder does."""
    problem = repository.GONE
    for spelling in repository.spellings(folder):
        try:
            real = os.path.realpath(spelling, strict=True)
            found = os.stat(real)
            if stat.S_ISDIR(found.st_mode):
                return _place_of(folder, real, found)
        except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in it.
            continue
        except OSError:
            problem = repository.CLOSED
    return Place(folder=folder, path=folder, problem=problem)


def _place_of(folder: str, real: bytes, found: os.stat_result) -> Place:
    top = real
    while True:
        link = os.path.join(top, b".git")
        git_folder = link if _is_git_folder(link) else _followed(link)
        if git_folder is not None:
            return _repository(folder, top, git_folder)
        if os.path.isfile(link):
            return Place(folder=folder, path=folder, problem=repository.BROKEN)
        if os.path.isdir(link) and not os.access(link, os.R_OK | os.X_OK):
            return Place(folder=folder, path=folder, problem=repository.CLOSED)
        if _is_git_folder(top):
            return _repository(folder, None, top)
        above = os.path.dirname(top)
        # As git does: what another file system is mounted in is not what the folder belongs to.
        if above == top or os.stat(above).st_dev != found.st_dev:
            return Place(
                folder=folder,
                path=repository.text_of(real),
                name=repository.name_of(real),
                file_id=_file_id(real),
                languages=_languages(real),
            )
        top = above


def _repository(folder: str, worktree: bytes | None, git_folder: bytes) -> Place:
    named = _read(os.path.join(git_folder, b"commondir"))
    common = os.path.realpath(os.path.join(git_folder, (named or b".").rstrip(b"\r\n")))
    top = _main_top(common, worktree)
    place = Place(
        folder=folder,
        kind=ProjectKind.REPOSITORY,
        path=repository.text_of(top),
        name=repository.name_of(top),
        file_id=_file_id(common),
        worktree=worktree,
        common=common,
    )
    return place if worktree is None else structs.replace(place, languages=_languages(worktree))


def _main_top(common: bytes, worktree: bytes | None) -> bytes:
    """The main working tree's top level; the git folder itself when there is none."""
    above = os.path.dirname(common)
    if os.path.basename(common) == b".git":
        return above
    for top in (worktree, above):  # A submodule, or a git folder that is kept elsewhere.
        followed = None if top is None else _followed(os.path.join(top, b".git"))
        if top is not None and followed is not None and os.path.realpath(followed) == common:
            return top
    named = repository.worktree_in(_read(os.path.join(common, b"config")) or b"")
    return common if named is None else os.path.realpath(os.path.join(common, named))


def _followed(link: bytes) -> bytes | None:
    """The git folder that a `.git` file leads to, when it is there."""
    named = repository.git_folder_in(_read(link) or b"")
    if named is None:
        return None
    git_folder = os.path.join(os.path.dirname(link), named)
    return git_folder if _is_git_folder(git_folder) else None


def _is_git_folder(path: bytes) -> bool:
    """As git decides: a `HEAD`, and objects and refs here or where `commondir` says."""
    if not os.path.lexists(os.path.join(path, b"HEAD")):
        return False
    parts = [b"commondir"], [b"objects", b"refs"]
    return any(all(os.path.exists(os.path.join(path, name)) for name in names) for names in parts)


def _languages(folder: bytes) -> tuple[str, ...]:
    try:
        with os.scandir(folder) as listing:
            return repository.languages_of(os.fsdecode(entry.name) for entry in islice(listing, MAX_NAMES))
    except OSError:
        return ()


def _file_id(path: bytes) -> str:
    """Which folder it is, also after it was renamed."""
    found = os.stat(path)
    plain = f"{found.st_dev}:{found.st_ino}"
    generation = array.array("l", [0])
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return plain
    try:
        fcntl.ioctl(descriptor, _GET_GENERATION, generation)
    except OSError:  # This file system does not tell.
        return plain
    finally:
        os.close(descriptor)
    return f"{plain}:{generation[0] & 0xFFFFFFFF}"


def _read(path: bytes) -> bytes | None:
    """The beginning of a plain file; None when there is none that may be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return os.read(descriptor, MAX_FILE) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(descriptor)
