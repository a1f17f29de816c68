"""Tells core what tmux shows: all of it once, then what changed."""

from collections.abc import Callable
from typing import Protocol

from services.contract.requests import ReportTmux, Taken
from services.poller.sight import View


class Core(Protocol):
    """Takes reports; `services.poller.core_link.CoreLink` is one."""

    async def ask(self, request: ReportTmux) -> Taken | None:
        """None when core is away, or has another report than this one changes."""
        ...


class Reporter:
    """Knows what core has."""

    def __init__(self, core: Core, now_ms: Callable[[], int]) -> None:
        self._core = core
        self._now_ms = now_ms
        self._taken: View | None = None
        self._revision = 0
        self.reports = 0

    def forget(self) -> None:
        """Core may have nothing: the next report is whole."""
        self._taken = None

    async def report(self, view: View) -> None:
        """Tell core, unless it has just this; when it does not take a change, all of it goes with the next look."""
        before = self._taken
        if view == before:
            return
        after, self._revision = self._revision, self._revision + 1
        self._taken = None  # Until core has answered, nobody knows what it has.
        is_whole = before is None or before.server != view.server
        report = self._whole(view) if before is None or is_whole else self._change(before, view, after)
        if await self._core.ask(report) is not None:
            self._taken = view
            self.reports += 1

    def _whole(self, view: View) -> ReportTmux:
        return ReportTmux(
            at=self._now_ms(), server=view.server, windows=view.windows, panes=view.panes, revision=self._revision
        )

    def _change(self, before: View, view: View, after: int) -> ReportTmux:
        known = {pane.id: pane for pane in before.panes}
        now = {pane.id for pane in view.panes}
        return ReportTmux(
            at=self._now_ms(),
            server=view.server,
            windows=None if view.windows == before.windows else view.windows,
            panes=tuple(pane for pane in view.panes if known.get(pane.id) != pane),
            gone=tuple(pane_id for pane_id in known if pane_id not in now),
            revision=self._revision,
            after=after,
        )
