import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.contract import codec
from services.contract.entities import TmuxServer
from services.contract.requests import ReportTmux
from services.poller.listing import PANE_FIELDS, PANE_FORMAT, SERVER_FIELDS, ListingError, read_listing

SERVER = b"4777 1795378150 3.3a /tmp/tmux-0/default |\n"
SPECIAL = b"|&;<>()$`\\\"'*?[# =%"
CSTYLE = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 11: b"\\v", 12: b"\\f", 13: b"\\r"}
any_bytes = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=12).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.sampled_from([b"\\", b"$", b"a", b"n", b"001", b" ", b"|", b"\n", b"\xff", b"\x01"])).map(b"".join),
).map(lambda value: value.replace(b"\0", b""))


def quoted(value: bytes) -> bytes:
    """tmux's `q:` modifier."""
    return b"".join(b"\\" + bytes([byte]) if byte in SPECIAL else bytes([byte]) for byte in value)


def visible(value: bytes, *, escapes_backslash: bool, keeps: bytes = b"") -> bytes:
    """tmux's `utf8_stravis` with VIS_OCTAL and VIS_CSTYLE."""
    out = b""
    for index, char in enumerate(chars := value.decode("utf-8", "surrogateescape")):
        raw = char.encode("utf-8", "surrogateescape")
        if len(raw) > 1 or raw in {bytes([byte]) for byte in keeps}:
            out += raw
        elif raw == b"$" and re.match(r"[A-Za-z_{]", chars[index + 1 : index + 2]):
            out += b"\\$"
        elif raw == b"\\":
            out += b"\\\\" if escapes_backslash else b"\\"
        elif 0x20 <= raw[0] < 0x7F:
            out += raw
        else:
            out += CSTYLE.get(raw[0], b"\\%03o" % raw[0])
    return out


def kept_name(typed: bytes) -> bytes:
    """How tmux keeps the name of a window or session."""
    return visible(typed, escapes_backslash=True)


def line(
    *,
    session: bytes = b"$0",
    window: bytes = b"@0",
    pane: bytes = b"%0",
    window_index: int = 0,
    pane_index: int = 0,
    current: bool = True,
    dead: bool = False,
    session_name: bytes = b"main",
    name: bytes = b"bash",
    title: bytes = b"host",
    command: bytes = b"bash",
    cwd: bytes = b"/tmp",
    activity: int = 1_234,
) -> bytes:
    numbers = b"%d %d %d 1 %d 100 80 24 %d" % (window_index, pane_index, current, dead, activity)
    texts = [kept_name(session_name), kept_name(name), b"b25d,80x24,0,0,0", title, command, cwd]
    return b" ".join([session, window, pane, numbers, *map(quoted, texts)]) + b" |\n"


def text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def test_formats_name_as_many_fields_as_are_read() -> None:
    assert PANE_FORMAT.count("#{") == PANE_FIELDS == 18
    assert SERVER_FIELDS == 4


def test_reads_a_server_without_panes() -> None:
    listing = read_listing(SERVER)
    assert listing.server == TmuxServer(
        socket="/tmp/tmux-0/default",  # noqa: S108 - a value, no file
        pid=4777,
        started_at=1795378150_000,
        version="3.3a",
    )
    assert listing.windows == ()
    assert listing.panes == ()


def test_reads_every_field_of_a_pane() -> None:
    row = (
        b"$7 @8 %9 3 4 1 0 1 1234 200 50 1795378177 main name e29d,200x50,0,0\\[200x25,0,0,1]"
        rb" my\ title vim /home/a\ b |" + b"\n"
    )
    listing = read_listing(SERVER + row)
    (window,), (pane,) = listing.windows, listing.panes
    assert (window.id, window.tmux_session_id, window.tmux_session) == ("@8", "$7", "main")
    assert (window.index, window.name, window.active) == (3, "name", True)
    assert window.layout == "e29d,200x50,0,0[200x25,0,0,1]"
    assert (pane.id, pane.window_id, pane.index, pane.active, pane.dead) == ("%9", "@8", 4, False, True)
    assert (pane.pid, pane.width, pane.height) == (1234, 200, 50)
    assert (listing.activity, pane.activity_at) == ({"%9": 1795378177}, 1795378170_000)
    assert listing.sessions == {"$7": "main"}
    assert listing.links == {("$7", "@8")}
    assert (pane.title, pane.command, pane.cwd) == ("my title", "vim", "/home/a b")


@given(session_name=any_bytes, name=any_bytes, title=any_bytes, command=any_bytes, cwd=any_bytes, escapes=st.booleans())
@example(
    session_name=rb"\$HOME",
    name=rb"\\$a\n",
    title=rb"\$a$b\\$c",
    command=b"a |\n b",
    cwd=b"/a\r\n\xff $0 |",
    escapes=True,
)
def test_any_text_survives_however_tmux_prints_it(
    session_name: bytes, name: bytes, title: bytes, command: bytes, cwd: bytes, *, escapes: bool
) -> None:
    first = line(session_name=session_name, name=name, title=title, command=command, cwd=cwd)
    output = SERVER + first + line(window=b"@1", pane=b"%1", window_index=1)
    if escapes:
        output = visible(output, escapes_backslash=False, keeps=b"\n\t")
    listing = read_listing(output)
    assert [window.id for window in listing.windows] == ["@0", "@1"]
    window, pane = listing.windows[0], listing.panes[0]
    assert (window.tmux_session, window.name) == (text(session_name), text(name))
    assert (pane.title, pane.command, pane.cwd) == (text(title), text(command), text(cwd))
    report = ReportTmux(at=0, server=listing.server, windows=listing.windows, panes=listing.panes)
    assert codec.decode_request(codec.encode(report)) == report


def test_names_of_different_bytes_stay_different() -> None:
    names = [read_listing(SERVER + line(cwd=cwd)).panes[0].cwd for cwd in (b"/\xff", b"/\xfe")]
    assert names == ["/\\xff", "/\\xfe"]


def test_a_linked_window_is_there_once_in_its_oldest_session() -> None:
    output = SERVER + b"".join(
        [
            line(session=b"$10", session_name=b"a", window=b"@1", pane=b"%1", window_index=0, current=True),
            line(session=b"$10", session_name=b"a", window=b"@5", pane=b"%5", window_index=1, current=False),
            line(session=b"$9", session_name=b"z", window=b"@1", pane=b"%1", window_index=7, current=True),
            line(session=b"$9", session_name=b"z", window=b"@1", pane=b"%1", window_index=4, current=False),
        ]
    )
    listing = read_listing(output)
    assert [(w.id, w.tmux_session, w.index, w.active) for w in listing.windows] == [
        ("@1", "z", 4, False),
        ("@5", "a", 1, False),
    ]
    assert [(p.id, p.window_id) for p in listing.panes] == [("%1", "@1"), ("%5", "@5")]


def test_panes_come_in_the_order_of_sessions_windows_and_indexes() -> None:
    output = SERVER + b"".join(
        [
            line(session=b"$10", window=b"@3", pane=b"%4"),
            line(session=b"$2", window=b"@2", pane=b"%3", window_index=1, pane_index=1),
            line(session=b"$2", window=b"@2", pane=b"%9", window_index=1, pane_index=0),
            line(session=b"$2", window=b"@1", pane=b"%2", window_index=0),
        ]
    )
    assert [pane.id for pane in read_listing(output).panes] == ["%2", "%9", "%3", "%4"]


@given(cut=st.integers(min_value=0, max_value=len(SERVER + line()) - 1))
def test_an_answer_that_was_cut_short_is_refused(cut: int) -> None:
    output = (SERVER + line())[:cut]
    if output == SERVER:
        return
    with pytest.raises(ListingError):
        read_listing(output)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("output", [b"x" * 500_000, (SERVER + line() * 2_000)[:-3], b"x " * 200_000])
def test_a_large_answer_that_is_broken_is_refused_at_once(output: bytes) -> None:
    with pytest.raises(ListingError):
        read_listing(output)


@given(output=st.one_of(st.binary(), st.binary().map(lambda tail: SERVER + tail)))
@example(output=SERVER + line().replace(b" 24 ", b" twenty "))
@example(output=SERVER + line().replace(b"$0", b"$\xff"))
@example(output=SERVER + SERVER)
def test_anything_else_is_refused_and_never_raises_another_error(output: bytes) -> None:
    if output == SERVER:
        return
    with pytest.raises(ListingError):
        read_listing(output)
