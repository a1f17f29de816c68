"""The running server: does it answer, are all services there, who else has its ports, and who may reach it?"""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final, TypeGuard, cast

from services.cli.api_client import api_url
from services.cli.doctor.finding import Finding, advice, fault, well
from services.contract.origins import LOOPBACK_HOSTS
from services.contract.settings import Settings

ASK_S: Final = 3.0
SERVICES: Final = ("api", "poller", "ws")
LAG: Final = 1_000
"""Updates that a gateway may be behind."""
OLD_EVENT_MS: Final = 24 * 3600 * 1000


def check_server(settings: Settings) -> tuple[bool, list[Finding]]:
    """Whether it runs, and all that there is to say of it."""
    health = _health(settings)
    bind = bound(settings)
    if health is not None:
        return True, [bind, *running(health)]
    taken = [
        fault(f"port {port}", f"another program has {host} port {port}", f"{name}=... questmux up")
        for host, port, name in (
            (settings.api_host, settings.api_port, "QUESTMUX_API_PORT"),
            (settings.ws_host, settings.ws_port, "QUESTMUX_WS_PORT"),
        )
        if _is_open(host, port)
    ]
    return False, [bind, *(taken or [advice("server", "Questmux is not running", "questmux up")])]


def bound(settings: Settings) -> Finding:
    """Who can reach it."""
    hosts = {settings.api_host, settings.ws_host} - LOOPBACK_HOSTS
    if hosts:
        says = f"{', '.join(sorted(hosts))}: the network can reach it; a token that travels in plain text keeps it out"
        return advice("bind", says, "docs/operations.md: SSH, Tailscale, Caddy")
    return well("bind", "loopback only")


def is_health(body: Any) -> TypeGuard[dict[str, Any]]:  # noqa: ANN401 - JSON
    """Whether this is what Questmux answers to `/health`: its figures, or a refusal in its form."""
    if not isinstance(body, dict):
        return False
    said = cast("dict[str, Any]", body)
    part = said.get("data" if said.get("success") is True else "error")
    if not isinstance(part, dict):
        return False
    return {"core", "services"} <= part.keys() if said.get("success") is True else {"code", "message"} <= part.keys()


def running(health: Mapping[str, Any]) -> list[Finding]:
    """What `/health` says: its body."""
    if not health.get("success"):
        says = str(health.get("error", {}).get("message", "no reason given"))
        return [fault("server", f"it runs, but {says}", "look at the log of core")]
    data = health["data"]
    alive = {name: [peer for peer in peers if peer["alive"]] for name, peers in data["services"].items()}
    away = [name for name in SERVICES if not alive.get(name)]
    late = [name for name, peers in alive.items() if any((peer["lag"] or 0) > LAG for peer in peers)]
    findings = [well("server", "all services are there")]
    if away:
        findings = [fault("server", f"{', '.join(away)} away", "look at its log; `questmux up` starts it again")]
    elif late:
        findings = [advice("server", f"{', '.join(late)} is behind", "look at its log")]
    return [*findings, events(data["core"])]


def events(core: Mapping[str, Any]) -> Finding:
    """How long ago anything was told."""
    age_ms = core.get("event_age_ms")
    failed = int(core.get("figures", {}).get("failed_events_total", 0))
    if failed:
        return fault("events", f"{failed} could not be applied", "questmux rebuild --check")
    if age_ms is None:
        return advice("events", "none since the start", "work a little in Claude Code")
    if age_ms < 0:
        return advice("events", "the last one is from the future: the clock was set back")
    if age_ms > OLD_EVENT_MS:
        return advice("events", f"the last one is {age_ms // 3_600_000} hours old")
    return well("events", f"the last one is {age_ms / 1000:,.0f} s old")


def _health(settings: Settings) -> dict[str, Any] | None:
    """The body of `/health`; None when what answers is not Questmux."""
    url = f"{api_url(settings)}/health"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ASK_S) as answer:
            body: Any = json.loads(answer.read())
    except urllib.error.HTTPError as exc:
        with exc:
            body = _body(exc)
    except (OSError, ValueError):
        return None
    return body if is_health(body) else None


def _body(error: urllib.error.HTTPError) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(error.read())
    except (OSError, ValueError):
        return None


def _is_open(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
