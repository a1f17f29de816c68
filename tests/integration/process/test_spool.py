import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from services.contract.events import NewEvent
from services.contract.spool import encode_line
from services.process import spool as module
from services.process.spool import Spool, SpoolFullError


def event(number: int | str, text: str = "") -> NewEvent:
    payload = b'{"hook_event_name":"Stop","text":"%b"}' % text.encode()
    return NewEvent(id=f"e{number}", name="Stop", received_at=5, payload=payload, session_id="s1")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path)


def taken(spool: Spool) -> list[str]:
    """The ids of all that waits, in the order in which core reads them; the files go."""
    ids: list[str] = []
    for path in spool.take():
        ids += [one.id for one in spool.read(path)]
        spool.delete(path)
    return ids


def test_gives_back_what_was_appended_in_its_order(spool: Spool) -> None:
    spool.append([event(1), event(2, "🜚\\n")])
    spool.append([event(3)])
    assert spool.is_waiting()
    assert spool.size_bytes() == sum(len(encode_line(e)) for e in (event(1), event(2, "🜚\\n"), event(3)))

    assert taken(spool) == ["e1", "e2", "e3"]

    assert not spool.is_waiting()
    assert spool.size_bytes() == 0


def test_nothing_waits_at_first(spool: Spool) -> None:
    assert not spool.is_waiting()
    assert taken(spool) == []


def test_what_was_taken_and_not_deleted_comes_again_before_the_rest(spool: Spool) -> None:
    spool.append([event(1)])
    first = spool.take()
    spool.append([event(2)])

    again = Spool(first[0].parent)

    assert taken(again) == ["e1", "e2"]


def test_what_comes_after_a_take_is_in_another_file(spool: Spool) -> None:
    spool.append([event(1)])
    (path,) = spool.take()
    assert not spool.is_waiting()

    spool.append([event(2)])

    assert [one.id for one in spool.read(path)] == ["e1"]


def test_files_of_command_hooks_come_too(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "hook-2.jsonl").write_bytes(encode_line(event("h2")))
    (tmp_path / "hook-1.jsonl").write_bytes(encode_line(event("h1")))
    (tmp_path / ".hook-3.jsonl.part").write_bytes(encode_line(event("h3"))[:10])
    spool.append([event(1)])

    assert taken(spool) == ["e1", "eh1", "eh2"]
    assert (tmp_path / ".hook-3.jsonl.part").exists()


def test_a_torn_line_is_put_aside_and_counted(spool: Spool, tmp_path: Path) -> None:
    torn = encode_line(event(2))[:30]
    spool.append([event(1)])
    with (tmp_path / "events.jsonl").open("ab") as file:
        file.write(torn)

    assert taken(spool) == ["e1"]

    assert spool.rejected_lines == 1
    assert (tmp_path / "rejected").read_bytes() == torn + b"\n"


def test_a_torn_line_does_not_cost_the_next(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(encode_line(event(1)) + encode_line(event(2))[:30])

    spool.append([event(3)])

    assert taken(spool) == ["e1", "e3"]
    assert spool.rejected_lines == 1


def test_rejected_lines_are_bounded(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REJECTED_BYTES", 30)
    (tmp_path / "hook-1.jsonl").write_bytes(b"twenty bytes of junk\n" * 5)

    assert taken(spool) == []

    assert spool.rejected_lines == 5
    assert (tmp_path / "rejected").read_bytes() == b"twenty bytes of junk\n"


def test_a_full_spool_refuses_and_keeps_what_it_has(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SPOOL_BYTES", len(encode_line(event(1))) + 10)
    spool.append([event(1)])

    with pytest.raises(SpoolFullError, match="its limit is"):
        spool.append([event(2)])

    assert taken(spool) == ["e1"]


def test_a_full_disk_leaves_no_half_line(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    spool.append([event(1)])
    write, budget = os.write, 20

    def fill_up(descriptor: int, data: bytes) -> int:
        nonlocal budget
        if not budget:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(descriptor, data[:budget])
        budget -= written
        return written

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill_up)
        with pytest.raises(SpoolFullError, match="No space left"):
            spool.append([event(2)])

    spool.append([event(3)])
    assert taken(spool) == ["e1", "e3"]
    assert spool.rejected_lines == 0


def test_a_hook_file_that_cannot_be_read_is_put_aside(
    spool: Spool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "hook-1.jsonl").mkdir()
    (tmp_path / "hook-2.jsonl").write_bytes(encode_line(event("h2")))

    assert taken(spool) == ["eh2"]

    assert taken(spool) == []
    assert (tmp_path / "hook-1.jsonl.unreadable").exists()
    assert caplog.messages == ["spool file put aside, it cannot be read"]


def test_an_acknowledged_file_that_cannot_be_read_is_never_passed_over(spool: Spool) -> None:
    spool.append([event(1)])
    (path,) = spool.take()
    path.unlink()
    path.mkdir()

    with pytest.raises(OSError, match="directory"):
        list(spool.read(path))


def test_strange_files_do_no_harm(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "copy.jsonl.taken").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    spool.append([event(1)])

    assert taken(spool) == ["e1"]
    assert (tmp_path / "copy.jsonl.taken").exists()


def append_many(folder: Path, worker: int) -> None:
    spool = Spool(folder)
    for number in range(100):
        spool.append([event(f"{worker}-{number}")])


def test_many_writers_and_a_taker_lose_and_mix_nothing(memory: Path) -> None:
    spool = Spool(memory)  # Hundreds of `fsync` take a busy disk minutes.
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=append_many, args=(memory, worker)) for worker in range(3)]
    for worker in workers:
        worker.start()

    ids = []
    while any(worker.is_alive() for worker in workers):
        ids += taken(spool)
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    ids += taken(spool)

    for worker_number in range(3):
        own = [one for one in ids if one.startswith(f"e{worker_number}-")]
        assert own == [f"e{worker_number}-{number}" for number in range(100)]
    assert spool.rejected_lines == 0
