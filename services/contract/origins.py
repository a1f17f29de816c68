"""Which `Host` and `Origin` headers the HTTP API and the WebSocket gateway accept. Pure.

A browser tells the truth in both: `Host` names what the page's user typed, so a foreign name that was pointed at this
machine (DNS rebinding) shows; `Origin` names the page. A page of another local port is another origin too.
"""

from typing import Final
from urllib.parse import urlsplit

from services.contract.settings import Settings

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
WILDCARD_HOSTS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - named to be refused: nobody's name for this machine
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def is_allowed_host(host_header: str | None, settings: Settings) -> bool:
    """Whether this server is what the request was meant for; the port does not matter. No header is no."""
    if not host_header:
        return False
    parts = _split(f"//{host_header}")
    return parts is not None and parts[0] in _own_hosts(settings)


def is_allowed_origin(origin: str | None, settings: Settings) -> bool:
    """Whether a page of this origin may use this server. No header is a script, and yes.

    Our own pages come from one of our hosts at the API's or the gateway's port; others are named in the settings.
    """
    if origin is None:
        return True
    if origin.lower() in {allowed.lower().rstrip("/") for allowed in settings.allowed_origins}:
        return True
    scheme, colon, rest = origin.partition(":")
    parts = _split(rest)
    if not colon or parts is None or scheme.lower() not in DEFAULT_PORTS:
        return False
    host, port = parts
    own_ports = (settings.api_port, settings.ws_port)
    return host in _own_hosts(settings) and (port or DEFAULT_PORTS[scheme.lower()]) in own_ports


def _own_hosts(settings: Settings) -> frozenset[str]:
    """The names by which people reach this server, in lower case and without brackets."""
    bound = {settings.api_host, settings.ws_host} - WILDCARD_HOSTS
    named = {name.lower().strip("[]") for name in settings.allowed_hosts}
    return LOOPBACK_HOSTS | bound | named


def _split(authority: str) -> tuple[str, int | None] | None:
    """Host in lower case and port of `//host:port`; None when it is anything else or anything more."""
    try:
        parts = urlsplit(authority)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if (
        not host
        or parts.path
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
        or any(map(str.isspace, authority))
    ):
        return None
    return host, port
