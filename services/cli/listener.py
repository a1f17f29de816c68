"""Whose program answers a connection to this machine. To that of another user no token is sent.

While Questmux is stopped, whoever has an account here may listen at its ports and wait for a client that brings the
token. Linux tells whose each socket is; elsewhere nobody is known to be another. A connection is judged once it is
there, and before anything is sent: a listener that comes and goes could slip through an earlier look.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, TypeAlias

from msgspec import Struct

TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
"""proc_pid_net(5): one line for each socket."""
LISTENING: Final = "0A"
ROOT: Final = 0
WORD_BYTES: Final = 4

Place: TypeAlias = tuple[IPv4Address | IPv6Address, int]
"""An address and a port."""


class Socket(Struct, frozen=True):
    """One socket of this machine."""

    local: Place
    remote: Place
    is_listening: bool
    uid: int


def is_strangers(connection: socket.socket, token_file: Path) -> bool:
    """Whether somebody else answers than root, this user, or the one whose token it is.

    Raises:
        ConnectionResetError: whoever answered is gone.
    """
    texts = [text for table in TABLES if (text := _text(table))]
    if not texts:
        return False
    known = {ROOT, os.getuid()}
    with suppress(OSError):
        known.add(token_file.stat().st_uid)
    here, there = _place(connection.getsockname()), _place(connection.getpeername())
    if not (there[0].is_loopback or there[0] == here[0]):
        return False  # Another machine.
    owners = uids_at([one for text in texts for one in read_table(text, there[1])], there, here)
    return not owners <= known


def uids_at(sockets: list[Socket], there: Place, here: Place) -> set[int]:
    """Who has the far end of a connection from `here` to `there`, and who listens there.

    Both, for the far end is nobody's yet, or root's by some kernels, until its program has accepted it.

    Raises:
        ConnectionResetError: one of the two is not there any more.
    """
    ends = {one.uid for one in sockets if (one.local, one.remote) == (there, here) and not one.is_listening}
    listeners = [one for one in sockets if one.is_listening and one.local[1] == there[1]]
    exact = {one.uid for one in listeners if one.local == there}
    owners = exact or {one.uid for one in listeners if one.local[0].is_unspecified}
    if not ends or not owners:
        raise ConnectionResetError("whoever answered is gone")
    return ends | owners


def read_table(table: str, port: int) -> Iterator[Socket]:
    """The sockets of such a table whose own port it is."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port:
            yield Socket(_read_place(fields[1]), _read_place(fields[2]), fields[3] == LISTENING, int(fields[7]))


def _read_place(text: str) -> Place:
    """`0100007F:0FAB`: each four bytes of the address as a number of this machine, then the port."""
    digits, _, port = text.rpartition(":")
    words = [int(digits[at : at + 2 * WORD_BYTES], 16) for at in range(0, len(digits), 2 * WORD_BYTES)]
    return _plain(ip_address(b"".join(word.to_bytes(WORD_BYTES, sys.byteorder) for word in words))), int(port, 16)


def _place(name: tuple[str, int]) -> Place:
    return _plain(ip_address(name[0].partition("%")[0])), name[1]


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """A listener for both has an IPv4 client's address in the form of IPv6."""
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""
