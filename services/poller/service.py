"""The loop: look at tmux, tell core what changed, say that this process is alive."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from services.contract.errors import QuestmuxError
from services.contract.requests import Beat, Reply, ReportTmux, Request, Taken
from services.poller.listing import ListingError
from services.poller.sight import NOTHING, View
from services.poller.tmux import TmuxError, TmuxMissingError

BEAT_EVERY_S: Final = 2.0
REQUEST_TIMEOUT_S: Final = 2.0
MISSING_RETRY_S: Final = 3.0
"""How long to wait for a tmux that is not installed."""
QUIET_LOOKS: Final = 8
"""After this many looks that showed nothing new, tmux is quiet."""
QUIET_S: Final = 0.6
"""While it is quiet, looks are this far apart: half the CPU, and a new window is still seen within a second."""

R = TypeVar("R", bound=Reply)
logger = logging.getLogger(__name__)


class Core(Protocol):
    """Answers requests; `services.bus.Client` is one."""

    async def request(self, request: Request, kind: type[R], timeout_s: float, *, wait: bool = True) -> R:
        """Raises `QuestmuxError` when it cannot, or does not want to."""
        ...


class Poller:
    """Keeps core's picture of one tmux server true. Core has it all, or gets it all again."""

    def __init__(
        self,
        *,
        look: Callable[[float], View],
        core: Core,
        poll_s: float,
        now_ms: Callable[[], int],
        instance: str,
        pid: int,
    ) -> None:
        self._look = look
        self._core = core
        self._poll_s = poll_s
        self._now_ms = now_ms
        self._instance = instance
        self._pid = pid
        self._accepted: View | None = None
        self._accepted_epoch: str | None = None
        self._core_is_there = True
        self._tmux_trouble: str | None = None
        self._server_pid: int | None = None
        self._last_view: View | None = None
        self._same_looks = 0
        self.figures: dict[str, float] = dict.fromkeys(
            ("polls_total", "failures_total", "reports_total", "poll_seconds", "panes", "windows", "tmux_up"), 0.0
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Poll and beat until `stop` is set."""
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(_repeat(self.poll, self._poll_s)),
            asyncio.create_task(_repeat(self.beat, BEAT_EVERY_S)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()  # A task that failed ends the process, with its traceback.

    async def poll(self) -> float:
        """Look once and tell core when that is news to it; answers the least pause before the next time."""
        view, pause_s = await self._see()
        if view is not None and view != self._accepted:
            await self._report(view)
        return pause_s

    async def beat(self) -> float:
        """Tell core that this process is alive; core's epoch tells whether it still has the picture."""
        beat = Beat(
            service="poller",
            instance=self._instance,
            pid=self._pid,
            interval_s=BEAT_EVERY_S,
            figures=dict(self.figures),
        )
        taken = await self._ask(beat)
        if taken is None or taken.epoch != self._accepted_epoch:
            self._accepted = None
        return 0.0

    async def _see(self) -> tuple[View | None, float]:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self.figures["polls_total"] += 1
        try:
            view = await asyncio.to_thread(self._look, began_s)
        except TmuxMissingError as exc:
            self._note_trouble(f"{exc}: install it; looking again every {MISSING_RETRY_S:g} s")
            self._note_view(NOTHING)
            return NOTHING, MISSING_RETRY_S
        except (TmuxError, ListingError) as exc:
            self.figures["failures_total"] += 1
            self.figures["tmux_up"] = 0.0
            self._note_trouble(str(exc))
            return None, 0.0
        self.figures["poll_seconds"] = loop.time() - began_s
        self._note_trouble(None)
        self._note_view(view)
        self._same_looks = self._same_looks + 1 if view == self._last_view else 0
        self._last_view = view
        return view, QUIET_S if self._same_looks >= QUIET_LOOKS else 0.0

    def _note_trouble(self, problem: str | None) -> None:
        """Log when trouble with tmux begins and ends, not for as long as it lasts."""
        if problem is not None and self._tmux_trouble is None:
            logger.warning("tmux could not be read", extra={"problem": problem})
        elif problem is None and self._tmux_trouble is not None:
            logger.info("tmux could be read again")
        self._tmux_trouble = problem

    def _note_view(self, view: View) -> None:
        self.figures |= {
            "panes": len(view.panes),
            "windows": len(view.windows),
            "tmux_up": float(view.server is not None),
        }
        pid = None if view.server is None else view.server.pid
        if pid == self._server_pid:
            return
        if view.server is None:
            logger.info("tmux server went", extra={"tmux_pid": self._server_pid})
        else:
            facts = {"socket": view.server.socket, "tmux_pid": pid, "version": view.server.version}
            logger.info("tmux server found", extra=facts)
        self._server_pid = pid

    async def _report(self, view: View) -> None:
        report = ReportTmux(at=self._now_ms(), server=view.server, windows=view.windows, panes=view.panes)
        taken = await self._ask(report)
        if taken is None:
            self._accepted = None
            return
        self.figures["reports_total"] += 1
        self._accepted, self._accepted_epoch = view, taken.epoch

    async def _ask(self, request: Request) -> Taken | None:
        """Core's answer, or None; logs when core goes and when it is back."""
        try:
            # While core is away a request must not wait for it: looking goes on at its own pace.
            taken = await self._core.request(request, Taken, REQUEST_TIMEOUT_S, wait=self._core_is_there)
        except QuestmuxError as exc:
            if self._core_is_there:
                logger.warning("core does not take what is seen", extra={"problem": str(exc)})
            self._core_is_there = False
            return None
        if not self._core_is_there:
            logger.info("core takes what is seen again", extra={"epoch": taken.epoch})
        self._core_is_there = True
        return taken


async def _repeat(work: Callable[[], Awaitable[float]], every_s: float) -> None:
    """Do the work at this pace; work that takes longer delays the next, and never runs beside itself."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while True:
        pause_s = await work()
        due_s = max(due_s + every_s, loop.time() + pause_s)
        await asyncio.sleep(due_s - loop.time())
