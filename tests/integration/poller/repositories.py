"""Real repositories for tests, without anybody's configuration."""

import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Final

NOBODYS: Final = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}
ENVIRON: Final = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **NOBODYS}
_AUTHOR: Final = {
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


def git(folder: Path | bytes, *words: str | bytes) -> str:
    """Run git there as a person would; what it prints."""
    done = subprocess.run(
        ["git", "-C", folder, "-c", "protocol.file.allow=always", *words],
        env={**ENVIRON, **_AUTHOR},
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def make_repository(folder: Path, *files: str) -> Path:
    """A repository with one commit of these files."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for name in files or ("README",):
        (folder / name).write_text("first\n")
    commit(folder)
    return folder


def commit(folder: Path, message: str = "x") -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def age(path: Path) -> None:
    """Let git look at a file's content again: its time is another one than the index has."""
    os.utime(path, (1_000_000_000, 1_000_000_000))


def make_program(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def with_git(folder: Path, *lines: str) -> dict[str, str]:
    """An environment whose `git` is a script that may call `$REAL`."""
    real = shutil.which("git")
    make_program(folder / "git", f"REAL={real}", *lines)
    return ENVIRON | {"PATH": f"{folder}:{os.environ['PATH']}"}
