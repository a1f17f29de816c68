"""The door to git. The only module that runs it.

A repository may hang or be huge, and its settings may be hostile: an unpacked archive brings its own `.git/config`, and
what an agent wrote there a person has not read. So git runs with a deadline, in a session of its own, with bounded
output, and without what a repository can have it run. `git status` could run:

* `core.fsmonitor`, hooks (it writes no index, but still), pagers: switched off by options.
* `filter.*.clean` and `.process`, over each tracked file whose time or size is not the index's: `git config` names all
  that there are, and each is switched off. A file whose attributes name one of them may then look modified and is
  perhaps not: `dirty` is unknown as long as there is such a file.
* `git status` in submodules, which have settings of their own: `--ignore-submodules=dirty` looks only at their commit.
* Transports, when an object is missing in a partial clone: `GIT_NO_LAZY_FETCH`, and no protocol is allowed.

External diffs, textconv, aliases, credential helpers and signature programs take no part in `git status`. What is left:
whoever can write the settings between the two calls, some milliseconds, can still have a filter run. That is somebody
who writes as this user at that moment.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from services.poller import repository
from services.poller.repository import Facts, Place

DEADLINE_S: Final = 5.0
"""For all that is asked of git about one repository."""
MAX_STUCK: Final = 8
"""Gits that were killed and did not end: the kernel holds them. With as many no other is started."""
MAX_OUTPUT: Final = 2_000_000
"""Bytes. Git is ended when it has more to say."""
MAX_ERRORS: Final = 10_000
MAX_PATHS: Final = 500
"""Files that are asked for their filter; with more the number of dirty ones stays unknown."""
KILL_S: Final = 0.5

_OPTIONS: Final = (
    "--no-pager",
    "--literal-pathspecs",
    *("-c", "core.fsmonitor="),  # Empty is off for every version: older ones take a word for a program's name.
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.preloadIndex=false"),
)
_STATUS: Final = (
    *("status", "--porcelain=v2", "--branch", "--ahead-behind", "-z"),
    *("--untracked-files=normal", "--ignore-submodules=dirty", "--no-renames"),
)
_CONFIG: Final = ("config", "--list", "-z")
_ATTRIBUTES: Final = ("check-attr", "-z", "filter", "--")
_HEAD: Final = ("symbolic-ref", "--quiet", "HEAD")
_FAILED: Final = 128
_KEPT: Final = frozenset({"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_EXEC_PATH"})
"""Of git's variables: where the person's own settings are. Others would speak of another repository."""
_FORCED: Final = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_PAGER": "cat",
    "LC_ALL": "C",
}


class Done(Struct, frozen=True):
    """A git that ended, or was ended because it said too much."""

    returncode: int
    output: bytes
    errors: bytes
    is_cut: bool


class _NoAnswerError(Exception):
    """Git did not end in time, or too many before it did not."""


class _MissingError(Exception):
    """There is no git on PATH."""


class Git:
    """Asks git about working trees. For one event loop."""

    def __init__(self, environ: Mapping[str, str], deadline_s: float = DEADLINE_S) -> None:
        own = {name: value for name, value in environ.items() if not name.startswith("GIT_") or name in _KEPT}
        self._environ = own | _FORCED
        self._deadline_s = deadline_s
        self._alive: set[asyncio.SubprocessTransport] = set()
        """Gits that were killed and are still there."""

    async def ask(self, place: Place) -> Facts:
        """What git says where `place.at` is, which must be known. Never raises."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._ask(place)
        except (TimeoutError, _NoAnswerError):
            return Facts(problem=repository.SILENT)
        except _MissingError:
            return Facts(problem=repository.MISSING)
        except OSError:  # The system could not start it.
            return Facts(problem=repository.UNREADABLE)

    async def _ask(self, place: Place) -> Facts:
        at = place.at or b"/"
        done = await self._run(at, *_CONFIG)
        if done.returncode:
            return Facts(problem=repository.problem_in(done.errors))
        config = repository.read_config(done.output)
        if place.worktree is None:
            done = await self._run(at, *_HEAD)
            if done.returncode == _FAILED:
                return Facts(problem=repository.problem_in(done.errors))
            return Facts(remote=config.remote, branch=repository.branch_of(done.output))
        switches = repository.filters_off(config.filters)
        if switches is None:
            return Facts(remote=config.remote, problem=repository.UNSAFE)
        done = await self._run(at, *switches, *_STATUS)
        if done.returncode and not done.is_cut:
            return Facts(problem=repository.problem_in(done.errors))
        status = repository.read_status(done.output, is_cut=done.is_cut)
        is_sure = not (config.filters and status.modified) or await self._is_unfiltered(at, status, config)
        return Facts(
            remote=config.remote,
            branch=status.branch,
            dirty=status.dirty if is_sure else None,
            ahead=status.ahead,
            behind=status.behind,
        )

    async def _is_unfiltered(self, at: bytes, status: repository.Status, config: repository.Config) -> bool:
        """Whether none of the files that look modified has a filter, which would say what they really are."""
        if len(status.modified) > MAX_PATHS:
            return False
        done = await self._run(at, *_ATTRIBUTES, *status.modified)
        return done.returncode == 0 and not repository.has_filter(done.output, config.filters)

    async def _run(self, at: bytes, *words: str | bytes) -> Done:
        """Run git somewhere.

        Raises:
            _NoAnswerError: it is not tried, for too many did not end.
            _MissingError: there is none.
            OSError: it could not be started.
        """
        git = shutil.which("git", path=self._environ.get("PATH"))
        if git is None or not os.path.isabs(git):  # noqa: PTH117 - a relative one would be the repository's
            raise _MissingError
        if len(self._alive) >= MAX_STUCK:
            raise _NoAnswerError
        # Git goes there itself: this process would wait for a folder that hangs. And not above it.
        environ = {**self._environ, "GIT_CEILING_DIRECTORIES": os.fsdecode(os.path.dirname(at))}  # noqa: PTH120
        loop = asyncio.get_running_loop()
        transport, said = await loop.subprocess_exec(
            _Said,
            *(git, "-C", at, *_OPTIONS, *words),
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
            env=environ,
        )
        try:
            await said.ended.wait()
        finally:
            if not said.is_over:
                await self._kill(transport, said)
            transport.close()
        return Done(transport.get_returncode() or 0, bytes(said.output), bytes(said.errors), said.is_cut)

    async def _kill(self, transport: asyncio.SubprocessTransport, said: "_Said") -> None:
        """End git and its children. One that the kernel holds is not waited for."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        self._alive.add(transport)
        said.on_exit = lambda: self._alive.discard(transport)
        if said.exited.is_set():
            self._alive.discard(transport)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(said.exited.wait(), KILL_S)


class _Said(asyncio.SubprocessProtocol):
    """What a process prints, up to a limit."""

    def __init__(self) -> None:
        self.output = bytearray()
        self.errors = bytearray()
        self.ended = asyncio.Event()
        """It is over, or has said more than is listened to."""
        self.exited = asyncio.Event()
        self.is_cut = False
        self.is_over = False
        self.on_exit: Callable[[], object] = bool

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        kept, limit = (self.output, MAX_OUTPUT) if fd == 1 else (self.errors, MAX_ERRORS)
        kept += data[: limit - len(kept)]
        if fd == 1 and len(kept) >= limit:
            self.is_cut = True
            self.ended.set()

    def process_exited(self) -> None:
        self.exited.set()
        self.on_exit()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self.is_over = True
        self.ended.set()
