"""`questmux status`: what all panes do, once or live."""

import os
import sys
import time
from contextlib import ExitStack
from typing import Final

from services.cli.api_client import ApiClient, ApiError, known_token
from services.cli.full_screen import FullScreen, terminal_size
from services.cli.mirror import Json, Mirror
from services.cli.printable import json_line
from services.cli.status_table import (
    Row,
    head_line,
    named_panes,
    pane_changes,
    state_of,
    status_table,
    table_rows,
)
from services.cli.tail import Tail, check_reader, gateway_guard, gateway_url, printing
from services.contract.settings import Settings
from services.contract.updates import SELECTABLE

WANTED: Final = frozenset(
    {"windows", "pane_update", "pane_removed", "session_update", "session_removed", "persona_update", "project_update"}
)
"""Types of updates that change the table."""
DRAW_EVERY_S: Final = 0.2
MS: Final = 1_000
TICK_S: Final = 1.0
"""Ages grow by this much."""
ASK_EVERY_S: Final = 3.0
ASK_S: Final = 1.0
PIPE_CELLS: Final = 160
"""As wide as the table is where no terminal says."""
NOT_RUNNING: Final = "Questmux is not running: start it with `questmux up`"


def run_status(settings: Settings, *, is_live: bool, as_json: bool, shows_all: bool) -> None:
    """Print the table once, or keep it up to date until Ctrl-C.

    Raises:
        ApiError: Questmux does not run, refuses, or nothing can be printed.
    """
    if sys.stdout is None:  # Closed by whoever started it.
        return
    token = known_token(settings)
    with printing():
        if not is_live:
            _print_once(ApiClient(settings, token), as_json=as_json, shows_all=shows_all)
        elif as_json:
            ChangeStream(settings, token).run()
        elif sys.stdout.isatty():
            Watch(settings, token, shows_all=shows_all).run()
        else:
            raise ApiError("--watch draws on a terminal: for a pipe or a file add --json")


class Live:
    """The state over the WebSocket, over restarts too; `_show` is called when something changed, and each second."""

    show_every_s = DRAW_EVERY_S
    """The least time between two changes that are shown; they are put together."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._client = ApiClient(settings, token, ASK_S)
        self._tail = Tail(
            gateway_url(settings),
            token,
            guard=gateway_guard(settings),
            show=self._take,
            say=self._lose,
            unwanted=SELECTABLE - WANTED,
            pause=self._pause,
            check=self._turn,
            is_watched=True,
        )
        self.trouble = "connecting"
        """Why what is known may not be the newest; empty when it is."""
        self.known_s = time.time()
        """When it last was."""
        self._is_connected = self._has_been = False
        self._is_changed = False
        self._shown_at = self._asked_at = -TICK_S * ASK_EVERY_S

    def run(self) -> None:
        """Follow until Ctrl-C.

        Raises:
            ApiError: Questmux does not run, or refuses.
        """
        self._tail.run()

    @property
    def state(self) -> Mirror | None:
        """What is known; None while it is not whole."""
        return self._tail.mirror if self._tail.mirror.is_synced else None

    def _show(self, *, is_changed: bool) -> None:
        raise NotImplementedError

    def _take(self, message: Json, _had: Mirror) -> None:
        """A message came; the mirror has it once this is over."""
        self._is_changed = True
        if message["type"] == "synced":
            self._is_connected = self._has_been = True
            self._asked_at = -ASK_EVERY_S
        elif message["type"] == "connected":
            self._is_connected = False

    def _lose(self, sentence: str) -> None:
        if not self._has_been:
            raise ApiError(NOT_RUNNING)
        self._is_connected, self._is_changed = False, True
        self.trouble = f"reconnecting ({sentence.partition(';')[0]})"

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(self._turn(), left))

    def _turn(self) -> float:
        """Show what is due; answers in how many seconds something is again."""
        now = time.monotonic()
        if self._is_connected and now - self._asked_at >= ASK_EVERY_S:
            self._asked_at = now
            self.trouble = self._ask_trouble()
        if self._is_connected and not self.trouble:
            self.known_s = time.time()
        due = self._shown_at + (self.show_every_s if self._is_changed else TICK_S)
        if self._has_been and now >= due:
            self._shown_at, is_changed, self._is_changed = now, self._is_changed, False
            self._show(is_changed=is_changed)
            due = now + TICK_S
        return min(TICK_S, max(0.0, due - now))

    def _ask_trouble(self) -> str:
        """The gateway goes on without the others, and then tells nothing new; what is wrong with them."""
        try:
            services = self._client.get("/health")["services"]
        except ApiError as exc:
            return str(exc)
        is_seen = any(peer["alive"] for peer in services.get("poller", ()))
        return "" if is_seen else "the poller is away: nobody looks at tmux"


class Watch(Live):
    """The table on the whole terminal."""

    def __init__(self, settings: Settings, token: str, *, shows_all: bool) -> None:
        super().__init__(settings, token)
        self._shows_all = shows_all
        self._stage, self._screen = ExitStack(), FullScreen()
        self._is_on_screen = False
        self._rows: tuple[Row, ...] = ()

    def run(self) -> None:
        """Draw until Ctrl-C."""
        try:
            super().run()
        finally:
            self._stage.close()

    def _show(self, *, is_changed: bool) -> None:
        if not self._is_on_screen:
            self._is_on_screen = True
            self._stage.enter_context(self._screen)
        if is_changed and self.state is not None:
            self._rows = table_rows(self.state)
        size, now_s, in_colour = terminal_size(), time.time(), _in_colour()
        as_of = time.strftime("%H:%M:%S", time.localtime(self.known_s))
        head = head_line(self.trouble, as_of, now_s - self.known_s, size.columns, in_colour=in_colour)
        table = status_table(
            self._rows,
            round(now_s * MS),
            size.columns,
            height=size.lines - 1,
            shows_all=self._shows_all,
            in_colour=in_colour and not self.trouble,
        )
        self._screen.draw([head, *table])


class ChangeStream(Live):
    """One line of JSON for each change: a pane, one that is gone, or whether this is live."""

    show_every_s = 0.0

    def __init__(self, settings: Settings, token: str) -> None:
        super().__init__(settings, token)
        self._panes: list[Json] = []
        self._told: str | None = None

    def _show(self, *, is_changed: bool) -> None:
        lines: list[Json] = []
        if is_changed and self.state is not None:
            panes = named_panes(self.state)
            lines, self._panes = pane_changes(self._panes, panes), panes
        if self.trouble != self._told:
            self._told = self.trouble
            lines.append({"live": not self.trouble, "at": round(time.time() * MS), "why": self.trouble or None})
        for line in lines:
            print(json_line(line), flush=True)
        check_reader()


def _print_once(client: ApiClient, *, as_json: bool, shows_all: bool) -> None:
    state = read_state(client)
    if as_json:
        print(json_line({"panes": named_panes(state)}))
        return
    is_terminal = sys.stdout.isatty()
    width = terminal_size().columns if is_terminal else PIPE_CELLS
    lines = status_table(table_rows(state), round(time.time() * MS), width, shows_all=shows_all, in_colour=_in_colour())
    print("\n".join(line.rstrip() for line in lines))


def read_state(client: ApiClient) -> Mirror:
    """All that the table needs, from the HTTP API.

    Raises:
        ApiError: nobody answers, or it refuses.
    """
    return state_of(client.get("/api/windows"), client.get("/api/personas"), client.get("/api/projects"))


def _in_colour() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
