"""What tmux prints for one read, and the values it stands for. Pure.

Every text comes through tmux's `q:` modifier, which puts a backslash before the space, `|`, `$` and backslash itself.
So a bare space ends a field and a bare `|` ends a record, and no name, title or path can hold either, newlines
included. Some versions of tmux write control characters and stray bytes as a backslash with a letter or three octal
digits besides; `q:` puts a backslash before neither, so that second escaping is told apart and undone as well.
"""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs

from services.contract.entities import Agent, Process, TmuxServer
from services.contract.requests import SeenPane, SeenWindow

SERVER_FORMAT: Final = "#{pid} #{start_time} #{q:version} #{q:socket_path} |"
PANE_FORMAT: Final = (
    "#{session_id} #{window_id} #{pane_id} #{window_index} #{pane_index} #{window_active} #{pane_active}"
    " #{pane_dead} #{pane_pid} #{pane_width} #{pane_height} #{window_activity} #{q:session_name} #{q:window_name}"
    " #{q:window_layout} #{q:pane_title} #{q:pane_current_command} #{q:pane_current_path} |"
)
COMMANDS: Final = ("display-message", "-p", SERVER_FORMAT, ";", "list-panes", "-a", "-F", PANE_FORMAT)
"""One tmux client for everything: the server first, because a server without sessions has no panes to name it."""

SERVER_FIELDS: Final = SERVER_FORMAT.count(" ")
PANE_FIELDS: Final = PANE_FORMAT.count(" ")
MAX_QUOTED_BYTES: Final = 200
ACTIVITY_STEP_S: Final = 10
"""Activity is told in steps of this, so that a busy pane is not news with every look."""

_FIELD: Final = re.compile(rb"((?:[^ |\\]|\\.)*+) ", re.DOTALL)
_RECORD: Final = re.compile(rb"(?:(?:[^ |\\]|\\.)*+ )*+\|\n", re.DOTALL)
_QUOTED: Final = re.compile(rb"\\\\\$|\\([0-7]{3}|.)", re.DOTALL)
"""First case: where tmux escapes twice, it writes the `\\$` of `q:` before a letter as `\\\\$`."""
_VISIBLE: Final = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_LETTERS: Final = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"s": b" ",
    b"t": b"\t",
    b"v": b"\v",
}
_OCTAL_DIGITS: Final = 3


class ListingError(ValueError):
    """tmux printed something else than it was asked for: count it and read again."""


class Listing(Struct, frozen=True, kw_only=True):
    """One tmux server with its windows and panes; each is there once."""

    server: TmuxServer
    windows: tuple[SeenWindow, ...] = ()
    panes: tuple[SeenPane, ...] = ()
    activity: dict[str, int] = {}
    """When each pane's window last had output, in whole Unix seconds."""
    sessions: dict[str, str] = {}
    """The name of each tmux session."""
    links: frozenset[tuple[str, str]] = frozenset()
    """Which session shows which window: their ids."""


class _Row(Struct, frozen=True):
    """One pane seen through one link of its window to a session."""

    window: SeenWindow
    pane: SeenPane
    activity: int

    @property
    def order(self) -> tuple[int, int, int]:
        """Session by age, window by index, pane by index."""
        return number_of(self.window.tmux_session_id), self.window.index, self.pane.index


def read_listing(output: bytes) -> Listing:
    """What tmux printed for `COMMANDS`, in the order of sessions, windows and panes.

    A window may be linked to several sessions, or twice to one; tmux then prints its panes once for each link. It
    belongs to the oldest session (the lowest `$` number), at the lowest index there: a choice that stays the same for
    as long as that link does, whoever attaches or switches.

    Raises:
        ListingError: cut short, or not what was asked for.
    """
    head, *records = _records(output) or [[]]
    if len(head) != SERVER_FIELDS or any(len(fields) != PANE_FIELDS for fields in records):
        raise ListingError(f"tmux answered with other fields than asked for: {_start(output)}")
    try:
        server = _server(head)
        rows = sorted(map(_row, records), key=lambda row: row.order)
    except ValueError as exc:
        raise ListingError(f"tmux printed a field that is no number: {exc}") from exc
    windows: dict[str, SeenWindow] = {}
    panes: dict[str, SeenPane] = {}
    for row in rows:
        windows.setdefault(row.window.id, row.window)
        panes.setdefault(row.pane.id, row.pane)
    return Listing(
        server=server,
        windows=tuple(windows.values()),
        panes=tuple(panes.values()),
        activity={row.pane.id: row.activity for row in rows},
        sessions={row.window.tmux_session_id: row.window.tmux_session for row in rows},
        links=frozenset((row.window.tmux_session_id, row.window.id) for row in rows),
    )


def number_of(tmux_id: str) -> int:
    """The number of an id such as `$0`, `@1` or `%2`."""
    return int(tmux_id[1:])


def with_processes(pane: SeenPane, processes: tuple[Process, ...], agent: Agent | None) -> SeenPane:
    """The pane with the processes below it, and the agent among them."""
    return structs.replace(pane, processes=processes, agent=agent)


def _records(output: bytes) -> list[list[bytes]]:
    records: list[list[bytes]] = []
    position = 0
    while position < len(output):
        record = _RECORD.match(output, position)
        if record is None:
            raise ListingError(f"tmux's answer was cut short, or has a broken record: {_start(output)}")
        records.append(_FIELD.findall(record[0]))
        position = record.end()
    return records


def _start(output: bytes) -> str:
    return repr(output[:MAX_QUOTED_BYTES])


def _server(fields: Sequence[bytes]) -> TmuxServer:
    pid, start_time, version, socket = fields
    return TmuxServer(
        pid=int(pid), started_at=int(start_time) * 1000, version=_text(_plain(version)), socket=_text(_plain(socket))
    )


def _row(fields: Sequence[bytes]) -> _Row:
    session_id, window_id, pane_id = (field.decode("ascii") for field in fields[:3])
    session, name, layout, title, command, cwd = (_plain(field) for field in fields[12:])
    activity = int(fields[11] or 0)
    window = SeenWindow(
        id=window_id,
        tmux_session_id=session_id,
        tmux_session=_text(_typed(session)),
        index=int(fields[3]),
        name=_text(_typed(name)),
        active=fields[5] == b"1",
        layout=_text(layout),
    )
    pane = SeenPane(
        id=pane_id,
        window_id=window_id,
        index=int(fields[4]),
        active=fields[6] == b"1",
        title=_text(title),
        command=_text(command),
        cwd=_text(cwd),
        pid=int(fields[8]),
        width=int(fields[9]),
        height=int(fields[10]),
        dead=fields[7] == b"1",
        activity_at=activity // ACTIVITY_STEP_S * ACTIVITY_STEP_S * 1000,
    )
    return _Row(window, pane, activity)


def _plain(field: bytes) -> bytes:
    """A field as tmux holds it: `q:` undone, and the escaping of tmux's printing too."""
    return _QUOTED.sub(_unescaped, field) if b"\\" in field else field


def _typed(name: bytes) -> bytes:
    """A window's or session's name as a person gave it: tmux keeps these two with `vis` escapes."""
    return _VISIBLE.sub(_unescaped, name) if b"\\" in name else name


def _unescaped(match: re.Match[bytes]) -> bytes:
    code: bytes | None = match[1]
    if code is None:
        return b"$"
    if len(code) == _OCTAL_DIGITS:
        return bytes([int(code, 8) & 0xFF])
    return _LETTERS.get(code, code)


def _text(value: bytes) -> str:
    """Text for JSON: other bytes than UTF-8 become backslash, x, two digits, so that two names stay two."""
    return value.decode("utf-8", "backslashreplace")
