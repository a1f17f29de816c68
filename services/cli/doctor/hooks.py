"""Claude Code's side: our entries in its settings, the script, and whether a call arrives."""

import http.client
import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from services.cli.api_client import ApiClient, ApiError, api_url, refuse_stranger
from services.cli.doctor.finding import Finding, advice, command, fault, well
from services.cli.setup.hook_entries import HOOK_EVENTS, HttpHooks, is_our_hook
from services.cli.setup.hook_entries import entries as entries_of
from services.cli.setup.installer import Installer, in_force
from services.cli.setup.settings_file import OWNER, SettingsFileError
from services.cli.setup.settings_text import SettingsTextError, setting
from services.contract.events import DOCTOR_EVENT
from services.contract.settings import Settings
from services.process.clock import new_id
from services.process.tokens import Tokens

SETUP: Final = "questmux setup"
TRIP_S: Final = 10.0
LOOK_S: Final = 0.02
SLOW_MS: Final = 500.0
MANAGED: Final = {
    "Darwin": Path("/Library/Application Support/ClaudeCode/managed-settings.json"),
    "Linux": Path("/etc/claude-code/managed-settings.json"),
}
"""Where Claude Code's documentation puts what an organisation decides."""
TAKEN: Final = (HTTPStatus.OK, HTTPStatus.ACCEPTED)
DISABLE: Final = "disableAllHooks"
MANAGED_ONLY: Final = "allowManagedHooksOnly"
"""Heeded in an organisation's settings only; in the person's own it says nothing."""


def check_hooks(settings: Settings, tokens: Tokens, *, is_running: bool, managed: Path | None) -> list[Finding]:
    """All of it. `managed` is the organisation's settings file, where there may be one."""
    path = settings.claude_dir / "settings.json"
    try:
        ours = in_force(path)
    except SettingsFileError as exc:
        return [fault("hooks", str(exc), f"mend {path} by hand, then {SETUP}")]
    http = HttpHooks(url=f"{api_url(settings)}/event", token=tokens.hook)
    found = entries(ours, str(settings.hook_script), http)
    findings = [found, *silenced(path, managed)]
    if not ours:
        return findings
    if is_over_http(ours):
        findings.append(secret_file(path))
    stale = Installer(settings, tokens).stale_files()
    if stale:
        says = "missing, of another release, or open to others"
        return [
            *findings,
            fault("hook script", f"{', '.join(path.name for path in stale)}: {says}", "questmux doctor --fix"),
        ]
    return [
        *findings,
        well("hook script", str(settings.hook_script)),
        _trip(settings, tokens, ours, is_running=is_running),
    ]


def managed_settings() -> Path | None:
    """Where an organisation's settings would be on this platform."""
    return MANAGED.get(platform.system())


def entries(ours: Mapping[str, list[Any]], script: str, http: HttpHooks) -> Finding:
    """Whether every event that is used has our entry, once, as this release writes it."""
    if not ours:
        return advice("hooks", "not installed: status comes from screens and Claude Code's own files alone", SETUP)
    missing = [event for event in HOOK_EVENTS if event not in ours]
    doubled = [event for event, found in ours.items() if len(found) > 1]
    over_http = is_over_http(ours)
    wanted = entries_of(HOOK_EVENTS, script, http if over_http else None)
    old = [event for event, found in ours.items() if event not in doubled and found[0] != wanted.get(event)]
    mend = f"{SETUP} --transport http" if over_http else SETUP
    if doubled or old:
        return fault("hooks", f"of another release or place, or doubled: {', '.join([*doubled, *old][:5])}", mend)
    if missing:
        return advice("hooks", f"{len(missing)} events tell nothing: {', '.join(missing[:5])}", mend)
    return well("hooks", f"{len(ours)} events")


def silenced(own: Path, managed: Path | None) -> list[Finding]:
    """Settings that keep Claude Code from running any hook of ours."""
    for path, names in ((own, (DISABLE,)), (managed, (DISABLE, MANAGED_ONLY))):
        if path is None:
            continue
        try:
            text = path.read_text(encoding="utf-8")
            named = next((name for name in names if setting(text, name) is True), None)
        except (OSError, ValueError, SettingsTextError):
            continue
        if named is not None:
            return [
                fault("hooks allowed", f'{path} says "{named}": true: Claude Code runs none of ours', f"edit {path}")
            ]
    return [well("hooks allowed", "nothing switches them off")]


def secret_file(path: Path) -> Finding:
    """Whether settings that have the hook token are closed to others."""
    if path.stat().st_mode & ~OWNER & 0o777:
        return fault(
            "settings file", f"{path} has the hook token, and others may read it", command("chmod", "go=", path)
        )
    return well("settings file", f"{path} is closed to others")


def is_over_http(ours: Mapping[str, list[Any]]) -> bool:
    """Whether any of our hooks is called over HTTP; a neighbour's in the same entry does not count."""
    return any(map(_http_hooks, ours.values()))


def _http_hooks(found: list[Any]) -> list[dict[str, Any]]:
    return [hook for entry in found for hook in entry["hooks"] if is_our_hook(hook) and hook.get("type") == "http"]


def _trip(settings: Settings, tokens: Tokens, ours: Mapping[str, list[Any]], *, is_running: bool) -> Finding:
    """One call, as Claude Code would make it, until the log shows it."""
    if not is_running:
        return well("hook call", "not tried, for Questmux is not running; calls wait in the spool")
    api = ApiClient(settings, tokens.full)
    session_id = f"questmux-doctor-{new_id()}"
    body = json.dumps({"hook_event_name": DOCTOR_EVENT, "session_id": session_id}).encode()
    over_http = [hook for found in ours.values() for hook in _http_hooks(found)]
    way = "over HTTP" if over_http else "by the script"
    try:
        after = int(api.get("/health")["core"]["event_seq"])
        began = time.monotonic()
        problem = _by_http(settings, over_http[0], body) if over_http else _by_script(settings, body)
        if problem is None and not _is_kept(api, after, session_id):
            problem = f"it did not arrive within {TRIP_S:g} s"
        took_ms = (time.monotonic() - began) * 1000
    except ApiError as exc:
        return fault("hook call", f"{way}: {exc}", "questmux up")
    if problem is not None:
        return fault("hook call", f"{way}: {problem}", f"{SETUP} --transport http" if over_http else SETUP)
    if took_ms > SLOW_MS:
        return advice("hook call", f"{way} it took {took_ms:.0f} ms", "questmux status")
    return well("hook call", f"in the log after {took_ms:.0f} ms {way}")


def _is_kept(api: ApiClient, after: int, session_id: str) -> bool:
    """Whether the log shows an event of this session within a while; pages that are full are passed over.

    Raises:
        ApiError: it cannot be asked.
    """
    end = time.monotonic() + TRIP_S
    while True:
        page = api.get(f"/api/events?after={after}")
        if any(event["session_id"] == session_id for event in page["events"]):
            return True
        if time.monotonic() > end:
            return False
        after = page["next_after"]
        if not page["has_more"]:
            time.sleep(LOOK_S)


def _by_script(settings: Settings, body: bytes) -> str | None:
    # Without the pane that the doctor is asked in: its event would show a session there.
    clean = {name: value for name, value in os.environ.items() if name not in {"TMUX", "TMUX_PANE"}}
    before = set(settings.spool_dir.glob("hook-*"))
    try:
        subprocess.run([str(settings.hook_script)], input=body, timeout=TRIP_S, check=False, env=clean)  # noqa: S603 - ours
    except (OSError, subprocess.TimeoutExpired) as exc:
        return str(exc)
    spooled = [path for path in set(settings.spool_dir.glob("hook-*")) - before if DOCTOR_EVENT in _text(path)]
    if spooled:
        return f"it came through the spool, for {settings.api_socket} did not take it"
    return None


def _by_http(settings: Settings, hook: Mapping[str, Any], body: bytes) -> str | None:
    # In Claude Code's form: a variable that is not set leaves its header empty, and here none is.
    headers = {name: "" if str(value).startswith("$") else str(value) for name, value in hook["headers"].items()}
    try:
        url = urlsplit(str(hook["url"]))
        with closing(http.client.HTTPConnection(url.hostname or "", url.port, timeout=TRIP_S)) as connection:
            connection.connect()
            refuse_stranger(connection.sock, settings.data_dir / "token")
            connection.request("POST", url.path, body, {**headers, "Content-Type": "application/json"})
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as exc:
        return f"{hook['url']}: {exc}"
    return None if status in TAKEN else f"{hook['url']} answered {status}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
