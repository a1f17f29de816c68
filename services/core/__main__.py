"""Start core: settings to objects, in the design's order; the database ends last."""

from services.bus import Bus, Publisher, Server
from services.contract import codec
from services.contract.settings import Settings
from services.core.lock import CoreLock
from services.core.service import Core
from services.core.store import NewerDatabaseError, Store, StoreError
from services.process.clock import now_ms
from services.process.life import CannotStartError, StopSignal, start
from services.process.spool import Spool


def run(settings: Settings) -> None:
    """Serve until asked to stop."""
    stop = StopSignal()
    locks = (CoreLock(settings.data_dir), CoreLock(settings.runtime_dir))
    try:
        store = Store(settings.database, now_ms())
    except (NewerDatabaseError, StoreError) as exc:
        raise CannotStartError(str(exc)) from exc
    try:
        with Bus() as bus:
            server = Server(bus, settings.requests_address)
            publisher = Publisher(bus, settings.updates_address, codec.WELCOME)
            Core(store, Spool(settings.spool_dir), server, publisher, settings.retention_days).run(stop)
    finally:
        store.close()
        for lock in locks:
            lock.release()


if __name__ == "__main__":
    start("core", run)
