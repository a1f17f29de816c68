import msgspec
import pytest

from services.contract.codec import DecodeError
from services.contract.errors import ErrorCode, QuestmuxError
from services.ws.screens import Screens
from tests.unit.ws.screen import body_of, make_screen

LINES = tuple(f"line {number}" for number in range(24))


class Eye:
    """Watches, and remembers what it was told."""

    def __init__(self) -> None:
        self.woken = 0
        self.forgot: list[str] = []

    def wake(self) -> None:
        self.woken += 1

    def forget(self, pane_id: str) -> None:
        self.forgot.append(pane_id)


class Parts:
    """Screens of three panes; a frame is its text."""

    def __init__(self) -> None:
        self.framed = 0
        self.changes = 0
        self.known = {"%1", "%2", "%3"}
        self.screens = Screens(self._frame, lambda pane_id: pane_id in self.known)
        self.screens.on_change = self._note_change

    def _frame(self, payload: bytes) -> bytes:
        self.framed += 1
        return payload

    def _note_change(self) -> None:
        self.changes += 1


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
def screens(parts: Parts) -> Screens:
    return parts.screens


def type_of(frame: bytes | None) -> str:
    assert frame is not None
    kind: str = msgspec.json.decode(frame)["type"]
    return kind


def test_what_is_watched_changes_with_the_first_and_the_last_who_watch(parts: Parts, screens: Screens) -> None:
    one, other = Eye(), Eye()
    screens.add("%1", one)
    screens.add("%1", one)
    screens.add("%1", other)
    screens.remove("%1", one)
    assert (screens.pane_ids, parts.changes) == (("%1",), 1)

    screens.remove("%1", other)
    assert (screens.pane_ids, parts.changes) == ((), 2)


def test_a_pane_that_is_not_there_cannot_be_watched(parts: Parts, screens: Screens) -> None:
    with pytest.raises(QuestmuxError, match="there is no pane %9") as caught:
        screens.add("%9", Eye())
    assert caught.value.problem.code is ErrorCode.NOT_FOUND
    assert (screens.pane_ids, parts.changes) == ((), 0)

    with pytest.raises(QuestmuxError) as caught:
        screens.add("%" * 60_000, Eye())
    assert len(caught.value.problem.message) <= 200


def test_a_newer_screen_wakes_who_watches_that_pane(screens: Screens) -> None:
    one, other = Eye(), Eye()
    screens.add("%1", one)
    screens.add("%2", other)
    screens.put(body_of(make_screen(LINES)), 1)

    assert (one.woken, other.woken) == (1, 0)
    assert screens.newest("%1") == make_screen(LINES)
    assert screens.newest("%2") is None


def test_a_screen_that_is_there_already_is_not_read_again(screens: Screens) -> None:
    eye = Eye()
    screens.add("%1", eye)
    screens.put(body_of(make_screen()), 1)
    first = screens.newest("%1")
    screens.put(body_of(make_screen()), 2)

    assert screens.newest("%1") is first
    assert eye.woken == 1


def test_the_number_decides_which_screen_is_older_whatever_the_clock_says(screens: Screens) -> None:
    screens.add("%1", Eye())
    screens.put(body_of(make_screen(at=50)), 5)
    screens.put(body_of(make_screen(at=60)), 4)
    newest = screens.newest("%1")
    assert newest is not None
    assert newest.captured_at == 50

    screens.put(body_of(make_screen(at=40)), 5)
    newest = screens.newest("%1")
    assert newest is not None
    assert newest.captured_at == 40


def test_the_first_screen_of_a_new_numbering_is_newer_than_all(screens: Screens) -> None:
    screens.add("%1", Eye())
    screens.put(body_of(make_screen(at=1)), 500)
    screens.restart_numbers()
    screens.put(body_of(make_screen(at=2)), 1)

    newest = screens.newest("%1")
    assert newest is not None
    assert newest.captured_at == 2


def test_a_screen_of_a_pane_that_nobody_watches_is_let_go(screens: Screens) -> None:
    eye = Eye()
    screens.put(body_of(make_screen()), 1)
    screens.add("%1", eye)
    assert screens.newest("%1") is None

    screens.put(body_of(make_screen()), 2)
    screens.remove("%1", eye)
    screens.add("%1", eye)
    assert screens.newest("%1") is None


@pytest.mark.parametrize("body", [b"", b"\xff", b"\x80", b"[" * 1000])
def test_what_is_no_screen_is_an_error_and_the_last_one_stays(screens: Screens, body: bytes) -> None:
    screens.add("%1", Eye())
    screens.put(body_of(make_screen()), 1)
    with pytest.raises(DecodeError):
        screens.put(body + b"x", 2)
    assert screens.newest("%1") == make_screen()


def test_a_message_is_made_once_for_all_who_have_the_same(parts: Parts, screens: Screens) -> None:
    screens.add("%1", Eye())
    screens.put(body_of(make_screen(LINES, at=1)), 1)
    first = screens.newest("%1")
    assert type_of(screens.message("%1", None, 1)) == "terminal_output"
    assert screens.message("%1", None, 2) is screens.message("%1", None, 1)

    screens.put(body_of(make_screen([*LINES[:-1], "new"], at=2)), 2)
    assert type_of(screens.message("%1", first, 1)) == "terminal_diff"
    assert screens.message("%1", first, 2) is screens.message("%1", first, 1)
    assert type_of(screens.message("%1", None, 1)) == "terminal_output"
    assert parts.framed == 3


def test_there_is_no_message_before_the_first_screen_and_none_when_nothing_shows(screens: Screens) -> None:
    screens.add("%1", Eye())
    assert screens.message("%1", None, 1) is None

    screens.put(body_of(make_screen(at=1)), 1)
    first = screens.newest("%1")
    screens.put(body_of(make_screen(at=2)), 2)
    assert screens.message("%1", first, 1) is None


def test_a_pane_that_is_gone_is_forgotten_by_all_who_watch_it(parts: Parts, screens: Screens) -> None:
    eye = Eye()
    for pane_id in ("%1", "%2"):
        screens.add(pane_id, eye)
    screens.drop("%1")
    screens.drop("%3")
    assert (eye.forgot, screens.pane_ids, parts.changes) == (["%1"], ("%2",), 3)

    parts.known.clear()
    screens.drop_unknown()
    assert (eye.forgot, screens.pane_ids) == (["%1", "%2"], ())
