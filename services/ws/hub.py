"""Who is connected, and the way of every update to all of them.

A client's stream is `connected`, a snapshot (`windows`, `sessions`, `personas`, `projects`, `quests`), `synced` with
the place of that snapshot in the update stream, then each later update, `seq` by `seq`. When the gateway could not
follow core's stream (core began a new epoch, or a gap was beyond repair), the snapshot messages and `synced` come
again, and updates go on from there. So one rule is enough for a client at all times: snapshot messages replace what it
had, updates change it, and after `synced` their numbers follow each other without a hole. While core was never heard,
a client is connected with the epoch "" (one with a cursor after two seconds), and its snapshot comes when core does.

What a client watches, and the screens it has, stay as they are when a snapshot comes again; only a pane that is gone
is watched no more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Final

from services.contract import codec
from services.contract.codec import Tag
from services.contract.updates import Connected
from services.process.clock import now_ms
from services.ws.batch import Batch, Update
from services.ws.client import Client
from services.ws.latest import Latest
from services.ws.recent import Recent
from services.ws.replica import Replica
from services.ws.screens import Screens
from services.ws.ticket import Ticket, TicketOffice

REACH_S: Final = 2.0
"""How long one that comes back is let wait for this gateway to hear of its place."""
Recall = Callable[[str, int], Awaitable[Sequence[codec.Batch]]]
"""Asks core for the updates of an epoch after a number; nothing when it does not have them."""


async def _nothing_recalled(_epoch: str, _after: int) -> Sequence[codec.Batch]:
    return ()


class Hub:
    """All clients that were let in. Nothing here waits, so no update can come between a snapshot and joining."""

    def __init__(self, replica: Replica, frame: Callable[[bytes], bytes], office: TicketOffice) -> None:
        self.clients: set[Client] = set()
        self.dropped_clients = 0
        self.resumes: dict[str, int] = {}
        """How many clients came with which answer of `Connected.why`."""
        self.screens = Screens(frame, replica.has_pane)
        self.recall: Recall = _nothing_recalled
        self._replica = replica
        self._frame = frame
        self._office = office
        self._recent = Recent()
        self._recalling = asyncio.Lock()
        self._expected: dict[asyncio.Future[None], tuple[str, int]] = {}
        """Places (epoch, number) that clients come back to and that this gateway has yet to hear of."""
        self._epoch = ""
        """Of the last snapshot that was given to all."""
        self.latest = Latest()
        self._gone: dict[str, int] = dict.fromkeys(("sent", "dropped", "replaced", "pauses"), 0)
        self._made = Ticket("", 0, 0), ""
        self._messages: tuple[bytes, ...] = ()
        self._snapshot: tuple[bytes, ...] = ()

    def total(self, name: str) -> int:
        """Of all clients, those who left included: messages `sent`, `dropped`, `replaced`, or `pauses`."""
        return self._gone[name] + sum(int(getattr(client, name)) for client in self.clients)

    async def join(self, client: Client, heartbeat_s: float, cursor: str = "") -> None:
        """Let a client in: give it what it missed since its cursor, else a snapshot, and every update from there on."""
        why, missed = await self._missed_since(cursor) if cursor else ("new", None)
        client.say(
            Connected(
                client_id=client.id,
                epoch=self._replica.epoch,
                heartbeat_s=heartbeat_s,
                resumed=missed is not None,
                why=why,
            )
        )
        self.resumes[why] = self.resumes.get(why, 0) + 1
        self.clients.add(client)
        if missed is not None:
            client.brought = cursor
            client.restart((*missed, self._frame(self._replica.synced(now_ms(), self.cursor))), self._replica.seq)
        elif self._replica.is_ready:
            self._fill(client)

    async def _missed_since(self, cursor: str) -> tuple[str, list[bytes] | None]:
        """What happened since a cursor, or why it cannot be told. After it answered, nothing has come in between."""
        ticket = self._office.read(cursor)
        if ticket is None:
            return "unknown", None
        if not await self._reaches(ticket):
            return "epoch", None
        async with self._recalling:
            missed = self._recent.missed(ticket.normal, ticket.high)
            if missed is None:
                batches = await self.recall(ticket.epoch, min(ticket.normal, ticket.high))
                if ticket.epoch != self._replica.epoch:
                    return "epoch", None
                self._recent.put_before([self._batch(one.first_seq, one.header.tags, one.payloads) for one in batches])
        if ticket.epoch != self._replica.epoch:
            return "epoch", None
        missed = self._recent.missed(ticket.normal, ticket.high)
        return ("too_old", None) if missed is None else ("resumed", missed)

    async def _reaches(self, ticket: Ticket) -> bool:
        """Whether this gateway has heard of a place; another may have been ahead of it.

        Epochs sort by time, and one that has just begun has "", so it is behind all. After a clock was set back this
        waits in vain.
        """
        place = max(ticket.normal, ticket.high)
        if (ticket.epoch, place) > (self._replica.epoch, self._replica.seq):
            reached = asyncio.get_running_loop().create_future()
            self._expected[reached] = ticket.epoch, place
            try:
                async with asyncio.timeout(REACH_S):
                    await reached
            except TimeoutError:
                pass
            finally:
                del self._expected[reached]
        return ticket.epoch == self._replica.epoch and place <= self._replica.seq

    def _tell_who_waits(self) -> None:
        here = self._replica.epoch, self._replica.seq
        for reached, place in self._expected.items():
            if place <= here and not reached.done():
                reached.set_result(None)

    def cursor(self, normal: int, high: int) -> str:
        """What a client is to bring back that has these. Those who follow all have the same: it is made once."""
        ticket = Ticket(self._replica.epoch, normal, high)
        if ticket != self._made[0]:
            self._made = ticket, self._office.make(ticket)
        return self._made[1]

    def refill(self, client: Client) -> None:
        """Give a client the snapshot in the place of what it missed; its place is kept until it has that."""
        self._keep_place(client)
        self._fill(client)

    def _keep_place(self, client: Client) -> None:
        if client.pace.marks is not None and self._epoch:
            client.brought = self._office.make(Ticket(self._epoch, *client.pace.marks))

    def _fill(self, client: Client) -> None:
        client.restart(self._framed_snapshot(), self._replica.seq)

    def leave(self, client: Client) -> None:
        """Forget a client; once more does no harm."""
        if client in self.clients:
            self.clients.remove(client)
            client.view.close()
            for name in self._gone:
                self._gone[name] += getattr(client, name)
            self.dropped_clients += client.pace.is_broken

    def publish(self, first_seq: int, tags: Sequence[Tag], payloads: Sequence[bytes]) -> None:
        """Give updates to all; framed once."""
        batch = self._batch(first_seq, tags, payloads)
        self._recent.add(batch)
        for update in batch.normal:
            self.latest.put(update.seq, update.kind, update.key or "", update.frame)
        self.latest.advance(batch.top)
        for client in self.clients:
            client.push(batch)
        if self._expected:
            self._tell_who_waits()

    def _batch(self, first_seq: int, tags: Sequence[Tag], payloads: Sequence[bytes]) -> Batch:
        updates = zip(count(first_seq), tags, map(self._frame, payloads), strict=False)
        return Batch([Update(seq, tag.type, tag.key, frame) for seq, tag, frame in updates])

    def beat(self, now: float) -> None:
        """Ping whose turn it is, end who was silent or stuck too long. A loop that lives on would keep the last one."""
        for client in self.clients:
            client.beat(now)

    def remove_pane(self, pane_id: str) -> None:
        """Nobody watches this pane any more."""
        self.screens.drop(pane_id)

    def restart(self) -> None:
        """Give a new snapshot to all."""
        for client in self.clients:
            self._keep_place(client)
        self._epoch = self._replica.epoch
        self.screens.drop_unknown()
        self.latest.restart(self._replica.seq)
        self._recent.restart(self._replica.seq)
        for client in self.clients:
            client.pace.hasten()  # What happened is in no snapshot.
            self._fill(client)
        self._tell_who_waits()

    def _framed_snapshot(self) -> tuple[bytes, ...]:
        messages = self._replica.snapshot(now_ms(), self.cursor)
        if messages is not self._messages:
            self._messages = messages
            self._snapshot = tuple(self._frame(message) for message in messages)
        return self._snapshot
