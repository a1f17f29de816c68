"""Who is connected, and the way of every update to all of them.

A client's stream is `connected`, a snapshot (`windows`, `sessions`, `personas`, `projects`, `quests`), `synced` with
the place of that snapshot in the update stream, then each later update, `seq` by `seq`. When the gateway could not
follow core's stream (core began a new epoch, or a gap was beyond repair), the snapshot messages and `synced` come
again, and updates go on from there. So one rule is enough for a client at all times: snapshot messages replace what it
had, updates change it, and after `synced` their numbers follow each other without a hole. While core was never heard,
a client is connected with the epoch "", and its snapshot comes when core does.

What a client watches, and the screens it has, stay as they are when a snapshot comes again; only a pane that is gone
is watched no more.
"""

from collections.abc import Callable, Sequence

from services.contract.codec import Tag
from services.process.clock import now_ms
from services.ws.batch import Batch, Update
from services.ws.client import Client
from services.ws.latest import Latest
from services.ws.replica import Replica
from services.ws.screens import Screens


class Hub:
    """All clients that were let in. Nothing here waits, so no update can come between a snapshot and joining."""

    def __init__(self, replica: Replica, frame: Callable[[bytes], bytes]) -> None:
        self.clients: set[Client] = set()
        self.dropped_clients = 0
        self.screens = Screens(frame, replica.has_pane)
        self._replica = replica
        self._frame = frame
        self.latest = Latest()
        self._gone = dict.fromkeys(("sent", "dropped", "replaced", "pauses"), 0)
        self._messages: tuple[bytes, ...] = ()
        self._snapshot: tuple[bytes, ...] = ()

    def total(self, name: str) -> int:
        """Of all clients, those who left included: messages `sent`, `dropped`, `replaced`, or `pauses`."""
        return self._gone[name] + sum(int(getattr(client, name)) for client in self.clients)

    def join(self, client: Client) -> None:
        """Give a client the snapshot, and every update from there on."""
        self.clients.add(client)
        if self._replica.is_ready:
            self.refill(client)

    def refill(self, client: Client) -> None:
        """Give a client the snapshot in the place of what it missed."""
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
        if not self.clients:
            self.latest.restart(first_seq + len(payloads) - 1)
            return
        pairs = zip(tags, payloads, strict=True)
        updates = [
            Update(seq, tag.type, tag.key, self._frame(body)) for seq, (tag, body) in enumerate(pairs, first_seq)
        ]
        batch = Batch(updates)
        for update in batch.normal:
            self.latest.put(update.seq, update.kind, update.key or "", update.frame)
        self.latest.advance(batch.top)
        for client in self.clients:
            client.push(batch)

    def remove_pane(self, pane_id: str) -> None:
        """Nobody watches this pane any more."""
        self.screens.drop(pane_id)

    def restart(self) -> None:
        """Give a new snapshot to all."""
        self.screens.drop_unknown()
        self.latest.restart(self._replica.seq)
        for client in self.clients:
            self.refill(client)

    def _framed_snapshot(self) -> tuple[bytes, ...]:
        messages = self._replica.snapshot(now_ms())
        if messages is not self._messages:
            self._messages = messages
            self._snapshot = tuple(self._frame(message) for message in messages)
        return self._snapshot
