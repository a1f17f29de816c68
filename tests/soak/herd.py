"""Many light clients in a process of their own: `python -m tests.soak.herd PORT TOKEN`.

It takes one order a line, as JSON, and answers each with one line. `Herd` is the other end.
"""

import os
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec
from msgspec import Struct

from tests.soak.latency import Latencies, Summary
from tests.soak.member import Member, Notes

ROOT: Final = Path(__file__).parents[2]
RECV_BYTES: Final = 64 * 1024
RECEIVE_BYTES: Final = 128 * 1024
"""What the kernel may hold for each: left to itself it would hold megabytes, all of them late."""
EMPTY_PONG: Final = b"\x8a\x80\x00\x00\x00\x00"
SHOWN: Final = 5
JOINING_BUCKET_NS: Final = 5_000_000
LOOK_S: Final = 0.1
NOTHING: Final = Summary(0, 0, 0, 0)


class Order(Struct, kw_only=True, omit_defaults=True):
    """What a herd is to do."""

    do: str
    """`join` more clients; let the first ones `sleep`, `sip` or `wake`; let sleepers come `again`; only `report`."""
    count: int = 0
    at_once: int = 0
    """Of those who join: how many may be on their way in."""
    receive_bytes: int = 0
    """Of those who join: what the kernel may hold for each."""
    sip_bytes: int = 0
    is_brief: bool = False
    """Whether to answer with how many came and who lacks what, and no more: that costs next to nothing."""
    top: int = 0
    newest: dict[str, int] = {}


class Report(Struct, frozen=True, kw_only=True):
    """How a herd fares."""

    members: int
    synced: int
    lacking: tuple[str, ...] = ()
    """What members lack, each named once, when `top` was given."""
    retries: int = 0
    """How often one came again since its connection ended before it was synced."""
    ended: tuple[str, ...] = ()
    """Why connections ended, the last ones."""
    whole: int = 0
    """Synced, and every update came after the one before."""
    highs: tuple[int, int] = (0, 0)
    """The fewest and the most updates of high priority that a synced member had since."""
    updates: int = 0
    lagged: int = 0
    read_bytes: int = 0
    faults: tuple[str, ...] = ()
    encoded_at: tuple[int, ...] = ()
    """Of all snapshots that came."""
    late: Summary = NOTHING
    """Of what came since the last report that was not brief, to those who are awake."""
    joining: Summary = NOTHING
    """From the connection to `synced`, of those who came since that report."""


class Seat:
    """One member's socket."""

    __slots__ = ("began_ns", "is_awake", "is_sent", "member", "raw")

    def __init__(self, port: int, receive_bytes: int, member: Member) -> None:
        self.member = member
        self.is_awake = True
        self.is_sent = False
        self.began_ns = time.monotonic_ns()
        self.raw = socket.socket()
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.raw.setblocking(False)
        self.raw.connect_ex(("127.0.0.1", port))


class HerdLoop:
    """All of it, in one thread."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._request = (
            f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        ).encode()
        self._notes = Notes()
        self._late, self._joining = Latencies(), Latencies(JOINING_BUCKET_NS)
        self._seats: list[Seat] = []
        self._to_come = 0
        self._at_once = 1
        self._receive_bytes = RECEIVE_BYTES
        self._on_their_way = 0
        self._retries = 0
        self._ended: deque[str] = deque(maxlen=SHOWN)
        self._selector = selectors.DefaultSelector()
        self._selector.register(0, selectors.EVENT_READ)
        self._said = b""

    def run(self) -> None:
        """Until nobody orders any more."""
        while True:
            for key, _ in self._selector.select():
                seat = key.data
                if isinstance(seat, Seat):
                    self._serve(seat)
                elif not self._hear():
                    return

    def _hear(self) -> bool:
        said = os.read(0, RECV_BYTES)
        *lines, self._said = (self._said + said).split(b"\n")
        for line in lines:
            sys.stdout.buffer.write(msgspec.json.encode(self._obey(msgspec.json.decode(line, type=Order))) + b"\n")
            sys.stdout.buffer.flush()
        return bool(said)

    def _obey(self, order: Order) -> Report:
        first = self._seats[: order.count]
        match order.do:
            case "join":
                self._to_come, self._at_once = order.count, order.at_once
                self._receive_bytes = order.receive_bytes
                self._let_come()
            case "sleep":
                for seat in first:
                    self._put_to_sleep(seat)
            case "wake":
                for seat in first:
                    self._wake(seat)
            case "sip":
                for seat in first:
                    self._sip(seat, order.sip_bytes)
            case "again":
                for number, seat in enumerate(first):
                    with suppress(KeyError):
                        self._selector.unregister(seat.raw)
                    seat.raw.close()
                    self._seats[number] = self._come()
                    self._seats[number].is_awake = False
            case _:
                pass
        return self._report(order)

    def _let_come(self) -> None:
        while self._to_come and self._on_their_way < self._at_once:
            self._to_come -= 1
            self._on_their_way += 1
            self._seats.append(self._come())

    def _come(self) -> Seat:
        seat = Seat(self._port, self._receive_bytes, Member(self._notes, self._late))
        self._selector.register(seat.raw, selectors.EVENT_WRITE, seat)
        return seat

    def _put_to_sleep(self, seat: Seat) -> None:
        if seat.is_awake:
            seat.is_awake = False
            self._selector.unregister(seat.raw)

    def _wake(self, seat: Seat) -> None:
        seat.is_awake = True
        if seat.is_sent:
            self._selector.register(seat.raw, selectors.EVENT_READ, seat)

    def _sip(self, seat: Seat, sip_bytes: int) -> None:
        """Take what is there: the kernel opens a small window again only once it is nearly empty."""
        try:
            while sip_bytes > 0:
                data = seat.raw.recv(sip_bytes)
                if not data:
                    self._ended.append("closed while it sipped")
                    return
                self._take(seat, data, time.monotonic_ns())
                sip_bytes -= len(data)
        except BlockingIOError:
            return
        except OSError as exc:
            self._ended.append(str(exc))

    def _serve(self, seat: Seat) -> None:
        try:
            if not seat.is_sent:
                seat.raw.send(self._request)
                seat.is_sent = True
                self._selector.unregister(seat.raw)
                if seat.is_awake:
                    self._selector.register(seat.raw, selectors.EVENT_READ, seat)
                return
            data = seat.raw.recv(RECV_BYTES)
        except OSError as exc:
            self._end(seat, str(exc))
            return
        member = seat.member
        now_ns = time.monotonic_ns()
        was_synced = member.synced_ns
        self._take(seat, data, now_ns)
        if not was_synced and member.synced_ns:
            self._joining.add(now_ns - seat.began_ns)
            self._on_their_way -= 1
            self._let_come()
        if not data or member.closed is not None:
            self._end(seat, f"closed with {member.closed}")

    def _take(self, seat: Seat, data: bytes, now_ns: int) -> None:
        """Read it, and answer a ping: who only sips is slow, and not silent."""
        seat.member.take(data, now_ns)
        if seat.member.owes_pong:
            seat.member.owes_pong = False
            seat.raw.send(EMPTY_PONG)

    def _end(self, seat: Seat, why: str) -> None:
        self._selector.unregister(seat.raw)
        if seat.member.synced_ns:
            self._ended.append(why)
            seat.is_awake = False
            return
        self._retries += 1
        seat.raw.close()
        again = self._come()
        again.began_ns = seat.began_ns
        again.is_awake = seat.is_awake
        self._seats[self._seats.index(seat)] = again

    def _report(self, order: Order) -> Report:
        members = [seat.member for seat in self._seats]
        lacking = {one for member in members for one in member.lacks(order.top, order.newest)} if order.top else set()
        synced = [member for member in members if member.synced_ns]
        brief = Report(
            members=len(members) + self._to_come,
            synced=len(synced),
            lacking=tuple(sorted(lacking)[:SHOWN]),
            ended=tuple(self._ended),
            retries=self._retries,
        )
        if order.is_brief:
            return brief
        highs = [member.highs for member in synced]
        return msgspec.structs.replace(
            brief,
            whole=sum(member.is_whole for member in synced),
            highs=(min(highs, default=0), max(highs, default=0)),
            updates=sum(member.updates for member in members),
            lagged=sum(member.lagged for member in members),
            read_bytes=sum(member.read_bytes for member in members),
            faults=tuple(fault for member in members for fault in member.faults)[:SHOWN],
            encoded_at=tuple(sorted({at for member in members for at in member.encoded_at})),
            late=self._late.summary(),
            joining=self._joining.summary(),
        )


class Herd:
    """A herd's process, from outside."""

    def __init__(self, port: int, token: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.herd", str(port), token],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def order(self, order: Order) -> Report:
        """Have it done, and hear how they fare."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Report)

    def report(self) -> Report:
        """How they fare."""
        return self.order(Order(do="report"))

    def join(
        self, count: int, *, at_once: int = 32, receive_bytes: int = RECEIVE_BYTES, within_s: float = 60
    ) -> Summary:
        """Have so many come, and wait until all are synced: how long each took."""
        order = Order(do="join", count=count, at_once=at_once, receive_bytes=receive_bytes)
        wanted = self.order(order).members
        report = self._wait(Order(do="report", is_brief=True), lambda report: report.synced == wanted, within_s)
        assert report.synced == wanted, report
        return self.report().joining

    def storm(self, count: int, within_s: float) -> Report:
        """Have so many come all at once, and hear how it was when all are synced or the time is over."""
        order = Order(do="join", count=count, at_once=count, receive_bytes=RECEIVE_BYTES)
        wanted = self.order(order).members
        self._wait(Order(do="report", is_brief=True), lambda report: report.synced == wanted, within_s)
        return self.report()

    def _wait(self, order: Order, is_reached: Callable[[Report], bool], within_s: float) -> Report:
        """Look every tenth of a second: looking takes the herd's time."""
        end = time.monotonic() + within_s
        while not is_reached(report := self.order(order)) and time.monotonic() < end:
            time.sleep(LOOK_S)
        return report

    def sleep(self, count: int) -> Report:
        """Let the first ones read nothing."""
        return self.order(Order(do="sleep", count=count))

    def wake(self, count: int) -> Report:
        """Let those who sleep read again."""
        return self.order(Order(do="wake", count=count))

    def wait_for(self, top: int, newest: dict[str, int], within_s: float = 30) -> Report:
        """Wait until all have everything up to update `top`, the last one and of high priority."""
        order = Order(do="report", top=top, newest=newest, is_brief=True)
        report = self._wait(order, lambda report: not report.lacking, within_s)
        assert not report.lacking, report
        return self.report()

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    HerdLoop(int(sys.argv[1]), sys.argv[2]).run()
