"""The door to tmux for plain calls and for commands, each a process. The only module that imports libtmux.

libtmux waits for a tmux command for as long as it takes, and a tmux server that hangs never answers. Killing the child
is not enough for it either: the client has sent its standard output over to the server, so the pipe stays open and
libtmux's `communicate()` goes on waiting. So `BoundedServer.cmd`, which all of libtmux goes through, runs the command
with a deadline and then lets go of the pipe as well. It also keeps the bytes: libtmux reads text, and turns a carriage
return in a folder's name into a newline.
"""

import contextlib
import os
import shutil
import subprocess
import threading
import time
from typing import Final

import libtmux
from libtmux.common import tmux_cmd

from services.poller.listing import COMMANDS

READ_TIMEOUT_S: Final = 2.0
"""A read takes a few milliseconds; over this tmux hangs."""
STOP_WITHIN_S: Final = 0.1
"""How long `stop` may go unnoticed."""

_NO_SERVER: Final = "no server running on "
_CANNOT_CONNECT: Final = "error connecting to "
_NO_SOCKET: Final = ("(No such file or directory)", "(Connection refused)")
_NO_SESSIONS: Final = "no current target"
_GONE: Final = ("can't find ", "no such ")
_OWN_PREFIX: Final = "QUESTMUX_"
"""Variables that begin so are not for a tmux server that we start: its panes would inherit them."""
_OF_A_PANE: Final = frozenset({"TMUX", "TMUX_PANE"})
"""Variables that say in which pane we were started; which server is meant is said by its socket."""
_MAX_QUOTED_CHARS: Final = 300


class TmuxError(Exception):
    """tmux could not be asked; the message says why."""


class TmuxMissingError(TmuxError):
    """tmux is not installed, or not on PATH. Look again later: a person may install it."""


class NoTmuxServerError(TmuxError):
    """No tmux server runs at the socket. Look again: one may start at any time."""


class TmuxHungError(TmuxError):
    """tmux did not answer in time. Ask again later."""


class TmuxFailedError(TmuxError):
    """tmux answered with an error, or could not be started. Ask again later."""


class NoSuchTargetError(TmuxFailedError):
    """The pane, window or session is not there, or not any more."""


class BoundedCommand(tmux_cmd):
    """One tmux command that was run, as libtmux shows it, with its raw output."""

    def __init__(self, cmd: list[str], returncode: int, output: bytes, errors: bytes) -> None:
        # libtmux's own would run the command, without a deadline: see the module.
        self.cmd = cmd
        self.returncode = returncode
        self.output = output
        self.stdout = output.decode("utf-8", "backslashreplace").rstrip("\n").split("\n") if output else []
        self.stderr = [line for line in errors.decode("utf-8", "backslashreplace").split("\n") if line]


class BoundedServer(libtmux.Server):
    """libtmux's server with a deadline on every command. For any number of threads."""

    def __init__(self, socket: str, timeout_s: float) -> None:
        is_path = socket.startswith("/")
        super().__init__(socket_name=None if is_path else socket or None, socket_path=socket if is_path else None)
        place = [f"-S{socket}"] if is_path else [f"-L{socket}"] if socket else []
        self._flags = ["-u", *place]  # Without -u and a UTF-8 locale tmux prints `_` for every other character.
        self._timeout_s = timeout_s
        self._stopped = threading.Event()
        self._environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_OWN_PREFIX) and name not in _OF_A_PANE
        }

    def cmd(  # type: ignore[override]  # libtmux's own differs from its protocol in the same way
        self, cmd: str, *args: object, target: str | int | None = None
    ) -> BoundedCommand:
        """Run one tmux command. See `feed`."""
        at = ["-t", str(target)] if target is not None else []
        return self.feed(b"", cmd, *at, *map(str, args))

    def feed(self, stdin: bytes, *words: str) -> BoundedCommand:
        """Run one tmux command line, with this on its standard input.

        Raises:
            TmuxMissingError: tmux is not on PATH.
            TmuxHungError: no answer within the deadline, or `stop` was called.
            TmuxFailedError: the system could not start tmux.
        """
        line = [self._binary(), *self._flags, *words]
        try:
            process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
                line,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=self._environ,
            )
        except FileNotFoundError as exc:
            self.tmux_bin = None
            raise TmuxMissingError("tmux is not on PATH any more") from exc
        except OSError as exc:
            raise TmuxFailedError(f"tmux could not be started: {exc}") from exc
        with process:  # On the way out it lets go of the pipes, then waits for the child.
            try:
                output, errors = self._communicate(process, stdin)
            finally:
                process.kill()  # Does nothing to a child that has ended.
        return BoundedCommand(line, process.returncode, output, errors)

    def stop(self) -> None:
        """Let the command that runs, and all after it, end now."""
        self._stopped.set()

    def _communicate(self, process: subprocess.Popen[bytes], stdin: bytes) -> tuple[bytes, bytes]:
        deadline = time.monotonic() + self._timeout_s
        given: bytes | None = stdin or None
        while not self._stopped.is_set():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TmuxHungError(f"tmux did not answer within {self._timeout_s:g} s")
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.communicate(given, timeout=min(left_s, STOP_WITHIN_S))
            given = None  # What a first call did not get rid of it has kept.
        raise TmuxHungError("stopped before tmux answered")

    def _binary(self) -> str:
        if self.tmux_bin is None:
            self.tmux_bin = shutil.which("tmux")
        if self.tmux_bin is None:
            raise TmuxMissingError("tmux is not installed, or not on PATH")
        return self.tmux_bin


class Tmux:
    """One tmux server, running or not. Every call blocks, and may come from any thread."""

    def __init__(self, socket: str, timeout_s: float = READ_TIMEOUT_S) -> None:
        """`socket` is empty for tmux's own choice (`$TMUX`, else its default), a name, or an absolute path."""
        self._server = BoundedServer(socket or _socket_of(os.environ.get("TMUX", "")), timeout_s)

    def list_all(self) -> bytes:
        """What tmux prints for `listing.COMMANDS`.

        Raises:
            NoTmuxServerError: none runs there.
            TmuxMissingError: tmux is not on PATH.
            TmuxHungError: no answer in time.
            TmuxFailedError: anything else.
        """
        done = self._server.feed(b"", *COMMANDS)
        if " ".join(done.stderr) == _NO_SESSIONS and done.output:
            return done.output  # A server that lives without sessions (`exit-empty off`) has named itself.
        return _output(done)

    def run(self, *words: str, stdin: bytes = b"") -> str:
        """What tmux prints for a command line, without the last newline.

        Raises:
            NoSuchTargetError: what it names is not there.
            TmuxError: as `list_all`.
        """
        return _output(self._server.feed(stdin, *words)).decode("utf-8", "backslashreplace").removesuffix("\n")

    def print_some(self, *words: str) -> bytes:
        """What tmux prints for a command line of several commands; of one that fails, what came before it.

        Raises:
            TmuxError: as `list_all`; a target that is not there is none.
        """
        done = self._server.feed(b"", *words)
        with contextlib.suppress(NoSuchTargetError):
            _output(done)
        return done.output

    def stop(self) -> None:
        """Let the calls that run, and all after them, end now, with an error; from any thread."""
        self._server.stop()


def _output(done: BoundedCommand) -> bytes:
    if done.returncode == 0:
        return done.output
    problem = " ".join(done.stderr)[:_MAX_QUOTED_CHARS]
    if problem.startswith(_NO_SERVER) or (problem.startswith(_CANNOT_CONNECT) and problem.endswith(_NO_SOCKET)):
        raise NoTmuxServerError(problem)
    if problem.startswith(_GONE):
        raise NoSuchTargetError(problem)
    raise TmuxFailedError(problem or f"tmux ended with {done.returncode} and said nothing")


def _socket_of(tmux: str) -> str:
    """The socket's path in a value of `$TMUX`: `path,pid,session`."""
    path = tmux.rsplit(",", 2)[0]
    return path if path.startswith("/") else ""
