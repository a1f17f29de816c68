"""What 500 agents cost: the simulator of `questmux demo` plays them at a person's pace against a real stack."""

import multiprocessing
import resource
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.tmux import Row, _cpu_s, _family, _spread
from services.cli.demo.actor import Actor
from services.cli.demo.cast import seats
from services.cli.demo.command import make_actor
from services.cli.demo.hook_calls import HookCalls
from services.cli.demo.panes import Pane, Place, TmuxServer
from services.cli.demo.recordings import find_recordings
from services.cli.demo.repertoire import Repertoire
from services.cli.demo.score import Kind, Step
from services.cli.demo.simulator import Simulator
from services.cli.demo.stage import Stage, furnish, make_projects
from tests.e2e.replay import TimedWatcher
from tests.e2e.stack import Stack
from tests.waiting import wait_until

AGENTS: Final = 500
WARM_UP_S: Final = 20.0
MEASURE_S: Final = 25.0
LATEST_S: Final = 5.0
"""A change that a client has not been told of within this is missing."""
SENDERS: Final = 4
"""Connections for hook calls; an agent's calls keep to one."""
OPEN_FILES: Final = 4_096
MEANS: Final = {"UserPromptSubmit": "working", "PermissionRequest": "waiting", "Stop": "idle", "StopFailure": "error"}


class Played(Struct):
    """What the simulator did, with the wall's clock."""

    calls: list[tuple[float, str, str]] = []
    """When, in which pane, by which hook."""
    drawn: list[float] = []
    registered: list[float] = []
    late_s: float = 0.0


def crowd_rows(folder: Path, agents: int = AGENTS) -> Iterator[Row]:
    """A stack of its own, all agents in windows of a tmux server of their own, and one client that sees everything."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(OPEN_FILES, hard)), hard))
    stack = Stack(folder / "crowd-data", QUESTMUX_LOG_LEVEL="warning")
    stage = Stage(folder=stack.runtime_dir / "stage", api_port=stack.api_port, ws_port=stack.ws_port)
    stack.settings |= {"QUESTMUX_TMUX_SOCKET": str(stage.tmux_socket), "QUESTMUX_CLAUDE_DIR": str(stage.claude_dir)}
    server = TmuxServer(stage.tmux_socket, stack.environment)
    try:
        furnish(stage)
        make_projects(stage)
        started = time.monotonic()
        panes = server.open(
            stage.run, [Place(name=seat.name, folder=stage.project(seat.project)) for seat in seats(agents)]
        )
        opened_s = time.monotonic() - started
        started = time.monotonic()
        stack.start_all()
        stack.wait_ready()
        wait_until(lambda: len(stack.get("/api/panes")["panes"]) == agents, 30, f"{agents} panes")
        yield Row(
            f"{agents} panes: tmux opens them, Questmux shows them",
            f"{opened_s:.1f} s, {time.monotonic() - started:.1f} s with its start",
            "",
        )
        yield from _measure(stack, stage, panes)
    finally:
        server.end()
        stack.close(shows_logs=False)


def _measure(stack: Stack, stage: Stage, panes: dict[str, Pane]) -> Iterator[Row]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    player = context.Process(target=_play, args=(theirs, stage, panes, stack.hook_token))
    server = next(iter(panes.values())).server_pid
    with TimedWatcher(stack.ws_port, stack.token) as watcher:
        player.start()
        try:
            ours.recv()  # It has read its recordings and begins.
            pids = {name: _family(process.pid) for name, process in stack.processes.items()}
            pids |= {"tmux": [server], "simulator": [player.pid or 0]}
            time.sleep(WARM_UP_S)
            before, begins = _used(pids), time.time()
            time.sleep(MEASURE_S)
            after, ends = _used(pids), time.time()
            memory = {name: sum(map(_own_mb, family)) for name, family in pids.items()}
            memory["panes"] = sum(_own_mb(pane.pid) for pane in panes.values())
            time.sleep(1)
            ours.send(None)
            played: Played = ours.recv()
        finally:
            player.join(10)
            player.kill()
        statuses = list(watcher.statuses)
    shares = {name: (after[name] - before[name]) / (ends - begins) * 100 for name in pids}
    ours_too = sum(share for name, share in shares.items() if name in stack.processes)
    agents = len(panes)
    yield Row(f"{agents} agents play: CPU of Questmux", f"{ours_too:.1f} % of a core ({_listed(shares)})", "")
    yield Row(f"{agents} agents play: memory of their own, MB", _listed(memory), "")
    yield Row(f"{agents} agents play: pace", _pace(played, begins, ends), "")
    ages, missing = _ages(played, statuses, begins, ends)
    more = f"  ({missing} missing)" if missing else ""
    yield Row(f"{agents} agents play: a status by a hook to WebSocket", f"{_spread(ages)}, n {len(ages)}{more}", "")


def _play(pipe: Connection, stage: Stage, panes: dict[str, Pane], token: str) -> None:
    """The simulator, in a process of its own, until it is told to stop; sends back what it did."""
    repertoire, played = Repertoire(find_recordings()), Played()
    senders = [HookCalls(stage.api_port, token) for _ in range(SENDERS)]

    def note(actor: Actor, step: Step) -> None:
        match step.kind:
            case Kind.HOOK:
                played.calls.append((time.time(), actor.pane.id, step.name))
            case Kind.SCREEN | Kind.SPIN:
                played.drawn.append(time.time())
            case Kind.REGISTRY:
                played.registered.append(time.time())
            case Kind.BEGIN:
                pass

    performances = [
        (make_actor(stage, seat, panes[seat.name], senders[seat.number % SENDERS]), repertoire.performance(seat))
        for seat in seats(len(panes), eager=False)
    ]
    simulator = Simulator(performances, note)
    pipe.send(None)
    simulator.run(threading.Event(), _until_told(pipe))
    played.late_s = simulator.late_s
    for sender in senders:
        sender.close()
    pipe.send(played)


def _until_told(pipe: Connection) -> Callable[[], bool]:
    return lambda: not pipe.poll()


def _ages(
    played: Played, statuses: list[tuple[float, str, str]], begins: float, ends: float
) -> tuple[list[float], int]:
    """Milliseconds from each hook call that changes a status to the client's word of it; how many had none."""
    told: dict[str, list[tuple[float, str]]] = {}
    for at, pane_id, name in statuses:
        told.setdefault(pane_id, []).append((at, name))
    ages: list[float] = []
    missing = 0
    for at, pane_id, hook in played.calls:
        wanted = MEANS.get(hook)
        if wanted is None or not begins <= at <= ends:
            continue
        before = [name for when, name in told.get(pane_id, []) if when < at][-1:]
        if before == [wanted]:
            continue
        after = [when for when, name in told.get(pane_id, []) if name == wanted and at <= when <= at + LATEST_S]
        if after:
            ages.append((after[0] - at) * 1000)
        else:
            missing += 1
    return ages, missing


def _pace(played: Played, begins: float, ends: float) -> str:
    def per_s(times: list[float]) -> float:
        return sum(begins <= at <= ends for at in times) / (ends - begins)

    calls = per_s([at for at, _, _ in played.calls])
    files, screens = per_s(played.registered), per_s(played.drawn)
    late_ms = played.late_s * 1000
    return f"{calls:.0f} hook calls, {files:.0f} registry files, {screens:.0f} screens a second; {late_ms:.0f} ms late"


def _used(pids: dict[str, list[int]]) -> dict[str, float]:
    return {name: sum(map(_cpu_s, family)) for name, family in pids.items()}


def _listed(figures: dict[str, float]) -> str:
    return " ".join(f"{name} {figure:.1f}" for name, figure in figures.items())


def _own_mb(pid: int) -> float:
    """Proportional memory: what is shared counts by its share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory(prefix="questmux-bench-") as place:
        for row in crowd_rows(Path(place)):
            print(f"{row.what:<60}{row.measured}", flush=True)
