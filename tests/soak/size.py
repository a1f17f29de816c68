"""How much of it: a few seconds in the ordinary run of the tests, the whole with `make soak`."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Size:
    """One form of all scenarios."""

    is_long: bool
    clients: int
    sleepers: int
    """Clients that read nothing, in isolation."""
    mixed_per_s: int
    """Updates of all kinds."""
    phase_s: float
    """Of each phase of isolation: under the 15 s after which the gateway cuts a client that takes nothing."""
    stalled: int
    """Of the clients, in the scenario of memory: half take a sip now and then, half nothing."""
    memory_s: float
    settle_s: float
    """Growth may end by then."""
    joiners: int
    snapshot_bytes: int
    throughput_s: float


SHORT: Final = Size(
    is_long=False,
    clients=100,
    sleepers=20,
    mixed_per_s=1_000,
    phase_s=1.0,
    stalled=20,
    memory_s=3.0,
    settle_s=1.0,
    joiners=150,
    snapshot_bytes=1024 * 1024,
    throughput_s=1.5,
)
LONG: Final = Size(
    is_long=True,
    clients=1_000,
    sleepers=50,
    mixed_per_s=200,
    phase_s=12.0,
    stalled=100,
    memory_s=300.0,
    settle_s=30.0,
    joiners=2_000,
    snapshot_bytes=5 * 1024 * 1024,
    throughput_s=15.0,
)
