import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.cli.demo.cast import PROJECTS
from services.cli.demo.stage import NAME, Stage, environment, make_projects, make_stage, remove_folder
from services.contract.settings import Settings
from services.process.settings import load_settings


@pytest.fixture
def own() -> Settings:
    nobody = Path("/nowhere")
    return Settings(data_dir=nobody, runtime_dir=nobody, claude_dir=nobody, rules_dir=nobody, time_zone="Europe/Berlin")


@pytest.fixture
def stage(own: Settings) -> Iterator[Stage]:
    made = make_stage(own)
    yield made
    remove_folder(made.folder)


def test_every_command_finds_the_demo_and_nothing_of_the_person(
    own: Settings, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUESTMUX_DATA_DIR", "/mine")
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", "/mine")
    monkeypatch.setenv("TMUX", "/mine,1,0")
    found = load_settings(environment(stage))

    assert stage.folder.stat().st_mode & 0o777 == 0o700
    for place in (found.data_dir, found.runtime_dir, found.claude_dir, found.rules_dir, Path(found.tmux_socket)):
        assert place.is_relative_to(stage.folder)
    assert found.claude_command == str(stage.program)
    assert found.time_zone == "Europe/Berlin"
    assert len({found.api_port, found.ws_port, own.api_port, own.ws_port}) == 4
    assert not {"TMUX", "CLAUDE_CONFIG_DIR", "QUESTMUX_DATA_DIR"} & environment(stage).keys()
    for port in (found.api_port, found.ws_port):
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", port))
    remove_folder(stage.folder)
    assert not stage.folder.exists()


def test_a_place_that_is_too_long_for_a_socket_is_not_taken(
    own: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 80)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    stage = make_stage(own)
    remove_folder(stage.folder)

    assert not stage.folder.is_relative_to(deep)


def test_projects_are_repositories_with_something_to_commit(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    make_projects(stage)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    for project in PROJECTS:
        words = ["git", "-C", str(stage.project(project)), "status", "--porcelain", "--branch"]
        done = subprocess.run(words, env=clean, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == [f"## {project.branch}", "?? notes.txt"]
    assert not (tmp_path / "elsewhere").exists()


def test_without_git_projects_are_folders(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    make_projects(stage)

    assert sorted(path.name for path in stage.project(PROJECTS[0]).iterdir()) == ["README.md", "notes.txt", "shop.py"]


def test_another_folder_is_never_deleted(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"):
        remove_folder(tmp_path / "mine")
    remove_folder(tmp_path / f"{NAME}gone")


def test_without_an_agent_s_pipe_the_program_says_what_it_is(stage: Stage) -> None:
    alone = subprocess.run([stage.program], input="hello\n", capture_output=True, text=True, check=False, timeout=10)

    assert alone.stdout == "This is the demo: no real Claude Code is started.\n"
