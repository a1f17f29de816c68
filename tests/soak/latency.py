"""How late things came, in bounded memory however many. Pure."""

from typing import Final

from msgspec import Struct

BUCKETS: Final = 50_000


class Summary(Struct, frozen=True):
    """In milliseconds."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Latencies:
    """Counts by a length of time; what is later than `BUCKETS` times that counts as the last."""

    def __init__(self, bucket_ns: int = 100_000) -> None:
        self._bucket_ns = bucket_ns
        self._counts = [0] * BUCKETS

    def add(self, late_ns: int) -> None:
        """One more came this late."""
        self._counts[min(max(0, late_ns // self._bucket_ns), BUCKETS - 1)] += 1

    def summary(self) -> Summary:
        """What came since the last summary."""
        counts, self._counts = self._counts, [0] * BUCKETS
        total = sum(counts)
        places = [_place(counts, max(1, round(total * share))) for share in (0.5, 0.99, 1)]
        return Summary(total, *(place * self._bucket_ns / 1e6 for place in places))


def _place(counts: list[int], rank: int) -> int:
    """The upper end of the bucket in which the one of this rank is; 0 of none."""
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= rank:
            return bucket + 1
    return 0
