"""What one client hears, read from the bytes of its socket at the least cost, and what is wrong with it. Pure.

A client *follows* as long as update comes after update without a hole: nothing was lost and nothing is out of order.
From a jump on, until it is told that it has caught up or the hole is full, it is held to what the slow are promised:
every update of high priority, in order; of each key never an older value after a newer one, and the newest in the end.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from services.contract.updates import BY_TYPE, Priority
from tests.soak.latency import Latencies

MAX_NOTES: Final = 20_000
MAX_RUNS: Final = 64
HEAD_BYTES: Final = 256
"""Enough of a long frame to know it."""
TEXT, CLOSE, PING = 1, 8, 9
LONG_FRAME_BYTES: Final = 32 * 1024
"""Longer frames are not kept, only counted."""

_HEAD: Final = re.compile(rb'\{"type":"(\w+)",(?:"seq":(\d+),)?"ts":(\d+)')
_STAMP: Final = re.compile(rb"at=(\d+);")
_KEY: Final = re.compile(rb'"session":\{"id":"([^"]+)"')


class Note(Struct, frozen=True):
    """What an update is."""

    priority: Priority
    key: str
    made_ns: int


class Run(Struct, frozen=True):
    """What a piece of the stream holds that is nothing but updates in a row."""

    first: int
    last: int
    highs: int
    last_high: int
    made_ns: int


class Notes:
    """What all clients of a process know together: what many are sent is read once."""

    def __init__(self) -> None:
        self._notes: dict[int, Note] = {}
        self._runs: dict[bytes, Run] = {}

    def note(self, seq: int, kind: str, frame: bytes) -> Note:
        """What this update is."""
        found = self._notes.get(seq)
        if found is None:
            made, key = _STAMP.search(frame), _KEY.search(frame)
            name = key[1].decode() if key else ""
            found = Note(BY_TYPE[kind].priority, name, int(made[1]) if made else 0)
            self._notes[seq] = found
            if len(self._notes) > MAX_NOTES:
                del self._notes[next(iter(self._notes))]
        return found

    def run(self, data: bytes) -> Run | None:
        """What this very piece is known to hold."""
        return self._runs.get(data)

    def put_run(self, data: bytes, run: Run) -> None:
        """Know a piece when it comes again."""
        if len(self._runs) >= MAX_RUNS:
            self._runs.clear()
        self._runs[data] = run


class Member:
    """One client."""

    def __init__(self, notes: Notes, latencies: Latencies) -> None:
        self._notes = notes
        self._latencies = latencies
        self._head = b""
        self._rest = b""
        self._skip = 0
        self._is_open = False
        self._floor = 0
        self._since_floor = 0
        self._caught_up = 0
        self._keys: dict[str, int] = {}
        self.follows = True
        self.is_whole = True
        """Whether it followed all the time."""
        self.synced_ns = 0
        """When its snapshot was complete; 0 until then."""
        self.first_seq = 0
        self.owes_pong = False
        self.seq = 0
        self.updates = 0
        self.highs = 0
        self.last_high = 0
        self.lagged = 0
        self.read_bytes = 0
        self.encoded_at: set[int] = set()
        """The moments that its snapshots of sessions bear."""
        self.closed: int | None = None
        self.faults: list[str] = []

    def take(self, data: bytes, now_ns: int) -> None:
        """Bytes came."""
        self.read_bytes += len(data)
        if self._rest or self._skip or not self.synced_ns or not self.follows:
            self._read(data, now_ns)
            return
        run = self._notes.run(data)
        if run is None or run.first != self.seq + 1:
            self._read(data, now_ns)
            return
        self.seq = run.last
        self.updates += run.last - run.first + 1
        self.highs += run.highs
        self.last_high = run.last_high or self.last_high
        self._latencies.add(now_ns - run.made_ns)

    def _read(self, data: bytes, now_ns: int) -> None:
        begun = self.seq, self.updates, self.highs
        is_piece = self._is_open and not self._rest and not self._skip
        frames, made_ns = self._read_frames(self._pending(data), now_ns)
        first, came = begun[0] + 1, self.updates - begun[1]
        if came:
            self._latencies.add(now_ns - made_ns)
        if (
            is_piece
            and came
            and self.follows
            and self.seq == first + came - 1
            and not self._rest
            and not self._skip
            and frames == came
        ):
            highs = self.highs - begun[2]
            run = Run(first, self.seq, highs, self.last_high if highs else 0, made_ns)
            self._notes.put_run(data, run)

    def _pending(self, data: bytes) -> bytes:
        """What is to be read, without what is skipped and without the answer to the handshake."""
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data, self._rest = self._rest + data[skipped:], b""
        if not self._is_open:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            self._is_open = bool(found)
            if found and b" 101 " not in head.partition(b"\r\n")[0]:
                self.faults.append(f"not let in: {head[:HEAD_BYTES]!r}")
        return data

    def _read_frames(self, data: bytes, now_ns: int) -> tuple[int, int]:
        """How many frames there were, and when the first update of them was made."""
        at, frames, first_made_ns, end = 0, 0, 0, len(data)
        while end - at >= 2:
            size, start = data[at + 1], at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                size = int.from_bytes(data[at + 2 : start], "big")
            after = start + size
            if start > end or (after > end and (size < LONG_FRAME_BYTES or end - start < HEAD_BYTES)):
                break
            made_ns = self._take_frame(data[at] & 15, data[start:after], now_ns)
            first_made_ns = first_made_ns or made_ns
            frames += 1
            at = after
        if at > end:
            self._skip = at - end
        else:
            self._rest = data[at:]
        return frames, first_made_ns or now_ns

    def _take_frame(self, opcode: int, payload: bytes, now_ns: int) -> int:
        """When this update was made; 0 when it is none."""
        if opcode == PING:
            self.owes_pong = True
        elif opcode == CLOSE:
            self.closed = int.from_bytes(payload[:2], "big")
        head = _HEAD.match(payload) if opcode == TEXT else None
        if head is None:
            return 0
        kind = head[1].decode()
        if head[2] is not None:
            return self._take_update(int(head[2]), kind, payload)
        match kind:
            case "sessions":
                self.encoded_at.add(int(head[3]))
            case "synced":
                self._sync(int(msgspec.json.decode(payload)["data"]["seq"]), now_ns)
            case "lagged":
                self.lagged += 1
                self.seq = max(self.seq, int(msgspec.json.decode(payload)["data"]["upto"]))
                self._follow()
            case "error":
                self.faults.append(payload[:HEAD_BYTES].decode())
            case _:
                pass
        return 0

    def _sync(self, seq: int, now_ns: int) -> None:
        if self.synced_ns:
            self.faults.append(f"a second snapshot, of {seq}, at {self.seq}")
        self.synced_ns = now_ns
        self.seq = self.first_seq = seq

    def _take_update(self, seq: int, kind: str, payload: bytes) -> int:
        note = self._notes.note(seq, kind, payload)
        self.updates += 1
        if note.priority is Priority.HIGH:
            if seq <= self.last_high:
                self.faults.append(f"{kind} {seq} of high priority after {self.last_high}")
            self.highs += 1
            self.last_high = seq
        if self.follows and seq == self.seq + 1:
            self.seq = seq
            return note.made_ns
        if self.follows:
            self.follows = self.is_whole = False
            self._floor, self._since_floor = self.seq, 0
            self._keys.clear()
        if note.priority is Priority.NORMAL:
            had = self._keys.get(note.key, self._floor)
            if seq <= had:
                self.faults.append(f"{seq} of {note.key} after {had}")
            self._keys[note.key] = seq
        self.seq = max(self.seq, seq)
        self._since_floor += 1
        if self._since_floor == self.seq - self._floor:
            self._follow()
        return note.made_ns

    def _follow(self) -> None:
        self.follows = True
        self._caught_up = self.seq

    def lacks(self, top: int, newest: Mapping[str, int]) -> list[str]:
        """What it lacks of what came since it last fell behind: keys, or the last update, `top`, of high priority."""
        if self.seq < top:
            return [f"update {top}"]
        due = [key for key, seq in newest.items() if self._floor < seq and not (self.follows and seq > self._caught_up)]
        return [] if self.is_whole else [key for key in due if self._keys.get(key) != newest[key]]
