"""`python -m services.cli.demo.keeper`: Questmux of one demo, which ends with it and clears its stage.

It is a process of its own, so that whichever of the two is killed, the other one tidies up. The demo holds its standard
input open: an end of it is the demo's end, however that came.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final, NoReturn

from services.cli.demo.panes import TmuxServer
from services.cli.demo.stage import remove_folder
from services.cli.up import run_up
from services.contract.settings import SettingError
from services.process.life import EXIT_OK, EXIT_USAGE, CannotStartError
from services.process.logs import start_logging
from services.process.settings import load_settings, make_folders

_INPUT: Final = 0
_READ_BYTES: Final = 4_096


def main() -> int:
    """Run Questmux until the demo is over; then nothing of the demo is left."""
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_follow, daemon=True).start()
    folder = Path(os.environ["QUESTMUX_CONFIG"]).parent
    try:
        settings = load_settings()
        start_logging("demo", settings.log_level, settings.log_format)
        make_folders(settings)
        return run_up(settings, quiet=True)
    except (SettingError, CannotStartError) as exc:
        sys.stderr.write(f"{exc}\n")
        return EXIT_USAGE
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        TmuxServer(folder / "tmux", os.environ).end()
        remove_folder(folder)


def _follow() -> None:
    """End this process when the demo has ended."""
    while os.read(_INPUT, _READ_BYTES):  # Not `sys.stdin`: its lock would be held when this process ends otherwise.
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _end(_number: int, _frame: object) -> NoReturn:
    sys.exit(EXIT_OK)


if __name__ == "__main__":
    sys.exit(main())
