"""Asks tmux what there is and what panes show: through control mode when that works, by plain calls else.

Plain calls always do. Control mode is cheaper, and tells at once when something changes: its notices of windows and
panes wake the poller, and its notices of output tell when to look at a watched pane. For these a client must be
attached to the pane's own session; so there is one client for questions, the *home*, and an *ear* for each session that
holds a watched pane. A pane that is not waited for is paused, so that its output does not come here, and a watched one
is paused from its first output until it has been captured: a flood costs no more than a trickle.

tmux stops reading a pane's program while every attached client is one in control mode that does not take the output.
The home never asks for output, so it is none of these, and no stall of ours can hold up a program.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from services.poller.attachment import LIST_SESSIONS, choose_session, default_session, read_sessions, safe_sessions
from services.poller.control import Control, ControlError, DetachedError
from services.poller.control_stream import Answer, Notice
from services.poller.front import CLIENT_FORMAT, LIST_CLIENTS
from services.poller.listing import PANE_FORMAT, SERVER_FORMAT
from services.poller.tmux import Tmux, TmuxError, TmuxFailedError

RETRY_S: Final = 5.0
MAX_RETRY_S: Final = 60.0
"""How long plain calls are used after control mode failed; twice as long each time, up to this."""
LISTING_COMMANDS: Final = 2
PLAIN_AT_ONCE: Final = 40
"""Panes that one plain call captures: tmux takes a command line of 16 KiB."""
SHORT_LIFE_S: Final = 2.0
"""A client that tmux ends sooner than this after it was attached counts as failed."""
META_FORMAT: Final = "#{pane_id} #{pane_width} #{pane_height} #{cursor_x} #{cursor_y} #{cursor_flag} #{pane_in_mode}"
OUTPUT: Final = frozenset({"output", "extended-output"})
CHANGES: Final = frozenset(
    {
        "layout-change",
        "session-changed",
        "session-renamed",
        "session-window-changed",
        "sessions-changed",
        "unlinked-window-add",
        "unlinked-window-close",
        "unlinked-window-renamed",
        "window-add",
        "window-close",
        "window-pane-changed",
        "window-renamed",
    }
)
"""Notices after which the listing is another one."""

logger = logging.getLogger(__name__)


class RawCapture(Struct, frozen=True):
    """What tmux printed of one pane: the fields of `META_FORMAT`, and its screen."""

    meta: str
    text: bytes


class Observer:
    """The eyes of the poller on one tmux server."""

    def __init__(
        self, tmux: Tmux, *, use_control: bool, on_change: Callable[[], None], on_output: Callable[[str], None]
    ) -> None:
        """`on_change` is called when tmux tells of a change, `on_output` with a watched pane that printed something."""
        self._tmux = tmux
        self._use_control = use_control
        self._on_change = on_change
        self._on_output = on_output
        self._socket = ""
        self._home: Control | None = None
        self._home_session = ""
        self._ears: dict[str, Control] = {}
        self._given_up: list[Control] = []
        self._armed: dict[str, Control] = {}
        self._paused: set[str] = set()
        self._ear_retry_at: dict[str, float] = {}
        self._attached_at = 0.0
        self._retry_at = 0.0
        self._retry_s = RETRY_S
        self.control_failures = 0

    @property
    def is_control(self) -> bool:
        """Whether control mode is in use now."""
        return self._home is not None and self._home.is_open

    def hears(self, pane_id: str) -> bool:
        """Whether output of this pane is told."""
        ear = self._armed.get(pane_id)
        return ear is not None and ear.is_open

    async def list_all(self) -> bytes:
        """What tmux prints for `listing.COMMANDS`.

        Raises:
            TmuxError: it could not be asked.
        """
        if self._home is not None and self._home.is_open:
            try:
                answer = await self._home.ask(
                    f"display-message -p '{SERVER_FORMAT}'", f"list-panes -a -F '{PANE_FORMAT}'"
                )
            except ControlError as exc:
                self._failed(exc)
            else:
                self._retry_s = RETRY_S
                return _listing(answer)
        return await asyncio.to_thread(self._tmux.list_all)

    async def list_clients(self) -> str:
        """What tmux prints for `front.LIST_CLIENTS`.

        Raises:
            TmuxError: it could not be asked.
        """
        if self._home is not None and self._home.is_open:
            try:
                answer = await self._home.ask(f"list-clients -F '{CLIENT_FORMAT}'")
            except ControlError as exc:
                self._failed(exc)
            else:
                return b"\n".join(answer.blocks).decode("ascii", "replace")
        return await asyncio.to_thread(self._tmux.run, *LIST_CLIENTS)

    async def connect(self, socket_path: str) -> None:
        """Use control mode on the server at this socket, unless it is in use, switched off, or failed lately."""
        loop = asyncio.get_running_loop()
        if not self._use_control or self.is_control or loop.time() < self._retry_at:
            return
        if self._home is not None and loop.time() - self._attached_at < SHORT_LIFE_S:
            self._failed(ControlError("tmux ended the control client at once"))
            return
        self._socket = socket_path
        try:
            sessions = read_sessions(await asyncio.to_thread(self._tmux.run, *LIST_SESSIONS))
            chosen = choose_session(sessions)
            if chosen is not None:
                self._home_session = chosen
                self._home = await Control.attach(socket_path, chosen, self._noticed, self._on_change)
        except (ControlError, TmuxError) as exc:
            self._failed(exc)
        else:
            if chosen is None:
                self._home = None
                self._retry_at = loop.time() + RETRY_S
            else:
                self._attached_at = loop.time()
                logger.info("control mode in use", extra={"session": chosen})

    def _failed(self, problem: Exception) -> None:
        if isinstance(problem, DetachedError):
            return  # Its session was closed, which is no failure: it is attached to another with the next look.
        self.control_failures += 1
        if self._home is not None:
            self._home.kill()
            self._given_up = [client for client in (*self._given_up, self._home) if not client.has_ended]
            self._home = None
        self._retry_at = asyncio.get_running_loop().time() + self._retry_s
        logger.warning(
            "control mode failed, plain calls go on", extra={"problem": str(problem), "retry_s": self._retry_s}
        )
        self._retry_s = min(2 * self._retry_s, MAX_RETRY_S)

    def _noticed(self, notice: Notice) -> None:
        if notice.name in OUTPUT:
            self._heard(notice.first)
        elif notice.name in CHANGES:
            self._on_change()

    # Watched panes.

    def _heard(self, pane_id: str) -> None:
        if pane_id in self._paused:
            return  # Printed before tmux took the pause.
        self._paused.add(pane_id)
        ear = self._armed.get(pane_id)
        for client in (ear,) if ear is not None else self._ears.values():
            client.tell(f"refresh-client -A '{pane_id}:pause'")
        if ear is not None:
            self._on_output(pane_id)

    def _clients(self) -> Sequence[Control]:
        home = () if self._home is None else (self._home,)
        return (*home, *self._ears.values())

    async def listen(self, watched: Mapping[str, str], panes: Mapping[str, str]) -> None:
        """Be told of the output of the watched panes. Both: pane id to the id of its tmux session.

        A pane whose session cannot be attached to is not heard: look at it from time to time.
        """
        wanted = set(watched.values()) if self.is_control else set[str]()
        for session_id in [one for one, ear in self._ears.items() if one not in wanted or not ear.is_open]:
            await self._ears.pop(session_id).close()
        missing = wanted - set(self._ears)
        if missing:
            await self._attach(missing)
        armed: dict[str, Control] = {}
        for session_id, ear in self._ears.items():
            here = {pane_id for pane_id, session in watched.items() if session == session_id}
            self._arm(ear, here, [pane_id for pane_id, session in panes.items() if session == session_id])
            armed |= dict.fromkeys(here, ear)
        self._armed = armed
        self._paused &= set(panes)

    async def _attach(self, session_ids: Iterable[str]) -> None:
        """An ear for each session that may have one; another try for the others comes later."""
        now = asyncio.get_running_loop().time()
        due = [session_id for session_id in session_ids if self._ear_retry_at.get(session_id, 0.0) <= now]
        if not due:
            return
        self._ear_retry_at = {one: at for one, at in self._ear_retry_at.items() if at > now}
        self._ear_retry_at |= dict.fromkeys(due, now + RETRY_S)
        try:
            safe = safe_sessions(read_sessions(await asyncio.to_thread(self._tmux.run, *LIST_SESSIONS)))
            for session_id in [one for one in due if one in safe]:
                self._ears[session_id] = await Control.attach(self._socket, session_id, self._noticed)
                del self._ear_retry_at[session_id]
        except (ControlError, TmuxError) as exc:
            logger.debug("a session is not listened to", extra={"problem": str(exc)})

    def _arm(self, ear: Control, watched: set[str], panes: Iterable[str]) -> None:
        """Let the output of these panes of the ear's session come, and of no others."""
        known = {pane_id for pane_id, one in self._armed.items() if one is ear}
        if watched == known:
            return
        for pane_id in panes:
            if pane_id not in watched:
                ear.tell(f"refresh-client -A '{pane_id}:pause'")
        for pane_id in watched - known:
            self._paused.discard(pane_id)
            ear.tell(f"refresh-client -A '{pane_id}:continue'")
        if not known:
            ear.tell("refresh-client -f '!no-output'")

    # Screens.

    async def capture(self, pane_ids: Sequence[str]) -> dict[str, RawCapture]:
        """What panes show; one that is not there is left out. Output of watched ones is told from here on.

        Raises:
            TmuxError: tmux could not be asked.
        """
        if self.is_control:
            try:
                answers = await asyncio.gather(*(self._ask_screen(pane_id) for pane_id in pane_ids))
            except ControlError as exc:
                self._failed(exc)
            else:
                pairs = zip(pane_ids, answers, strict=True)
                return {pane_id: capture for pane_id, capture in pairs if capture is not None}
        found: dict[str, RawCapture] = {}
        for start in range(0, len(pane_ids), PLAIN_AT_ONCE):
            found |= await asyncio.to_thread(self._capture_plainly, pane_ids[start : start + PLAIN_AT_ONCE])
        return found

    async def _ask_screen(self, pane_id: str) -> RawCapture | None:
        look = (f"display-message -p -t {pane_id} '{META_FORMAT}'", f"capture-pane -p -e -N -t {pane_id}")
        ear = self._armed.get(pane_id)
        answer: Answer | None = None
        if ear is not None and ear.is_open:
            self._paused.discard(pane_id)
            try:
                answer = await ear.ask(f"refresh-client -A '{pane_id}:continue'", *look)
            except ControlError as exc:
                logger.debug("a session is not listened to any more", extra={"problem": str(exc)})
        if answer is None:
            if self._home is None:
                raise ControlError("the control client has ended")
            answer = await self._home.ask(*look)
        if answer.error is not None:
            return None
        meta, text = answer.blocks[-2].decode("ascii", "replace"), answer.blocks[-1]
        if not meta.startswith(f"{pane_id} "):
            raise ControlError(f"tmux answered for another pane: {meta[:80]!r}")
        return RawCapture(meta, text)

    def _capture_plainly(self, pane_ids: Sequence[str]) -> dict[str, RawCapture]:
        """All in one process: tmux ends at a pane that is gone, and those behind it wait for the next time."""
        mark = secrets.token_hex(16)
        words: list[str] = []
        for pane_id in pane_ids:
            words += ("display-message", "-p", "-t", pane_id, f"{mark} {META_FORMAT}", ";")
            words += ("capture-pane", "-p", "-e", "-N", "-t", pane_id, ";")
        output = self._tmux.print_some(*words, "display-message", "-p", f"{mark} end")
        found: dict[str, RawCapture] = {}
        # The last part has no mark behind it: it is the end, or a capture that may be cut short.
        for part in output.split(mark.encode() + b" ")[1:-1]:
            meta, _, text = part.partition(b"\n")
            found[meta.partition(b" ")[0].decode()] = RawCapture(
                meta.decode("ascii", "replace"), text.removesuffix(b"\n")
            )
        return found

    async def close(self) -> None:
        """Detach from tmux, which is then to take the same session for the one used last as without us."""
        if self._home is not None and self._home.is_open:
            with contextlib.suppress(TmuxError):
                last = default_session(read_sessions(await asyncio.to_thread(self._tmux.run, *LIST_SESSIONS)))
                if last is not None and last != self._home_session:
                    self._home.tell(f"switch-client -t '{last}'")
        await asyncio.gather(*(client.close() for client in (*self._clients(), *self._given_up)))
        self._home = None
        self._ears.clear()


def _listing(answer: Answer) -> bytes:
    if len(answer.blocks) < LISTING_COMMANDS:
        raise TmuxFailedError(answer.error or "tmux answered with less than it was asked for")
    return b"".join(block + b"\n" for block in answer.blocks if block)
