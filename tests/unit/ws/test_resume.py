"""Cut off anywhere, and back at any gateway: ten thousand lives of one client, each compared with the truth.

A life is a list of random steps from a seed: core publishes, two gateways follow at their own pace, miss something or
begin a new epoch, the client takes a part of what was written, is held up, or is cut off and comes back with the last
cursor that it took. What it must have in the end is what `docs/protocol.md` says.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import pytest

from services.contract import codec
from services.contract.entities import KeptEvent, Pane, Session, Status, StatusName
from services.contract.requests import Snapshot
from services.contract.updates import (
    BY_TYPE,
    Attention,
    Draining,
    EventKept,
    Message,
    PaneRemoved,
    PaneUpdate,
    Priority,
    SessionRemoved,
    SessionUpdate,
    XpGain,
)
from services.ws.client import Client
from services.ws.hub import Hub
from services.ws.recent import Recent
from services.ws.replica import Replica
from services.ws.ticket import Ticket, TicketOffice
from tests.unit.ws.test_replica import make_pane
from tests.unit.ws.wire import HeldWire

LIVES: Final = 10_000
BLOCKS: Final = 8
OFFICE: Final = TicketOffice("token")
IDLE: Final = Status(name=StatusName.IDLE, since=1)
KINDS: Final = (
    *("pane_update", "pane_update", "pane_removed", "attention"),
    *["session_update"] * 4,
    *("session_removed", "xp_gain", "event"),
)


@pytest.fixture(autouse=True)
def waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of these gateways, one that is behind stays behind while a client comes back."""
    monkeypatch.setattr("services.ws.hub.REACH_S", 0)


def framed(payload: bytes) -> bytes:
    """JSON on one line."""
    return payload + b"\n"


def as_json(things: object) -> Any:
    """As a client reads them."""
    return msgspec.json.decode(msgspec.json.encode(things))


def make_event(seq: int) -> KeptEvent:
    return KeptEvent(seq=seq, id=str(seq), received_at=1, name="n", session_id=None, pane_id=None, payload=None)


class Core:
    """The truth, and what it remembers of the way there."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.epoch = "e1"
        self.seq = 0
        self.panes: dict[str, Pane] = {}
        self.sessions: dict[str, Session] = {}
        self.xp: dict[str, int] = {}
        self.kinds: dict[str, list[str]] = {"e1": [""]}
        """By epoch and seq, the type of each update."""
        self.batches: list[codec.Batch] = []
        self.recalls_after = 0
        """Older updates than those after this are not recalled."""

    def begin_epoch(self) -> None:
        self.epoch, self.seq, self.recalls_after = f"{self.epoch}+", 0, 0
        self.kinds[self.epoch], self.batches = [""], []
        self.xp.clear()

    def publish(self) -> None:
        messages = [self._make(self.seq + n) for n in range(1, self.dice.randint(1, 5) + 1)]
        frames = codec.batch_frames(self.epoch, self.seq + 1, messages, 1)
        self.batches.append(codec.decode_batch(frames))
        self.kinds[self.epoch] += [message.type for message in messages]
        self.seq += len(messages)

    def _make(self, seq: int) -> Message:
        kind, key, now = self.dice.choice(KINDS), self.dice.choice("abc"), f"{self.epoch}/{seq}"
        message: Message
        match kind:
            case "pane_update":
                self.panes[key] = msgspec.structs.replace(make_pane(key), title=now)
                message = PaneUpdate(pane=self.panes[key])
            case "pane_removed":
                self.panes.pop(key, None)
                message = PaneRemoved(pane_id=key)
            case "session_update":
                self.sessions[key] = Session(id=key, status=IDLE, started_at=1, last_event_at=1, prompt=now)
                message = SessionUpdate(session=self.sessions[key])
            case "session_removed":
                self.sessions.pop(key, None)
                self.xp.pop(key, None)
                message = SessionRemoved(session_id=key)
            case "xp_gain":
                self.xp[key] = seq
                message = XpGain(session_id=key, amount=1, reason="", total=seq)
            case "attention":
                message = Attention(session_id=key, pane_id=None, status=StatusName.IDLE, reason=now)
            case _:
                message = EventKept(event=make_event(seq))
        return message

    async def recall(self, epoch: str, after: int) -> Sequence[codec.Batch]:
        await asyncio.sleep(0)
        if epoch != self.epoch or after < self.recalls_after:
            return ()
        return [batch for batch in self.batches if batch.header.seq > after]

    def snapshot(self) -> Snapshot:
        panes, sessions = tuple(self.panes.values()), tuple(self.sessions.values())
        return Snapshot(epoch=self.epoch, seq=self.seq, windows=(), panes=panes, sessions=sessions)


class Gateway:
    """Follows core when it is told to."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.replica = Replica()
        self.hub = Hub(self.replica, framed, OFFICE)
        self.hub.recall = core.recall
        if core.dice.random() < 0.5:
            self.hub._recent = Recent(max_batches=2)
        self.load()

    def load(self) -> None:
        """As after a gap beyond repair."""
        self.replica.load(self.core.snapshot())
        self.hub.restart()

    def follow(self, batches: int) -> None:
        if self.replica.epoch != self.core.epoch:
            self.load()
            return
        due = [batch for batch in self.core.batches if batch.header.seq > self.replica.seq]
        for batch in due[:batches]:
            for tag, payload in zip(batch.header.tags, batch.payloads, strict=True):
                self.replica.apply(tag.type, payload)
            self.hub.publish(batch.first_seq, batch.header.tags, batch.payloads)

    def why(self, ticket: Ticket | None) -> str:
        """What it must answer to a cursor."""
        if ticket is None:
            return "unknown"
        if ticket.epoch != self.replica.epoch or max(ticket.normal, ticket.high) > self.replica.seq:
            return "epoch"
        has = min(ticket.normal, ticket.high)
        recalls = self.core.epoch == ticket.epoch and has >= self.core.recalls_after
        return "resumed" if has >= self.hub._recent.floor or recalls else "too_old"


class Plain:
    """A client that knows no more than the protocol's page."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.epoch = self.cursor = ""
        self.panes: dict[str, Any] = {}
        self.sessions: dict[str, Any] = {}
        self.xp: dict[str, int] = {}
        self.base = 0
        """The place of the last snapshot."""
        self.high: Counter[int] = Counter()
        """Since that snapshot, how often each came."""
        self.may_repeat: list[int] = []
        """Since that snapshot, the places of high priority with which it came back."""
        self.answers: list[str] = []
        self.brought: Ticket | None = None
        self.unwanted = frozenset[str]()
        self.hang_up()

    def hang_up(self) -> None:
        """Forget what belongs to a connection."""
        self.is_resumed = False
        self.last_high = 0
        self.newest: dict[tuple[str, str], int] = {}
        self.came = {Priority.NORMAL: 0, Priority.LOW: 0}
        self.told = {Priority.NORMAL: 0, Priority.LOW: 0}
        self.upto = self.since = 0

    def take(self, line: bytes) -> None:
        message = msgspec.json.decode(line)
        kind, data, seq = message["type"], message["data"], message.get("seq")
        if seq is not None:
            self._count(kind, seq, data)
        match kind:
            case "connected":
                self._open(data)
            case "synced":
                self.epoch = data["epoch"]
                self._sync(data["seq"])
                self.cursor = data["cursor"]
            case "cursor":
                self.cursor = data["cursor"]
            case "draining":
                assert data["cursor"] or not self.is_resumed, "its place is gone, for want of a second"
                self._check_that_it_goes_on(OFFICE.read(self.cursor), OFFICE.read(data["cursor"]))
                self.cursor = data["cursor"]
            case "lagged":
                self._lag(data)
            case _:
                self._apply(kind, data)

    def _check_that_it_goes_on(self, had: Ticket | None, gets: Ticket | None) -> None:
        if had is not None and gets is not None and had.epoch == gets.epoch:
            assert (gets.normal, gets.high) >= (had.normal, had.high), "back to an older place"

    def _open(self, data: dict[str, Any]) -> None:
        self.answers.append(data["why"])
        self.is_resumed = data["resumed"]
        if self.is_resumed and self.brought is not None:
            self.may_repeat.append(self.brought.high)
        else:
            self.cursor = ""  # Half a snapshot is no state to which an older cursor leads.

    def _apply(self, kind: str, data: dict[str, Any]) -> None:
        match kind:
            case "windows":
                self.is_resumed = False
                self.panes = {pane["id"]: pane for pane in data["panes"]}
            case "sessions":
                self.sessions = {session["id"]: session for session in data["sessions"]}
            case "pane_update":
                self.panes[data["pane"]["id"]] = data["pane"]
            case "pane_removed":
                self.panes.pop(data["pane_id"], None)
            case "session_update":
                self.sessions[data["session"]["id"]] = data["session"]
            case "session_removed":
                self.sessions.pop(data["session_id"], None)
                self.xp.pop(data["session_id"], None)
            case "xp_gain":
                self.xp[data["session_id"]] = data["total"]
            case _:
                pass

    def _sync(self, seq: int) -> None:
        if not self.is_resumed:
            self.base = seq
            self.high.clear()
            self.may_repeat.clear()
            self.xp.clear()
            self.last_high = 0
            self.newest.clear()
        self.is_resumed, self.since = False, seq
        for counts in (self.came, self.told):
            counts.update(dict.fromkeys(counts, 0))

    def _count(self, kind: str, seq: int, data: dict[str, Any]) -> None:
        priority = BY_TYPE[kind].priority
        if priority is Priority.HIGH:
            assert seq > self.base, "older than the snapshot"
            assert seq > self.last_high, "in order, and once on a connection"
            self.last_high = seq
            self.high[seq] += 1
            assert self.high[seq] <= 1 + sum(high < seq for high in self.may_repeat), "twice, and not after the cursor"
        elif priority is Priority.NORMAL:
            key = kind, str(data.get("session_id") or data["session"]["id"])
            assert seq > self.newest.get(key, 0), "an older one of a key after a newer one, or one twice"
            self.newest[key] = seq
        if priority is not Priority.HIGH:
            self.came[priority] += 1

    def _lag(self, data: dict[str, Any]) -> None:
        self.upto = data["upto"]
        self.told[Priority.LOW] += data["dropped"]
        self.told[Priority.NORMAL] += data["replaced"]
        for priority, told in self.told.items():
            kinds = self.core.kinds[self.epoch][self.since + 1 : self.upto + 1]
            there = sum(BY_TYPE[kind].priority is priority for kind in kinds if kind not in self.unwanted)
            assert self.came[priority] + told == there, f"{priority!r}: what came, and what is told to be missed"

    def check(self) -> None:
        """It is connected, and everything has come."""
        core = self.core
        assert self.panes == as_json(core.panes)
        assert self.sessions == as_json(core.sessions)
        gained = {key: seq for key, seq in core.xp.items() if seq > self.base}
        assert gained.items() <= self.xp.items()
        there = enumerate(core.kinds[core.epoch][self.base + 1 :], self.base + 1)
        assert sorted(self.high) == [seq for seq, kind in there if BY_TYPE[kind].priority is Priority.HIGH]


class Life:
    """One client, its connection, and what happens to both."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - guards nothing
        self.core = Core(self.dice)
        self.gateways = Gateway(self.core), Gateway(self.core)
        self.plain = Plain(self.core)
        self.now = asyncio.get_running_loop().time()
        self.gateway = self.gateways[0]
        self.client: Client | None = None
        self.wire = HeldWire()
        self.lines: list[bytes] = []
        self.steps = (
            *[self.publish] * 5,
            *[self.follow] * 5,
            *[self.turn] * 2,
            *[self.receive] * 4,
            *[self.hold_up] * 2,
            *[self.let_go] * 2,
            self.tell_place,
            *[self.come_back] * 2,
            self.misfortune,
        )

    async def live(self) -> None:
        await self.connect()
        for _ in range(self.dice.randint(10, 40)):
            await self.dice.choice(self.steps)()
        for gateway in self.gateways:
            gateway.follow(1_000)
            gateway.follow(1_000)
        if self.dice.random() < 0.5:
            await self.come_back()
        self.wire.drain()
        assert self.client is not None
        await self.client.flushed()
        await asyncio.sleep(0)
        self.gather(1_000_000)
        self.plain.check()

    async def connect(self) -> None:
        ticket = OFFICE.read(self.plain.cursor)
        await self.connect_with(self.gateway.why(ticket) if self.plain.cursor else "new")

    async def connect_with(self, expected: str) -> None:
        """Connect, and get this answer."""
        self.wire = HeldWire()
        self.client = Client(
            client_id="c",
            address="127.0.0.1:5",
            wire=self.wire,
            frame=framed,
            screens=self.gateway.hub.screens,
            latest=self.gateway.hub.latest,
            on_lost=self.gateway.hub.refill,
            cursor=self.gateway.hub.cursor,
            heartbeat_s=1_000_000,
            slice_bytes=self.dice.choice([1, 500, 65_536]),
        )
        before = self.gateway.hub.resumes.get(expected, 0)
        self.plain.brought = OFFICE.read(self.plain.cursor)
        await self.gateway.hub.join(self.client, 30, self.plain.cursor)
        assert self.gateway.hub.resumes.get(expected) == before + 1, (expected, self.gateway.hub.resumes)

    async def publish(self) -> None:
        self.core.publish()
        if self.dice.random() < 0.5:
            self.gateway.follow(1)

    async def follow(self) -> None:
        self.dice.choice(self.gateways).follow(self.dice.randint(1, 3))

    async def turn(self) -> None:
        await asyncio.sleep(0)

    async def receive(self) -> None:
        self.gather(self.dice.randint(1, 12))

    def gather(self, at_most: int) -> None:
        self.lines += [line for write in self.wire.writes for line in write.splitlines()]
        self.wire.writes.clear()
        for line in self.lines[:at_most]:
            self.plain.take(line)
        del self.lines[:at_most]

    async def hold_up(self) -> None:
        if self.wire.writable.is_set():
            self.wire.fill()

    async def let_go(self) -> None:
        if not self.wire.writable.is_set():
            self.wire.drain()
        if self.dice.random() < 0.5:
            await asyncio.sleep(0)
            self.wire.fill()

    async def tell_place(self) -> None:
        self.now += 6
        self.wire.heard_at = self.now
        if self.client is not None and not self.client.is_paused:
            self.client.beat(self.now)

    async def come_back(self) -> None:
        """After what was on the way was lost, but for some of it; perhaps told so, by a gateway that could not wait."""
        assert self.client is not None
        if self.dice.random() < 0.5:
            self.client.say(Draining(reconnect_in_ms=0, cursor=self.client.cursor))
            await asyncio.sleep(0)
        self.gather(self.dice.choice([0, 3, 1_000]))
        self.lines.clear()
        self.gateway.hub.leave(self.client)
        self.plain.hang_up()
        self.gateway = self.dice.choice(self.gateways)
        await self.connect()

    async def misfortune(self) -> None:
        match self.dice.randrange(4):
            case 0:
                self.core.begin_epoch()
            case 1:
                self.dice.choice(self.gateways).load()
            case 2:
                self.core.recalls_after = self.core.seq
            case _:
                self.plain.cursor = self.plain.cursor[:-2] + "AA"


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_who_was_cut_off_has_the_truth_again_and_missed_nothing_that_must_be_sent(block: int) -> None:
    answers: Counter[str] = Counter()
    for seed in range(block * LIVES // BLOCKS, (block + 1) * LIVES // BLOCKS):
        life = Life(seed)
        try:
            await life.live()
        except AssertionError as exc:
            exc.add_note(f"life {seed}")
            raise
        answers.update(life.plain.answers)
    print(f"{LIVES // BLOCKS} lives: {dict(answers)}")
    assert set(answers) == {"new", "resumed", "epoch", "too_old", "unknown"}


async def test_what_core_recalls_of_a_life_that_ended_meanwhile_is_of_no_use() -> None:
    core = Core(random.Random(1))  # noqa: S311 - guards nothing
    for _ in range(4):
        core.publish()
    gateway = Gateway(core)
    recalled = asyncio.Event()

    async def recall(epoch: str, after: int) -> Sequence[codec.Batch]:
        batches = await core.recall(epoch, after)
        await recalled.wait()
        return batches

    gateway.hub.recall = recall
    life = Life(1)
    life.core, life.gateway, life.plain = core, gateway, Plain(core)
    life.plain.cursor = OFFICE.make(Ticket(core.epoch, 0, 0))
    joining = asyncio.create_task(life.connect_with("epoch"))
    await asyncio.sleep(0.0)
    await asyncio.sleep(0.0)
    core.begin_epoch()
    core.publish()
    gateway.load()
    recalled.set()
    await joining

    assert gateway.hub._recent.floor == core.seq
    assert gateway.hub._recent.missed(0, 0) is None


@pytest.mark.parametrize("unwanted", [frozenset[str](), frozenset({"xp_gain", "event"})], ids=["all", "some"])
async def test_what_is_not_wanted_is_not_told_to_be_missed(unwanted: frozenset[str]) -> None:
    core = Core(random.Random(1))  # noqa: S311 - guards nothing
    life = Life(1)
    gateway = life.gateways[0]
    life.core = gateway.core = life.plain.core = core
    await life.connect()
    assert life.client is not None
    await life.client.flushed()
    life.client.pace.unwanted = life.plain.unwanted = unwanted
    life.wire.fill()
    for _ in range(100):
        core.publish()
    gateway.follow(100)
    life.wire.drain()
    await life.client.flushed()
    life.gather(1_000)

    assert life.plain.upto == core.seq
    assert bool(life.plain.told[Priority.LOW]) != ("event" in unwanted)


async def test_who_subscribes_again_while_it_is_held_up_still_gets_all_that_must_be_sent() -> None:
    life = Life(1)
    core, plain = Core(random.Random(1)), life.plain  # noqa: S311 - guards nothing
    life.core = life.gateway.core = plain.core = core
    await life.connect()
    assert life.client is not None
    await life.client.flushed()
    life.client.hear('{"type":"unsubscribe","data":{"types":["event"]}}', life.now)
    life.wire.fill()
    for _ in range(20):
        core.publish()
    life.gateway.follow(100)
    life.client.hear('{"type":"subscribe","data":{"types":["event"]}}', life.now)
    life.wire.drain()
    await life.client.flushed()
    came = [one for one in map(msgspec.json.decode, b"".join(life.wire.writes).splitlines()) if "seq" in one]

    there = [seq for seq, kind in enumerate(core.kinds["e1"]) if kind == "attention"]
    assert [one["seq"] for one in came if one["type"] == "attention"] == there
    life.gather(1_000)
    plain.check()
