"""A signal for a pane: as the terminal's key where there is one, else to the foreground process group. Blocks."""

import signal
from typing import Final

from services.contract.actions import Signal, SignalledData, SignalName
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller import foreground
from services.poller.keyboard import KEYS, Keyboard
from services.poller.target import PaneFacts

NUMBERS: Final = {name: signal.Signals[name] for name in SignalName}


class Signalling:
    """Signals what runs in panes of one tmux server."""

    def __init__(self, keyboard: Keyboard) -> None:
        self._keyboard = keyboard

    def signal(self, pane: PaneFacts, action: Signal) -> SignalledData:
        """Send it; what was signalled.

        Raises:
            QuestmuxError: nothing that may be signalled has the pane's terminal.
            TmuxError: tmux did not press the key.
        """
        found = foreground.foreground_of(pane.pid)
        processes = () if found is None else found.processes
        group = None if found is None else found.process_group
        if action.signal in KEYS:
            if pane.input_off:
                raise QuestmuxError(
                    ErrorCode.CONFLICT, f"{pane.id} takes no keys: somebody switched its input off in tmux"
                )
            self._keyboard.press(pane, action.signal)
            sent_as = "key"
        elif group is None:
            raise QuestmuxError(ErrorCode.CONFLICT, f"nothing runs in the foreground of {pane.id}")
        else:
            try:
                foreground.send(pane.pid, group, NUMBERS[action.signal])
            except foreground.ForegroundError as exc:
                raise QuestmuxError(ErrorCode.CONFLICT, str(exc)) from exc
            sent_as = "process_group"
        return SignalledData(
            pane_id=pane.id, signal=action.signal, sent_as=sent_as, process_group=group, processes=processes
        )
