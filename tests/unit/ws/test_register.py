from services.ws.register import CLOSED, SHOWN, Register, info_of
from tests.unit.ws.test_hub import Parts


async def test_those_for_which_most_waits_come_first_and_those_that_left_last() -> None:
    parts, register = Parts(), Register()
    parts.load("e", 1, "%1")
    parts.hub.restart()
    fast, _ = await parts.join()
    slow, wire = await parts.join()
    gone, _ = await parts.join()
    for client in (fast, slow, gone):
        await client.flushed()
    wire.fill()
    parts.publish(b'{"x":1}', kind="pane_update")
    parts.publish(b"{}", kind="event")
    slow.view.watch("%1")
    register.left(gone, 99, 4408, "silent")
    parts.hub.leave(gone)

    first, second, third = register.tell(parts.hub.clients)

    assert (first.is_paused, first.lag, first.dropped, first.buffered_bytes, first.watched) == (True, 2, 1, 7, 1)
    assert (first.pauses, first.paused_ms >= 0, first.address) == (1, True, "127.0.0.1:5")
    assert (second.is_paused, second.lag, second.closed_at) == (False, 0, None)
    assert (third.closed_at, third.close_code, third.why) == (99, 4408, "silent")
    assert info_of(fast).sent == second.sent


async def test_not_all_of_many_are_told() -> None:
    parts, register = Parts(), Register()
    clients = [(await parts.join())[0] for _ in range(SHOWN + 5)]
    for at, client in enumerate(clients):
        register.left(client, at, None, "gone")

    told = register.tell(parts.hub.clients)

    assert len(told) == SHOWN + CLOSED
    assert [one.closed_at for one in told[-2:]] == [SHOWN + 3, SHOWN + 4]
