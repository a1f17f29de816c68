import os
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import orjson
import pytest

from services.api import server
from services.process.life import CannotStartError
from services.process.spool import Spool
from tests.e2e.stack import free_port, is_open
from tests.integration.api.api_process import ApiProcess, is_alive
from tests.integration.api.wire import Wire, exchange, head
from tests.waiting import wait_until

STOP = b'{"hook_event_name":"Stop","session_id":"s"}'


def took_s(act: Callable[[], object]) -> float:
    start = time.monotonic()
    act()
    return time.monotonic() - start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_with_idle_connections_open(api: ApiProcess, number: signal.Signals) -> None:
    workers = api.workers()
    with ExitStack() as stack:
        quiet = [stack.enter_context(Wire(api.port)) for _ in range(4)]
        kept_alive = [stack.enter_context(Wire(api.port)) for _ in range(4)]
        for wire in kept_alive:
            wire.send(head())
            assert wire.answer().status == 503

        api.signal(number)
        seconds = took_s(lambda: api.master.wait(20))

        assert api.master.returncode == 0
        assert seconds < 3.5
        assert all(wire.is_ended() for wire in [*quiet, *kept_alive])
    assert not any(map(is_alive, workers))


def test_a_stop_waits_for_a_request_under_way(api: ApiProcess) -> None:
    with Wire(api.port) as wire:
        wire.send(api.event_head(len(STOP)), STOP[:10])
        others = [Wire(api.port) for _ in range(2)]
        api.signal(signal.SIGTERM)
        assert all(other.is_ended() for other in others)  # Both workers are stopping.
        for other in others:
            other.close()

        wire.send(STOP[10:])

        assert wire.answer().status == 202
        assert api.master.wait(10) == 0


def test_a_stop_does_not_wait_for_ever_for_a_body(api: ApiProcess) -> None:
    with Wire(api.port) as wire:
        wire.send(api.event_head(len(STOP)), STOP[:10])
        wait_until(lambda: exchange(api.port, head()).status == 503)

        api.signal(signal.SIGTERM)

        assert took_s(lambda: api.master.wait(10)) < 9
        assert api.master.returncode == 0


def test_nothing_acknowledged_is_lost_by_a_stop_under_load(api: ApiProcess) -> None:
    acknowledged: list[str] = []

    def load(name: str) -> None:
        for number in range(100_000):
            event_id = f"{name}-{number}"
            try:
                answer = api.post(STOP, X_Event_Id=event_id)
            except OSError:
                return
            if answer.status != 202:
                return
            acknowledged.append(event_id)

    threads = [threading.Thread(target=load, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 200, 20, "some events under way")
    api.signal(signal.SIGTERM)
    assert api.master.wait(10) == 0
    for thread in threads:
        thread.join(20)

    spool = Spool(api.data_dir / "spool")
    on_disk = {event.id for path in spool.take() for event in spool.read(path)}
    assert set(acknowledged) <= on_disk


def test_a_second_sigterm_means_now(api: ApiProcess) -> None:
    workers = api.workers()
    with Wire(api.port) as wire:
        wire.send(api.event_head(len(STOP)), STOP[:10])  # Holds the stop up.
        wait_until(lambda: exchange(api.port, head()).status == 503)
        api.signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            api.master.wait(0.3)

        api.signal(signal.SIGTERM)

        assert took_s(lambda: api.master.wait(20)) < 3
        assert api.master.returncode == 1
    wait_until(lambda: not any(map(is_alive, workers)), what="the workers are gone too")


def test_a_killed_worker_is_replaced(api: ApiProcess) -> None:
    before = api.workers()
    victim = min(before)

    os.kill(victim, signal.SIGKILL)

    wait_until(lambda: len(api.workers() - {victim}) == 2, what="two workers again")
    assert exchange(api.port, head()).status == 503
    assert all(orjson.loads(line) for line in api.log.splitlines()), "gunicorn's lines are in our form"


def test_workers_of_a_killed_master_end_and_the_next_master_has_the_port(api: ApiProcess) -> None:
    orphans = api.workers()
    with Wire(api.port):  # An idle connection does not hold them.
        os.kill(api.master.pid, signal.SIGKILL)
        api.master.wait(20)

        api.start()

        wait_until(lambda: not any(map(is_alive, orphans)), what="the orphans have ended")
        api.wait_ready()
    assert api.post(STOP).status == 202


def test_a_signal_to_a_worker_that_ends_already_cuts_nobody_off(api: ApiProcess) -> None:
    orphans = api.workers()
    with Wire(api.port) as wire:
        wire.send(api.event_head(len(STOP)), STOP[:10])
        wait_until(lambda: exchange(api.port, head()).status == 503)
        os.kill(api.master.pid, signal.SIGKILL)
        api.master.wait(20)
        wait_until(lambda: not is_open(api.port), what="the workers have seen it")
        for orphan in orphans:
            with suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGTERM)

        wire.send(STOP[10:])

        assert wire.answer().status == 202
    wait_until(lambda: not any(map(is_alive, orphans)), what="the orphans have ended")


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    api = ApiProcess(tmp_path / "data")
    try:
        with socket.create_server(("127.0.0.1", api.port)):
            api.start()

            assert api.master.wait(15) == 2

        [sentence] = api.log.splitlines()
        assert sentence.startswith(f"questmux api: cannot listen on 127.0.0.1 port {api.port}: another program has it")
        assert "QUESTMUX_API_PORT" in sentence
    finally:
        api.close()


def test_an_address_of_another_machine_fails_at_once() -> None:
    with pytest.raises(CannotStartError, match=r"cannot listen on 192\.0\.2\.1 .*QUESTMUX_API_HOST"):
        server.listen("192.0.2.1", free_port())


def test_a_port_that_becomes_free_is_taken() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    threading.Timer(0.3, taken.close).start()

    server.listen("127.0.0.1", port).close()


def test_the_listener_speaks_ipv6() -> None:
    try:
        listener = server.listen("::1", free_port())
    except CannotStartError:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert listener.family is socket.AF_INET6


def test_hook_calls_come_in_through_a_socket_of_this_user_alone(api: ApiProcess) -> None:
    path = api.runtime_dir / "api.sock"

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert exchange(path, api.event_head(len(STOP)), STOP).status == 202
    assert exchange(path, head("/event", "POST", Content_Length="2"), b"{}").status == 401


def test_a_socket_that_a_killed_master_left_is_taken_over(api: ApiProcess) -> None:
    api.signal(signal.SIGKILL)
    api.master.wait(10)
    api.start()
    api.wait_ready()

    assert exchange(api.runtime_dir / "api.sock", api.event_head(len(STOP)), STOP).status == 202


def test_a_socket_that_somebody_deleted_does_not_disturb_the_end(api: ApiProcess) -> None:
    (api.runtime_dir / "api.sock").unlink()
    api.signal(signal.SIGTERM)

    assert api.master.wait(10) == 0
    assert "Traceback" not in api.log


def test_a_local_socket_that_cannot_be_had_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match=r"cannot listen on .*nowhere/api\.sock: .*QUESTMUX_RUNTIME_DIR"):
        server.listen_locally(tmp_path / "nowhere" / "api.sock")


def test_the_socket_of_another_server_is_not_taken_away(api: ApiProcess) -> None:
    with pytest.raises(CannotStartError, match="another Questmux answers at"):
        server.listen_locally(api.runtime_dir / "api.sock")

    assert exchange(api.runtime_dir / "api.sock", api.event_head(len(STOP)), STOP).status == 202
