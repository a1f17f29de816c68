"""The machine's time zone, by its IANA name."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

LOCALTIME: Final = Path("/etc/localtime")
_FOLDER: Final = "zoneinfo/"


def machine_zone(environ: Mapping[str, str] | None = None, localtime: Path = LOCALTIME) -> str:
    """What `TZ` names, else what `/etc/localtime` links to, else `UTC`."""
    named = (os.environ if environ is None else environ).get("TZ", "").removeprefix(":")
    try:
        linked = os.path.realpath(localtime, strict=True)
    except OSError:
        linked = ""
    for candidate in (named, linked):
        name = candidate.rpartition(_FOLDER)[2]
        if name and _is_zone(name):
            return name
    return "UTC"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError):
        return False
    return True
