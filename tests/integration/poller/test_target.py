import pytest

from services.contract.entities import TmuxServer
from services.contract.errors import ErrorCode, QuestmuxError
from services.poller.listing import read_listing
from services.poller.target import read_target
from services.poller.tmux import NoSuchTargetError, NoTmuxServerError, Tmux
from tests.integration.poller.stage import TmuxStage
from tests.waiting import wait_until


def door(tmux: TmuxStage) -> Tmux:
    return Tmux(str(tmux.socket))


def server_of(tmux: TmuxStage) -> TmuxServer:
    return read_listing(door(tmux).list_all()).server


def test_a_pane_and_a_windows_active_pane_are_found(tmux: TmuxStage) -> None:
    tmux.start()
    tmux.run("split-window", "-t", "@0", "sh")
    pane = read_target(door(tmux), "%0", server_of(tmux))

    assert (pane.id, pane.is_dead, pane.in_mode, pane.input_off) == ("%0", False, False, False)
    assert pane.pid == int(tmux.run("display-message", "-p", "-t", "%0", "#{pane_pid}"))
    assert pane.tty == tmux.run("display-message", "-p", "-t", "%0", "#{pane_tty}")
    assert read_target(door(tmux), "@0", None).id == "%1"


def test_what_bears_on_typing_is_told(tmux: TmuxStage) -> None:
    tmux.start()
    tmux.run("copy-mode", "-t", "%0")
    tmux.run("select-pane", "-d", "-t", "%0")
    tmux.run("set-option", "-g", "remain-on-exit", "on")
    tmux.run("new-window", "-d", "true")
    wait_until(lambda: read_target(door(tmux), "%1", None).is_dead, what="a dead pane")
    pane = read_target(door(tmux), "%0", None)

    assert (pane.in_mode, pane.input_off) == (True, True)


@pytest.mark.parametrize("target", ["%9", "@9"])
def test_what_is_not_there_is_said(tmux: TmuxStage, target: str) -> None:
    tmux.start()
    with pytest.raises(NoSuchTargetError):
        read_target(door(tmux), target, server_of(tmux))


def test_the_same_id_in_another_life_of_the_server_is_another_thing(tmux: TmuxStage) -> None:
    tmux.start()
    before = server_of(tmux)
    tmux.kill()
    with pytest.raises(NoTmuxServerError):
        read_target(door(tmux), "%0", before)
    tmux.start()

    assert read_target(door(tmux), "%0", server_of(tmux)).id == "%0"
    with pytest.raises(QuestmuxError) as refused:
        read_target(door(tmux), "%0", before)
    assert refused.value.problem.code is ErrorCode.NOT_FOUND
