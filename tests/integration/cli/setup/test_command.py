"""`questmux setup` and `unsetup` as a person runs them."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
BEFORE = '{\n\t"model": "opus" // mine\n}'


class Home:
    """An empty home, in which the command is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / ".claude" / "settings.json"
        self.file.parent.mkdir()
        self.file.write_text(BEFORE)

    def environment(self, **settings: str) -> dict[str, str]:
        own = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "QUESTMUX_RUNTIME_DIR": str(self.folder / "run")}
        return {**own, **settings}

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "services.cli.main", *words]

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*words),
            cwd=ROOT,
            env=self.environment(**settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def asked(self, answer: str, meanwhile: Callable[[], object], *words: str) -> tuple[int, str]:
        """Run it on a terminal; the exit code and what was printed. `meanwhile` is done while the question stands."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            self.words(*words), cwd=ROOT, env=self.environment(), stdin=theirs, stdout=theirs, stderr=theirs
        ) as process:
            os.close(theirs)
            printed = b""
            while b"[y/N]" not in printed:
                printed += os.read(ours, 65536)
            meanwhile()
            os.write(ours, answer.encode() + b"\n")
            try:
                while part := os.read(ours, 65536):
                    printed += part
            except OSError:
                pass  # How a terminal says on Linux that the other side is gone.
            os.close(ours)
            return process.wait(30), printed.decode()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_in_and_out_again_with_words_for_both(home: Home) -> None:
    done = home.run("setup", "--yes")
    assert done.returncode == 0, done.stderr
    assert '+\t"hooks": {'.expandtabs(4) in done.stdout
    assert f"Hooks for 20 events are in {home.file}." in done.stdout
    assert "The file as it was: " in done.stdout
    again = home.run("setup", "--yes")
    assert "Nothing had to be changed." in again.stdout

    out = home.run("unsetup", "--yes")

    assert out.returncode == 0, out.stderr
    assert "It has nothing of Questmux any more." in out.stdout
    assert home.file.read_text() == BEFORE
    assert f"Nothing of ours was in {home.file}." in home.run("unsetup", "--yes").stdout


def test_a_trial_writes_nothing(home: Home) -> None:
    done = home.run("setup", "--dry-run")

    assert done.returncode == 0
    assert "nothing was written" in done.stdout
    assert home.file.read_text() == BEFORE
    assert [path.name for path in home.file.parent.iterdir()] == ["settings.json"]
    assert [path.name for path in home.folder.iterdir()] == [".claude"]


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("", 1), ("y", 0)])
def test_a_person_is_asked(home: Home, answer: str, code: int) -> None:
    given, printed = home.asked(answer, lambda: None, "setup")

    assert given == code, printed
    assert (home.file.read_text() == BEFORE) is (code == 1)


def test_what_another_program_writes_while_the_question_stands_is_kept(home: Home) -> None:
    given, printed = home.asked("y", lambda: home.file.write_text('{"theirs": 1}'), "setup")

    assert given == 2
    assert "changed by another program meanwhile" in printed
    assert home.file.read_text() == '{"theirs": 1}'


def test_nobody_there_to_be_asked_is_no_yes(home: Home) -> None:
    done = home.run("setup")

    assert done.returncode == 2
    assert "nobody is there to be asked: say --yes" in done.stderr
    assert home.file.read_text() == BEFORE


def test_http_hooks_in_a_new_home_and_no_token_on_the_screen(home: Home) -> None:
    done = home.run("setup", "--yes", "--transport", "http")

    assert done.returncode == 0, done.stderr
    token = next(home.folder.rglob("hook-token")).read_text().strip()
    assert token in home.file.read_text()
    assert token not in done.stdout + done.stderr
    assert "complains on the screen" in done.stdout


def test_a_projects_own_file_and_an_event_of_choice(home: Home, tmp_path: Path) -> None:
    project = tmp_path / "shop"
    project.mkdir()

    assert home.run("setup", "--yes", "--project", str(project), "--events", "Stop, SessionEnd").returncode == 0

    text = (project / ".claude" / "settings.local.json").read_text()
    assert [text.count(f'"{name}"') for name in ("Stop", "SessionEnd", "PreToolUse")] == [1, 1, 0]
    assert home.file.read_text() == BEFORE
    home.run("unsetup", "--yes", "--project", str(project))
    assert list(project.iterdir()) == []


def test_a_folder_by_another_name_is_the_same_folder(home: Home, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "link").symlink_to("shop")

    home.run("setup", "--yes", "--project", str(tmp_path / "shop"))
    done = home.run("unsetup", "--yes", "--project", str(tmp_path / "link"))

    assert "It is gone, as before." in done.stdout
    assert not list((tmp_path / "shop").iterdir())


@pytest.mark.parametrize(
    ("words", "settings", "says"),
    [
        (["--events", "Stopp"], {}, "'Stopp' is no event that Questmux uses; these are: SessionStart,"),
        (["--transport", "carrier"], {}, "--transport takes command or http, not 'carrier'"),
        (["--transport", "http", "--project", "."], {}, "a project's files are shared"),
        (["--transport", "http"], {"QUESTMUX_API_HOST": "192.168.1.7"}, "no private address but loopback"),
    ],
    ids=repr,
)
def test_what_cannot_be_done_is_one_sentence(home: Home, words: list[str], settings: dict[str, str], says: str) -> None:
    done = home.run("setup", "--yes", *words, **settings)

    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert home.file.read_text() == BEFORE


def test_hooks_that_are_switched_off_are_told(home: Home) -> None:
    home.file.write_text('{"disableAllHooks": true}')

    assert '"disableAllHooks": true, so that Claude Code runs none' in home.run("setup", "--yes").stdout


def test_settings_that_are_not_json_are_left_as_they_are(home: Home) -> None:
    home.file.write_text('{"a": }')

    done = home.run("setup", "--yes")

    assert done.returncode == 2
    assert "it is not JSON (line 1, column 7" in done.stderr
    assert home.file.read_text() == '{"a": }'
