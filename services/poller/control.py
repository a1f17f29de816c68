"""One tmux client in control mode: questions without a process each, and notices of what happens.

It is attached to a session of the person's, in a way that the person does not see: its size does not count
(`ignore-size`, and it never names one), it gets no output unless asked (`no-output`), it brings no environment (`-E`),
and one that stalls is passed over instead of holding up the pane (`pause-after`).
"""

import asyncio
import contextlib
import os
import secrets
from collections import deque
from collections.abc import Callable
from typing import Final, Self, cast

from services.poller.control_stream import REFUSED, Answer, ControlStream, Notice, StreamError

ATTACH_S: Final = 2.0
"""tmux attaches within milliseconds; over this it hangs."""
ASK_S: Final = 2.0
LEAVE_S: Final = 0.5
FLAGS: Final = "ignore-size,no-output,pause-after=1"
MAX_WAITING: Final = 4_096
"""Questions under way at once. Over it the client is wedged."""


class ControlError(Exception):
    """The control client does not work, or not any more; plain calls do."""


class DetachedError(ControlError):
    """tmux ended the client in an orderly way, as when its session is closed: attach to another."""


class Control(asyncio.SubprocessProtocol):
    """Attached from `attach` until `close`, or until tmux ends it; then `is_open` is false."""

    def __init__(self, on_notice: Callable[[Notice], None], on_end: Callable[[], None]) -> None:
        self.is_open = False
        self._on_notice = on_notice
        self._on_end = on_end
        self._stream = ControlStream()
        self._waiting: deque[asyncio.Future[Answer]] = deque()
        self._attached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ended = asyncio.Event()
        self._errors = b""
        self._is_detached = False
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None

    @classmethod
    async def attach(
        cls,
        socket_path: str,
        session_id: str,
        on_notice: Callable[[Notice], None],
        on_end: Callable[[], None] = lambda: None,
    ) -> Self:
        """A client that is attached to a session.

        `on_notice` gets every notice but those of the client itself; `on_end` is called once, when tmux ends it.

        Raises:
            ControlError: tmux cannot be started, refuses, or does not answer in time.
        """
        control = cls(on_notice, on_end)
        line = ("tmux", "-u", "-S", socket_path, "-C", "attach-session", "-E", "-f", FLAGS, "-t", session_id)
        clean = {name: value for name, value in os.environ.items() if name not in {"TMUX", "TMUX_PANE"}}
        try:
            await asyncio.get_running_loop().subprocess_exec(lambda: control, *line, env=clean)
            async with asyncio.timeout(ATTACH_S):
                await control._attached
        except TimeoutError as exc:
            await control.close()
            raise ControlError(f"tmux did not attach within {ATTACH_S:g} s") from exc
        except OSError as exc:
            raise ControlError(f"tmux could not be started: {exc}") from exc
        except ControlError:
            await control.close()
            raise
        return control

    async def ask(self, *commands: str) -> Answer:
        """Have tmux run these commands in one go. Only the last may print text that is not ours.

        Raises:
            ControlError: no answer, or not in time: the client is ended.
        """
        future = self._send(commands)
        try:
            async with asyncio.timeout(ASK_S):
                return await future
        except TimeoutError as exc:
            self.kill()
            raise ControlError(f"tmux did not answer within {ASK_S:g} s") from exc

    def tell(self, *commands: str) -> None:
        """As `ask`, for commands whose answer nobody needs. A client that has ended takes nothing."""
        with contextlib.suppress(ControlError):
            self._send(commands).add_done_callback(lambda future: future.cancelled() or future.exception())

    def _send(self, commands: tuple[str, ...]) -> "asyncio.Future[Answer]":
        if not self.is_open or self._stdin is None:
            raise ControlError("the control client has ended")
        if len(self._waiting) >= MAX_WAITING:
            self.kill()
            raise ControlError("tmux does not answer any more")
        mark = secrets.token_hex(16)
        self._stream.expect(mark.encode(), len(commands))
        self._stdin.write(f"{' ; '.join(commands)}\ndisplay-message -p {mark}\n".encode())
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    async def close(self) -> None:
        """Detach."""
        self.is_open = False
        if self._stdin is not None:
            self._stdin.close()  # tmux's client detaches when its input ends.
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._ended.wait()
        except TimeoutError:
            self.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE_S):
                    await self._ended.wait()

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left of its process."""
        return self._ended.is_set()

    def kill(self) -> None:
        """End the client now."""
        self.is_open = False
        if self._stdin is not None:
            self._stdin.abort()  # With bytes left, a server that hangs would keep it open.
        if self._transport is not None:
            with contextlib.suppress(ProcessLookupError):
                self._transport.kill()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client's process runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._stdin = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Bytes of the client."""
        if fd != 1:
            self._errors = (self._errors + data)[-1_000:]
            return
        try:
            for item in self._stream.feed(data):
                if isinstance(item, Notice):
                    self._notice(item)
                else:
                    future = self._waiting.popleft()
                    if not future.done():
                        future.set_result(item)
        except StreamError as exc:
            self._errors = str(exc).encode()
            self.kill()

    def _notice(self, notice: Notice) -> None:
        if notice.name == "session-changed" and not self._attached.done():
            self.is_open = True
            self._attached.set_result(None)
        elif notice.name == REFUSED:
            self._errors = notice.rest
        elif notice.name == "exit":
            self._is_detached = True
            self._errors = self._errors or b"detached " + notice.rest
            self.is_open = False
        else:
            self._on_notice(notice)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        """One of the pipes is gone."""
        if fd == 0:
            self._stdin = None

    def process_exited(self) -> None:
        """The client has ended: whoever waits is told, and the pipes are let go of."""
        self.is_open = False
        # Who was never attached was refused, and would be again.
        kind = DetachedError if self._is_detached and self._attached.done() else ControlError
        problem = kind(self._errors.decode("utf-8", "replace").strip() or "the control client ended")
        if not self._attached.done():
            self._attached.set_exception(problem)
        for future in self._waiting:
            if not future.done():
                future.set_exception(problem)
        self._waiting.clear()
        if self._transport is not None:
            self._transport.close()
        self._on_end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio gives it
        """Process and pipes are gone."""
        self._ended.set()
