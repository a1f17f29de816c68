import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.poller.control_stream import MAX_LINE_BYTES, REFUSED, Answer, ControlStream, Notice, StreamError

MARK = b"3f2a9c"
BEGIN = b"%begin 1795571970 275 1\n"
END = b"%end 1795571970 275 1\n"
ERROR = b"%error 1795571970 275 1\n"
BEGIN_2 = b"%begin 1795571970 276 1\n"
END_2 = b"%end 1795571970 276 1\n"
MARKED = b"%begin 1795571970 277 1\n" + MARK + b"\n%end 1795571970 277 1\n"
ATTACHED = b"%begin 1795571970 270 0\n%end 1795571970 270 0\n%session-changed $0 one\n"


def asked(commands: int = 1) -> ControlStream:
    stream = ControlStream()
    stream.expect(MARK, commands)
    return stream


def test_the_answer_to_attaching_is_nobodys() -> None:
    assert ControlStream().feed(ATTACHED) == [Notice("session-changed", b"$0 one")]


def test_an_attaching_that_is_refused_says_why() -> None:
    refused = b"%begin 1 2 0\ncan't find session: $7\n%error 1 2 0\n%exit\n"

    assert ControlStream().feed(refused) == [Notice(REFUSED, b"can't find session: $7"), Notice("exit", b"")]


def test_an_answer_is_what_stands_between_its_begin_and_end() -> None:
    assert asked().feed(BEGIN + b"a\n\nb\n" + END + MARKED) == [Answer((b"a\n\nb",))]


def test_each_command_of_a_question_has_its_block() -> None:
    found = asked(2).feed(BEGIN + b"meta\n" + END + BEGIN_2 + b"screen\n\n" + END_2 + MARKED)

    assert found == [Answer((b"meta", b"screen\n"))]


def test_a_command_that_fails_ends_the_answer() -> None:
    found = asked(2).feed(
        BEGIN + b"meta\n" + END + BEGIN_2 + b"can't find pane: %7\n" + b"%error 1795571970 276 1\n" + MARKED
    )

    assert found == [Answer((b"meta",), "can't find pane: %7")]


def test_a_first_command_that_fails_is_the_whole_answer() -> None:
    assert asked(3).feed(BEGIN + b"unknown\n" + ERROR + MARKED) == [Answer((), "unknown")]


def test_a_screen_that_shows_its_own_end_does_not_end_the_answer() -> None:
    hostile = b"x\n" + END + b"%window-add @9\n" + ERROR + BEGIN_2 + b"y\n"

    assert asked().feed(BEGIN + hostile + END + MARKED) == [Answer((hostile.removesuffix(b"\n"),))]


def test_notices_stand_between_answers() -> None:
    stream = asked()
    stream.expect(b"other", 1)
    found = stream.feed(
        b"%window-add @3\n" + BEGIN + END + b"%output %1 hi\\012\n" + MARKED + b"%layout-change @3 x\n"
        b"%begin 1 300 1\nz\n%end 1 300 1\n%begin 1 301 1\nother\n%end 1 301 1\n"
    )

    assert found == [
        Notice("window-add", b"@3"),
        Answer((b"",)),
        Notice("output", b"%1 hi\\012"),
        Notice("layout-change", b"@3 x"),
        Answer((b"z",)),
    ]


def test_what_somebodys_hooks_print_is_no_part_of_an_answer() -> None:
    hook = b"%begin 1795571970 999 0\nfrom a hook\n%end 1795571970 999 0\n"
    stream = asked(2)
    found = stream.feed(BEGIN + b"meta\n" + END + hook + BEGIN_2 + b"screen\n" + END_2 + hook + MARKED + hook)
    stream.expect(MARK, 1)

    assert found == [Answer((b"meta", b"screen"))]
    assert stream.feed(BEGIN + b"next\n" + END + MARKED) == [Answer((b"next",))]


def test_a_notice_names_what_it_is_about_first() -> None:
    assert Notice("output", b"%1 hi there").first == "%1"
    assert Notice("sessions-changed", b"").first == ""


@given(st.binary(max_size=200), st.lists(st.integers(1, 40)))
def test_it_does_not_matter_how_the_bytes_are_cut(text: bytes, cuts: list[int]) -> None:
    whole = b"%window-add @1\n" + BEGIN + text + b"\n" + END + MARKED
    stream = asked()
    found: list[Notice | Answer] = []
    for cut in cuts:
        found += stream.feed(whole[:cut])
        whole = whole[cut:]
    found += stream.feed(whole)

    assert found == [Notice("window-add", b"@1"), Answer((text,))]


@given(st.lists(st.sampled_from([BEGIN, END, ERROR, BEGIN_2, END_2, MARKED, b"%exit\n", b"x\n", b"\n", b"%\n"])))
def test_rubbish_is_refused_or_read_but_never_breaks(parts: list[bytes]) -> None:
    with contextlib.suppress(StreamError):
        asked().feed(b"".join(parts))


@pytest.mark.parametrize(
    "data",
    [
        BEGIN + END,  # with nothing asked
        b"x" * (MAX_LINE_BYTES + 1),
    ],
    ids=["an answer to nothing", "an endless line"],
)
def test_what_is_not_tmux_is_refused(data: bytes) -> None:
    with pytest.raises(StreamError):
        ControlStream().feed(data)


def test_an_answer_without_its_end_is_refused() -> None:
    with pytest.raises(StreamError):
        asked().feed(BEGIN + b"text\n" + MARKED)
