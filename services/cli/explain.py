"""`questmux explain PANE`: why a pane's status is what it is, for a person. Pure."""

import time
from collections.abc import Sequence
from typing import Any, Final

from services.cli.printable import printable

MINUTE_S: Final = 60
HOUR_S: Final = 3_600
INDENT: Final = "  "


def explained(explanation: dict[str, Any], now_s: float) -> str:
    """The `explanation` of `GET /api/panes/{id}/explain` as some lines of text. Screen text in it is made printable."""
    lines = [*_head(explanation, now_s), "", *_sources(explanation)]
    if explanation["sessions"]:
        lines += ["", "sessions in this pane", *_sessions(explanation)]
    if explanation["transitions"]:
        lines += ["", "changes, the newest first", *_transitions(explanation)]
    return "\n".join(map(printable, lines)) + "\n"


def _head(explanation: dict[str, Any], now_s: float) -> list[str]:
    status, agent = explanation["status"], explanation["agent"]
    lines = [f"{explanation['pane_id']}  {'no session' if status is None else _named(status)}"]
    if status is not None:
        lines[0] += f", since {_clock(status['since'])} ({_ago(now_s - status['since'] / 1000)})"
        if status["evidence"] is not None:
            evidence = status["evidence"]
            lines.append(f"{INDENT}because of the {evidence['source']}: {evidence['rule']}")
    if explanation["session_id"] is not None:
        lines.append(f"{INDENT}session {explanation['session_id']}")
    runs = "none" if agent is None else f"{agent['name']}, pid {agent['pid']}"
    lines.append(f"{INDENT}agent in the process tree: {runs}")
    return lines


def _sources(explanation: dict[str, Any]) -> list[str]:
    status: dict[str, Any] = explanation["status"] or {"disputed_by": []}
    against = {claim["source"] for claim in status["disputed_by"]}
    rows = [
        (
            claim["source"],
            _named(claim | {"name": claim["says"]}),
            _clock(claim["at"]),
            claim["rule"] + (INDENT + "DISAGREES" if claim["source"] in against else ""),
        )
        for claim in explanation["claims"]
    ]
    lines = ["what each source says now", *_columns(rows or [("none", "", "", "")])]
    if explanation["review_at"] is not None:
        lines.append(f"{INDENT}the one that disagrees is believed from {_clock(explanation['review_at'])} on")
    return lines


def _sessions(explanation: dict[str, Any]) -> list[str]:
    return _columns(
        [
            (
                "*" if bound["is_shown"] else " ",
                bound["session_id"],
                bound["status"],
                f"by {bound['by']}" + ("" if bound["pid"] is None else f", pid {bound['pid']}"),
            )
            for bound in explanation["sessions"]
        ]
    )


def _transitions(explanation: dict[str, Any]) -> list[str]:
    return _columns(
        [
            (
                _clock(change["at"]),
                _named(change),
                change["source"],
                change["rule"] + (INDENT + "CORRECTED another source" if change["corrected"] else ""),
            )
            for change in explanation["transitions"]
        ]
    )


def _named(status: dict[str, Any]) -> str:
    waiting_for = status.get("waiting_for")
    return str(status["name"]) + ("" if waiting_for is None else f" for {waiting_for}")


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (INDENT.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [INDENT + line.rstrip() for line in lines]


def _clock(at_ms: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at_ms / 1000))


def _ago(seconds: float) -> str:
    if seconds < MINUTE_S:
        return f"{max(0, int(seconds))} s"
    return f"{int(seconds / MINUTE_S)} min" if seconds < HOUR_S else f"{seconds / HOUR_S:.1f} h"
