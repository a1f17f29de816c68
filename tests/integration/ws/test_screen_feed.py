"""Terminals from core's screens to what clients show, over the real bus and real WebSockets."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from services.contract.entities import Screen
from services.contract.requests import Watching
from services.contract.updates import Message, PaneRemoved, PaneUpdate
from services.ws import screen_feed
from tests.integration.ws.conftest import JoinClient, Running, StartGateway
from tests.integration.ws.core_side import CoreSide, make_pane, make_screen
from tests.integration.ws.plain_client import PlainClient, dial
from tests.waiting import wait_until_async

WIDE = 190
TALL = 50


@pytest.fixture
def without_the_regular_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a repair is one, and no chance."""
    monkeypatch.setattr(screen_feed, "AGAIN_S", 60.0)


@pytest.fixture
async def gateway(core: CoreSide, start_gateway: StartGateway) -> Running:
    """With the panes %1 and %2."""
    core.publish(*(PaneUpdate(pane=make_pane(pane_id)) for pane_id in ("%1", "%2")))
    running: Running = await start_gateway()
    return running


def streamed(turn: int, pane_id: str = "%1") -> Screen:
    """An agent that says two lines each turn, above a footer that shows the turn."""
    said = [f"line {number} of what \x1b[1m{pane_id}\x1b[m says" for number in range(turn * 2, turn * 2 + 21)]
    return make_screen(pane_id, *said, "╭────╮", f"│ {turn}", "╰────╯", at=turn + 1)


def noise(turn: int) -> Screen:
    """A large screen that has nothing in common with that of another turn."""
    lines = (f"{turn}:{row} ".ljust(WIDE, chr(ord("a") + (turn + row) % 26)) for row in range(TALL))
    return make_screen("%1", *lines, at=turn + 1, width=WIDE, height=TALL)


async def shown(client: PlainClient, *screens: Screen) -> None:
    await wait_until_async(lambda: all(client.shows(screen) for screen in screens), what="the newest screens")


async def told(core: CoreSide, *pane_ids: str) -> None:
    await wait_until_async(lambda: core.watched == pane_ids, what=f"core to be told {pane_ids}")


async def test_the_whole_screen_comes_first_and_diffs_make_every_later_one(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    core.show(streamed(0))
    await client.watch("%1")
    await shown(client, streamed(0))
    for turn in range(1, 30):
        core.show(streamed(turn))
        await shown(client, streamed(turn))

    assert client.terminal_kinds["%1"] == ["terminal_output", *["terminal_diff"] * 29]
    figures = gateway.service.figures()
    assert (figures["watched_panes"], figures["terminal_messages_total"]) == (1, 30)


async def test_a_pane_can_be_watched_before_core_has_a_screen_of_it(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    await client.watch("%1")
    await told(core, "%1")
    core.show(streamed(0))
    await shown(client, streamed(0))
    assert client.terminal_kinds["%1"] == ["terminal_output"]


async def test_updates_and_screens_come_each_in_their_own_order(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    await client.watch("%1", "%2")
    await wait_until_async(lambda: set(core.watched or ()) == {"%1", "%2"}, what="both panes to be watched")
    for turn in range(200):
        core.publish(PaneUpdate(pane=make_pane("%1", str(turn))))
        core.show(streamed(turn), streamed(turn, "%2"))
    await wait_until_async(lambda: client.is_at("epoch1", 202), what="all updates")
    await shown(client, streamed(199), streamed(199, "%2"))
    assert client.updates == 200


async def test_a_size_that_changes_gives_the_whole_again(core: CoreSide, gateway: Running, join: JoinClient) -> None:
    client = await join(gateway.port)
    await client.watch("%1")
    await told(core, "%1")
    for screen in (make_screen("%1", "$"), make_screen("%1", "$", height=30), make_screen("%1", "$", width=100)):
        core.show(screen)
        await shown(client, screen)
    assert client.terminal_kinds["%1"] == ["terminal_output"] * 3


async def test_a_client_that_does_not_read_gets_the_newest_at_the_end_and_others_do_not_wait(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    quick = await join(gateway.port)
    connection = await dial(gateway.port)
    slow = PlainClient(connection)
    await wait_until_async(lambda: slow.syncs, what="synced")
    core.show(noise(0))
    for client in (quick, slow):
        await client.watch("%1")
        await shown(client, noise(0))
    connection.transport.pause_reading()
    links = gateway.service.gateway.links()
    turn = 0

    async def is_full() -> bool:
        nonlocal turn
        turn += 1
        core.show(noise(turn))
        await shown(quick, noise(turn))
        return any(not link.writable.is_set() for link in links)

    await wait_until_async(is_full, deadline_s=60, what="the slow client's pipe to be full")
    before = turn
    for turn in range(before + 1, before + 501):
        core.show(noise(turn))
    await shown(quick, noise(turn))
    clients = gateway.service.gateway.hub.clients
    assert [client.pace.waiting_bytes for client in clients] == [0, 0]
    connection.transport.resume_reading()
    await shown(slow, noise(turn))

    assert len(slow.terminal_kinds["%1"]) <= before + 2
    assert not slow.task.done()
    await slow.close()
    assert slow.faults == []


async def test_clients_that_come_at_different_times_show_the_same(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    clients = []
    for turn in range(8):
        clients.append(await join(gateway.port))
        await clients[-1].watch("%1")
        await told(core, "%1")
        core.show(streamed(turn))
        await shown(clients[-1], streamed(turn))
    for client in clients:
        await shown(client, streamed(7))
        assert client.terminal_kinds["%1"].count("terminal_output") == 1


# What the bus loses.


@pytest.mark.usefixtures("without_the_regular_question")
async def test_a_lost_last_screen_comes_with_the_heartbeat(core: CoreSide, gateway: Running, join: JoinClient) -> None:
    client = await join(gateway.port)
    core.show(streamed(0))
    await client.watch("%1")
    await shown(client, streamed(0))
    core.show(streamed(1), is_lost=True)
    await shown(client, streamed(1))
    assert core.asked == [("%1",)] * 2


@pytest.mark.usefixtures("without_the_regular_question")
async def test_a_lost_screen_is_noticed_by_the_next_one_of_another_pane(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    await client.watch("%1", "%2")
    await wait_until_async(lambda: set(core.watched or ()) == {"%1", "%2"}, what="both panes to be watched")
    core.stop_heartbeat()
    core.show(streamed(0))
    core.show(streamed(1), is_lost=True)
    core.show(streamed(2, "%2"))
    await shown(client, streamed(1), streamed(2, "%2"))


async def test_many_lost_screens_amid_lost_updates_are_all_made_up_for(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    await client.watch("%1")
    await told(core, "%1")

    def title(turn: int) -> Sequence[Message]:
        return (PaneUpdate(pane=make_pane("%2", str(turn))),)

    core.load(title)
    for turn in range(200):
        core.show(streamed(turn), is_lost=turn % 3 != 0)
        if turn % 10 == 0:
            core.lose(PaneUpdate(pane=make_pane("%2", "lost")))
        await asyncio.sleep(0)
    core.load(None)
    await shown(client, streamed(199))
    await wait_until_async(lambda: client.is_at("epoch1", core.seq), what="the last update")
    assert gateway.service.figures()["gaps_total"] >= 1
    assert gateway.service.figures()["bad_frames_total"] == 0


@pytest.mark.usefixtures("without_the_regular_question")
async def test_an_answer_that_was_overtaken_by_a_screen_does_not_take_its_place(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    core.show(streamed(0))
    core.slip_in_screen(streamed(1))
    await client.watch("%1")
    await shown(client, streamed(1))
    core.slip_in_screen(streamed(3))
    core.show(streamed(2), is_lost=True)
    await shown(client, streamed(3))
    await client.watch("%2")
    core.show(streamed(4, "%2"))
    await shown(client, streamed(3), streamed(4, "%2"))


async def test_what_is_no_screen_is_counted_and_the_stream_goes_on(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    await client.watch("%1")
    await told(core, "%1")
    core.publish_screens(("%1", b"junk"), ("%2", b"junk that nobody looks at"))
    core.show(streamed(0))
    await shown(client, streamed(0))
    assert gateway.service.figures()["bad_frames_total"] == 1


async def test_screens_of_another_epoch_are_not_shown(core: CoreSide, gateway: Running, join: JoinClient) -> None:
    client = await join(gateway.port)
    await client.watch("%1")
    await told(core, "%1")
    core.publish_screens(("%1", b"junk"), epoch="another", seq=1)
    core.show(streamed(0))
    await shown(client, streamed(0))
    assert gateway.service.figures()["bad_frames_total"] == 0


async def test_a_batch_that_is_late_is_not_looked_at(core: CoreSide, gateway: Running, join: JoinClient) -> None:
    client = await join(gateway.port)
    await client.watch("%1")
    await told(core, "%1")
    for turn in range(3):
        core.show(streamed(turn))
    core.publish_screens(("%1", b"junk"), seq=2)
    core.show(streamed(3))
    await shown(client, streamed(3))
    assert gateway.service.figures()["bad_frames_total"] == 0


@pytest.mark.usefixtures("without_the_regular_question")
async def test_a_stream_without_a_hole_is_asked_for_once(core: CoreSide, gateway: Running, join: JoinClient) -> None:
    client = await join(gateway.port)
    core.stop_heartbeat()
    core.lose_screens(5)
    core.show(streamed(0))
    await client.watch("%1")
    await shown(client, streamed(0))
    for turn in range(1, 30):
        core.show(streamed(turn))
        await shown(client, streamed(turn))
    assert core.asked == [("%1",)]


@pytest.mark.usefixtures("without_the_regular_question")
async def test_an_answer_of_another_epoch_is_not_taken(core: CoreSide, gateway: Running, join: JoinClient) -> None:
    client = await join(gateway.port)
    core.answer_once(Watching(epoch="another", seq=1_000, screens=(b"junk",)))
    await client.watch("%1")
    await told(core, "%1")
    for turn in range(3):
        core.show(streamed(turn))
        await shown(client, streamed(turn))
    assert gateway.service.figures()["bad_frames_total"] == 0


@pytest.mark.usefixtures("without_the_regular_question")
async def test_a_question_without_an_answer_is_asked_again(
    core: CoreSide, gateway: Running, join: JoinClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen_feed, "REQUEST_TIMEOUT_S", 0.2)
    client = await join(gateway.port)
    core.answer_once(None)
    core.show(streamed(0))
    await client.watch("%1")
    await shown(client, streamed(0))
    assert len(core.asked) > 1


# Core goes and comes.


async def test_a_core_with_a_new_epoch_is_told_at_once_and_watches_stay(
    core: CoreSide, gateway: Running, join: JoinClient, without_the_regular_question: None
) -> None:
    del without_the_regular_question
    client = await join(gateway.port)
    await client.watch("%1")
    await told(core, "%1")
    for turn in range(5):
        core.show(streamed(turn))
    await shown(client, streamed(4))
    core.restart("epoch2")
    asked = len(core.asked)
    await wait_until_async(lambda: len(core.asked) > asked, what="the new core to be told")
    core.show(streamed(5))
    await shown(client, streamed(5))
    assert client.epoch == "epoch2"
    assert client.terminal_kinds["%1"].count("terminal_output") == 1


async def test_a_core_that_comes_back_with_its_stream_is_told_again(
    core: CoreSide, gateway: Running, join: JoinClient, without_the_regular_question: None
) -> None:
    del without_the_regular_question
    client = await join(gateway.port)
    await client.watch("%1")
    await told(core, "%1")
    core.show(streamed(0))
    await shown(client, streamed(0))
    core.restart("epoch1", keeps_stream=True)
    core.show(streamed(1))
    await shown(client, streamed(1))


async def test_panes_that_a_new_core_does_not_have_are_watched_no_more(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    await client.watch("%1", "%2")
    await wait_until_async(lambda: set(core.watched or ()) == {"%1", "%2"}, what="both panes to be watched")
    core.restart("epoch2", forgets=("%1",))
    await told(core, "%2")
    await wait_until_async(lambda: client.epoch == "epoch2", what="the new epoch")
    assert gateway.service.figures()["watched_panes"] == 1


async def test_what_is_watched_while_core_is_away_is_told_when_it_is_back(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    away = asyncio.create_task(asyncio.to_thread(core.restart, "epoch2", 2.5))
    await wait_until_async(lambda: core.is_away, what="core to be away")
    await client.watch("%1")
    await away
    core.show(streamed(0))
    await shown(client, streamed(0))


# What is watched, and what not any more.


async def test_core_is_told_again_and_again_and_once_that_nothing_is_watched(
    core: CoreSide, gateway: Running, join: JoinClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen_feed, "AGAIN_S", 0.1)
    client = await join(gateway.port)
    await client.watch("%1")
    await wait_until_async(lambda: core.asked.count(("%1",)) >= 3, what="core to be told again")
    await client.unwatch("%1")
    await told(core)
    await client.watch("%2")
    await told(core, "%2")
    assert core.asked.count(()) == 1


async def leave_by_unwatch(_core: CoreSide, client: PlainClient) -> None:
    await client.unwatch("%1")


async def leave_by_close(_core: CoreSide, client: PlainClient) -> None:
    await client.close()


async def leave_by_removal(core: CoreSide, _client: PlainClient) -> None:
    core.publish(PaneRemoved(pane_id="%1"))


@pytest.mark.parametrize("leave", [leave_by_unwatch, leave_by_close, leave_by_removal])
async def test_the_last_who_watches_leaves_and_core_is_told(
    core: CoreSide, gateway: Running, join: JoinClient, leave: Callable[[CoreSide, PlainClient], asyncio.Future[None]]
) -> None:
    client = await join(gateway.port)
    await client.watch("%1")
    await told(core, "%1")
    core.show(streamed(0))
    await shown(client, streamed(0))
    await leave(core, client)
    await told(core)
    assert gateway.service.figures()["watched_panes"] == 0


async def test_after_unwatch_nothing_more_comes_and_another_client_goes_on(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client, other = await join(gateway.port), await join(gateway.port)
    core.show(streamed(0))
    for one in (client, other):
        await one.watch("%1")
        await shown(one, streamed(0))
    await client.unwatch("%1")
    await client.connection.send('{"type":"ping"}')
    await wait_until_async(lambda: "pong" in client.kinds, what="the gateway to have heard")
    core.show(streamed(1))
    await shown(other, streamed(1))
    core.publish(PaneUpdate(pane=make_pane("%2", "later")))
    await wait_until_async(lambda: client.is_at("epoch1", 3), what="a later update")
    assert client.terminal_kinds["%1"] == ["terminal_output"]


async def test_a_pane_that_closed_is_not_watched_when_one_with_its_id_comes(
    core: CoreSide, gateway: Running, join: JoinClient
) -> None:
    client = await join(gateway.port)
    await client.watch("%1", "%2")
    core.show(streamed(0), streamed(0, "%2"))
    await shown(client, streamed(0), streamed(0, "%2"))
    core.publish(PaneRemoved(pane_id="%1"), PaneUpdate(pane=make_pane("%1", "another")))
    await told(core, "%2")
    core.show(streamed(1), streamed(1, "%2"))
    await shown(client, streamed(1, "%2"))
    assert client.terminal_kinds["%1"] == ["terminal_output"]

    await client.watch("%1")
    await shown(client, streamed(1))
    assert client.terminal_kinds["%1"] == ["terminal_output"] * 2


@pytest.mark.usefixtures("core")
async def test_an_unknown_pane_is_an_error_and_the_connection_stays(gateway: Running, join: JoinClient) -> None:
    client = await join(gateway.port)
    await client.watch("%9")
    await client.unwatch("%9")
    await wait_until_async(lambda: client.errors == ["not_found"], what="the error")
    await client.watch(*(["%1"] * 3))
    await wait_until_async(lambda: gateway.service.figures()["watched_panes"] == 1, what="the watch")
    assert not client.task.done()
