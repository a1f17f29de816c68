"""One core for one data folder: a lock that the system gives back when its holder dies."""

import fcntl
import os
from pathlib import Path

from services.process.life import CannotStartError


class CoreLock:
    """Held while this core runs. A second core would steal the bus addresses unseen, and write the same file."""

    def __init__(self, folder: Path) -> None:
        path = folder / "core.lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise CannotStartError(
                f"another core (pid {holder}) works on {folder}; stop it, "
                "or give this one its own QUESTMUX_DATA_DIR and QUESTMUX_RUNTIME_DIR"
            ) from exc
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Let another core begin."""
        os.close(self._descriptor)
