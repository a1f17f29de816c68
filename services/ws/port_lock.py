"""Who may listen at a port: the gateways of one installation, side by side, and nobody else beside them."""

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import Final

from services.process.life import CannotStartError

TURN_WITHIN_S: Final = 5.0
"""A gateway opens the port in milliseconds; the next one waits this long for its turn."""
TURN_POLL_S: Final = 0.01


class PortLock:
    """Two files in the runtime folder, which is one installation's; the system lets go of them when a process dies."""

    def __init__(self, folder: Path, port: int) -> None:
        self._turn = folder / f"ws-{port}.turn"
        self._path = folder / f"ws-{port}.lock"
        self._port = port
        self._held: int | None = None

    @contextlib.asynccontextmanager
    async def opening(self) -> AsyncGenerator[bool]:
        """Open the port inside, one gateway at a time; gives whether another of this installation serves it already.

        If none does, listen as if alone, so that a stranger at the port is an error, and share the port then.

        Raises:
            CannotStartError: another gateway does not come to an end with opening it.
        """
        turn, lock = _opened(self._turn), _opened(self._path)
        try:
            await self._wait_for_turn(turn)
            yield not _is_locked(lock, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_SH)  # Never waits: to have it alone takes the turn, which is ours.
            self._held = lock
        finally:
            os.close(turn)
            if self._held != lock:
                os.close(lock)

    async def _wait_for_turn(self, turn: int) -> None:
        try:
            async with asyncio.timeout(TURN_WITHIN_S):
                while not _is_locked(turn, fcntl.LOCK_EX):  # noqa: ASYNC110 - a file lock calls nobody
                    await asyncio.sleep(TURN_POLL_S)
        except TimeoutError as exc:
            raise CannotStartError(f"another gateway is stuck while it opens port {self._port}: stop it") from exc

    def release(self) -> None:
        """Serve the port no more; call it once nothing listens. Once more does no harm."""
        if self._held is not None:
            os.close(self._held)
            self._held = None


def share(sockets: Iterable[socket.socket]) -> None:
    """Let others of this user listen where these listen already."""
    for one in sockets:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _is_locked(descriptor: int, how: int) -> bool:
    """Whether the lock could be had; it is held then."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as exc:
        if exc.errno in {errno.EAGAIN, errno.EWOULDBLOCK}:
            return False
        raise
    return True
