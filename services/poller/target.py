"""What must be known of a pane or window before something is done to it."""

from typing import Final

from msgspec import Struct

from services.contract.entities import TmuxServer
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller.tmux import NoSuchTargetError, Tmux, TmuxFailedError

FORMAT: Final = (
    "#{pid} #{start_time} #{pane_id} #{pane_pid} #{pane_dead} #{pane_in_mode} #{pane_input_off} #{pane_tty} ."
)
FIELDS: Final = 9


class PaneFacts(Struct, frozen=True, kw_only=True):
    """A pane just now; of a window, its active one."""

    id: str
    pid: int
    is_dead: bool
    in_mode: bool
    """Whether somebody scrolls in it."""
    input_off: bool
    tty: str


def read_target(tmux: Tmux, target: str, server: TmuxServer | None) -> PaneFacts:
    """The pane, or the window's active pane.

    Raises:
        QuestmuxError: the tmux server is another one than was meant, where the same id means another thing.
        NoSuchTargetError: it is not there.
        TmuxError: tmux did not tell.
    """
    fields = tmux.run("display-message", "-p", "-t", target, FORMAT).split(" ")
    if len(fields) != FIELDS:
        raise TmuxFailedError(f"tmux told other facts than it was asked for: {fields!r}")
    pid, start_time, pane_id, pane_pid, dead, in_mode, input_off, tty, _ = fields
    if not pane_id:  # display-message does not mind a target that is not there.
        raise NoSuchTargetError(f"can't find {target}")
    if server is not None and (int(pid), int(start_time) * 1000) != (server.pid, server.started_at):
        raise QuestmuxError(ErrorCode.NOT_FOUND, f"tmux was restarted: the {target} that was meant is gone")
    return PaneFacts(
        id=pane_id,
        pid=int(pane_pid or 0),
        is_dead=dead == "1",
        in_mode=in_mode not in {"", "0"},
        input_off=input_off == "1",
        tty=tty,
    )
