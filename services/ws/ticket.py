"""What a client brings back after it was cut off: up to where it has everything. Pure.

It is signed with a key of this installation, so that no client can make up a place, and another installation's is none.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

import msgspec
from msgspec import Struct

MAX_CHARS: Final = 512
MAC_BYTES: Final = 16
_PURPOSE: Final = b"questmux cursor 1\0"


class Ticket(Struct, frozen=True, array_like=True):
    """A place in one life of the update stream."""

    epoch: str
    normal: int
    """Everything of normal priority up to this was delivered, or something newer."""
    high: int
    """Everything of high priority up to this was delivered."""


class TicketOffice:
    """Makes tickets and reads them, also those of other gateways of this installation."""

    def __init__(self, token: str) -> None:
        self._key = hashlib.sha256(_PURPOSE + token.encode()).digest()

    def make(self, ticket: Ticket) -> str:
        """The ticket as text."""
        body = msgspec.msgpack.encode(ticket)
        return base64.urlsafe_b64encode(self._mac(body) + body).decode().rstrip("=")

    def read(self, text: str) -> Ticket | None:
        """The ticket; None when it is not one of this installation."""
        if len(text) > MAX_CHARS:
            return None
        try:
            whole = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        body = whole[MAC_BYTES:]
        if not hmac.compare_digest(whole[:MAC_BYTES], self._mac(body)):
            return None
        try:
            return msgspec.msgpack.decode(body, type=Ticket)
        except (msgspec.MsgspecError, ValueError):
            return None

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:MAC_BYTES]
