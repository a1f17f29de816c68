import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from services.contract.entities import StatusName
from services.contract.settings import Settings
from services.contract.updates import Attention, Message, PaneRemoved, PaneUpdate, SessionUpdate
from tests.integration.ws.conftest import JoinClient, StartGateway
from tests.integration.ws.core_side import CoreSide, make_pane, make_session
from tests.metronome import Metronome
from tests.waiting import wait_until_async


def pane_changes(turn: int) -> Sequence[Message]:
    """Two updates of ten panes that come and go."""
    return (PaneUpdate(pane=make_pane(f"%{turn % 10}", str(turn))), PaneRemoved(pane_id=f"%{(turn + 5) % 10}"))


async def test_updates_follow_the_snapshot_without_a_hole(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    core.publish(PaneUpdate(pane=make_pane("%1")), SessionUpdate(session=make_session("s1")))
    gateway = await start_gateway()
    client = await join(gateway.port)
    assert (list(client.panes), list(client.sessions)) == (["%1"], ["s1"])
    for number in range(50):
        core.publish(PaneUpdate(pane=make_pane("%2", str(number))), PaneRemoved(pane_id="%1"))
    await wait_until_async(lambda: client.is_at("epoch1", 102), what="all updates")
    assert client.panes["%2"]["title"] == "49"
    assert "%1" not in client.panes
    assert client.updates == 100


async def test_clients_that_join_amid_heavy_publishing_miss_nothing_and_get_nothing_twice(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    core.load(pane_changes)
    gateway = await start_gateway()
    clients = []
    for _ in range(10):
        clients += await asyncio.gather(*(join(gateway.port) for _ in range(4)))
    core.load(None)
    await wait_until_async(
        lambda: all(client.is_at("epoch1", core.seq) for client in clients), 60, what="the last update"
    )
    expected = core.panes()
    assert all(client.panes == expected for client in clients)
    assert all(len(client.syncs) == 1 for client in clients)
    assert sum(client.updates for client in clients) > 1_000
    assert core.snapshots_given == 1


async def test_an_update_that_comes_before_its_snapshot_is_kept_for_after_it(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    core.slip_in(PaneUpdate(pane=make_pane("%1")))
    gateway = await start_gateway()
    client = await join(gateway.port)
    await wait_until_async(lambda: client.is_at("epoch1", 1), what="the update")
    assert sorted(client.panes) == ["%1"]
    assert (gateway.service.figures()["gaps_total"], core.snapshots_given, core.replays_given) == (0, 1, 0)


async def test_gateways_that_join_amid_heavy_publishing_miss_nothing(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    core.load(pane_changes)
    gateways = [await start_gateway() for _ in range(10)]
    clients = [await join(gateway.port) for gateway in gateways]
    core.load(None)
    await wait_until_async(lambda: all(client.is_at("epoch1", core.seq) for client in clients), what="the last update")
    expected = core.panes()
    assert all(client.panes == expected for client in clients)
    assert all(len(client.syncs) == 1 for client in clients)


async def test_a_gap_is_filled_and_no_client_notices(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway()
    client = await join(gateway.port)
    core.publish(PaneUpdate(pane=make_pane("%1")))
    core.lose(PaneUpdate(pane=make_pane("%2")), PaneUpdate(pane=make_pane("%3")))
    core.publish(PaneUpdate(pane=make_pane("%4")))
    await wait_until_async(lambda: client.is_at("epoch1", 4), what="all updates")
    assert sorted(client.panes) == ["%1", "%2", "%3", "%4"]
    assert len(client.syncs) == 1
    figures = gateway.service.figures()
    assert (figures["gaps_total"], figures["repairs_total"], figures["snapshots_total"]) == (1, 1, 1)


async def test_a_long_replay_is_no_reason_to_close_a_client(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway()
    client = await join(gateway.port)
    title = "x" * 3_000
    core.lose(*(PaneUpdate(pane=make_pane("%1", title)) for _ in range(1_000)))
    await wait_until_async(lambda: client.is_at("epoch1", 1_000), what="3 MB")
    assert (client.updates, len(client.syncs)) == (1_000, 1)
    assert gateway.service.figures()["dropped_clients_total"] == 0


async def test_of_a_batch_that_is_known_in_part_only_the_rest_is_new(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway()
    client = await join(gateway.port)
    core.publish(PaneUpdate(pane=make_pane("%1")))
    core.publish_overlapping(PaneUpdate(pane=make_pane("%1")), PaneUpdate(pane=make_pane("%2")))
    await wait_until_async(lambda: client.is_at("epoch1", 2), what="both")
    assert client.updates == 2


async def test_a_lost_tail_is_noticed_by_the_heartbeat(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway()
    client = await join(gateway.port)
    core.lose(PaneUpdate(pane=make_pane("%1")))
    await wait_until_async(lambda: client.is_at("epoch1", 1), what="the lost tail")
    assert (client.updates, len(client.syncs)) == (1, 1)


async def test_gaps_under_load_are_all_filled(core: CoreSide, start_gateway: StartGateway, join: JoinClient) -> None:
    gateway = await start_gateway()
    client = await join(gateway.port)
    core.load(pane_changes)
    for number in range(40):
        core.lose(PaneUpdate(pane=make_pane(f"%x{number}")))
        await asyncio.sleep(0)
    core.load(None)
    await wait_until_async(lambda: client.is_at("epoch1", core.seq), what="the last update")
    assert client.panes == core.panes()
    assert client.updates == core.seq
    assert gateway.service.figures()["gaps_total"] >= 1


async def test_a_gap_beyond_repair_gives_the_snapshot_again(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway()
    client = await join(gateway.port)
    core.publish(PaneUpdate(pane=make_pane("%1")))
    await wait_until_async(lambda: client.is_at("epoch1", 1), what="the first update")
    core.lose(PaneUpdate(pane=make_pane("%2")), PaneRemoved(pane_id="%1"))
    core.forget_ring()
    core.publish(PaneUpdate(pane=make_pane("%3")))
    await wait_until_async(lambda: client.is_at("epoch1", 4), what="the state after the gap")
    assert sorted(client.panes) == ["%2", "%3"]
    assert client.syncs == [("epoch1", 0), ("epoch1", 4)]
    assert client.kinds.count("connected") == 1


async def test_a_new_epoch_makes_clients_whole_within_2_s(
    settings: Settings, start_gateway: StartGateway, join: JoinClient
) -> None:
    core = CoreSide(settings, heartbeat_s=1.0)
    try:
        core.publish(PaneUpdate(pane=make_pane("%1")))
        gateway = await start_gateway()
        clients = [await join(gateway.port) for _ in range(20)]
        core.restart("epoch2", away_s=0.5)
        with Metronome() as metronome:
            began = time.time()
            core.publish(PaneUpdate(pane=make_pane("%2")))
            await wait_until_async(lambda: all(client.is_at("epoch2", 1) for client in clients), what="the new epoch")
            took = metronome.given_s(began, time.time())
        assert took < 2
        print(f"20 clients whole {took:.3f} s after core was back with a new epoch")
        assert all(sorted(client.panes) == ["%1", "%2"] for client in clients)
    finally:
        core.stop()


async def test_core_that_comes_back_with_its_stream_gives_what_was_missed_and_no_snapshot(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway()
    client = await join(gateway.port)
    core.publish(PaneUpdate(pane=make_pane("%1")))
    core.restart("epoch1", keeps_stream=True)
    core.publish(PaneUpdate(pane=make_pane("%2")))
    await wait_until_async(lambda: client.is_at("epoch1", 2), what="the missed update")
    assert len(client.syncs) == 1


async def test_silence_makes_it_stale_once_and_clients_stay(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = await start_gateway()
    client = await join(gateway.port)
    assert gateway.service.figures()["stale"] == 0
    may_come = threading.Event()
    away = asyncio.create_task(asyncio.to_thread(core.restart, "epoch2", may_come=may_come))
    await wait_until_async(lambda: gateway.service.figures()["stale"] == 1, what="stale")
    late = await join(gateway.port)
    assert late.epoch == "epoch1"
    may_come.set()
    await away
    await wait_until_async(lambda: gateway.service.figures()["stale"] == 0, what="core back")
    await wait_until_async(lambda: client.epoch == late.epoch == "epoch2", what="the new epoch")
    assert [record.message for record in caplog.records].count("core is away") == 1


async def test_a_client_that_comes_before_core_gets_its_snapshot_with_core(
    settings: Settings, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway(is_alone=True)
    joining = asyncio.create_task(join(gateway.port))
    await wait_until_async(lambda: gateway.service.gateway.hub.clients, what="the client")
    assert not joining.done()
    core = CoreSide(settings)
    try:
        client = await joining
        assert client.kinds[:2] == ["connected", "windows"]
        core.publish(PaneUpdate(pane=make_pane("%1")))
        await wait_until_async(lambda: client.is_at("epoch1", 1), what="the first update")
    finally:
        core.stop()


async def test_a_type_of_a_newer_core_is_forwarded(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    class Novelty(Attention, frozen=True, kw_only=True):
        type = "novelty"

    gateway = await start_gateway()
    client = await join(gateway.port)
    core.publish(Novelty(session_id="s", pane_id=None, status=StatusName.IDLE, reason="new"))
    await wait_until_async(lambda: client.is_at("epoch1", 1), what="the update")
    assert client.kinds[-1] == "novelty"


async def test_beats_carry_the_place_and_the_figures(
    core: CoreSide, start_gateway: StartGateway, join: JoinClient
) -> None:
    gateway = await start_gateway()
    await join(gateway.port)
    core.publish(PaneUpdate(pane=make_pane("%1")))
    await wait_until_async(lambda: core.beats and core.beats[-1].applied_seq == 1, what="a beat")
    beat = core.beats[-1]
    assert (beat.service, beat.interval_s, beat.figures["clients"]) == ("ws", 2.0, 1)
    assert {"sent_total", "dropped_clients_total", "gaps_total", "repairs_total", "snapshots_total", "stale"} <= set(
        beat.figures
    )
