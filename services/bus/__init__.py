"""How messages travel: publish, subscribe, request, serve. The only importer of `zmq`.

Nothing outside this package may know which engine is behind the four verbs.
"""

from services.bus.client import Client, UnavailableError
from services.bus.publisher import Publisher
from services.bus.server import Incoming, Server, wait_readable
from services.bus.sockets import AddressTakenError, Bus
from services.bus.subscriber import Subscriber

__all__ = [
    "AddressTakenError",
    "Bus",
    "Client",
    "Incoming",
    "Publisher",
    "Server",
    "Subscriber",
    "UnavailableError",
    "wait_readable",
]
