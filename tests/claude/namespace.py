"""A network namespace that has only loopback: what runs in it can reach nobody."""

import fcntl
import os
import shutil
import socket
import struct

LOOPBACK = "lo"
_SIOCSIFFLAGS = 0x8914
"""Sets an interface's flags; `netdevice(7)`."""
_IFF_UP_RUNNING = 0x1 | 0x40
_IFREQ = "16sH14x"


def is_alone() -> bool:
    """Whether this process sees no interface but loopback."""
    return [name for _, name in socket.if_nameindex()] == [LOOPBACK]


def bring_up_loopback() -> None:
    """A new namespace has it down, and then not even 127.0.0.1 answers.

    Raises:
        PermissionError: this process may not; it owns no namespace of its own.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack(_IFREQ, LOOPBACK.encode(), _IFF_UP_RUNNING)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def words() -> list[str] | None:
    """The command that starts another one in a new namespace; None where there is none."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    return [unshare, "-n" if os.geteuid() == 0 else "-rn"]
