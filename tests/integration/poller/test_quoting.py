"""Names and folders reach the real tmux exactly, and nothing in them is run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.poller.listing import Listing, read_listing
from services.poller.quoting import argument, literal, new_name
from services.poller.tmux import Tmux
from tests.integration.poller.stage import TmuxStage
from tests.waiting import wait_until

TEXTS: Final = (
    *("a;", ";", ";;", "a\\;", "\\\\;", "#;", "\\", "a\\", "\\n", "\\033", "\\$HOME", "\\#", "'", '"', "'\"'\"'"),
    *("-x", "--", "-", "+1", "=x", "%1", "@1", "$1", "!", "{", "}", "~", "*", "?", ":", ".", "a:b.c", "a,b"),
    *("#S", "#{pid}", "#(touch owned)", "##", "###", "a#", "a##", "#", "#,", "#}", "#{", "#(", "#{l:#}", "#{t:x}"),
    *("#[fg=red]", "##[x", "###[a", "#[#S]", "#[#{pid}]#", "##[##S", "#[", "#{?1,#[a],b}", "##{pid}"),
    *("$HOME", "`id`", "$(id)", "${HOME}", "%H", "%%", "#H %Y", "%d#{pid}%d"),
    *(" x", "x ", " x ", "  ", "a  b", "a|b", "a \\|", "|"),
    *("😀", "界", "é", "e\u0301", "אב", "\u202ea", "👩\u200d💻", "a\u00a0b", "\u3000"),
    *("x" * 200, "#" * 199, "界" * 80),
)
chars = st.sampled_from("#;\\[]{}()S$%,=-+@ '\"`|x") | st.characters(
    exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"]
)
names = st.text(chars, min_size=1, max_size=30)


@pytest.fixture
def door(tmux: TmuxStage) -> Tmux:
    """A real tmux with the session `main`."""
    tmux.start()
    return Tmux(str(tmux.socket))


def listing(door: Tmux) -> Listing:
    return read_listing(door.list_all())


def names_of(door: Tmux, windows: Iterable[str]) -> list[str]:
    names = {window.id: window.name for window in listing(door).windows}
    return [names[window_id] for window_id in windows]


def folders_of(door: Tmux, panes: Iterable[str]) -> list[str]:
    folders = {pane.id: pane.cwd for pane in listing(door).panes}
    return [folders[pane_id] for pane_id in panes]


@pytest.mark.parametrize("command", [("new-window", "-t", "main:"), ("new-session",)], ids=lambda words: words[0])
def test_a_new_windows_name_comes_back(door: Tmux, command: tuple[str, ...]) -> None:
    make = (*command, "-d", "-P", "-F", "#{window_id}")
    windows = [door.run(*make, "-n", new_name(text), "cat") for text in TEXTS]
    assert names_of(door, windows) == list(TEXTS)


def test_a_renamed_windows_name_comes_back(door: Tmux) -> None:
    windows = [door.run("new-window", "-d", "-P", "-F", "#{window_id}", "-t", "main:", "cat") for _ in TEXTS]
    for window_id, text in zip(windows, TEXTS, strict=True):
        door.run("rename-window", "-t", window_id, "--", literal(text))
    assert names_of(door, windows) == list(TEXTS)


@given(text=names)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_name_comes_back(door: Tmux, text: str) -> None:
    door.run("rename-window", "-t", "@0", "--", literal(text))
    assert names_of(door, ["@0"]) == [text]
    window_id = door.run("new-window", "-d", "-P", "-F", "#{window_id}", "-t", "main:", "-n", new_name(text), "cat")
    assert names_of(door, [window_id]) == [text]
    door.run("kill-window", "-t", window_id)


@pytest.mark.parametrize("is_renamed", [False, True], ids=["new-session", "rename-session"])
def test_a_sessions_name_comes_back_without_what_targets_need(door: Tmux, *, is_renamed: bool) -> None:
    make = ("new-session", "-d", "-P", "-F", "#{session_id}")
    kept = {text.replace(":", "_").replace(".", "_"): text for text in TEXTS}  # tmux refuses the same name twice.
    if is_renamed:
        sessions = [door.run(*make, "cat") for _ in kept]
        for session_id, text in zip(sessions, kept.values(), strict=True):
            door.run("rename-session", "-t", session_id, "--", literal(text))
    else:
        sessions = [door.run(*make, "-s", literal(text), "cat") for text in kept.values()]
    names = listing(door).sessions
    assert [names[session_id] for session_id in sessions] == list(kept)


@pytest.mark.parametrize("command", [("new-window", "-t", "main:"), ("new-session",)], ids=lambda words: words[0])
def test_a_folder_comes_back(door: Tmux, folder: Path, command: tuple[str, ...]) -> None:
    paths = [str(folder / text) for text in TEXTS]
    panes: list[str] = []
    for path in paths:
        Path(path).mkdir(exist_ok=True)
        panes.append(door.run(*command, "-d", "-P", "-F", "#{pane_id}", "-c", literal(path), "cat"))
    # tmux asks the kernel, which does not know while a pane's process is being made.
    wait_until(lambda: folders_of(door, panes) == paths, what="the folder of each pane")


def test_a_folder_of_a_split_comes_back(door: Tmux, folder: Path) -> None:
    path = folder / "#{pid}#[a]##;"
    path.mkdir()
    pane_id = door.run("split-window", "-d", "-P", "-F", "#{pane_id}", "-t", "@0", "-c", literal(str(path)), "cat")
    wait_until(lambda: folders_of(door, [pane_id]) == [str(path)], what=str(path))


def test_words_of_a_command_and_its_environment_come_as_they_are(door: Tmux, folder: Path) -> None:
    for text in TEXTS:
        (folder / "told").unlink(missing_ok=True)
        script = f"printf '%s\\n%s' \"$1\" \"$TOLD\" > '{folder}/part'; mv '{folder}/part' '{folder}/told'"
        given_to = ["-e", argument(f"TOLD={text}"), "--", "sh", "-c", script, "sh", argument(text)]
        door.run("new-window", "-d", "-t", "main:", *given_to)
        wait_until((folder / "told").exists, what=text)
        assert (folder / "told").read_text() == f"{text}\n{text}"


def test_nothing_in_a_name_was_run(door: Tmux, folder: Path) -> None:
    mark = folder / "owned"
    text = f"#(touch {mark})$(touch {mark})`touch {mark}`; touch {mark};"
    door.run("rename-window", "-t", "@0", "--", literal(text))
    door.run("new-window", "-d", "-t", "main:", "-n", new_name(text), "cat")
    assert [window.name for window in listing(door).windows] == [text, text]
    door.run("run-shell", "true")  # After it, a job of a format would have run too.
    assert not mark.exists()
