import time
from collections.abc import AsyncIterator, Iterator

import pytest

from services.bus import Bus
from services.contract.orders import Attend, LookSoon
from services.contract.requests import Beat, ReportScreens, SeenScreen, Taken, Watching, WatchPanes
from services.core.looks import LOOK_EVERY_S
from services.process.clock import now_ms
from tests.integration.core.fake_poller import Asker, FakePoller
from tests.integration.core.listening import Listener
from tests.integration.core.running import RunningCore
from tests.metronome import Metronome
from tests.unit.core.making import OTHER_SERVER, TMUX, hook, pane, report
from tests.waiting import wait_until_async


class Stage:
    """A gateway, a poller that shows three panes, and one that asks."""

    def __init__(self, bus: Bus, core: RunningCore) -> None:
        self.gateway = Asker(bus, core)
        self.poller = FakePoller(bus, core)
        self.listener = Listener(bus, core)

    async def watch(self, *panes: str, instance: str = "ws-1") -> Watching:
        return await self.gateway.ask(WatchPanes(instance=instance, panes=panes), Watching)

    async def show(self, **screens: bytes) -> None:
        """Report screens, given by pane without its percent sign."""
        seen = tuple(SeenScreen(pane_id=f"%{name[1:]}", screen=body) for name, body in screens.items())
        await self.poller.ask(ReportScreens(screens=seen), Taken)

    async def happen(self, name: str, pane_id: str, **payload: str) -> None:
        await self.gateway.append(hook(name, now_ms(), pane=pane_id, tmux=TMUX, session=f"s{pane_id}", **payload))

    async def attends(self, *, watched: tuple[str, ...] = (), working: tuple[str, ...] = ()) -> None:
        expected = Attend(watched=watched, working=working)
        await wait_until_async(
            lambda: self.poller.told(Attend) and self.poller.told(Attend)[-1] == expected, what=f"{expected}"
        )

    async def looks(self, count: int) -> None:
        await wait_until_async(lambda: len(self.poller.told(LookSoon)) >= count, what=f"{count} looks")

    def close(self) -> None:
        self.gateway.close()
        self.poller.close()
        self.listener.close()


@pytest.fixture
def bus() -> Iterator[Bus]:
    with Bus() as bus:
        yield bus


@pytest.fixture
async def stage(bus: Bus, started: RunningCore) -> AsyncIterator[Stage]:
    stage = Stage(bus, started)
    await stage.poller.sees("%1", "%2", "%3")
    await stage.listener.joined()
    yield stage
    stage.close()


# Screens.


async def test_screens_are_published_only_while_somebody_watches(stage: Stage) -> None:
    await stage.show(p1=b"one")
    watching = await stage.watch("%1", "%3")
    assert (watching.seq, watching.screens) == (0, (b"one",))

    await stage.show(p1=b"two", p2=b"2")
    await stage.show(p2=b"3", p3=b"4")
    await stage.listener.shows(2)
    assert (await stage.watch()).screens == ()
    await stage.show(p1=b"three")
    assert (await stage.watch("%1", "%2")).screens == (b"three", b"3")
    await stage.show(p1=b"four", p2=b"5")
    await stage.listener.shows(3)

    shown = [(batch.header.seq, batch.header.pane_ids, batch.screens) for batch in stage.listener.screens]
    assert shown == [
        (1, ("%1",), (b"two",)),
        (2, ("%3",), (b"4",)),
        (3, ("%1", "%2"), (b"four", b"5")),
    ]


async def test_the_numbers_of_screens_are_their_own_and_have_no_gap(stage: Stage) -> None:
    await stage.watch("%1")
    for number in range(50):
        await stage.show(p1=b"%d" % number, p2=b"x")
        await stage.happen("PreToolUse", "%2")
    watching = await stage.watch("%1")
    await stage.listener.shows(50)

    assert [batch.header.seq for batch in stage.listener.screens] == list(range(1, 51))
    assert (watching.seq, watching.screens) == (50, (b"49",))
    assert {batch.header.epoch for batch in stage.listener.screens} == {watching.epoch}
    updates = [batch.first_seq for batch in stage.listener.batches]
    ends = [batch.header.seq + 1 for batch in stage.listener.batches]
    assert updates[1:] == ends[:-1]


async def test_a_heartbeat_says_how_far_the_screens_are(stage: Stage) -> None:
    await stage.watch("%1")
    await stage.show(p1=b"one")
    await stage.show(p1=b"two")

    await wait_until_async(
        lambda: stage.listener.beats and stage.listener.beats[-1].header.screens_seq == 2, what="a heartbeat after them"
    )


async def test_a_pane_that_went_has_no_screen(stage: Stage) -> None:
    await stage.show(p1=b"one", p2=b"two")

    await stage.poller.sees("%1")
    assert (await stage.watch("%1", "%2")).screens == (b"one",)

    await stage.poller.reports(report(pane("%1"), at=now_ms(), server=OTHER_SERVER))
    assert (await stage.watch("%1", "%2")).screens == ()


async def test_screens_are_not_in_the_log(stage: Stage) -> None:
    await stage.watch("%1")
    await stage.show(p1=b"one")

    assert [event["name"] for event in await stage.gateway.events()] == ["TmuxReport"]


# Attention.


async def test_the_poller_is_told_what_is_watched_and_who_works(stage: Stage) -> None:
    await stage.attends()

    await stage.watch("%2", "%1")
    await stage.attends(watched=("%1", "%2"))
    await stage.watch("%2", "%3", instance="ws-2")
    await stage.attends(watched=("%1", "%2", "%3"))
    await stage.happen("UserPromptSubmit", "%3")
    await stage.attends(watched=("%1", "%2", "%3"), working=("%3",))
    await stage.happen("PermissionRequest", "%1", tool_name="Bash")
    await stage.attends(watched=("%1", "%2", "%3"), working=("%1", "%3"))
    await stage.happen("Stop", "%3")
    await stage.watch(instance="ws-2")
    await stage.attends(watched=("%1", "%2"), working=("%1",))


async def test_attention_that_stays_the_same_is_not_told_again(stage: Stage) -> None:
    await stage.watch("%1")
    await stage.attends(watched=("%1",))
    told = len(stage.poller.told(Attend))

    await stage.watch("%1")
    await stage.happen("SessionStart", "%2")
    await stage.poller.sees("%1", "%2", "%3")
    await stage.happen("UserPromptSubmit", "%2")

    await stage.attends(watched=("%1",), working=("%2",))
    assert len(stage.poller.told(Attend)) == told + 1


async def test_another_poller_is_told_everything(stage: Stage, bus: Bus, started: RunningCore) -> None:
    await stage.watch("%1")
    await stage.attends(watched=("%1",))
    other = FakePoller(bus, started)

    await other.sees("%1", "%2", "%3")

    await wait_until_async(lambda: other.told(Attend), what="attention")
    assert other.told(Attend) == [Attend(watched=("%1",))]
    other.close()


async def test_a_restarted_core_knows_who_works(core: RunningCore, bus: Bus) -> None:
    core.start()
    stage = Stage(bus, core)
    await stage.poller.sees("%1", "%2", "%3")
    await stage.happen("UserPromptSubmit", "%2")
    await stage.attends(working=("%2",))
    core.kill()
    stage.poller.orders.clear()
    core.start()

    await stage.poller.ask(Beat(service="poller", instance="p", pid=7, interval_s=2), Taken)

    await stage.attends(working=("%2",))
    stage.close()


# Looks.


async def test_the_pane_of_an_event_is_looked_at_soon(stage: Stage) -> None:
    await stage.happen("PreToolUse", "%2")
    await stage.happen("PreToolUse", "%9")
    await stage.happen("PreToolUse", "%3")

    await stage.looks(2)
    assert stage.poller.told(LookSoon) == [LookSoon(panes=("%2",)), LookSoon(panes=("%3",))]


async def test_the_panes_of_a_batch_are_in_one_order(stage: Stage) -> None:
    await stage.gateway.append(*(hook("PreToolUse", now_ms(), pane=pane_id) for pane_id in ("%3", "%1", "%3")))

    await wait_until_async(lambda: stage.poller.told(LookSoon), what="the look")
    assert stage.poller.told(LookSoon) == [LookSoon(panes=("%1", "%3"))]


async def test_a_pane_is_not_looked_at_for_every_event(stage: Stage) -> None:
    began_s = time.monotonic()
    for _ in range(200):
        await stage.happen("PreToolUse", "%1")
    await stage.looks(2)
    took_s = time.monotonic() - began_s

    assert len(stage.poller.told(LookSoon)) <= took_s / LOOK_EVERY_S + 1


async def test_the_look_after_the_last_event_is_not_lost(stage: Stage) -> None:
    with Metronome() as metronome:
        began_s = time.time()
        for number in range(1, 11):
            await stage.happen("PreToolUse", "%1")
            await stage.looks(number)
        took_s = metronome.given_s(began_s, time.time())

    assert took_s < 2, "core has two timers, each once in a second: no look waits for them"
