import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.poller.listing import Listing, read_listing
from services.poller.tmux import NoTmuxServerError, Tmux, TmuxFailedError, TmuxHungError, TmuxMissingError
from tests.integration.poller.stage import TmuxStage
from tests.waiting import wait_until

STRANGE = [
    "plain",
    "two words",
    "tab\there",
    "line\nbreak\n",
    "\"double\" 'single' `back`",
    "##{pane_id} #[bold] ##(date) ##",
    "##,}{ %H:%M %% $HOME ${HOME} $1 $",
    "back\\slash \\n \\001 \\\\ \\$a \\",
    "emoji 😀 é 日本語 \u200d\u0301 \u202e",
    "semi;colon; | pipe & < > ( ) * ? [ ] = ~ !",
    "\x01\x07\x1b[31m\x7f\r\x85",
    " leading and trailing ",
    "-t",
]


@pytest.fixture(params=["UTF-8 locale", "no locale"])
def _locale(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_CTYPE", "LANG", "TMUX", "TMUX_PANE"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "UTF-8 locale":
        monkeypatch.setenv("LC_ALL", "C.UTF-8")


def listed(tmux: TmuxStage) -> Listing:
    return read_listing(Tmux(str(tmux.socket)).list_all())


@pytest.mark.usefixtures("_locale")
def test_strange_window_names_survive_exactly(tmux: TmuxStage) -> None:
    tmux.start()
    for name in STRANGE:
        tmux.run("new-window", "-d", "-n", "before", "sh")
        # rename-window expands formats: `##` stands for `#` and is undone by tmux itself.
        tmux.run("rename-window", "-t", "=main:$", "--", name)
    names = [window.name for window in listed(tmux).windows[1:]]
    assert names == [expanded(name) for name in STRANGE]


@pytest.mark.usefixtures("_locale")
def test_strange_session_names_survive_exactly(tmux: TmuxStage) -> None:
    typed = [name for name in STRANGE if ":" not in name and "." not in name]
    tmux.start()
    for number, name in enumerate(typed, 1):
        tmux.run("new-session", "-d", "-s", f"before{number}", "sh")
        tmux.run("rename-session", "-t", f"=before{number}", "--", name)
    assert [window.tmux_session for window in listed(tmux).windows[1:]] == [expanded(name) for name in typed]


@pytest.mark.usefixtures("_locale")
def test_strange_folders_survive_exactly(tmux: TmuxStage, folder: Path) -> None:
    names = [os.fsencode(name) for name in STRANGE] + [b"not \xff UTF-8 \xc3", b"#{pane_id} #(date) #[bold]"]
    tmux.start()
    folders: list[bytes] = []
    for name in names:
        path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118 - a Path holds no bytes
        os.mkdir(path)  # noqa: PTH102
        folders.append(path)
        subprocess_cwd(tmux, path)
    expected = [path.decode("utf-8", "backslashreplace") for path in folders]
    wait_until(lambda: [pane.cwd for pane in listed(tmux).panes[1:]] == expected, what=f"{expected}")


@pytest.mark.usefixtures("_locale")
def test_strange_titles_survive_exactly(tmux: TmuxStage) -> None:
    typed = [name for name in STRANGE if name.isprintable()]  # tmux refuses the others.
    tmux.start()
    for name in typed:
        tmux.run("new-window", "-d", "sh")
        tmux.run("select-pane", "-t", "=main:$", "-T", name)
    assert [pane.title for pane in listed(tmux).panes[1:]] == [expanded(name) for name in typed]


def expanded(name: str) -> str:
    return name.replace("##", "#")


def subprocess_cwd(tmux: TmuxStage, path: bytes) -> None:
    """A window whose shell is in a folder; `-c` would expand formats in its name."""
    tmux.run("new-window", "-d", b"cd '" + path.replace(b"'", b"'\\''") + b"' && exec sh")


def test_a_window_linked_to_two_sessions_is_there_once(tmux: TmuxStage) -> None:
    tmux.start()
    tmux.run("new-session", "-d", "-s", "aside", "sh")
    tmux.run("link-window", "-d", "-s", "=main:0", "-t", "=aside:7")
    tmux.run("new-session", "-d", "-s", "grouped", "-t", "=main")
    listing = listed(tmux)
    assert [(window.id, window.tmux_session) for window in listing.windows] == [("@0", "main"), ("@1", "aside")]
    assert [pane.id for pane in listing.panes] == ["%0", "%1"]
    tmux.run("kill-session", "-t", "=main")
    assert [(w.id, w.tmux_session) for w in listed(tmux).windows] == [("@1", "aside"), ("@0", "aside")]


def test_a_server_without_sessions_is_a_server(tmux: TmuxStage) -> None:
    pid = tmux.start()
    tmux.run("set-option", "-s", "exit-empty", "off")
    tmux.run("kill-session", "-t", "=main")
    listing = listed(tmux)
    assert listing.server.pid == pid
    assert (listing.windows, listing.panes) == ((), ())


def test_no_server_is_told_from_a_failure(tmux: TmuxStage, folder: Path) -> None:
    with pytest.raises(NoTmuxServerError):
        Tmux(str(tmux.socket)).list_all()
    tmux.start()
    tmux.kill()
    wait_until(lambda: _is_absent(tmux), what="the end of the server")
    (folder / "file").touch()
    with pytest.raises(TmuxFailedError, match="Not a directory"):
        Tmux(str(folder / "file" / "socket")).list_all()


def _is_absent(tmux: TmuxStage) -> bool:
    try:
        Tmux(str(tmux.socket)).list_all()
    except NoTmuxServerError:
        return True
    return False


def test_asking_never_starts_a_server(tmux: TmuxStage) -> None:
    assert _is_absent(tmux)
    assert not tmux.socket.exists()


@pytest.fixture
def named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A name for a server, in a folder of this test: tmux leaves its socket behind."""
    monkeypatch.setenv("TMUX_TMPDIR", str(folder))
    name = f"qm-test-{secrets.token_hex(6)}"
    yield name
    subprocess.run(["tmux", "-L", name, "kill-server"], check=True, timeout=20)


def test_a_name_means_a_socket_in_the_folder_of_tmux(named: str) -> None:
    subprocess.run(["tmux", "-L", named, "-f", "/dev/null", "new-session", "-d", "sh"], check=True, timeout=20)
    assert read_listing(Tmux(named).list_all()).server.socket.endswith(f"/{named}")


def test_without_tmux_on_path_says_so_until_it_is_there(
    tmux: TmuxStage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmux.start()
    path = os.environ["PATH"]
    door = Tmux(str(tmux.socket))
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(TmuxMissingError):
        door.list_all()
    monkeypatch.setenv("PATH", path)
    assert read_listing(door.list_all()).panes


def held_by_this_process() -> tuple[int, int]:
    """Open files and children, where the system tells."""
    children = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    return len(list(Path("/proc/self/fd").glob("*"))), sum(map(len, children))


def test_a_hung_server_is_given_up_at_the_deadline_and_leaves_nothing(tmux: TmuxStage) -> None:
    pid = tmux.start()
    door = Tmux(str(tmux.socket), timeout_s=0.3)
    held = held_by_this_process()
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        for _ in range(3):
            with pytest.raises(TmuxHungError):
                door.list_all()
        assert time.monotonic() - began < 10
        assert all(now <= before for now, before in zip(held_by_this_process(), held, strict=True))
    finally:
        os.kill(pid, signal.SIGCONT)
    assert read_listing(Tmux(str(tmux.socket)).list_all()).panes
