from ipaddress import ip_address

import pytest

from services.cli.listener import LISTENING, Place, read_table, uids_at

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
NOTHING = "00000000:0000"
ESTABLISHED = "01"
LOOPBACK, OTHER, ANY = "0100007F:0FAB", "0200007F:0FAB", "00000000:0FAB"
MAPPED, ANY6 = "0000000000000000FFFF00000100007F:0FAB", "00000000000000000000000000000000:0FAB"
CLIENT, MAPPED_CLIENT = "0100007F:C350", "0000000000000000FFFF00000100007F:C350"
THERE: Place = ip_address("127.0.0.1"), 4011
HERE: Place = ip_address("127.0.0.1"), 50_000


def row(local: str, remote: str, state: str, uid: int) -> str:
    return (
        f"   0: {local} {remote} {state} 00000000:00000000 00:00000000 00000000 {uid:5}        0 460 1 0 100 0 0 10 0\n"
    )


def owners(*rows: str) -> set[int]:
    return uids_at(list(read_table(HEAD + "".join(rows), 4011)), THERE, HERE)


@pytest.mark.parametrize(
    ("local", "remote", "listening"),
    [(LOOPBACK, CLIENT, LOOPBACK), (LOOPBACK, CLIENT, ANY), (MAPPED, MAPPED_CLIENT, ANY6)],
)
def test_the_far_end_and_who_listens_there_count(local: str, remote: str, listening: str) -> None:
    end, listener = row(local, remote, ESTABLISHED, 0), row(listening, NOTHING, LISTENING, 1001)

    assert owners(end, listener) == {0, 1001}


def test_who_listens_at_another_address_of_the_port_does_not() -> None:
    end, ours = row(LOOPBACK, CLIENT, ESTABLISHED, 1000), row(LOOPBACK, NOTHING, LISTENING, 1000)

    assert owners(end, row(OTHER, NOTHING, LISTENING, 1001), ours, row(ANY, NOTHING, LISTENING, 1002)) == {1000}


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row(LOOPBACK, NOTHING, LISTENING, 1000)],
        [row(LOOPBACK, CLIENT, ESTABLISHED, 1000)],
        [row(LOOPBACK, CLIENT, ESTABLISHED, 1000), row(OTHER, NOTHING, LISTENING, 1000)],
        [row(LOOPBACK, "0100007F:C351", ESTABLISHED, 1000), row(LOOPBACK, NOTHING, LISTENING, 1000)],
        [row("0100007F:0FAC", CLIENT, ESTABLISHED, 1000), row("0100007F:0FAC", NOTHING, LISTENING, 1000)],
    ],
)
def test_whoever_answered_may_be_gone(rows: list[str]) -> None:
    with pytest.raises(ConnectionResetError):
        owners(*rows)
