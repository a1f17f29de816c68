import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.core.report_files import MAX_REPORTS, ReportFiles, read_ui_words

AT = 1_795_612_500_000
FILES = {"hooks.jsonl": b"{}\n", "README.md": b"# A report\n"}


@pytest.fixture
def reports(tmp_path: Path) -> ReportFiles:
    return ReportFiles(tmp_path / "reports")


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_a_report_is_a_folder_that_only_its_owner_may_read(reports: ReportFiles) -> None:
    folder = reports.write("%3", FILES, AT)

    assert folder == reports.folder / "20261125-131500-3"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (reports.folder, folder, *folder.iterdir())]
    assert modes == [0o700, 0o700, 0o600, 0o600]


def test_reports_are_counted(reports: ReportFiles) -> None:
    assert reports.count() == 0

    reports.write("%3", FILES, AT)
    reports.write("%4", FILES, AT)
    (reports.folder / "notes.txt").touch()

    assert reports.count() == 2


def test_no_report_is_overwritten(reports: ReportFiles) -> None:
    folders = [reports.write("%3", {"README.md": b"%d" % number}, AT) for number in range(MAX_REPORTS)]

    assert [(folder / "README.md").read_text() for folder in folders] == [str(n) for n in range(MAX_REPORTS)]
    assert folders[1].name == "20261125-131500-3.2"
    with pytest.raises(FileExistsError):
        reports.write("%3", FILES, AT)


def test_a_link_in_its_place_is_not_followed(reports: ReportFiles, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    reports.folder.symlink_to(other)

    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        reports.write("%3", FILES, AT)

    reports.folder.unlink()
    reports.folder.mkdir()
    (reports.folder / "20261125-131500-3").symlink_to(other)
    assert reports.write("%3", FILES, AT).name == "20261125-131500-3.2"
    assert list(other.iterdir()) == []


def test_of_a_report_that_cannot_be_written_nothing_is_left(reports: ReportFiles) -> None:
    reports.write("%3", FILES, AT)
    _, hard = before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            reports.write("%4", FILES, AT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert reports.count() == 1


def test_a_name_that_leads_elsewhere_leaves_nothing(reports: ReportFiles) -> None:
    with pytest.raises(FileNotFoundError):
        reports.write("%4", {"README.md": b"", "no/such/folder": b""}, AT)

    assert list(reports.folder.iterdir()) == []


def test_the_words_of_the_interface_are_there() -> None:
    words = read_ui_words()

    assert {"proceed", "Interrupted", "tokens", "Esc", "retrying"} <= words
    assert all(word == word.strip() for word in words)
