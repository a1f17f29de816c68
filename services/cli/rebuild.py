"""`questmux rebuild`: makes all that follows from the log again, while core is not running."""

import sys
import time
from contextlib import closing
from typing import Final

from services.contract.settings import Settings
from services.core.lock import CoreLock
from services.core.rebuild import Rebuilt, rebuild
from services.core.store import NewerDatabaseError, Store, StoreError
from services.process.clock import now_ms
from services.process.life import CannotStartError

TELL_EVERY_S: Final = 1.0


class Progress:
    """Tells how far it is, at most once a second, where a person looks on."""

    def __init__(self) -> None:
        self._is_seen = sys.stderr.isatty()
        self._told_at = time.monotonic()

    def tell(self, events: int) -> None:
        """So many events were read."""
        now = time.monotonic()
        if self._is_seen and now - self._told_at >= TELL_EVERY_S:
            self._told_at = now
            sys.stderr.write(f"\r{events:,} events ...")
            sys.stderr.flush()


def run_rebuild(settings: Settings, *, is_trial: bool) -> Rebuilt:
    """Do it.

    Raises:
        CannotStartError: there is no database, core is running, or the file cannot be used; nothing was changed.
    """
    if not settings.database.exists():
        raise CannotStartError(f"there is no database yet: {settings.database}")
    lock = CoreLock(settings.data_dir.resolve())
    try:
        with closing(Store(settings.database, now_ms())) as store:
            return rebuild(store, now_ms(), Progress().tell, is_trial=is_trial)
    except (StoreError, NewerDatabaseError) as exc:
        raise CannotStartError(str(exc)) from exc
    finally:
        lock.release()
