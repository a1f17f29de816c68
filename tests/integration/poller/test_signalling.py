import pytest

from services.contract.actions import Signal, SignalName
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller.foreground import foreground_of
from services.poller.keyboard import Keyboard
from services.poller.signalling import Signalling
from services.poller.target import PaneFacts, read_target
from services.poller.tmux import Tmux
from tests.integration.poller.stage import TmuxStage
from tests.waiting import wait_until


def pane_of(tmux: TmuxStage, command: str) -> PaneFacts:
    tmux.run("new-session", "-d", "-x", "80", "-y", "24", command)
    wait_until(
        lambda: tmux.run("display-message", "-p", "-t", "%0", "#{pane_current_command}") == "sleep", what="sleep"
    )
    return read_target(Tmux(str(tmux.socket)), "%0", None)


def commands_in_front(pane: PaneFacts) -> list[str]:
    found = foreground_of(pane.pid)
    return [] if found is None else [process.command for process in found.processes]


def signalling(tmux: TmuxStage) -> Signalling:
    return Signalling(Keyboard(Tmux(str(tmux.socket))))


@pytest.mark.parametrize("name", [SignalName.SIGTERM, SignalName.SIGHUP, SignalName.SIGKILL])
def test_the_foreground_group_is_signalled_and_named(tmux: TmuxStage, name: SignalName) -> None:
    pane = pane_of(tmux, "bash --norc -ic 'sleep 1000 | sleep 2000; echo on; exec sleep 3000'")
    wait_until(lambda: commands_in_front(pane) == ["sleep", "sleep"], what="both to have begun")
    done = signalling(tmux).signal(pane, Signal(signal=name))

    assert (done.pane_id, done.signal, done.sent_as) == ("%0", name, "process_group")
    assert [process.command for process in done.processes] == ["sleep", "sleep"]
    assert done.process_group == done.processes[0].pid
    wait_until(lambda: "on" in tmux.run("capture-pane", "-p", "-t", "%0").split(), what="what comes after")


def test_a_key_names_what_it_reaches(tmux: TmuxStage) -> None:
    pane = pane_of(tmux, "bash --norc -ic 'sleep 1000; exec sleep 2000'")
    done = signalling(tmux).signal(pane, Signal(signal=SignalName.SIGINT))

    assert done.sent_as == "key"
    assert "sleep" in [process.command for process in done.processes]


def test_a_pane_whose_program_is_gone_is_a_conflict(tmux: TmuxStage) -> None:
    tmux.start()
    gone = PaneFacts(id="%0", pid=2**22 + 1, is_dead=False, in_mode=False, input_off=False, tty="/dev/none")
    with pytest.raises(QuestmuxError) as refused:
        signalling(tmux).signal(gone, Signal(signal=SignalName.SIGTERM))

    assert refused.value.problem.code is ErrorCode.CONFLICT


def test_a_key_for_a_pane_whose_input_is_off_is_a_conflict(tmux: TmuxStage) -> None:
    pane_of(tmux, "exec sleep 1000")
    tmux.run("select-pane", "-d", "-t", "%0")
    pane = read_target(Tmux(str(tmux.socket)), "%0", None)
    with pytest.raises(QuestmuxError, match="no keys"):
        signalling(tmux).signal(pane, Signal(signal=SignalName.SIGINT))

    assert signalling(tmux).signal(pane, Signal(signal=SignalName.SIGTERM)).sent_as == "process_group"
