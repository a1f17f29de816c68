import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contract.entities import Agent
from services.poller.agents import Running, agent_in

PACKAGE = "/usr/lib/node_modules/@anthropic-ai/claude-code"
VERSIONS = "/home/lab/.local/share/claude/versions"

# What the process calls itself, its arguments, its program's file.
CLAUDES = {
    "installed for a version": ("claude", ("claude",), f"{VERSIONS}/2.1.330"),
    "named for its version": ("2.1.212", (f"{VERSIONS}/2.1.212", "--resume"), ""),
    "named for its version, by its file": ("2.1.212", ("-",), f"{VERSIONS}/2.1.212"),
    "replaced by an update": ("2.1.212", ("", "", ""), f"{VERSIONS}/2.1.212 (deleted)"),
    "named claude by its first argument": ("Bun", ("/usr/local/bin/claude", "-p", "hi"), ""),
    "named claude by its file": ("odd", (), "/opt/bin/claude"),
    "claude.exe of npm": ("claude.exe", (f"{PACKAGE}/bin/claude.exe",), f"{PACKAGE}/bin/claude.exe"),
    "claude.exe deleted": ("x", (), "/opt/claude.exe (deleted)"),
    "node with the package's program": ("node", ("node", f"{PACKAGE}/cli.js"), "/usr/bin/node"),
    "node with a module": ("node", ("node", "--no-warnings", f"{PACKAGE}/cli.mjs", "-c"), "/usr/bin/node"),
    "node with another file of the package": ("node", ("node", f"{PACKAGE}/dist/start.cjs"), "/usr/bin/node"),
    "node in a folder above the package": ("node", ("node", "@anthropic-ai/claude-code/cli.js"), "/usr/bin/node"),
    "node with a link": ("node", ("/usr/bin/node", "/usr/local/bin/claude", "--continue"), "/usr/bin/node"),
    "node with something loaded first": ("node", ("node", "-r", "./hook.js", "/usr/local/bin/claude"), ""),
    "node that names its thread": ("MainThread", ("node", "/usr/local/bin/claude"), "/usr/bin/node"),
    "node that only its thread tells": ("MainThread", ("title", "/usr/local/bin/claude"), ""),
    "bun": ("bun", ("bun", "run", f"{PACKAGE}/cli.js"), "/home/lab/.bun/bin/bun"),
    "deno": ("deno", ("deno", "run", "-A", "/usr/local/bin/claude"), "/usr/bin/deno"),
    "sh with a wrapper": ("sh", ("/bin/sh", "/usr/local/bin/claude"), "/bin/dash"),
    "bash with options": ("bash", ("bash", "-e", "-o", "pipefail", "+O", "extglob", "--", "claude"), "/bin/bash"),
    "a wrapper by its own name": ("claude", ("/bin/bash", "/usr/local/bin/claude"), "/bin/bash"),
    "zsh at login": ("zsh", ("-zsh", "/home/lab/bin/claude"), "/bin/zsh"),
    "python": ("python3", ("python3.11", "-W", "ignore", "/home/lab/bin/claude"), "/usr/bin/python3.11"),
}
OTHERS = {
    "nothing known": ("", (), ""),
    "an editor in its folder": ("vim", ("vim", "/home/claude/notes"), "/usr/bin/vim"),
    "an editor with its file": ("vim", ("vim", f"{VERSIONS}/2.1.212"), "/usr/bin/vim"),
    "an editor with its program": ("nano", ("nano", f"{PACKAGE}/cli.js"), "/usr/bin/nano"),
    "node with another script": ("node", ("node", "/home/claude/app.js"), "/usr/bin/node"),
    "node with its name as an argument": ("node", ("node", "server.js", "claude"), "/usr/bin/node"),
    "node with code": ("node", ("node", "-e", "1", "claude"), "/usr/bin/node"),
    "node with code behind a sign": ("node", ("node", "--eval=1\n2", "claude"), "/usr/bin/node"),
    "node alone": ("node", ("node", "--inspect"), "/usr/bin/node"),
    "node with a package of that name's start": ("node", ("node", f"{PACKAGE}-router/cli.js"), "/usr/bin/node"),
    "npm, which starts it": ("npm exec @anthr", ("npm exec @anthropic-ai/claude-code", "", ""), "/usr/bin/node"),
    "a pager": ("less", ("less", "claude"), "/usr/bin/less"),
    "a log": ("tail", ("tail", "-f", "claude.log"), "/usr/bin/tail"),
    "a host of that name": ("ssh", ("ssh", "claude"), "/usr/bin/ssh"),
    "a manual": ("man", ("man", "claude"), "/usr/bin/man"),
    "a script about it": ("bash", ("bash", "claude-notes.sh"), "/bin/bash"),
    "a script by its own name": ("claude-notes.s", ("/bin/bash", "./claude-notes.sh"), "/bin/bash"),
    "git in its folder": ("git", ("git", "-C", "/src/claude-code", "status"), "/usr/bin/git"),
    "python with statistics": ("python", ("python", "claude_stats.py"), "/usr/bin/python3.11"),
    "python with a module": ("python3", ("python3", "-Im", "http.server", "claude"), "/usr/bin/python3.11"),
    "a shell": ("bash", ("-bash",), "/bin/bash"),
    "a shell that will start it": ("bash", ("bash", "-lc", "claude"), "/bin/bash"),
    "a shell with a strange option": ("bash", ("bash", "--norc", "--rcfile", "claude"), "/bin/bash"),
    "a program named for a version": ("2.1.212", ("/opt/other/versions/2.1.212",), "/opt/other/versions/2.1.212"),
    "its name with something behind it": ("claude-monitor", ("claude-monitor",), "/usr/bin/claude-monitor"),
    "a name in capitals": ("Claude", ("Claude",), "/usr/bin/Claude"),
}
words = st.text(max_size=9) | st.sampled_from(
    ["claude", "node", "sh", "-c", "--", "-", "", "-r", "+o", "python3", "a/claude", "claude/versions/1.2.3", "\udcff"]
)


def running(pid: int, process: tuple[str, tuple[str, ...], str]) -> Running:
    command, argv, exe = process
    return Running(pid=pid, command=command, argv=argv, exe=exe)


SHELL = running(1, ("bash", ("-bash",), "/bin/bash"))


@pytest.mark.parametrize("process", CLAUDES.values(), ids=CLAUDES)
def test_knows_claude_code(process: tuple[str, tuple[str, ...], str]) -> None:
    assert agent_in([running(7, process)]) == Agent(name="claude", pid=7)


@pytest.mark.parametrize("process", OTHERS.values(), ids=OTHERS)
def test_takes_nothing_else_for_it(process: tuple[str, tuple[str, ...], str]) -> None:
    assert agent_in([SHELL, running(7, process)]) is None


def test_finds_it_below_shells_and_wrappers() -> None:
    npx = running(2, OTHERS["npm, which starts it"])
    tree = [
        SHELL,
        npx,
        running(3, ("sh", ("sh", "-c", "claude"), "/bin/dash")),
        running(4, CLAUDES["node with a link"]),
    ]

    assert agent_in(tree) == Agent(name="claude", pid=4)


def test_of_several_the_one_nearest_to_the_root_is_the_agent() -> None:
    tree = [SHELL, running(9, CLAUDES["installed for a version"]), running(3, CLAUDES["bun"])]

    assert agent_in(tree) == Agent(name="claude", pid=9)


def test_nothing_runs_in_an_empty_pane() -> None:
    assert agent_in([]) is None


@given(command=words, argv=st.lists(words, max_size=6), exe=words)
def test_any_process_whatever_is_judged(command: str, argv: list[str], exe: str) -> None:
    process = Running(pid=5, command=command, argv=tuple(argv), exe=exe)

    assert agent_in([process]) in {None, Agent(name="claude", pid=5)}
