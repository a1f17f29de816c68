import logging
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from services.contract.entities import Cursor, Screen, StatusName
from services.poller.rule_book import LOOK_S, MAX_FILES, SHIPPED, RuleBook
from services.poller.screen_rules import MAX_BYTES

ROOT = Path(__file__).parents[3]
RULE = """
[[rule]]
name = "{name}"
region = "tail"
pattern = "{pattern}"
says = "{says}"
confidence = "weak"
"""
RULER = "─" * 40
IDLE = ("● Done.", RULER, "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT}", RULER, "  ? for shortcuts")


class Book:
    """A rule book, the folder of a person, and a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = 0.0
        self.book = RuleBook(folder, lambda: self.now_s)

    def write(self, *rules: str, name: str = "mine.toml", agent: str = "claude") -> None:
        text = "".join((f'agent = "{agent}"\nversion = "1"\n', *rules))
        self.put(text.encode(), name)

    def put(self, content: bytes, name: str = "mine.toml") -> None:
        """As an editor does: a new file under the old name, so that it is another one whatever its time."""
        self.folder.mkdir(exist_ok=True)
        fresh = self.folder / f".{name}.new"
        fresh.write_bytes(content)
        fresh.replace(self.folder / name)

    def rule(self, *lines: str, agent: str = "claude") -> str | None:
        """The rule that reads a screen, a second later."""
        self.now_s += LOOK_S
        return self.rule_now(*lines, agent=agent)

    def rule_now(self, *lines: str, agent: str = "claude") -> str | None:
        cursor = Cursor(x=0, y=0, visible=True)
        screen = Screen(pane_id="%1", captured_at=5, width=40, height=9, cursor=cursor, lines=lines)
        reading = self.book.read(agent, screen)
        return None if reading is None else reading.rule


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "rules")


def rule(name: str = "own", pattern: str = "done", says: str = "idle") -> str:
    return RULE.format(name=name, pattern=pattern, says=says)


def problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [getattr(record, "problem", "") for record in caplog.records if record.levelno == logging.WARNING]


def test_what_is_shipped_is_known_without_a_folder(book: Book) -> None:
    assert book.rule(*IDLE) == "claude/ready"
    assert book.rule("done") is None
    assert book.rule(*IDLE, agent="other") is None


def test_a_persons_rules_go_before_those_that_are_shipped(book: Book) -> None:
    book.write(rule(pattern="Done", says="working"))

    assert book.rule(*IDLE) == "claude/own"
    assert book.rule("● More.", *IDLE[1:]) == "claude/ready"


def test_a_persons_files_go_by_their_names_and_may_be_of_another_agent(book: Book) -> None:
    book.write(rule("b"), name="b.toml")
    book.write(rule("a"), name="a.toml")
    book.write(rule("c"), name="c.toml", agent="lab")
    book.write(rule("d"), name="d.txt", agent="other")

    assert [book.rule("done", agent=agent) for agent in ("claude", "lab", "other")] == ["claude/a", "lab/c", None]


def test_a_changed_file_is_taken_within_a_second(book: Book) -> None:
    book.write(rule("old"))
    assert book.rule("done") == "claude/old"
    version = book.book.version

    book.write(rule("new"))
    assert book.rule_now("done") == "claude/old", "it was looked at just now"
    assert book.book.version == version
    assert book.rule("done") == "claude/new"
    assert book.book.version > version

    version = book.book.version
    (book.folder / "mine.toml").unlink()
    assert book.rule("done") is None
    assert book.book.version > version


def test_what_stays_the_same_is_not_read_again(book: Book) -> None:
    book.write(rule())
    book.rule("done")
    version, rules = book.book.version, book.book._rules

    book.rule("done")

    assert book.book.version == version
    assert book.book._rules is rules


def test_with_a_fault_the_rules_that_held_before_stay_and_it_is_told_once(
    book: Book, caplog: pytest.LogCaptureFixture
) -> None:
    book.write(rule("good"))
    book.rule("done")
    book.write(rule("bad", pattern="("))

    assert [book.rule("done") for _ in range(3)] == ["claude/good"] * 3
    assert len(problems(caplog)) == 1
    assert problems(caplog)[0].startswith("mine.toml, line 7: ")

    book.write("\n\n", rule("bad", pattern="("))
    assert [book.rule("done") for _ in range(3)] == ["claude/good"] * 3
    assert problems(caplog)[1].startswith("mine.toml, line 9: ")
    assert len(problems(caplog)) == 2

    book.write(rule("better"))
    assert book.rule("done") == "claude/better"
    assert len(problems(caplog)) == 2


def test_a_fault_is_not_told_again_when_another_file_changes(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    book.write(rule(pattern="("), name="a.toml")
    book.write(rule("old"), name="b.toml")
    book.rule("done")

    book.write(rule("new"), name="b.toml")

    assert book.rule("done") == "claude/new"
    assert len(problems(caplog)) == 1


def test_a_file_that_never_was_without_a_fault_is_left_out_alone(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    book.put(b'agent = "claude"\nversion = \n', "a.toml")
    book.write(rule(), name="b.toml")

    assert book.rule("done") == "claude/own"
    assert book.rule(*IDLE) == "claude/ready"
    assert [text.partition(":")[0] for text in problems(caplog)] == ["a.toml, line 2"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'agent = "claude"\nversion = "\xff"\n', "mine.toml, line 2: not UTF-8"),
        (b"#" * MAX_BYTES + b"\xff\xff", f"mine.toml, line 1: more than {MAX_BYTES} bytes"),
    ],
    ids=["not UTF-8", "too large"],
)
def test_what_is_no_text_of_rules_is_told(
    book: Book, caplog: pytest.LogCaptureFixture, content: bytes, told: str
) -> None:
    book.put(content)

    assert book.rule(*IDLE) == "claude/ready"
    assert problems(caplog) == [told]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
def test_a_file_that_may_be_read_again_is_taken(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    book.write(rule())
    (book.folder / "mine.toml").chmod(0)
    assert book.rule("done") is None
    assert len(problems(caplog)) == 1

    (book.folder / "mine.toml").chmod(0o600)
    assert book.rule("done") == "claude/own"


def test_only_plain_files_are_read_and_not_too_many(book: Book, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(MAX_FILES + 1):
        book.write(rule(f"r{number}", pattern=f"<{number}>"), name=f"{number:03}.toml")
    assert book.rule(f"<{MAX_FILES - 1}>") == f"claude/r{MAX_FILES - 1}"
    assert book.rule(f"<{MAX_FILES}>") is None

    (book.folder / "000.toml").unlink()
    (book.folder / "000.toml").mkdir()
    os.mkfifo(book.folder / "0000.toml")
    (book.folder / "00000.toml").symlink_to("nowhere")
    assert book.rule("<1>") == "claude/r1"
    assert problems(caplog) == []


def test_a_link_to_a_file_is_followed(book: Book, tmp_path: Path) -> None:
    book.write(rule(), name="elsewhere.txt")
    (book.folder / "elsewhere.txt").rename(tmp_path / "elsewhere")
    (book.folder / "mine.toml").symlink_to(tmp_path / "elsewhere")

    assert book.rule("done") == "claude/own"


def test_a_reading_says_what_the_screen_is_of(book: Book) -> None:
    cursor = Cursor(x=0, y=0, visible=True)
    reading = book.book.read(
        "claude", Screen(pane_id="%7", captured_at=9, width=40, height=9, cursor=cursor, lines=IDLE)
    )

    assert reading is not None
    assert (reading.pane_id, reading.captured_at, reading.says) == ("%7", 9, StatusName.IDLE)


def test_the_shipped_files_are_in_the_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    (wheel,) = tmp_path.glob("*.whl")
    shipped = {f"services/poller/rules/{path.name}" for path in SHIPPED.iterdir()}

    assert shipped
    assert shipped <= set(zipfile.ZipFile(wheel).namelist())
