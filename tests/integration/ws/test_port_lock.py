import asyncio
import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from services.process.life import CannotStartError
from services.ws.port_lock import PortLock, share

PORT = 4012


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    """Closes what a test opened."""
    with ExitStack() as opened:
        yield opened


async def opened(lock: PortLock) -> bool:
    """Whether another served the port when this one opened it."""
    async with lock.opening() as is_shared:
        pass
    return is_shared


async def test_the_first_is_alone_and_others_are_not_until_all_have_gone(tmp_path: Path) -> None:
    first, second, third = (PortLock(tmp_path, PORT) for _ in range(3))

    assert [await opened(first), await opened(second)] == [False, True]
    first.release()
    first.release()
    assert await opened(third)
    second.release()
    third.release()
    assert not await opened(first)
    first.release()


async def test_another_port_and_another_installation_are_others(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    locks = [PortLock(tmp_path, PORT), PortLock(tmp_path, PORT + 1), PortLock(tmp_path / "other", PORT)]

    assert [await opened(lock) for lock in locks] == [False] * 3
    for lock in locks:
        lock.release()


async def test_those_who_open_at_the_same_moment_take_turns(tmp_path: Path) -> None:
    locks = [PortLock(tmp_path, PORT) for _ in range(8)]
    inside = 0

    async def open_one(lock: PortLock) -> bool:
        nonlocal inside
        async with lock.opening() as is_shared:
            inside += 1
            assert inside == 1
            await asyncio.sleep(0)
            inside -= 1
        return is_shared

    answers = await asyncio.gather(*map(open_one, locks))

    assert sorted(answers) == [False] + [True] * 7
    for lock in locks:
        lock.release()


async def test_one_that_could_not_open_the_port_serves_nothing(tmp_path: Path) -> None:
    failed, next_one = PortLock(tmp_path, PORT), PortLock(tmp_path, PORT)
    with pytest.raises(OSError, match="taken"):
        async with failed.opening():
            raise OSError(errno.EADDRINUSE, "taken")

    assert not await opened(next_one)
    next_one.release()


async def test_one_that_is_stuck_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ws.port_lock.TURN_WITHIN_S", 0.05)
    stuck, waiting = PortLock(tmp_path, PORT), PortLock(tmp_path, PORT)
    async with stuck.opening():
        with pytest.raises(CannotStartError, match="stuck while it opens port 4012"):
            await opened(waiting)
    stuck.release()


def test_a_shared_port_is_open_to_those_who_ask_for_it_and_to_nobody_else(sockets: ExitStack) -> None:
    first = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
    address = first.getsockname()
    with pytest.raises(OSError, match="in use"):
        socket.create_server(address, reuse_port=True)
    share([first])
    sockets.enter_context(socket.create_server(address, reuse_port=True))
    with pytest.raises(OSError, match="in use"):
        socket.create_server(address)
