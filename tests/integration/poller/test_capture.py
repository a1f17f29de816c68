"""What the real tmux prints of a pane is read as the pane shows it."""

from pathlib import Path

from services.poller.capture import plain_text, read_lines
from tests.integration.poller.stage import TmuxStage
from tests.waiting import wait_until

SHOWN = (
    "\x1b[1;31mbold red\nstill\x1b[0m plain\n"
    "\x1b[4:3mcurly\x1b[58;5;3m coloured\x1b[0m\n"
    "\x1b[38;2;1;2;3mrgb\x1b[48:5:200m palette \x1b[7mreverse\x1b[0m\n"
    "\x1b(0lqk\x1b(B box\n"
    "\x1b]8;;http://a.b\x1b\\link\x1b]8;;\x1b\\ after\n"
    "a\tb\n"
    "wide 界 e\u0301 😀|\n"
    "\x1b[53mover\x1b[9m\x1b[55mstrike\x1b[0m\n"
    "\x1b(0\x1b[32mq\nq\x1b(B\x1b[m\n"
    "\x1b[44m  \x1b[0m  \n"
    "end"
)
READ = (
    "\x1b[1;31mbold red\x1b[0m",
    "\x1b[1;31mstill\x1b[0m plain",
    "\x1b[4:3mcurly\x1b[58;5;3m coloured\x1b[0m",
    "\x1b[38;2;1;2;3mrgb\x1b[48;5;200m palette \x1b[7mreverse\x1b[0m",
    "┌─┐ box",
    "link after",
    "a       b",
    "wide 界 e\u0301 😀|",
    "\x1b[53mover\x1b[0;9mstrike\x1b[0m",
    "\x1b[32m─\x1b[0m",
    "\x1b[32m─\x1b[0m",
    "\x1b[44m  \x1b[0m",
    "end",
    *[""] * 17,
)


def lines_of(tmux: TmuxStage, pane_id: str) -> tuple[str, ...]:
    return read_lines(tmux.run("capture-pane", "-p", "-e", "-N", "-t", pane_id).encode(), 30)


def show(tmux: TmuxStage, file: Path, text: str) -> str:
    """A pane that shows a text."""
    file.write_text(text, encoding="utf-8")
    return tmux.run("new-window", "-d", "-P", "-F", "#{pane_id}", "-t", "main:", f"cat '{file}'; cat")


def test_a_pane_is_read_as_it_looks(tmux: TmuxStage, folder: Path) -> None:
    tmux.start()
    pane_id = show(tmux, folder / "shown", SHOWN)

    wait_until(lambda: "end" in lines_of(tmux, pane_id), what="all that was printed")
    assert lines_of(tmux, pane_id) == READ


def test_lines_that_are_shown_again_look_the_same(tmux: TmuxStage, folder: Path) -> None:
    tmux.start()
    pane_id = show(tmux, folder / "again", "\n".join(READ[:13]))

    wait_until(lambda: "end" in map(plain_text, lines_of(tmux, pane_id)), what="all that was printed")
    assert lines_of(tmux, pane_id) == READ
