"""Keeps a report of a pane: what the log and the screens have of it, masked, in a folder."""

import importlib.metadata
from collections.abc import Set as AbstractSet
from typing import Final

import msgspec

from services.contract.actions import ReportedData
from services.contract.errors import ErrorCode, Problem
from services.contract.events import NewEvent
from services.core.audit import Outcome
from services.core.keeper import Keeper
from services.core.recording import Seen, record
from services.core.redaction import Redactor
from services.core.report_files import MAX_REPORTS, ReportFiles, read_ui_words
from services.core.screen_desk import ScreenDesk
from services.core.store import Store

EVENTS: Final = 2_000
"""The last of the log, of which the report has those of the pane's sessions."""
PAGE_EVENTS: Final = 50
"""Read at once, from the newest back: some are a megabyte."""
READ_BYTES: Final = 16 * 1024 * 1024
"""Payloads read for one report; core does nothing else meanwhile."""


class ReportDesk:
    """Makes reports."""

    def __init__(self, *, store: Store, keeper: Keeper, screens: ScreenDesk, files: ReportFiles) -> None:
        self._store = store
        self._keeper = keeper
        self._screens = screens
        self._files = files
        self._ui_words = read_ui_words()
        self._version = importlib.metadata.version("questmux")

    def keep(self, pane_id: str, note: str, now: int) -> Outcome:
        """Keep what was seen in a pane.

        Raises:
            StoreError: the log cannot be read.
        """
        state = self._keeper.state
        explanation = state.explanation(pane_id)
        if explanation is None:
            return _failure(ErrorCode.NOT_FOUND, f"there is no pane {pane_id}")
        sessions = {bound.session_id for bound in explanation.sessions} | {explanation.session_id} - {None}
        seen = Seen(
            explanation=explanation,
            events=self._events(sessions),
            screens=self._screens.past(pane_id),
            note=note,
            versions={"Questmux": self._version, "tmux": "not known" if state.server is None else state.server.version},
            now=now,
        )
        folder = self._files.folder
        try:
            if self._files.count() >= MAX_REPORTS:
                return _failure(ErrorCode.CONFLICT, f"{MAX_REPORTS} reports are kept already: delete some of {folder}")
            recording = record(seen, Redactor(self._ui_words))
            folder = self._files.write(pane_id, recording.files, now)
        except OSError as exc:
            return _failure(ErrorCode.CORE_UNAVAILABLE, f"the report could not be kept in {folder}: {exc.strerror}")
        data = ReportedData(
            pane_id=pane_id,
            folder=str(folder),
            hooks=recording.hooks,
            registry=recording.registry,
            screens=recording.screens,
        )
        return Outcome(data=msgspec.json.encode(data))

    def _events(self, sessions: AbstractSet[str | None]) -> list[NewEvent]:
        """Of the newest events those of some sessions, in the order of the log."""
        end, size = self._keeper.seq, 0
        first = max(end - EVENTS, 0)
        found: list[NewEvent] = []
        while end > first and size < READ_BYTES:
            start = max(end - PAGE_EVENTS, first)
            page = self._page(start, end)
            size += sum(len(event.payload) for event in page)
            found[:0] = [event for event in page if event.session_id in sessions]
            end = start
        return found

    def _page(self, start: int, end: int) -> list[NewEvent]:
        """Events after one seq, up to another."""
        page: list[NewEvent] = []
        while start < end:
            part = self._store.events_after(start, end - start)
            if not part:
                break
            page += [event for seq, event in part if seq <= end]
            start = part[-1][0]
        return page


def _failure(code: ErrorCode, message: str) -> Outcome:
    return Outcome(problem=Problem(code=code, message=message))
