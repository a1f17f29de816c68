import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.contract.entities import RegistryEntry
from services.poller.processes import START_FIELD, read_stat
from services.poller.registry_files import (
    JUDGED_EVERY_MS,
    MAX_BYTES,
    MAX_ENTRIES,
    SETTLED_MS,
    RegistryFiles,
    has_started,
    takes_signals,
)
from tests.waiting import wait_until

needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


class Sessions:
    """A folder of sessions, and a process that one can be about."""

    def __init__(self, folder: Path, child: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.child = child
        self.pid = child.pid
        self.now_ms = 0
        self.changes = 0
        self.heard = threading.Event()
        self.files = RegistryFiles(folder, lambda: self.now_ms, self._count)

    def _count(self) -> None:
        self.changes += 1
        self.heard.set()

    def path(self, pid: int | None = None) -> Path:
        return self.folder / f"{pid or self.pid}.json"

    def write(self, pid: int | None = None, **fields: object) -> None:
        """As Claude Code does: in place. The clock is then long after."""
        pid = pid or self.pid
        self.path(pid).write_text(json.dumps({"pid": pid, "sessionId": "s-1"} | fields), encoding="utf-8")
        self.now_ms = time.time_ns() // 1_000_000 + 10 * SETTLED_MS

    def statuses_later(self) -> dict[int, str | None]:
        """When it is time to ask for the processes again."""
        self.now_ms += JUDGED_EVERY_MS
        return self.statuses()

    def statuses(self) -> dict[int, str | None]:
        return {pid: entry.status for pid, entry in self.files.scan().items()}


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Sessions]:
    folder = tmp_path / "sessions"
    folder.mkdir()
    with subprocess.Popen(["sleep", "1000"]) as child:
        stage = Sessions(folder, child)
        yield stage
        stage.files.stop()
        child.kill()


def started_at(pid: int) -> str:
    return read_stat(pid)[1][START_FIELD].decode()


def test_reads_what_the_files_say(sessions: Sessions) -> None:
    sessions.write(status="busy", statusUpdatedAt=5, tmux="lab:@0.%3")
    assert sessions.files.scan() == {
        sessions.pid: RegistryEntry(pid=sessions.pid, session_id="s-1", status="busy", status_at=5)
    }


def test_without_a_time_of_its_own_an_entry_is_of_when_it_was_written(sessions: Sessions) -> None:
    sessions.write(status="busy")
    os.utime(sessions.path(), ns=(0, 1_795_375_469_299_999_999))
    assert sessions.files.scan()[sessions.pid].status_at == 1_795_375_469_299


def test_notices_a_change_and_that_a_file_is_gone(sessions: Sessions) -> None:
    sessions.write(status="idle")
    assert sessions.statuses() == {sessions.pid: "idle"}
    sessions.write(status="busy")
    assert sessions.statuses() == {sessions.pid: "busy"}
    sessions.path().unlink()
    assert sessions.statuses() == {}


def test_a_folder_that_is_missing_is_empty(sessions: Sessions) -> None:
    sessions.folder.rmdir()
    sessions.files.start()
    assert sessions.statuses() == {}


def test_a_file_that_has_not_changed_is_not_read_again(sessions: Sessions) -> None:
    sessions.write(status="idle")
    before = sessions.path().stat()
    assert sessions.statuses() == {sessions.pid: "idle"}
    sessions.write(status="busy")
    os.utime(sessions.path(), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sessions.statuses() == {sessions.pid: "idle"}


def test_a_file_written_twice_within_a_tick_is_read_again(sessions: Sessions) -> None:
    sessions.write(status="idle")
    before = sessions.path().stat()
    sessions.now_ms = before.st_mtime_ns // 1_000_000 + SETTLED_MS - 1
    assert sessions.statuses() == {sessions.pid: "idle"}
    sessions.write(status="busy")
    os.utime(sessions.path(), ns=(before.st_atime_ns, before.st_mtime_ns))
    assert sessions.statuses() == {sessions.pid: "busy"}


@pytest.mark.parametrize("part", ["", '{"pid": ', '{"pid": 1, "sessionId": "s-1", "status": "id'])
def test_while_a_file_is_being_rewritten_its_last_entry_holds(sessions: Sessions, part: str) -> None:
    sessions.write(status="idle")
    assert sessions.statuses() == {sessions.pid: "idle"}
    sessions.path().write_text(part, encoding="utf-8")
    assert sessions.statuses() == {sessions.pid: "idle"}
    sessions.write(status="busy")
    assert sessions.statuses() == {sessions.pid: "busy"}


def test_a_file_that_was_never_whole_says_nothing(sessions: Sessions) -> None:
    sessions.path().write_text('{"pid": ', encoding="utf-8")
    assert sessions.statuses() == {}


@needs_proc
def test_a_process_that_was_killed_is_gone_at_a_scan_soon_after(sessions: Sessions) -> None:
    sessions.write(status="busy", procStart=started_at(sessions.pid))
    assert sessions.statuses() == {sessions.pid: "busy"}
    sessions.child.kill()
    # Nobody has waited for it yet: it is still in the table of processes.
    wait_until(lambda: sessions.statuses_later() == {}, what="no entry")
    assert sessions.path().exists()
    sessions.child.wait()
    assert sessions.statuses_later() == {}


@needs_proc
@pytest.mark.parametrize("why", ["it is time", "the clock was set back", "its file changed"])
def test_a_process_is_asked_for_again(sessions: Sessions, why: str) -> None:
    start = started_at(sessions.pid)
    sessions.write(status="busy", procStart=start)
    assert sessions.statuses() == {sessions.pid: "busy"}
    sessions.child.kill()
    sessions.child.wait()
    sessions.now_ms += JUDGED_EVERY_MS - 1
    assert sessions.statuses() == {sessions.pid: "busy"}

    match why:
        case "it is time":
            sessions.now_ms += 1
        case "the clock was set back":
            sessions.now_ms = 0
        case _:
            text = json.dumps({"pid": sessions.pid, "sessionId": "s-1", "status": "idle", "procStart": start})
            sessions.path().write_text(text, encoding="utf-8")
    assert sessions.statuses() == {}


@needs_proc
def test_another_process_with_the_same_pid_is_not_the_one(sessions: Sessions) -> None:
    sessions.write(status="busy", procStart=str(int(started_at(sessions.pid)) + 1))
    assert sessions.statuses() == {}


@needs_proc
def test_a_pid_of_our_namespace_is_judged(sessions: Sessions) -> None:
    own = Path("/proc/self/ns/pid").readlink()
    sessions.write(status="busy", procStart="1", pidDomain=f"linux:0:{own}")
    assert sessions.statuses() == {}


def test_a_pid_of_another_namespace_is_kept_while_its_file_is_there(sessions: Sessions) -> None:
    sessions.write(status="busy", procStart="1", pidDomain="linux:0:pid:[7]")
    assert sessions.statuses() == {sessions.pid: "busy"}
    sessions.path().unlink()
    assert sessions.statuses() == {}


@needs_proc
def test_without_a_start_any_process_will_do(sessions: Sessions) -> None:
    assert has_started(sessions.pid, None)
    sessions.child.kill()
    sessions.child.wait()
    assert not has_started(sessions.pid, None)


def test_without_proc_a_process_is_there_when_it_takes_signals(sessions: Sessions) -> None:
    assert takes_signals(sessions.pid)
    sessions.child.kill()
    sessions.child.wait()
    assert not takes_signals(sessions.pid)


@pytest.mark.skipif(os.getuid() != 0, reason="needs a process of another user")
def test_without_proc_a_process_of_somebody_else_is_there() -> None:
    script = f"import os; from {takes_signals.__module__} import *; os.setuid(65534); print(takes_signals(1))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_what_is_no_plain_small_file_is_passed_over(sessions: Sessions) -> None:
    sessions.write(1)
    sessions.path(1).rename(sessions.folder / "elsewhere")
    sessions.path(1).symlink_to(sessions.folder / "elsewhere")
    sessions.path(2).mkdir()
    os.mkfifo(sessions.path(3))
    sessions.path(4).symlink_to(sessions.path(4))
    sessions.write(status="busy", name="x" * MAX_BYTES)
    assert sessions.statuses() == {}


def test_a_file_that_has_grown_too_large_is_no_entry_any_more(sessions: Sessions) -> None:
    sessions.write(status="busy")
    assert sessions.statuses() == {sessions.pid: "busy"}
    sessions.write(status="busy", name="x" * MAX_BYTES)
    assert sessions.statuses() == {}


def test_only_the_newest_files_are_read(sessions: Sessions) -> None:
    for pid in range(1, MAX_ENTRIES + 2):
        sessions.write(pid, pidDomain="pid:[7]")
        os.utime(sessions.path(pid), (pid, pid))
    assert sessions.files.scan().keys() == set(range(2, MAX_ENTRIES + 2))


def test_other_files_are_never_opened(sessions: Sessions) -> None:
    sessions.write()
    key = sessions.folder / f"{sessions.pid}.0123456789abcdef.key"
    key.write_text("secret", encoding="utf-8")
    script = (
        "import sys; from pathlib import Path; from services.poller.registry_files import RegistryFiles\n"
        "sys.addaudithook(lambda name, args: print(args[0]) if name == 'open' else None)\n"
        "files = RegistryFiles(Path(sys.argv[1]), lambda: 0, lambda: None)\n"
        "files.start(); files.scan(); files.stop()"
    )
    command = [sys.executable, "-c", script, str(sessions.folder)]
    opened = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert str(sessions.path()) in opened
    assert str(key) not in opened


def test_tells_within_moments_of_a_write(sessions: Sessions) -> None:
    sessions.files.start()
    sessions.write(status="idle")
    assert sessions.heard.wait(30)
    wait_until(lambda: sessions.statuses() == {sessions.pid: "idle"})
    took_ms: list[float] = []
    for turn in range(20):
        settle(sessions)
        begin = time.perf_counter()
        sessions.write(status=f"busy {turn}")
        assert sessions.heard.wait(30)
        took_ms.append((time.perf_counter() - begin) * 1000)
    print(f"from write to callback: median {sorted(took_ms)[10]:.2f} ms, most {max(took_ms):.2f} ms")
    assert sorted(took_ms)[10] < 100


def settle(sessions: Sessions) -> None:
    """All that was written so far has been heard of: what follows a marker's own end was written later."""
    marker = sessions.path(1)
    seen = sessions.changes
    marker.touch()
    wait_until(lambda: sessions.changes > seen, what="the marker")
    seen = sessions.changes
    marker.unlink()
    wait_until(lambda: sessions.changes > seen, what="the marker's end")
    sessions.heard.clear()


def test_tells_of_a_file_that_is_gone_and_of_one_that_was_renamed_into_place(sessions: Sessions) -> None:
    sessions.files.start()
    sessions.write()
    assert sessions.heard.wait(30)
    settle(sessions)
    sessions.path().unlink()
    assert sessions.heard.wait(30)
    settle(sessions)
    (sessions.folder / "new").write_text("{}", encoding="utf-8")
    (sessions.folder / "new").rename(sessions.path())
    assert sessions.heard.wait(30)


def test_our_own_reading_and_other_files_tell_nothing(sessions: Sessions) -> None:
    sessions.write()
    sessions.files.start()
    settle(sessions)
    seen = sessions.changes
    sessions.now_ms = 0  # Read at each scan.
    for _ in range(5):
        sessions.files.scan()
    (sessions.folder / f"{sessions.pid}.abc.key").write_text("secret", encoding="utf-8")
    marker = sessions.path(1)
    marker.touch()
    marker.unlink()
    # Created, closed, deleted, and now and then one more; each reading of ours would be two, and the key three.
    wait_until(lambda: sessions.changes >= seen + 3, what="the marker")
    assert sessions.changes <= seen + 5


def test_a_folder_that_appears_is_watched_from_the_next_scan(sessions: Sessions) -> None:
    sessions.folder.rmdir()
    sessions.files.start()
    sessions.folder.mkdir()
    sessions.files.scan()
    sessions.write()
    assert sessions.heard.wait(30)


@pytest.mark.parametrize("is_moved", [True, False])
def test_a_folder_in_place_of_another_is_watched_from_the_next_scan(sessions: Sessions, is_moved: bool) -> None:
    sessions.files.start()
    if is_moved:
        sessions.folder.rename(sessions.folder.with_name("old"))
    else:
        sessions.folder.rmdir()
        assert sessions.heard.wait(30)
    sessions.folder.mkdir()

    def heard() -> bool:
        sessions.heard.clear()
        sessions.files.scan()
        sessions.write()
        return sessions.heard.wait(0.1)

    wait_until(heard, what="a change in the new folder")


def test_a_folder_behind_a_link_is_watched(sessions: Sessions) -> None:
    real = sessions.folder.with_name("real")
    sessions.folder.rename(real)
    sessions.folder.symlink_to(real)
    sessions.files.start()
    sessions.write(status="busy")
    assert sessions.heard.wait(30)
    assert sessions.statuses() == {sessions.pid: "busy"}


@needs_proc
def test_where_watching_is_refused_it_is_scanned_and_watched_later(sessions: Sessions) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        sessions.files.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    sessions.write(status="busy")
    assert sessions.statuses() == {sessions.pid: "busy"}
    sessions.write(status="idle")
    assert sessions.heard.wait(30)


def test_ends_its_threads_and_can_be_started_again(sessions: Sessions) -> None:
    before = set(threading.enumerate())
    descriptors = len(list(Path("/dev/fd").iterdir()))
    for _ in range(3):
        sessions.files.start()
        started = set(threading.enumerate()) - before
        assert started
        assert all(thread.daemon for thread in started)
        sessions.files.stop()
        assert set(threading.enumerate()) <= before
    sessions.files.stop()
    sessions.files.scan()
    assert set(threading.enumerate()) <= before
    assert len(list(Path("/dev/fd").iterdir())) <= descriptors


def test_a_start_of_what_was_started_changes_nothing(sessions: Sessions) -> None:
    sessions.files.start()
    threads = set(threading.enumerate())
    sessions.files.start()
    sessions.files.scan()
    assert set(threading.enumerate()) <= threads
