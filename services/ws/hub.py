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

from services.process.clock import now_ms
from services.ws.client import Client
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
        self._sent_to_gone = 0
        self._messages: tuple[bytes, ...] = ()
        self._snapshot: list[bytes] = []

    @property
    def sent(self) -> int:
        """Messages that were handed to connections."""
        return self._sent_to_gone + sum(client.sent for client in self.clients)

    def join(self, client: Client) -> None:
        """Give a client the snapshot, and every update from there on."""
        self.clients.add(client)
        if self._replica.is_ready:
            client.restart(self._framed_snapshot())

    def leave(self, client: Client) -> None:
        """Forget a client; once more does no harm."""
        if client in self.clients:
            self.clients.remove(client)
            client.view.close()
            self._sent_to_gone += client.sent
            self.dropped_clients += client.outbox.is_broken

    def publish(self, payloads: Sequence[bytes]) -> None:
        """Give updates to all; framed once."""
        if self.clients:
            frames = [self._frame(payload) for payload in payloads]
            for client in self.clients:
                client.push(frames)

    def remove_pane(self, pane_id: str) -> None:
        """Nobody watches this pane any more."""
        self.screens.drop(pane_id)

    def restart(self) -> None:
        """Give a new snapshot to all."""
        self.screens.drop_unknown()
        if self.clients:
            frames = self._framed_snapshot()
            for client in self.clients:
                client.restart(frames)

    def _framed_snapshot(self) -> Sequence[bytes]:
        messages = self._replica.snapshot(now_ms())
        if messages is not self._messages:
            self._messages = messages
            self._snapshot = [self._frame(message) for message in messages]
        return self._snapshot
