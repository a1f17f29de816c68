"""`python -m tests.claude`: gets the newest Claude Code, then runs its tests where there is no network."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.claude import cli, namespace

NODE = (18, 0)
NEEDS_NODE = "make test-claude needs Node.js 18 or newer with npm (Debian, Ubuntu: apt install nodejs npm)"
NEEDS_LINUX = "make test-claude needs Linux with unshare, which keeps Claude Code off the network (util-linux)"
NEEDS_NAMESPACE = "make test-claude needs network namespaces: run it as root, or allow user namespaces"
NEEDS_PROGRAMS = "make test-claude needs {} (Debian, Ubuntu: apt install {})"
NOT_PASSED_ON = re.compile(r"(?i)(ANTHROPIC|CLAUDE|AWS|GOOGLE|OTEL|QUESTMUX|TMUX).*|.*_proxy|CLAUDECODE")
"""What of this machine's environment could change what Claude Code or Questmux does."""


def missing() -> str | None:
    """What this machine lacks, in one sentence."""
    if not shutil.which("npm") or not shutil.which("node") or _node_version() < NODE:
        return NEEDS_NODE
    words = namespace.words()
    if words is None:
        return NEEDS_LINUX
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        return NEEDS_NAMESPACE
    lacking = [name for name in ("tmux", "curl", "bash") if not shutil.which(name)]
    return NEEDS_PROGRAMS.format(" and ".join(lacking), " ".join(lacking)) if lacking else None


def _node_version() -> tuple[int, ...]:
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2]))


def main(options: list[str]) -> int:
    """The exit code; `options` are pytest's."""
    sentence = missing()
    if sentence is not None:
        print(sentence, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="questmux-claude-") as folder:
        try:
            program = cli.install(Path(folder))
        except (subprocess.CalledProcessError, FileNotFoundError) as exc:
            print(f"make test-claude could not install Claude Code: {exc}", file=sys.stderr)
            return 1
        print(f"Claude Code {cli.version(program)}")
        kept = {name: value for name, value in os.environ.items() if not NOT_PASSED_ON.fullmatch(name)}
        # In the order of the file: the table is to be read.
        pytest = [sys.executable, "-m", "pytest", "-p", "no:randomly", "tests/claude", *options]
        return subprocess.run(
            [*(namespace.words() or ()), *pytest],
            cwd=cli.ROOT,
            env={**kept, cli.PROGRAM_VARIABLE: str(program)},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
