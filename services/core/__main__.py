"""Start core: settings to objects, in the design's order; the database ends last."""

from contextlib import closing

from services.bus import AddressTakenError, Bus, Publisher, Server
from services.contract import codec
from services.contract.settings import Settings
from services.core.lock import CoreLock
from services.core.report_files import ReportFiles
from services.core.service import Core
from services.core.store import NewerDatabaseError, Store, StoreError
from services.process.clock import now_ms
from services.process.life import CannotStartError, StopSignal, settle_memory, start
from services.process.spool import Spool
from services.process.zone import machine_zone


def run(settings: Settings) -> None:
    """Serve until asked to stop."""
    stop = StopSignal()
    folders = dict.fromkeys((settings.data_dir.resolve(), settings.runtime_dir.resolve()))
    locks = [CoreLock(folder) for folder in folders]
    try:
        store = Store(settings.database, now_ms())
    except (NewerDatabaseError, StoreError) as exc:
        raise CannotStartError(str(exc)) from exc
    with closing(store), Bus() as bus:
        core = make_core(settings, store, bus)
        settle_memory()
        core.run(stop)
    for lock in locks:
        lock.release()


def make_core(settings: Settings, store: Store, bus: Bus) -> Core:
    """Core with its state restored; what is asked of it meanwhile waits.

    Raises:
        CannotStartError: its address is taken, or the database cannot be read.
    """
    try:
        server = Server(bus, settings.requests_address)
        publisher = Publisher(bus, settings.updates_address, codec.WELCOME)
        reports = ReportFiles(settings.data_dir.resolve() / "reports")
        return Core(
            store,
            Spool(settings.spool_dir),
            server,
            publisher,
            settings.retention_days,
            time_zone=settings.time_zone or machine_zone(),
            reports=reports,
        )
    except (AddressTakenError, StoreError) as exc:
        raise CannotStartError(str(exc)) from exc


if __name__ == "__main__":
    start("core", run)
