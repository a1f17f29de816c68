import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.entities import RegistryEntry
from services.poller.registry import MAX_CWD_CHARS, MAX_WORD_CHARS, Registry, pid_of, read_registered

RECORDINGS = Path(__file__).parents[2] / "fixtures/claude"
PID = 4242
WRITTEN_AT = 1_795_375_469_000


def record(**fields: object) -> bytes:
    return json.dumps({"pid": PID, "sessionId": "s-1"} | fields).encode()


def entry(pid: int = PID, **fields: object) -> RegistryEntry:
    found = read_registered(record(pid=pid, **fields), pid, WRITTEN_AT)
    assert found is not None
    return found.entry


def test_reads_every_recorded_entry() -> None:
    lines = [line for path in RECORDINGS.glob("*/registry.jsonl") for line in path.read_bytes().splitlines()]
    records = [found for line in lines if (found := json.loads(line)["record"]) is not None]
    assert len(records) > 50
    for one in records:
        found = read_registered(json.dumps(one).encode(), one["pid"], WRITTEN_AT)
        assert found is not None
        assert found.proc_start == one["procStart"]
        assert found.pid_domain == "pid:[1]"
        assert found.entry == RegistryEntry(
            pid=one["pid"],
            session_id=one["sessionId"],
            status=one.get("status"),
            waiting_for=one.get("waitingFor"),
            status_at=one.get("statusUpdatedAt", WRITTEN_AT),
            started_at=one["startedAt"],
            cwd=one["cwd"],
            version="2.1.330",
            kind="interactive",
            entrypoint=one["entrypoint"],
        )


def test_an_odd_field_says_nothing() -> None:
    odd: dict[str, object] = {
        "pid": str(PID),
        "status": 7,
        "waitingFor": ["permission prompt"],
        "statusUpdatedAt": "now",
        "startedAt": True,
        "cwd": {},
        "version": None,
        "kind": "",
        "entrypoint": 1.5,
        "tmux": 3,
        "procStart": "-1",
        "pidDomain": "host",
        "unknown": [None],
    }
    found = read_registered(record(**odd), PID, WRITTEN_AT)
    assert found is not None
    assert found.entry == RegistryEntry(pid=PID, session_id="s-1", status_at=WRITTEN_AT)
    assert (found.proc_start, found.pid_domain) == (None, None)


@pytest.mark.parametrize("odd", [0, -1, 2**53 + 1, 2**64, 1e300])
def test_a_time_that_is_none_is_not_taken(odd: float) -> None:
    found = entry(statusUpdatedAt=odd, startedAt=odd)
    assert (found.status_at, found.started_at) == (WRITTEN_AT, 0)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x00",
        b"null",
        b"[]",
        b'"s-1"',
        b"{}",
        b'{"sessionId": "s-1"',
        b'{"sessionId": 1}',
        b'{"sessionId": ""}',
        b'{"sessionId": "\xff"}',
        b'{"sessionId": "' + b"s" * 129 + b'"}',
        b'{"sessionId": "s-1", "pid": 4243}',
        b"[" * 60_000,
        b'{"sessionId": "s-1", "x": ' + b"[" * 60_000,
    ],
)
def test_nothing_is_read_from_what_is_no_entry(text: bytes) -> None:
    assert read_registered(text, PID, WRITTEN_AT) is None


@given(st.binary(max_size=200) | st.dictionaries(st.text(), st.text() | st.integers() | st.none()).map(json.dumps))
def test_reading_never_fails(text: bytes | str) -> None:
    read_registered(text.encode() if isinstance(text, str) else text, PID, WRITTEN_AT)


def test_what_it_says_of_tmux_binds_nothing() -> None:
    assert entry(tmux="lab:@0.%3").pane_id is None, "it may be another server's, and it is not kept up to date"


def test_long_texts_are_cut() -> None:
    found = entry(status="s" * 9_999, cwd="/" * 9_999)
    assert found.status is not None
    assert found.cwd is not None
    assert (len(found.status), len(found.cwd)) == (MAX_WORD_CHARS, MAX_CWD_CHARS)


def test_the_namespace_is_kept_as_its_link_names_it() -> None:
    found = read_registered(record(pidDomain="linux:0:pid:[4026531836]", procStart="389691"), PID, WRITTEN_AT)
    assert found is not None
    assert (found.proc_start, found.pid_domain) == ("389691", "pid:[4026531836]")


@pytest.mark.parametrize(
    "name",
    [
        "4242.abc.key",
        "4242.key",
        "pid-4242.json",
        "4242.json.tmp",
        "0.json",
        "x.json",
        "\u0664.json",
        "1234567890.json",
    ],
)
def test_other_files_are_of_no_pid(name: str) -> None:
    assert pid_of(name) is None


def test_a_file_is_named_for_its_pid() -> None:
    assert pid_of("4242.json") == PID


def test_tells_what_is_new_and_what_changed_and_what_is_gone() -> None:
    registry = Registry()
    one, two, busy = entry(1), entry(2), entry(1, status="busy")
    assert registry.changes({2: two, 1: one}) == ((one, two), ())
    assert registry.changes({1: one, 2: two}) == ((), ())
    assert registry.changes({1: busy, 2: two}) == ((busy,), ())
    assert registry.changes({1: busy}) == ((), (2,))
    assert registry.changes({}) == ((), (1,))


def test_what_was_told_is_not_the_readers_own_table() -> None:
    registry, found = Registry(), {1: entry(1)}
    registry.changes(found)
    found.clear()
    assert registry.changes(found) == ((), (1,))


def test_tells_all_again_when_core_may_have_nothing() -> None:
    registry, one = Registry(), entry(1)
    registry.changes({1: one})
    registry.forget()
    assert registry.changes({1: one}) == ((one,), ())
