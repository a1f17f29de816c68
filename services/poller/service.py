"""The loops: look at tmux, capture screens, do what core orders, tell core; say that this process is alive."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from services.contract import codec
from services.contract.actions import Refresh
from services.contract.codec import DecodeError
from services.contract.entities import TmuxServer
from services.contract.orders import AnyOrder, Attend, DoAction, LookSoon, ReadFolders
from services.contract.requests import Beat, ReportScreens
from services.poller.actions import LAYOUT_ACTIONS, Actions
from services.poller.alarm import Alarm, wait_for
from services.poller.core_link import CoreLink
from services.poller.front import panes_in_front
from services.poller.gallery import Gallery
from services.poller.git_desk import GitDesk
from services.poller.listing import ListingError
from services.poller.observer import Observer
from services.poller.reporter import Reporter
from services.poller.schedule import Schedule
from services.poller.sight import NOTHING, Sight, View
from services.poller.sign_desk import SignDesk
from services.poller.tmux import NoTmuxServerError, TmuxError, TmuxMissingError

BEAT_EVERY_S: Final = 1.0
AWAY_BEAT_S: Final = 0.25
"""While core is away it is tried this often, so that a new one soon knows what there is, and whom to order."""
MISSING_RETRY_S: Final = 3.0
"""How long to wait for a tmux that is not installed."""
QUIET_LOOKS: Final = 8
"""After this many looks that showed nothing new, tmux is quiet."""
QUIET_S: Final = 0.6
QUIET_CONTROL_S: Final = 0.8
"""While it is quiet, looks are this far apart; in control mode tmux tells of new windows at once, and they may be
further apart."""
AT_ONCE_S: Final = 0.02
"""Two looks are at least this far apart, also when tmux tells of many changes."""
CAPTURE_RETRY_S: Final = 0.5
REGISTRY_EVERY_S: Final = 1.0
"""The registry is read this often when nothing told of a change: a process that was killed leaves its file."""
PERSONS_CONTROL_S: Final = 1.0
PERSONS_S: Final = 5.0
"""tmux is asked this often who looks at what; seldom where that takes a process of its own."""
REGISTRY_SETTLE_S: Final = 0.01
"""One write of a registry file is told some times."""
REGISTRY_REST: Final = 9
"""After a look at the registry it is left alone for so many times as long as that took: a tenth of the time is enough
also where hundreds of files change all the time."""
REGISTRY_LONGEST_REST_S: Final = 0.1

logger = logging.getLogger(__name__)


class Poller:
    """Keeps core's picture of one tmux server true, and does to it what core orders."""

    def __init__(
        self,
        *,
        observer: Observer,
        sight: Sight,
        schedule: Schedule,
        gallery: Gallery,
        actions: Actions,
        core: CoreLink,
        reporter: Reporter,
        signs: SignDesk,
        git: GitDesk,
        alarm: Alarm,
        poll_s: float,
        wall_s: Callable[[], float],
        instance: str,
        pid: int,
    ) -> None:
        self._observer = observer
        self._sight = sight
        self._schedule = schedule
        self._gallery = gallery
        self._actions = actions
        self._core = core
        self._reporter = reporter
        self._signs = signs
        self._git = git
        self._alarm = alarm
        self._poll_s = poll_s
        self._wall_s = wall_s
        self._instance = instance
        self._pid = pid
        self._acting: set[asyncio.Task[None]] = set()
        self._polling = asyncio.Lock()
        self._tmux_trouble: str | None = None
        self._server_pid: int | None = None
        self._view = NOTHING
        self._shown = NOTHING
        self._attended: TmuxServer | None = None
        self._same_looks = 0
        self._is_listening = False
        self._core_epoch = ""
        self.figures: dict[str, float] = dict.fromkeys(
            ("polls_total", "failures_total", "poll_seconds", "panes", "windows", "tmux_up", "actions_total"), 0.0
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Poll, capture and beat until `stop` is set."""
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(self._poll_on()),
            asyncio.create_task(self._capture_on()),
            asyncio.create_task(self._read_registry_on()),
            asyncio.create_task(self._look_for_persons_on()),
            asyncio.create_task(self._git.run()),
            asyncio.create_task(self._obey_on()),
            asyncio.create_task(self._beat_on()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, *self._acting):
                task.cancel()
            await asyncio.gather(*tasks, *self._acting, return_exceptions=True)
            await self._observer.close()
        for task in done:
            task.result()  # A task that failed ends the process, with its traceback.

    # Core's orders.

    async def _obey_on(self) -> None:
        while True:
            body = await self._alarm.orders.get()
            try:
                self._obey(codec.decode_order(body))
            except DecodeError as exc:
                logger.warning("order not understood", extra={"problem": str(exc)})

    def _obey(self, order: AnyOrder) -> None:
        match order:
            case DoAction():
                task = asyncio.create_task(self._act(order))
                self._acting.add(task)
                task.add_done_callback(self._acting.discard)
            case Attend():
                self._schedule.attend(order.watched, order.working)
                self._is_listening = False
                self._alarm.due.set()
            case LookSoon():
                self._look_soon(order.panes)
                self._git.look_soon(order.panes)
            case ReadFolders():
                self._git.read_folders(order.folders)
            case _:
                assert_never(order)

    def _look_soon(self, pane_ids: Sequence[str]) -> None:
        self._schedule.happened(pane_ids, asyncio.get_running_loop().time())
        self._alarm.due.set()

    async def _act(self, order: DoAction) -> None:
        self.figures["actions_total"] += 1
        report = await self._actions.run(order)
        if order.action in LAYOUT_ACTIONS:
            await self._show_what_was_made()
        elif order.action == Refresh.name and order.target is not None:
            self._look_soon([order.target])  # So that all who watch it have what was asked for.
        await self._core.deliver(report)

    async def _show_what_was_made(self) -> None:
        """Look before core is told, so that who is answered finds it. What was done is told in any case."""
        try:
            await self.poll()
        except Exception:
            logger.exception("the look after an action failed")

    # Looking at tmux.

    async def _poll_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._alarm.change.clear()
            began_s = loop.time()
            pause_s = max(await self.poll(), self._poll_s)
            await asyncio.sleep(AT_ONCE_S)
            await wait_for(self._alarm.change, began_s + pause_s - loop.time())

    async def poll(self) -> float:
        """Look once and tell core when that is news to it; answers the least pause before the next time."""
        async with self._polling:
            view, pause_s = await self._see()
            if view is not None:
                await self._reporter.report(view)
                self._attend(view)  # After it: core takes screens of panes that it knows.
        return pause_s

    async def _see(self) -> tuple[View | None, float]:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self.figures["polls_total"] += 1
        try:
            view = self._sight.take(await self._observer.list_all(), began_s)
        except NoTmuxServerError:
            view = self._sight.take_nothing()
        except TmuxMissingError as exc:
            self._note_trouble(f"{exc}: install it; looking again every {MISSING_RETRY_S:g} s")
            self._note_view(self._sight.take_nothing())
            return NOTHING, MISSING_RETRY_S
        except (TmuxError, ListingError) as exc:
            self.figures["failures_total"] += 1
            self.figures["tmux_up"] = 0.0
            self._note_trouble(str(exc))
            return None, 0.0
        self.figures["poll_seconds"] = loop.time() - began_s
        self._note_trouble(None)
        self._same_looks = self._same_looks + 1 if view is self._view else 0
        self._note_view(view)
        if view.server is not None:
            await self._observer.connect(view.server.socket)
        quiet_s = QUIET_CONTROL_S if self._observer.is_control else QUIET_S
        return view, quiet_s if self._same_looks >= QUIET_LOOKS else 0.0

    def _attend(self, view: View) -> None:
        if view.server != self._attended:
            self._attended = view.server
            self._gallery.forget()  # Core has forgotten the screens of the other life, and the ids come again.
            self._schedule.forget_captures()
        self._schedule.see(self._sight.activity, [pane.id for pane in view.panes if pane.agent is not None])
        if view is not self._shown or not self._signs.reports:
            self._shown = view
            self._alarm.registry.set()  # A process may be in another pane, or in one at last.
        self._gallery.keep_only(frozenset(self._sight.activity))
        self._is_listening = False
        self._alarm.due.set()

    def _note_trouble(self, problem: str | None) -> None:
        """Log when trouble with tmux begins and ends, not for as long as it lasts."""
        if problem is not None and self._tmux_trouble is None:
            logger.warning("tmux could not be read", extra={"problem": problem})
        elif problem is None and self._tmux_trouble is not None:
            logger.info("tmux could be read again")
        self._tmux_trouble = problem

    def _note_view(self, view: View) -> None:
        self._view = view
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

    # Screens.

    async def _capture_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._alarm.due.clear()
            if not self._is_listening:
                await self._listen()
            pause_s = 0.0
            if self._schedule.next_due() <= loop.time():
                pause_s = await self.capture_due()
            await asyncio.sleep(pause_s)
            await wait_for(self._alarm.due, self._schedule.next_due() - loop.time())

    async def _listen(self) -> None:
        """Be told of the output of what is watched now."""
        self._is_listening = True
        sessions = {window.id: window.tmux_session_id for window in self._view.windows}
        panes = {pane.id: sessions.get(pane.window_id, "") for pane in self._view.panes}
        watched = {pane_id: panes[pane_id] for pane_id in self._schedule.watched if pane_id in panes}
        await self._observer.listen(watched, panes)
        self._schedule.hear(pane_id for pane_id in watched if self._observer.hears(pane_id))

    async def capture_due(self) -> float:
        """Capture the panes that are due and tell core what is news; answers the least pause before the next time."""
        now = asyncio.get_running_loop().time()
        pane_ids = self._schedule.due(now)
        self._schedule.captured(pane_ids, now, self._wall_s())
        try:
            screens = await self._gallery.capture(pane_ids)
        except TmuxError as exc:
            logger.debug("no capture", extra={"problem": str(exc)})
            self._schedule.missed(pane_ids)
            return CAPTURE_RETRY_S
        self._schedule.happened(await self._signs.read(screens), now)
        news = self._gallery.news(screens)
        if news and not await self._core.tell(ReportScreens(screens=news)):
            self._gallery.forget()
            self._schedule.forget_captures()
            return CAPTURE_RETRY_S
        return 0.0

    # The agents' registry.

    async def _read_registry_on(self) -> None:
        loop = asyncio.get_running_loop()
        await self._alarm.registry.wait()  # The first look at tmux: it tells which pane a process is in.
        while True:
            self._alarm.registry.clear()
            began_s = loop.time()
            changed = await self._signs.look(self._shown)
            self._git.see(self._shown, self._signs.entries)
            is_news = self._schedule.register(self._signs.registered)
            if changed or is_news:
                self._schedule.happened(changed, loop.time())
                self._alarm.due.set()
            now_s = loop.time()
            rests_until_s = now_s + min(REGISTRY_REST * (now_s - began_s), REGISTRY_LONGEST_REST_S)
            await wait_for(self._alarm.registry, REGISTRY_EVERY_S)
            await asyncio.sleep(max(REGISTRY_SETTLE_S, rests_until_s - loop.time()))

    # The persons.

    async def _look_for_persons_on(self) -> None:
        while True:
            await asyncio.sleep(PERSONS_CONTROL_S if self._observer.is_control else PERSONS_S)
            if any(pane.agent is not None for pane in self._view.panes):
                try:
                    await self._signs.saw(panes_in_front(await self._observer.list_clients()))
                except TmuxError as exc:
                    logger.debug("clients could not be listed", extra={"problem": str(exc)})

    # Telling core.

    async def _beat_on(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(BEAT_EVERY_S if self._core_epoch else AWAY_BEAT_S)

    async def beat(self) -> None:
        """Tell core that this process is alive; core's epoch tells whether it still has the picture."""
        self.figures |= {
            "control_mode": float(self._observer.is_control),
            "control_failures_total": self._observer.control_failures,
            "captures_total": self._gallery.captures,
            "reports_total": self._reporter.reports,
            "signs_total": self._signs.reports,
            **self._git.figures,
        }
        beat = Beat(
            service="poller",
            instance=self._instance,
            pid=self._pid,
            interval_s=BEAT_EVERY_S,
            figures=dict(self.figures),
        )
        taken = await self._core.ask(beat)
        epoch = "" if taken is None else taken.epoch
        if epoch != self._core_epoch:
            self._core_epoch = epoch
            self._reporter.forget()
            self._gallery.forget()
            self._signs.forget()
            self._git.forget()
            self._schedule.forget_captures()
            self._alarm.change.set()
            self._alarm.registry.set()
