import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path

from services.contract.requests import ReportTmux, SeenWindow
from services.poller.processes import reader_for_this_machine
from services.poller.tmux import READ_TIMEOUT_S
from tests.integration.poller.stage import WITHIN_S, CoreStage, PollerStage, TmuxStage
from tests.metronome import Metronome
from tests.waiting import wait_until

STOP_S = 2.0


def windows_of(report: ReportTmux) -> tuple[SeenWindow, ...]:
    assert report.windows is not None, "the stage makes every report whole"
    return report.windows


def window_ids(report: ReportTmux) -> set[str]:
    return {window.id for window in windows_of(report)}


def pane_ids(report: ReportTmux) -> set[str]:
    return {pane.id for pane in report.panes}


def commands(core: CoreStage, pane_id: str) -> list[str]:
    pane = core.pane(pane_id)
    return [] if pane is None else [process.command for process in pane.processes]


def test_ends_with_exit_0_on_sigterm(poller: PollerStage, metronome: Metronome) -> None:
    began = time.time()
    assert poller.end() == 0
    assert metronome.given_s(began, time.time()) < STOP_S
    assert not [line for line in poller.lines() if "raceback" in line]


def test_windows_and_panes_appear_and_disappear_within_a_second(
    tmux: TmuxStage, core: CoreStage, poller: PollerStage, metronome: Metronome
) -> None:
    tmux.start()
    core.sees(lambda report: pane_ids(report) == {"%0"}, "the first pane")
    assert poller.process.poll() is None
    for _ in range(3):
        tmux.run("new-window", "-d", "-n", "second", "sh")
        began = time.time()
        report = core.sees(lambda report: len(windows_of(report)) == 2, "a second window")
        assert metronome.given_s(began, core.reported_at[-1]) < WITHIN_S
        new = windows_of(report)[1]
        assert (new.name, new.tmux_session, new.index, new.active) == ("second", "main", 1, False)
        tmux.run("split-window", "-d", "-t", new.id, "sh")
        began = time.time()
        core.sees(lambda report: len(report.panes) == 3, "a third pane")
        assert metronome.given_s(began, core.reported_at[-1]) < WITHIN_S
        tmux.run("kill-window", "-t", new.id)
        began = time.time()
        core.sees(lambda report: window_ids(report) == {"@0"}, "one window")
        assert metronome.given_s(began, core.reported_at[-1]) < WITHIN_S


def test_processes_appear_and_disappear_within_a_second(
    tmux: TmuxStage, core: CoreStage, poller: PollerStage, metronome: Metronome
) -> None:
    tmux.start()
    core.sees(lambda _: commands(core, "%0") == ["sh"], "the shell")
    assert poller.process.poll() is None
    # In the background: tmux's own listing stays the same, only the processes change.
    tmux.run("send-keys", "-t", "%0", "sleep 1000 & sleep 2000 & child=$!", "Enter")
    began = time.time()
    core.sees(lambda _: commands(core, "%0") == ["sh", "sleep", "sleep"], "two sleeps")
    assert metronome.given_s(began, core.reported_at[-1]) < WITHIN_S
    tmux.run("send-keys", "-t", "%0", "kill $child", "Enter")
    began = time.time()
    core.sees(lambda _: commands(core, "%0") == ["sh", "sleep"], "one sleep")
    assert metronome.given_s(began, core.reported_at[-1]) < WITHIN_S


def test_a_process_in_the_foreground_names_the_pane(tmux: TmuxStage, core: CoreStage, poller: PollerStage) -> None:
    tmux.start()
    tmux.run("respawn-pane", "-k", "-t", "%0", "exec sleep 1000")
    core.sees(lambda _: (pane := core.pane("%0")) and pane.command == "sleep", "sleep in the listing")
    core.sees(lambda _: commands(core, "%0") == ["sleep"], "sleep among the processes")
    assert poller.process.poll() is None
    pane = core.pane("%0")
    assert pane is not None
    assert pane.processes[0].pid == pane.pid


def test_a_dead_pane_is_told_as_dead(tmux: TmuxStage, core: CoreStage, poller: PollerStage) -> None:
    tmux.start()
    tmux.run("set-option", "-g", "remain-on-exit", "on")
    tmux.run("respawn-pane", "-k", "-t", "%0", "true")
    core.sees(lambda report: report.panes and report.panes[0].dead, "a dead pane")
    assert poller.process.poll() is None
    assert core.last.panes[0].processes == ()


def test_follows_a_server_that_is_absent_starts_dies_and_starts_again(
    tmux: TmuxStage, core: CoreStage, poller: PollerStage, metronome: Metronome
) -> None:
    assert core.last.server is None
    lives: list[tuple[int, int]] = []
    for _ in range(2):
        pid = tmux.start()
        began = time.time()
        report = core.sees(lambda report: pane_ids(report) == {"%0"}, "the pane of a new server")
        assert metronome.given_s(began, core.reported_at[-1]) < WITHIN_S
        assert report.server is not None
        assert report.server.socket == str(tmux.socket)
        assert report.server.pid == pid
        assert abs(report.server.started_at - time.time() * 1000) < 60_000
        lives.append((report.server.pid, report.server.started_at))
        tmux.kill()
        began = time.time()
        report = core.sees(lambda report: report.server is None, "no server")
        assert metronome.given_s(began, core.reported_at[-1]) < WITHIN_S
        assert (report.windows, report.panes) == ((), ())
    assert lives[0] != lives[1]
    assert poller.process.poll() is None


def test_a_server_replaced_between_two_looks_is_another_life(
    tmux: TmuxStage, core: CoreStage, poller: PollerStage
) -> None:
    first = tmux.start()
    core.sees(lambda report: report.server and report.server.pid == first, "the first server")
    tmux.kill()
    second = tmux.start()
    report = core.sees(lambda report: report.server and report.server.pid == second, "the second server")
    assert pane_ids(report) == {"%0"}
    assert poller.process.poll() is None


def test_a_core_that_restarted_gets_everything_again(tmux: TmuxStage, core: CoreStage, poller: PollerStage) -> None:
    tmux.start()
    core.sees(lambda report: pane_ids(report) == {"%0"}, "the pane")
    core.stop()
    core.reports.clear()
    core.start("second")
    core.sees(lambda report: pane_ids(report) == {"%0"}, "the pane for the new core")
    assert poller.process.poll() is None


def test_a_core_with_another_epoch_gets_everything_again(tmux: TmuxStage, core: CoreStage, poller: PollerStage) -> None:
    tmux.start()
    core.sees(lambda report: pane_ids(report) == {"%0"}, "the pane")
    wait_until(lambda: core.beats, what="a beat")
    core.reports.clear()
    core.epoch = "second"  # As if it had been away for less than a beat.
    core.sees(lambda report: pane_ids(report) == {"%0"}, "the pane for the new core")
    assert poller.process.poll() is None


def test_a_core_that_is_away_is_named_once_in_the_log_and_looking_goes_on(
    folder: Path, tmux: TmuxStage, metronome: Metronome
) -> None:
    with PollerStage(folder, str(tmux.socket), QUESTMUX_POLL_MS="50") as poller:

        def is_said(words: str, times: int) -> bool:
            return sum(words in line for line in poller.lines()) == times

        wait_until(lambda: is_said("core does not take", 1), what="the warning")
        began = time.time()
        for life in range(1, 4):
            tmux.start()
            wait_until(partial(is_said, "tmux server found", life), what=f"life {life} to be seen")
            tmux.kill()
            wait_until(partial(is_said, "tmux server went", life), what=f"the end of life {life} to be seen")
        assert metronome.given_s(began, time.time()) < 6, "each of six looks would wait for core for 2 s"
        tmux.start()
        with CoreStage(f"ipc://{folder / 'requests.sock'}") as core:
            core.sees(lambda report: pane_ids(report) == {"%0"}, "the pane")
        assert poller.end() == 0
        assert is_said("core does not take", 1)
        assert is_said("core takes what is seen again", 1)


def test_ends_in_time_while_core_is_away(folder: Path, tmux: TmuxStage, metronome: Metronome) -> None:
    with PollerStage(folder, str(tmux.socket)) as poller:
        wait_until(lambda: any("core does not take" in line for line in poller.lines()), what="the warning")
        began = time.time()
        assert poller.end() == 0
        assert metronome.given_s(began, time.time()) < STOP_S


def test_beats_carry_figures(tmux: TmuxStage, core: CoreStage, poller: PollerStage) -> None:
    tmux.start()
    wait_until(lambda: core.beats and core.beats[-1].figures["tmux_up"] == 1, what="a beat that saw tmux")
    beat = core.beats[-1]
    assert beat.service == "poller"
    assert beat.pid == poller.process.pid
    assert beat.figures["panes"] == beat.figures["windows"] == 1
    assert 0 < beat.figures["poll_seconds"] < 2
    assert beat.figures["failures_total"] == 0


def test_a_hung_tmux_is_counted_and_does_not_wedge_the_poller(
    tmux: TmuxStage, core: CoreStage, poller: PollerStage
) -> None:
    pid = tmux.start()
    core.sees(lambda report: pane_ids(report) == {"%0"}, "the pane")
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: core.beats[-1].figures["failures_total"] >= 2, 30, "counted failures")
        assert core.beats[-1].figures["tmux_up"] == 0
        assert pane_ids(core.last) == {"%0"}
    finally:
        os.kill(pid, signal.SIGCONT)
    tmux.run("new-window", "-d", "sh")
    core.sees(lambda report: pane_ids(report) == {"%0", "%1"}, "a new pane after the hang")
    wait_until(lambda: core.beats[-1].figures["tmux_up"] == 1, what="tmux up")
    assert poller.process.poll() is None


def test_ends_in_time_while_tmux_hangs(
    tmux: TmuxStage, core: CoreStage, poller: PollerStage, metronome: Metronome
) -> None:
    pid = tmux.start()
    core.sees(lambda report: pane_ids(report) == {"%0"}, "the pane")

    def clients() -> set[int]:
        found = reader_for_this_machine().below([poller.process.pid])[poller.process.pid]
        return {process.pid for process in found.processes[1:]}

    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: core.beats[-1].figures["failures_total"] >= 1, 30, "a counted failure")
        hung = clients()
        wait_until(lambda: clients() - hung, what="a read that has just begun")
        began = time.time()
        assert poller.end() == 0
        # Less than the deadline of a read: its end is not waited for.
        assert metronome.given_s(began, time.time()) < READ_TIMEOUT_S - 0.4
    finally:
        os.kill(pid, signal.SIGCONT)


def test_says_once_that_tmux_is_missing_and_finds_it_when_it_is_installed(
    folder: Path, tmux: TmuxStage, core: CoreStage
) -> None:
    tmux.start()
    programs = folder / "bin"
    programs.mkdir()
    where = shutil.which("tmux")
    assert where is not None
    with PollerStage(folder, str(tmux.socket), PATH=str(programs)) as poller:
        core.sees(lambda report: report.server is None, "no server")
        wait_until(lambda: core.beats and core.beats[-1].figures["polls_total"] >= 2, what="a second look")
        assert sum("not installed, or not on PATH" in line for line in poller.lines()) == 1
        (programs / "tmux").symlink_to(where)
        core.sees(lambda report: pane_ids(report) == {"%0"}, "the pane")
        assert poller.end() == 0
