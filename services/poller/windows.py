"""Windows and panes of tmux: created, renamed, closed. Each call blocks, and is to be the only one at a time."""

import re
import shlex
from pathlib import Path
from typing import Final

from services.contract.actions import (
    CreateWindow,
    NewClaude,
    NewPane,
    NewPaneData,
    PaneClosedData,
    RenamedData,
    RenameWindow,
    WindowClosedData,
)
from services.contract.errors import ErrorCode, QuestmuxError
from services.contract.requests import SeenPane, SeenWindow
from services.poller.attachment import LIST_SESSIONS, default_session, read_sessions
from services.poller.layout import NoRoomError, choose_split
from services.poller.listing import Listing, ListingError, read_listing
from services.poller.quoting import argument, literal, new_name
from services.poller.tmux import NoTmuxServerError, Tmux, TmuxFailedError

NEW_SIZE: Final = ("-x", "160", "-y", "48")
"""Of a tmux session that nobody is attached to yet; it takes the size of the first who is."""
IDS: Final = ("-P", "-F", "#{window_id} #{pane_id}")
SESSION_FOLDER: Final = "#{session_path}"
"""A format: where tmux itself opens a session's new windows."""
SESSION_ID: Final = re.compile(r"\$[0-9]+")
FIRST_PROMPT: Final = "QUESTMUX_PROMPT"
"""The variable in which a first prompt reaches the new pane's shell: so it is data for any shell."""
SHELLS: Final = frozenset({"ash", "bash", "dash", "fish", "ksh", "mksh", "sh", "zsh"})
"""Shells that take `-i -c`, `;` and `"$NAME"` as a POSIX shell does; for others `sh` runs the command."""


class Windows:
    """Acts on one tmux server."""

    def __init__(self, tmux: Tmux, claude_command: str, home: Path) -> None:
        self._tmux = tmux
        self._claude_command = claude_command
        self._home = home

    def create(self, action: CreateWindow) -> NewPaneData:
        """A new window, which nobody is taken to.

        Raises:
            QuestmuxError: the folder is not there, or the session has a window of that name.
            TmuxError: tmux did not do it.
        """
        folder = None if action.cwd is None else self._folder(action.cwd)
        words = [] if action.window_name is None else ["-n", new_name(action.window_name)]
        run = [] if action.command is None else ["--", argument(action.command)]
        session_id = self._session_for(action)
        if session_id is None:
            named = [] if action.session is None else ["-s", literal(action.session)]
            where = ["-c", folder or literal(str(self._home))]
            return _ids(self._tmux.run("new-session", "-d", *NEW_SIZE, *IDS, *named, *words, *where, *run))
        where = ["-t", f"{session_id}:", "-c", folder or SESSION_FOLDER]
        return _ids(self._tmux.run("new-window", "-d", *IDS, *where, *words, *run))

    def _session_for(self, action: CreateWindow) -> str | None:
        """The session that the window goes to; None when it is to be made."""
        try:
            listing = self._list()
        except NoTmuxServerError:
            return None
        session_id = self._session_named(listing, action.session)
        if session_id is not None and action.window_name is not None:
            _check_name(listing, session_id, action.window_name)
        return session_id

    def _session_named(self, listing: Listing, wanted: str | None) -> str | None:
        if not listing.sessions:
            return None
        if wanted is None:
            return default_session(read_sessions(self._tmux.run(*LIST_SESSIONS)))
        kept = wanted.replace(":", "_").replace(".", "_")  # As tmux keeps it.
        named = (session_id for session_id, name in listing.sessions.items() if name == kept)
        found = next(named, wanted if wanted in listing.sessions else None)
        if found is None and SESSION_ID.fullmatch(wanted):
            raise QuestmuxError(ErrorCode.NOT_FOUND, f"there is no session {wanted}")
        return found

    def rename(self, window_id: str, action: RenameWindow) -> RenamedData:
        """Another name.

        Raises:
            QuestmuxError: no such window, or its session has another of that name.
            TmuxError: tmux did not do it.
        """
        listing = self._list()
        _window(listing, window_id)
        for session_id in {session for session, window in listing.links if window == window_id}:
            _check_name(listing, session_id, action.window_name, but_not=window_id)
        self._tmux.run("rename-window", "-t", window_id, "--", literal(action.window_name))
        return RenamedData(window_id=window_id, name=action.window_name)

    def close(self, window_id: str) -> WindowClosedData:
        """Its end.

        Raises:
            TmuxError: tmux did not do it.
        """
        self._tmux.run("kill-window", "-t", window_id)
        return WindowClosedData(window_id=window_id)

    def close_pane(self, pane_id: str) -> PaneClosedData:
        """Its end.

        Raises:
            TmuxError: tmux did not do it.
        """
        self._tmux.run("kill-pane", "-t", pane_id)
        return PaneClosedData(pane_id=pane_id)

    def new_pane(self, window_id: str, action: NewPane) -> NewPaneData:
        """One more pane, which nobody is taken to.

        Raises:
            QuestmuxError: no such window, no room in it, or the folder is not there.
            TmuxError: tmux did not do it.
        """
        return self._split(window_id, action.cwd, [])

    def new_claude(self, window_id: str, action: NewClaude) -> NewPaneData:
        """One more pane with Claude Code, and a shell after it. See `new_pane`."""
        shell = self._tmux.run("display-message", "-p", "-t", window_id, "#{default-shell}")
        if shell.rpartition("/")[2] not in SHELLS:
            shell = "/bin/sh"
        given = [] if action.prompt is None else ["-e", argument(f"{FIRST_PROMPT}={action.prompt}")]
        prompt = "" if action.prompt is None else f' -- "${FIRST_PROMPT}"'
        after = f"exec env -u {FIRST_PROMPT} {shlex.quote(shell)} -i"
        # The person's own shell, interactive, so that their PATH and aliases hold; its own process, so that nothing
        # is typed into it before it is ready.
        script = f"{self._claude_command}{prompt}; {after}"
        return self._split(window_id, action.cwd, [*given, "--", shell, "-i", "-c", argument(script)])

    def _split(self, window_id: str, cwd: str | None, words: list[str]) -> NewPaneData:
        listing = self._list()
        window = _window(listing, window_id)
        try:
            split = choose_split(window.layout)
        except NoRoomError as exc:
            raise QuestmuxError(ErrorCode.CONFLICT, str(exc)) from exc
        active = next(pane for pane in listing.panes if pane.window_id == window_id and pane.active)
        folder = literal(active.cwd) if cwd is None else self._folder(cwd)
        zoomed = ["-Z"] if self._is_zoomed(active) else []  # Else the person's zoom would end.
        side = "-h" if split.is_side_by_side else "-v"
        where = ["-t", split.pane_id, "-c", folder]
        return _ids(self._tmux.run("split-window", "-d", side, *zoomed, *IDS, *where, *words))

    def _is_zoomed(self, pane: SeenPane) -> bool:
        return self._tmux.run("display-message", "-p", "-t", pane.id, "#{window_zoomed_flag}") == "1"

    def _list(self) -> Listing:
        output = self._tmux.list_all()
        try:
            return read_listing(output)
        except ListingError as exc:
            raise TmuxFailedError(str(exc)) from exc

    def _folder(self, cwd: str) -> str:
        """A folder as tmux takes it.

        Raises:
            QuestmuxError: there is none.
        """
        path = Path(cwd) if cwd.startswith("/") else self._home / cwd.removeprefix("~").lstrip("/")
        if cwd.startswith("~") and not cwd.startswith("~/") and cwd != "~":
            raise QuestmuxError(ErrorCode.INVALID_FIELD, "cwd is wrong: the home of another user is not looked up")
        try:
            is_folder = path.is_dir()
        except OSError:  # A name that is too long.
            is_folder = False
        if not is_folder:
            raise QuestmuxError(ErrorCode.INVALID_FIELD, "cwd is wrong: there is no such folder")
        return literal(str(path))


def _window(listing: Listing, window_id: str) -> SeenWindow:
    found = next((window for window in listing.windows if window.id == window_id), None)
    if found is None:
        raise QuestmuxError(ErrorCode.NOT_FOUND, f"there is no window {window_id}")
    return found


def _check_name(listing: Listing, session_id: str, name: str, but_not: str = "") -> None:
    here = {window for session, window in listing.links if session == session_id} - {but_not}
    if any(window.name == name for window in listing.windows if window.id in here):
        raise QuestmuxError(
            ErrorCode.CONFLICT, f"the session {listing.sessions[session_id]} has a window of this name already"
        )


def _ids(printed: str) -> NewPaneData:
    window_id, _, pane_id = printed.partition(" ")
    return NewPaneData(window_id=window_id, pane_id=pane_id)
