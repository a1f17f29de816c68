"""The script that hands hook calls over, with this installation's places in it. Pure."""

import shlex
from typing import Final

from services.contract.settings import Settings

MAX_WAITING: Final = 50_000
"""Calls that the script leaves in the spool while the server is stopped: some days of 50 busy agents, about 200 MB."""


def headers_of(token: str) -> str:
    """The file that the script gives to curl: a secret on a command line could be read by every user of the host."""
    return f"Authorization: Bearer {token}\nContent-Type: application/json\n"


def script_of(template: str, settings: Settings) -> str:
    """The script of this installation."""
    places = {
        "@SOCKET@": str(settings.api_socket),
        "@SPOOL@": str(settings.spool_dir),
        "@HEADERS@": str(settings.hook_headers),
        "@FULL@": str(MAX_WAITING),
    }
    for name, place in places.items():
        template = template.replace(name, shlex.quote(place))
    return template
