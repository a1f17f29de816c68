"""What tmux costs: idle panes, text of a watched pane on its way to a client, a new window."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from tests.e2e.stack import Stack
from tests.e2e.terminal import Terminal
from tests.waiting import wait_until

IDLE_PANES: Final = (26, 200)
IDLE_S: Final = 20
SETTLE_S: Final = 4
WITHIN_S: Final = 30
TEXTS: Final = 200
TEXT_PAUSE_S: Final = 0.06
WINDOWS: Final = 40
BUSY_PANES: Final = 6
BUSY_S: Final = 10
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Row(Struct, frozen=True):
    """One measured figure."""

    what: str
    measured: str
    goal: str


def tmux_rows(folder: Path) -> Iterator[Row]:
    """All of it, in control mode and by plain calls, each on a stack of its own."""
    for control in ("auto", "off"):
        way = "control mode" if control == "auto" else "plain calls"
        with _stack(folder / way.replace(" ", "-"), control) as stack:
            yield from _idle(stack, way)
        with _stack(folder / f"{way.replace(' ', '-')}-watched", control) as stack:
            yield _watched_text(stack, way)
            yield _new_window(stack, way)
            if control == "auto":
                yield _busy(stack)


@contextmanager
def _stack(data_dir: Path, control: str) -> Iterator[Stack]:
    stack = Stack(data_dir, QUESTMUX_LOG_LEVEL="warning", QUESTMUX_TMUX_CONTROL=control)
    try:
        stack.tmux("new-session", "-d", "-s", "bench", "sh")
        stack.start_all()
        stack.wait_ready()
        yield stack
    finally:
        stack.close(shows_logs=False)


def _idle(stack: Stack, way: str) -> Iterator[Row]:
    """CPU of every process and of tmux itself, with nobody connected."""
    server = int(stack.tmux("display-message", "-p", "#{pid}"))
    made = 1
    for panes in IDLE_PANES:
        for number in range(made, panes):
            stack.tmux("new-window", "-d", "-t", "bench", "-n", f"w{number}", "sh")
        made = panes
        _wait_for_panes(stack, panes)
        time.sleep(SETTLE_S)
        pids = {name: _family(process.pid) for name, process in stack.processes.items()} | {"tmux": [server]}
        before = {name: sum(map(_cpu_s, family)) for name, family in pids.items()}
        time.sleep(IDLE_S)
        used = {name: (sum(map(_cpu_s, family)) - before[name]) / IDLE_S * 100 for name, family in pids.items()}
        parts = " ".join(f"{name} {share:.2f}" for name, share in used.items())
        goal = "goal <= 2 %" if panes == IDLE_PANES[0] and way == "control mode" else ""
        yield Row(f"idle, {panes} panes, no client, {way}", f"{sum(used.values()):.2f} % of a core ({parts})", goal)


def _wait_for_panes(stack: Stack, count: int) -> None:
    wait_until(lambda: len(stack.get("/api/panes")["panes"]) == count, WITHIN_S, f"{count} panes")


def _watched_text(stack: Stack, way: str) -> Row:
    """From the moment that a program is told to print to the moment that a watching client can draw it."""
    fifo = stack.runtime_dir / "texts"
    os.mkfifo(fifo)
    pane = stack.tmux(
        "new-window", "-d", "-t", "bench", "-P", "-F", "#{pane_id}", f"while read text; do echo $text; done < {fifo}"
    ).strip()
    wait_until(lambda: stack.call("GET", f"/api/panes/{pane[1:]}").status == 200, WITHIN_S, "the pane")
    ages: list[float] = []
    with Terminal(stack.ws_port, stack.token) as client, fifo.open("w") as texts:
        client.watch(pane)
        for number in range(TEXTS):
            texts.write(f"text {number}\n")
            texts.flush()
            ages.append(client.until_row(pane, f"text {number}") * 1000)
            time.sleep(TEXT_PAUSE_S)
    goal = "goal p50 <= 25 ms" if way == "control mode" else ""
    return Row(f"text on a watched pane to WebSocket, {way}", _spread(ages), goal)


def _new_window(stack: Stack, way: str) -> Row:
    """From before `tmux new-window` is called, a process of some milliseconds, to the client's list of windows."""
    ages: list[float] = []
    with Terminal(stack.ws_port, stack.token) as client:
        for _ in range(WINDOWS):
            time.sleep(TEXT_PAUSE_S)
            seen = client.counts.get("windows", 0)
            started = time.perf_counter()
            stack.tmux("new-window", "-d", "-t", "bench", "sleep 1000")
            client.until_more("windows", seen)
            ages.append((time.perf_counter() - started) * 1000)
    return Row(f"a new window to WebSocket, {way}", _spread(ages), "")


def _busy(stack: Stack) -> Row:
    """Bytes to one client that watches one of several panes in which an agent's screen goes on."""
    busy = "i=0; while :; do i=$((i+1)); printf '\\033[3;1Hworking %d\\033[5;1H%s\\n' $i $(date +%N); sleep 0.1; done"
    panes = [
        stack.tmux("new-window", "-d", "-t", "bench", "-P", "-F", "#{pane_id}", busy).strip() for _ in range(BUSY_PANES)
    ]
    wait_until(lambda: stack.call("GET", f"/api/panes/{panes[-1][1:]}").status == 200, WITHIN_S, "the panes")
    with Terminal(stack.ws_port, stack.token) as client:
        client.watch(panes[0])
        before, started = client.bytes, time.monotonic()
        while (left_s := started + BUSY_S - time.monotonic()) > 0:
            client.read(left_s)
        per_second = (client.bytes - before) / BUSY_S / 1000
    return Row(f"one client, {BUSY_PANES} busy panes, watching one", f"{per_second:.1f} kB/s", "goal <= 60 kB/s")


def _spread(ages_ms: list[float]) -> str:
    ages = sorted(ages_ms)
    return f"p50 {ages[len(ages) // 2]:.1f}  p99 {ages[int(len(ages) * 0.99)]:.1f}  max {ages[-1]:.1f} ms"


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]


def _cpu_s(pid: int) -> float:
    """CPU seconds of a process and of the children it has waited for, such as tmux clients."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS_PER_S


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="questmux-bench-") as place:
        for row in tmux_rows(Path(place)):
            print(f"{row.what:<60}{row.measured:<72}{row.goal}", flush=True)
