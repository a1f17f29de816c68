"""What a person sees of `questmux service`."""

import os
import platform
import shlex
import sys
from pathlib import Path

from services.cli.service.manager import Manager, ServiceError, manager_of
from services.cli.service.unit import Service, UnitError, environment_of
from services.contract.settings import Settings

EXIT_OK = 0
EXIT_NOT_RUNNING = 1


def run_install(settings: Settings, *, is_shown_only: bool) -> int:
    """Write the unit and start it. The exit code: 0 when it runs, or would.

    Raises:
        ServiceError: nothing was changed; says why.
    """
    manager = _manager()
    text = _text(manager, settings)
    if is_shown_only:
        print(f"# {manager.file}\n{text}", end="")
        return EXIT_OK
    there = manager.installed()
    if there is not None:
        manager.end()  # launchd starts nothing that it has already.
    settings.log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    manager.write(text)
    print(f"{manager.file} is written.")
    problem = manager.begin()
    if problem is not None:
        later = "; ".join(shlex.join(words) for words in manager.start)
        print(f"It could not be started from here ({problem}). In a session of yours: {later}")
        return EXIT_NOT_RUNNING
    print(f"It is started, now and with each session of yours. Its log: {manager.logs}")
    if manager.hint:
        print(manager.hint)
    return EXIT_OK


def run_status(settings: Settings) -> int:
    """Say whether it is there, current and running. The exit code: 0 when all that holds.

    Raises:
        ServiceError: a unit of that name is not ours.
    """
    manager = _manager()
    there = manager.installed()
    if there is None:
        print("Not installed: questmux service install")
        return EXIT_NOT_RUNNING
    is_current = there == _text(manager, settings)
    is_running = manager.is_running()
    starts = "starts" if manager.is_enabled() else "does not start"
    runs = "runs" if is_running else "does not run"
    print(f"Installed ({manager.file}). It {runs}, and {starts} with your session. Its log: {manager.logs}")
    if not is_current:
        print("It was written by another release or with other settings: questmux service install")
    return EXIT_OK if is_running else EXIT_NOT_RUNNING


def run_uninstall() -> int:
    """Stop it and remove the unit. The exit code: 0 when none is there.

    Raises:
        ServiceError: a unit of that name is not ours.
    """
    manager = _manager()
    if manager.installed() is None:
        print("Not installed.")
        return EXIT_OK
    manager.end()
    manager.file.unlink(missing_ok=True)
    print(f"It is stopped, and {manager.file} is gone. Your tmux and your data are as they were.")
    return EXIT_OK


def _manager() -> Manager:
    return manager_of(platform.system(), os.environ, Path.home())


def _text(manager: Manager, settings: Settings) -> str:
    words = (sys.executable, "-P", "-m", "services.cli.main", "up")
    service = Service(words=words, environment=environment_of(os.environ), log=settings.log_dir / "questmux.log")
    try:
        return manager.text(service)
    except UnitError as exc:
        raise ServiceError(f"the service cannot be described: {exc}") from exc
