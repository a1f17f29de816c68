import json
import os
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from services.cli.demo.actor import Actor, proc_start
from services.cli.demo.cast import Seat, seats
from services.cli.demo.hook_calls import HookCall
from services.cli.demo.panes import Pane, Place, TmuxServer
from services.cli.demo.recordings import find_recordings
from services.cli.demo.repertoire import Repertoire
from services.cli.demo.stage import Stage, furnish
from services.poller.registry_files import RegistryFiles


class Kept:
    def __init__(self) -> None:
        self.calls: list[HookCall] = []

    def send(self, call: HookCall) -> None:
        self.calls.append(call)

    @property
    def bodies(self) -> list[dict[str, object]]:
        return [json.loads(call.body) for call in self.calls]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(folder=tmp_path / "s", api_port=1, ws_port=2)
    furnish(made)
    return made


@pytest.fixture
def pane(stage: Stage) -> Iterator[Pane]:
    server = TmuxServer(stage.tmux_socket, os.environ)
    yield server.open(stage.run, [Place(name="a", folder=stage.folder)])["a"]
    server.end()


def perform(seat: Seat, stage: Stage, pane: Pane, kept: Kept, within_s: float = 300) -> Actor:
    actor = Actor(
        pane,
        folder=stage.project(seat.project),
        claude_dir=stage.claude_dir,
        tmux_socket=stage.tmux_socket,
        sender=kept,
    )
    for _, step in takewhile(lambda row: row[0] < within_s, Repertoire(find_recordings()).performance(seat)):
        actor.play(step)
    return actor


@pytest.mark.parametrize("number", [0, 1, 2, 6])
def test_what_it_sends_is_new_each_turn_and_of_its_own_place(number: int, stage: Stage, pane: Pane) -> None:
    kept = Kept()
    perform(seats(12)[number], stage, pane, kept)
    folder = str(stage.project(seats(12)[number].project))
    prompts = [body["prompt_id"] for body in kept.bodies if body["hook_event_name"] == "UserPromptSubmit"]
    uses = [body["tool_use_id"] for body in kept.bodies if body["hook_event_name"] == "PreToolUse"]

    assert len(prompts) == len(set(prompts)) >= 3
    assert len(uses) == len(set(uses))
    assert {body["cwd"] for body in kept.bodies} == {folder}
    assert not any(word in call.body for call in kept.calls for word in (b"lab:", b"/lab", b"-lab"))
    assert len({call.id for call in kept.calls}) == len(kept.calls)
    assert {(call.pane_id, call.tmux) for call in kept.calls} == {(pane.id, f"{stage.tmux_socket},{pane.server_pid},0")}


def test_a_session_goes_on_from_its_start_to_its_end(stage: Stage, pane: Pane) -> None:
    kept = Kept()
    perform(seats(12)[6], stage, pane, kept)
    now: object = None
    for body in kept.bodies:
        if body["hook_event_name"] == "SessionStart":
            assert body["session_id"] != now
            now = body["session_id"]
        assert body["session_id"] == now


def test_the_poller_takes_its_registry_file_for_claude_code_s(stage: Stage, pane: Pane) -> None:
    kept = Kept()
    actor = perform(seats(12)[0], stage, pane, kept, within_s=10)
    files = RegistryFiles(stage.claude_dir / "sessions", lambda: round(time.time() * 1000), lambda: None)
    entry = files.scan()[pane.pid]

    assert entry.session_id == kept.bodies[-1]["session_id"]
    assert entry.status == "waiting"
    assert entry.cwd == kept.bodies[-1]["cwd"]
    assert abs(entry.status_at - time.time() * 1000) < 10_000
    actor.leave()
    assert files.scan() == {}
    assert list((stage.claude_dir / "sessions").iterdir()) == []


def test_it_draws_where_it_is(stage: Stage, pane: Pane) -> None:
    actor = perform(seats(12)[0], stage, pane, Kept(), within_s=10)

    assert str(stage.project(seats(12)[0].project)) in actor._screen.shown
    assert "Do you want to proceed?" in actor._screen.shown


def test_a_process_that_is_gone_has_no_start() -> None:
    assert proc_start(2**22 + 1) is None
    assert (proc_start(os.getpid()) or "").isdigit()
